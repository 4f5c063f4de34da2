# How the programs to be traced are built: each as build/targets/ABI/NAME, for both ABIs, with libc alone.
# A new program is one word in TARGETS.

TARGET_ABIS := i386 x86_64
TARGETS := test_fork test_vfork test_clone test_clone3 test_spawn test_exec test_threads test_nested test_deep test_fail \
	test_signal test_namespace test_untraced test_orphan test_chroot test_storm test_int80 test_ptrace test_loop \
	test_jit test_dlopen

# Those of several files: NAME_SOURCES; the others are NAME.c.
test_deep_SOURCES := test_deep.c deep_01.c deep_17.c deep_33.c deep_49.c

# Also built as build/targets/ABI/variants/NAME.VARIANT, for the unwinding tests.
TARGET_VARIED := test_fork test_deep test_spawn test_threads
TARGET_VARIANTS := nopie static o2 stripped

# Plugins of test_dlopen, as build/targets/ABI/libNAME.so.
TARGET_PLUGINS := test_plugin test_plugin2

TARGET_BUILD := $(BUILD)/targets
TARGET_MACHINE_i386 := -m32
TARGET_MACHINE_x86_64 := -m64

# Named functions stay on the stack: no call becomes a jump. All of it is compiled and linked in one step.
TARGET_CFLAGS := -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-optimize-sibling-calls -pthread
TARGET_FLAGS_plain := -g -O1 -fPIE -pie
TARGET_FLAGS_nopie := -g -O1 -fno-pie -no-pie
TARGET_FLAGS_static := -g -O1 -static
TARGET_FLAGS_o2 := -g -O2 -fomit-frame-pointer -fPIE -pie
TARGET_FLAGS_stripped := $(TARGET_FLAGS_plain)
TARGET_AFTER_stripped := && strip -s

TARGET_HEADERS := $(wildcard targets/*.h)
TARGET_FILES := $(foreach abi,$(TARGET_ABIS),$(TARGETS:%=$(TARGET_BUILD)/$(abi)/%) \
	$(TARGET_PLUGINS:%=$(TARGET_BUILD)/$(abi)/lib%.so) \
	$(foreach variant,$(TARGET_VARIANTS),$(TARGET_VARIED:%=$(TARGET_BUILD)/$(abi)/variants/%.$(variant))))

.PHONY: targets
targets: $(TARGET_FILES)

# $(call target_rule,ABI,NAME,VARIANT,FILE)
define target_rule
$(4): $(addprefix targets/,$(or $($(2)_SOURCES),$(2).c)) $(TARGET_HEADERS) $(TARGET_BUILD)/$(1)/.compiler
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(TARGET_CFLAGS) $(TARGET_FLAGS_$(3)) -o $$@ $$(filter %.c,$$^) $(if $(TARGET_AFTER_$(3)),$(TARGET_AFTER_$(3)) $$@)
endef

# $(call target_plugin_rule,ABI,NAME)
define target_plugin_rule
$(TARGET_BUILD)/$(1)/lib$(2).so: targets/$(2).c $(TARGET_HEADERS) $(TARGET_BUILD)/$(1)/.compiler
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $(TARGET_MACHINE_$(1)) $(TARGET_CFLAGS) -g -O1 -fPIC -shared -o $$@ $$<
endef

# The compiler that the programs of this ABI were built with: another one builds them anew. Proves that it can build them.
define target_abi_rules
$(TARGET_BUILD)/$(1)/.compiler: FORCE
	@mkdir -p $$(@D)
	@if [ "$$$$(cat $$@ 2>/dev/null)" != "$$(CC)" ]; then \
		printf '%s\n' '#include <stdio.h>' 'int main(void) { return puts("") < 0; }' | \
			$$(CC) $(TARGET_MACHINE_$(1)) -xc -o $$@.probe - || \
			{ echo "$$(CC) cannot build for $(1): install Debian's $(if $(filter i386,$(1)),gcc-multilib,libc6-dev)" >&2; exit 1; }; \
		rm -f $$@.probe; \
		echo '$$(CC)' >$$@; \
	fi
$(foreach name,$(TARGETS),$(eval $(call target_rule,$(1),$(name),plain,$(TARGET_BUILD)/$(1)/$(name))))
$(foreach name,$(TARGET_VARIED),$(foreach variant,$(TARGET_VARIANTS),$(eval $(call target_rule,$(1),$(name),$(variant),$(TARGET_BUILD)/$(1)/variants/$(name).$(variant)))))
$(foreach name,$(TARGET_PLUGINS),$(eval $(call target_plugin_rule,$(1),$(name))))
endef


$(foreach abi,$(TARGET_ABIS),$(eval $(call target_abi_rules,$(abi))))

# Process 1 of the guest: without libc, for any kernel from 2.6.29 on and any CPU that has it; built into forktrace.
GUEST_INIT_CFLAGS := -std=gnu17 $(WARNINGS) -m32 -march=i586 -mno-sse -Os -ffreestanding -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables \
	-static -nostdlib -Wl,--build-id=none -Wl,-z,noexecstack -s

GUEST_INIT_SOURCES := targets/guest_init.c targets/guest_talk.c targets/guest_payload.c

$(GUEST_INIT): $(GUEST_INIT_SOURCES) targets/guest_init.h tracer/kernel/guest_protocol.h $(TARGET_BUILD)/i386/.compiler
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(GUEST_INIT_CFLAGS) -Itracer -o $@ $(GUEST_INIT_SOURCES)
