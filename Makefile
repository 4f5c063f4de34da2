# forktrace: builds into build/; touches the system only in deps, check-deps and install.
#
#   make            (V=1: shows the commands) build/bin/forktrace and the programs of targets/, for both ABIs
#   make demo       installs what is missing, builds, shows one fork
#   make check      installs what the tests need, runs them all   (SAN=1: with address and undefined sanitizers)
#   make guest      fetches a 32-bit Debian kernel into the cache directory, for --kernel=guest
#   make lint       clang-format and clang-tidy over the tree
#   make bench      speed beside the peers, as ratios
#   make install    PREFIX=/usr/local DESTDIR=

VERSION := 0.1.0
PREFIX ?= /usr/local
SAN ?= 0
ifeq ($(origin CC),default)
CC := gcc
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# --- libraries: pkg-config's name, and the Debian package that has it -------------------------------------------------

# Distributions call it differently.
LUA := $(or $(shell for name in lua5.4 lua-5.4 lua54 lua; do pkg-config --exists "$$name >= 5.4 $$name < 5.5" 2>/dev/null && echo $$name && break; done),lua5.4)
LIBRARIES := libdw:libdw-dev libelf:libelf-dev libunwind-generic:libunwind-dev libseccomp:libseccomp-dev jansson:libjansson-dev libarchive:libarchive-dev capstone:libcapstone-dev expat:libexpat1-dev ncursesw:libncurses-dev $(LUA):liblua5.4-dev
LIBRARY_NAMES := $(foreach library,$(LIBRARIES),$(firstword $(subst :, ,$(library))))

