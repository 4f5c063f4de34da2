# How the tests are built and run.
#
#   make check          installs what they need, builds, runs them all; what this machine's kernel or processor cannot run,
#                       the core of it in an emulated machine
#                       (TESTS=test_stacks: those whose name contains it; SAN=1: with address and undefined sanitizers)
#   make check-run      the same without installing
#   make check-vm       runs in the emulated machine all that the last `make check` could not run here
#   make vm             makes that machine ready: tests/vm/run COMMAND runs a command in it
#   make unit           builds the unit tests: each a program, build/bin/unit/NAME_test, and what they step through

.PHONY: check check-kernels check-run check-vm unit step-targets vm

# A make of its own: what pkg-config says is read when it starts, after the installation.
check:
	@.ci/deps check
	@$(MAKE) --no-print-directory check-kernels
	@$(MAKE) --no-print-directory check-run

# The kernels of the guests that the tests boot.
GUEST_CACHE := $(CURDIR)/$(BUILD)/cache

check-kernels: $(BIN)/forktrace targets
	@mkdir -p $(GUEST_CACHE)
	@for package in linux-image-686 linux-image-686-pae; do \
		XDG_CACHE_HOME=$(GUEST_CACHE) $(BIN)/forktrace --guest-fetch=$$package || exit 1; \
	done
	@tests/other_kernels.sh $(abspath $(BIN))/forktrace $(BUILD)/cache/kernels
	@tests/vm/kernel.py

# --- unit tests: of the engine, and, as ui_NAME_test, of the faces ----------------------------------------------------

