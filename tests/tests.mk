# How the tests are built and run.

UNIT_SOURCES := $(wildcard tests/unit/*_test.c)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BIN)/unit/%)

.PHONY: unit
unit: $(UNIT_TESTS)

$(BIN)/unit/%: $(OBJECTS)/tests/unit/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) -lcmocka -lpthread

-include $(UNIT_SOURCES:%.c=$(OBJECTS)/%.d)