# Goals that compile nothing, or first install what the compilation needs and then call make again.
BARE_GOALS := targets deps check-deps demo check lint format clean install-data uninstall
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v pkg-config),)
$(error pkg-config is missing: install Debian's pkg-config, or run "make deps")
endif
MISSING := $(foreach library,$(LIBRARIES),$(shell pkg-config --exists $(firstword $(subst :, ,$(library))) || echo $(lastword $(subst :, ,$(library)))))
ifneq ($(strip $(MISSING)),)
$(error missing libraries: install Debian's $(strip $(MISSING)), or run "make deps")
endif
LIBRARY_CFLAGS := $(shell pkg-config --cflags $(LIBRARY_NAMES))
LIBRARY_LIBS := $(shell pkg-config --libs $(LIBRARY_NAMES))
endif

# --- flags ------------------------------------------------------------------------------------------------------------

comma := ,

# One short line a command; V=1 shows the commands.
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $@;)
SANITIZE := $(if $(filter 1,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wvla -Wundef -Wformat=2
BASE_CFLAGS := -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -Itracer -I.
CFLAGS ?= -O2 -g
ALL_CFLAGS = $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) $(LIBRARY_CFLAGS) -DFORKTRACE_VERSION='"$(VERSION)"'
ALL_LDFLAGS = $(CFLAGS) $(SANITIZE) $(LDFLAGS)

# Sanitized objects and those of another compiler live apart, so that switching never mixes them.
BUILD := build
OBJECTS := $(BUILD)/obj/$(notdir $(firstword $(CC)))$(if $(filter 1,$(SAN)),-san)
BIN := $(BUILD)/$(if $(filter 1,$(SAN)),san/)bin

# Changes when the compiler does: programs are then linked anew.
COMPILER := $(BIN)/.compiler
LINKED = $(filter %.o %.a,$^)

.PHONY: FORCE
FORCE:
$(COMPILER): FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = '$(CC)' ] || echo '$(CC)' >$@

# --- the engine and the program ---------------------------------------------------------------------------------------

GUEST_INIT := $(BUILD)/targets/guest_init
ENGINE_SOURCES := $(wildcard tracer/*.c tracer/*/*.c)
UI_SOURCES := $(wildcard ui/*.c ui/*/*.c)
ENGINE := $(OBJECTS)/libforktrace.a
ENGINE_OBJECTS := $(ENGINE_SOURCES:%.c=$(OBJECTS)/%.o) $(OBJECTS)/tracer/kernel/guest_init_image.o
UI_OBJECTS := $(UI_SOURCES:%.c=$(OBJECTS)/%.o) $(OBJECTS)/ui/script/lua_code.o $(OBJECTS)/ui/report/html_parts.o

.PHONY: all
all: $(BIN)/forktrace targets

$(OBJECTS)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The guest's process 1, in the engine's read-only data.
$(OBJECTS)/tracer/kernel/guest_init_image.o: tracer/kernel/guest_init_image.S $(GUEST_INIT) Makefile
	@mkdir -p $(@D)
	$(call say,AS)$(CC) -DGUEST_INIT='"$(GUEST_INIT)"' -c -o $@ $<

# The Lua half of expectations and scripts, likewise.
$(OBJECTS)/ui/script/lua_code.o: ui/script/lua_code.S $(wildcard ui/script/*.lua) Makefile
	@mkdir -p $(@D)
	$(call say,AS)$(CC) -c -o $@ $<

# The HTML report's page, likewise.
$(OBJECTS)/ui/report/html_parts.o: ui/report/html_parts.S $(wildcard ui/report/html/*) Makefile
	@mkdir -p $(@D)
	$(call say,AS)$(CC) -c -o $@ $<

$(ENGINE): $(ENGINE_OBJECTS)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(BIN)/forktrace: $(UI_OBJECTS) $(ENGINE) $(COMPILER)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $(LINKED) $(LIBRARY_LIBS) -lpthread

# --- parts of their own -----------------------------------------------------------------------------------------------

include targets/targets.mk
include tests/tests.mk

# --- installing -------------------------------------------------------------------------------------------------------

.PHONY: deps check-deps demo install uninstall clean
deps:
	@.ci/deps build

check-deps:
	@.ci/deps check

# $(call demo_of,ABI,BITS)
define demo_of
echo; echo '$$ forktrace test_fork >/dev/null      ($(2)-bit; its own output is for the tests)'; \
$(BUILD)/bin/forktrace $(BUILD)/targets/$(1)/test_fork >/dev/null
endef

# Where the kernel runs no 32-bit programs, forktrace says so (status 126), and the 64-bit one is shown.
demo: deps
	@$(MAKE) --no-print-directory all
	@$(call demo_of,i386,32) || { [ $$? = 126 ] && { $(call demo_of,x86_64,64); }; }
	@$(MAKE) --no-print-directory guest
	@echo; echo '$$ forktrace --kernel=guest test_fork >/dev/null      (32-bit, in QEMU)'; \
	$(BUILD)/bin/forktrace --kernel=guest $(BUILD)/targets/i386/test_fork >/dev/null

# The kernel for --kernel=guest where none is given.
.PHONY: guest
guest: $(BIN)/forktrace
	@$(BIN)/forktrace --guest-fetch

# Files of data: where they lie here, and where they go below share/ (the completions where the shells look for them).
INSTALLED := ui/forktrace.1:man/man1/forktrace.1 ui/forktrace-records.5:man/man5/forktrace-records.5 \
	ui/report/record.schema.json:forktrace/record.schema.json \
	ui/completion/forktrace.bash:bash-completion/completions/forktrace \
	ui/completion/_forktrace:zsh/site-functions/_forktrace \
	ui/completion/forktrace.fish:fish/vendor_completions.d/forktrace.fish
SHARE = $(DESTDIR)$(PREFIX)/share

install: $(BIN)/forktrace install-data
	install -D -m 755 $(BIN)/forktrace $(DESTDIR)$(PREFIX)/bin/forktrace

# A line of its own for each file.
define install_data
install -D -m 644 $(subst :, $(SHARE)/,$(1))

endef

.PHONY: install-data
install-data:
	$(foreach file,$(INSTALLED),$(call install_data,$(file)))
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/forktrace $(foreach file,$(INSTALLED),$(SHARE)/$(lastword $(subst :, ,$(file))))
	rm -rf $(SHARE)/forktrace

clean:
	rm -rf $(BUILD)

# --- keeping the tree tidy --------------------------------------------------------------------------------------------

C_FILES = $(wildcard tracer/*.h tracer/*/*.[ch] ui/*.[ch] ui/*/*.[ch] targets/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])
TIDY_FILES = $(ENGINE_SOURCES) $(UI_SOURCES)

.PHONY: format lint
format:
	clang-format -i $(C_FILES)

lint:
	clang-format --dry-run --Werror $(C_FILES)
	clang-tidy --quiet $(TIDY_FILES) -- $(BASE_CFLAGS) $$(pkg-config --cflags $(LUA)) -DFORKTRACE_VERSION='"$(VERSION)"' 2>/dev/null

-include $(ENGINE_OBJECTS:.o=.d) $(UI_OBJECTS:.o=.d)