UNIT_SOURCES := $(wildcard tests/unit/*_test.c)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BIN)/unit/%)
UI_TESTED := $(filter-out %/main.o,$(UI_OBJECTS))

unit: $(UNIT_TESTS) step-targets

$(BIN)/unit/ui_%: $(OBJECTS)/tests/unit/ui_%.o $(UI_TESTED) $(ENGINE) $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $(LINKED) $(LIBRARY_LIBS) -lcmocka -lpthread

$(BIN)/unit/%: $(OBJECTS)/tests/unit/%.o $(ENGINE) $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $(LINKED) $(LIBRARY_LIBS) -lcmocka -lpthread

-include $(UNIT_SOURCES:%.c=$(OBJECTS)/%.d)

# --- programs that are stepped through: build/tests/ABI/step_target.VARIANT, with a library bound lazily ----------------

STEP_PROGRAMS := tests/unit/programs
STEP_FLAGS_o0 := -O0
STEP_FLAGS_o2 := -O2
STEP_FLAGS_fp := -O2 -fno-omit-frame-pointer
STEP_FLAGS_nopie := -O1 -fno-pie -no-pie
STEP_VARIANTS := o0 o2 fp nopie
STEP_CFLAGS := -std=gnu17 -Wall -Wextra -Werror -g
# Programs of targets/ whose line tables have no discriminators: where a line has some, gdb 13 leaves out its second row,
# also if that alone is a statement (dwarf_record_line_p), and never stops there.
STEP_FORKING := test_deep test_nested
STEP_TARGETS := $(foreach abi,$(TARGET_ABIS),$(STEP_VARIANTS:%=$(BUILD)/tests/$(abi)/step_target.%) \
	$(STEP_FORKING:%=$(BUILD)/tests/$(abi)/%) $(BUILD)/tests/$(abi)/busy_threads)

step-targets: $(STEP_TARGETS)

# $(call step_rules,ABI)
define step_rules
$(BUILD)/tests/$(1)/libstep.so: $(STEP_PROGRAMS)/step_library.c $(STEP_PROGRAMS)/step_library.h $(TARGET_BUILD)/$(1)/.compiler
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(STEP_CFLAGS) -O1 -fPIC -shared -o $$@ $$<

$(BUILD)/tests/$(1)/step_target.%: $(STEP_PROGRAMS)/step_target.c $(BUILD)/tests/$(1)/libstep.so
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(STEP_CFLAGS) -fPIE -pie $$(STEP_FLAGS_$$*) -Wl,-z,lazy -o $$@ $$< \
		-L$$(@D) -lstep -Wl,-rpath,'$$$$ORIGIN'

$(BUILD)/tests/$(1)/busy_threads: $(STEP_PROGRAMS)/busy_threads.c $(TARGET_BUILD)/$(1)/.compiler
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(STEP_CFLAGS) -O1 -pthread -o $$@ $$<

$(STEP_FORKING:%=$(BUILD)/tests/$(1)/%): $(BUILD)/tests/$(1)/%: $(TARGET_BUILD)/$(1)/%
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(TARGET_CFLAGS) $(TARGET_FLAGS_plain) -gdwarf-3 -gstrict-dwarf -o $$@ \
		$$(addprefix targets/,$$(or $$($$*_SOURCES),$$*.c))
endef
$(foreach abi,$(TARGET_ABIS),$(eval $(call step_rules,$(abi))))

# --- libdw against libunwind, in a tracer of each ABI -----------------------------------------------------------------

# libunwind unwinds its own ABI alone: for i386 the engine's lower half is built for i386. Debian's libraries for i386
# are there without their headers: libdw's are the same for all, libunwind's are unpacked there by .ci/deps.
I386_ROOT := build/i386-root
I386_OBJECTS := $(OBJECTS)-i386
I386_PLACES := $(I386_ROOT)/usr/lib/i386-linux-gnu $(I386_ROOT)/lib/i386-linux-gnu
I386_LIBRARIES := $(I386_PLACES:%=-L%) -Wl,--disable-new-dtags $(I386_PLACES:%=-Wl,-rpath,$(CURDIR)/%) $(I386_PLACES:%=-Wl,-rpath-link,%) -l:libdw.so.1 -l:libelf.so.1 -l:libunwind-x86.so.8 -l:libunwind.so.8
I386_CFLAGS = $(BASE_CFLAGS) $(CFLAGS) -m32 -isystem $(I386_ROOT)/usr/include/i386-linux-gnu
COMPARE_SOURCES := tests/e2e/unwind_compare.c \
	$(wildcard $(foreach folder,base arch parse target symbol unwind,tracer/$(folder)/*.c))
COMPARE_I386_OBJECTS := $(COMPARE_SOURCES:%.c=$(I386_OBJECTS)/%.o)
COMPARE_TOOLS := $(BIN)/unwind_compare $(BIN)/unwind_compare_i386

$(BIN)/unwind_compare: $(OBJECTS)/tests/e2e/unwind_compare.o $(ENGINE) $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $(LINKED) $(LIBRARY_LIBS) -lpthread

$(I386_OBJECTS)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(I386_CFLAGS) -MMD -MP -c -o $@ $<

# An archive of its own, so that only what is needed is linked: the seccomp filter's library is not there for i386.
$(I386_OBJECTS)/engine.a: $(filter-out %/unwind_compare.o,$(COMPARE_I386_OBJECTS))
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(BIN)/unwind_compare_i386: $(I386_OBJECTS)/tests/e2e/unwind_compare.o $(I386_OBJECTS)/engine.a $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) -m32 $(CFLAGS) $(LDFLAGS) -o $@ $(LINKED) $(I386_LIBRARIES)

-include $(COMPARE_I386_OBJECTS:.o=.d) $(OBJECTS)/tests/e2e/unwind_compare.d

VM_INIT := $(BUILD)/tests/vm/init

# --- running ----------------------------------------------------------------------------------------------------------

# What runs in the emulated machine: without sanitizers, which there take hours.
VM_EXTENT := $(if $(filter 1,$(SAN)),none,core)
CHECK = CC='$(CC)' tests/check.py --bin $(BIN) --build $(BUILD) $(if $(TESTS),-k '$(TESTS)')

check-run: all unit $(COMPARE_TOOLS) $(VM_INIT)
	@$(CHECK) --vm=$(VM_EXTENT)

check-vm: all unit $(COMPARE_TOOLS) vm
	@$(CHECK) --vm=only

# --- the emulated machine ---------------------------------------------------------------------------------------------

# Its process 1, which needs nothing of the machine.
$(VM_INIT): tests/vm/init.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O2 -static -o $@ $<

vm: $(VM_INIT)
	@tests/vm/kernel.py

# --- bench: speed beside the peers, as ratios in one run; BENCH_FLAGS=--quick for a few rounds, --help for more --------

BENCH_SOURCES := $(wildcard tests/bench/*.c)
BENCH_PROGRAMS := $(BENCH_SOURCES:tests/bench/%.c=$(BIN)/bench/%)
BENCH_PYTHON ?= /usr/bin/python3

.PHONY: bench bench-deps
bench-deps:
	.ci/deps bench

bench: $(BIN)/forktrace $(BENCH_PROGRAMS) targets check-kernels
	$(BENCH_PYTHON) tests/bench/bench.py $(BENCH_FLAGS)
	$(BENCH_PYTHON) tests/bench/bench_guest.py $(BENCH_FLAGS)
	$(BENCH_PYTHON) tests/bench/bench_step.py $(BENCH_FLAGS)

$(BIN)/bench/%: $(OBJECTS)/tests/bench/%.o $(ENGINE) $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -Wl,--as-needed -o $@ $(LINKED) $(LIBRARY_LIBS)

-include $(BENCH_SOURCES:%.c=$(OBJECTS)/%.d)
