/* The fork family: numbers against the kernel's headers, decoding against calls that glibc makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <asm/unistd.h> /* __X32_SYSCALL_BIT */

#include "arch/fork_call.h"

/* One header's numbers, kept before the next header defines the same names. */
#define KEEP(prefix)                                                                                                   \
	enum {                                                                                                         \
		prefix##_fork = __NR_fork,                                                                             \
		prefix##_vfork = __NR_vfork,                                                                           \
		prefix##_clone = __NR_clone,                                                                           \
		prefix##_clone3 = __NR_clone3                                                                          \
	}

KEEP(x86_64);
#undef __NR_fork
#undef __NR_vfork
#undef __NR_clone
#undef __NR_clone3
#include <asm/unistd_32.h>
KEEP(i386);
#undef __NR_fork
#undef __NR_vfork
#undef __NR_clone
#undef __NR_clone3
#include <asm/unistd_x32.h>
KEEP(x32);

struct numbers {
	enum abi abi;
	uint64_t fork, vfork, clone, clone3;
};

static const struct numbers abis[] = {
    {ABI_I386, i386_fork, i386_vfork, i386_clone, i386_clone3},
    {ABI_X86_64, x86_64_fork, x86_64_vfork, x86_64_clone, x86_64_clone3},
    {ABI_X32, x32_fork, x32_vfork, x32_clone, x32_clone3},
};

enum { ABI_COUNT = sizeof(abis) / sizeof(abis[0]) };

/* What glibc 2.36's fork passes: CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD. */
static const uint64_t glibc_fork_flags = 0x1200011;

static void numbers_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(x32_clone, 56 | __X32_SYSCALL_BIT);
	for (size_t i = 0; i < ABI_COUNT; i++) {
		assert_int_equal(fork_syscall_of(abis[i].abi, abis[i].fork), FORK_SYSCALL_FORK);
		assert_int_equal(fork_syscall_of(abis[i].abi, abis[i].vfork), FORK_SYSCALL_VFORK);
		assert_int_equal(fork_syscall_of(abis[i].abi, abis[i].clone), FORK_SYSCALL_CLONE);
		assert_int_equal(fork_syscall_of(abis[i].abi, abis[i].clone3), FORK_SYSCALL_CLONE3);
	}
}

static void other_numbers_are_none(void **state)
{
	static const uint64_t far[] = {UINT64_MAX, UINT32_MAX, UINT64_C(1) << 32 | 56, UINT64_C(1) << 32 | 120};

	(void)state;
	for (size_t i = 0; i < ABI_COUNT; i++) {
		uint64_t base = abis[i].abi == ABI_X32 ? __X32_SYSCALL_BIT : 0;
		unsigned found = 0;

		for (uint64_t number = base; number < base + 1024; number++)
			found += fork_syscall_of(abis[i].abi, number) != FORK_SYSCALL_NONE;
		assert_int_equal(found, 4);
		for (size_t j = 0; j < sizeof(far) / sizeof(far[0]); j++)
			assert_int_equal(fork_syscall_of(abis[i].abi, far[j]), FORK_SYSCALL_NONE);
	}
	/* The x32 bit belongs to x32 alone. */
	assert_int_equal(fork_syscall_of(ABI_X86_64, x32_clone), FORK_SYSCALL_NONE);
	assert_int_equal(fork_syscall_of(ABI_I386, __X32_SYSCALL_BIT | i386_clone), FORK_SYSCALL_NONE);
	assert_int_equal(fork_syscall_of(ABI_UNKNOWN, x86_64_clone), FORK_SYSCALL_NONE);
}

static void syscalls_have_names(void **state)
{
	(void)state;
	assert_string_equal(fork_syscall_name(FORK_SYSCALL_FORK), "fork");
	assert_string_equal(fork_syscall_name(FORK_SYSCALL_VFORK), "vfork");
	assert_string_equal(fork_syscall_name(FORK_SYSCALL_CLONE), "clone");
	assert_string_equal(fork_syscall_name(FORK_SYSCALL_CLONE3), "clone3");
}

static void glibc_fork(void **state)
{
	(void)state;
	for (size_t i = 0; i < ABI_COUNT; i++) {
		const uint64_t arguments[6] = {glibc_fork_flags, 0, 0, 0xf7d5b528, 0xf7d5b528, 0};
		struct fork_call call;

		memset(&call, 0x55, sizeof(call));
		assert_true(fork_call_decode(abis[i].abi, abis[i].clone, arguments, &call));
		assert_int_equal(call.syscall, FORK_SYSCALL_CLONE);
		assert_int_equal(call.abi, abis[i].abi);
		assert_int_equal(call.number, abis[i].clone);
		assert_int_equal(call.flags, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID);
		assert_int_equal(call.exit_signal, SIGCHLD);
		assert_int_equal(call.child_stack, 0);
		assert_int_equal(call.clone3_args, 0);
		assert_int_equal(call.clone3_size, 0);
		assert_true(call.flags_known);
	}
}

static void clone_with_a_stack(void **state)
{
	const uint64_t arguments[6] = {CLONE_VM | CLONE_VFORK | CLONE_IO, 0x7ffd12345678, 1, 2, 3, 4};
	struct fork_call call;

	(void)state;
	assert_true(fork_call_decode(ABI_X86_64, x86_64_clone, arguments, &call));
	assert_int_equal(call.flags, CLONE_VM | CLONE_VFORK | CLONE_IO);
	assert_int_equal(call.exit_signal, 0);
	assert_int_equal(call.child_stack, 0x7ffd12345678);
}

/* kernel/fork.c takes lower_32_bits(clone_flags): what clone3 alone can ask for cannot be had by accident. */
static void clone_ignores_high_flags(void **state)
{
	const uint64_t arguments[6] = {CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND | glibc_fork_flags};
	struct fork_call call;

	(void)state;
	assert_true(fork_call_decode(ABI_X86_64, x86_64_clone, arguments, &call));
	assert_int_equal(call.flags, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID);
	assert_int_equal(call.exit_signal, SIGCHLD);
}

static void fork_and_vfork(void **state)
{
	const uint64_t garbage[6] = {UINT64_MAX, 1, 2, 3, 4, 5};
	struct fork_call call;

	(void)state;
	for (size_t i = 0; i < ABI_COUNT; i++) {
		assert_true(fork_call_decode(abis[i].abi, abis[i].fork, garbage, &call));
		assert_int_equal(call.syscall, FORK_SYSCALL_FORK);
		assert_int_equal(call.flags, 0);
		assert_int_equal(call.exit_signal, SIGCHLD);
		assert_int_equal(call.child_stack, 0);
		assert_true(call.flags_known);

		assert_true(fork_call_decode(abis[i].abi, abis[i].vfork, garbage, &call));
		assert_int_equal(call.syscall, FORK_SYSCALL_VFORK);
		assert_int_equal(call.flags, CLONE_VM | CLONE_VFORK);
		assert_int_equal(call.exit_signal, SIGCHLD);
		assert_int_equal(call.child_stack, 0);
		assert_true(call.flags_known);
	}
}

static void other_calls_are_not_decoded(void **state)
{
	const uint64_t arguments[6] = {0};
	struct fork_call call;

	(void)state;
	assert_false(fork_call_decode(ABI_X86_64, i386_clone, arguments, &call));
	assert_int_equal(call.syscall, FORK_SYSCALL_NONE);
	assert_false(fork_call_decode(ABI_I386, x86_64_clone, arguments, &call));
	assert_false(fork_call_decode(ABI_UNKNOWN, x86_64_clone, arguments, &call));
}

static struct fork_call begin_clone3(enum abi abi, uint64_t number)
{
	const uint64_t arguments[6] = {0xffffd120, 88, 2, 3, 4, 5};
	struct fork_call call;

	assert_true(fork_call_decode(abi, number, arguments, &call));
	assert_int_equal(call.syscall, FORK_SYSCALL_CLONE3);
	assert_int_equal(call.clone3_args, 0xffffd120);
	assert_int_equal(call.clone3_size, 88);
	assert_false(call.flags_known);
	assert_int_equal(call.flags, 0);
	return call;
}

static void clone3_struct(void **state)
{
	const struct clone_args arguments = {
	    .flags = CLONE_INTO_CGROUP | CLONE_NEWTIME | CLONE_VM,
	    .pidfd = 1,
	    .child_tid = 2,
	    .parent_tid = 3,
	    .exit_signal = SIGUSR1,
	    .stack = 0x7f0000000000,
	    .stack_size = 0x9000,
	    .tls = 4,
	    .set_tid = UINT64_MAX,
	};

	(void)state;
	for (size_t i = 0; i < ABI_COUNT; i++) {
		struct fork_call call = begin_clone3(abis[i].abi, abis[i].clone3);

		fork_call_decode_clone3(&call, &arguments, sizeof(arguments));
		assert_true(call.flags_known);
		assert_int_equal(call.flags, CLONE_INTO_CGROUP | CLONE_NEWTIME | CLONE_VM);
		assert_int_equal(call.exit_signal, SIGUSR1);
		assert_int_equal(call.child_stack, 0x7f0000009000);
		assert_int_equal(call.clone3_args, 0xffffd120);
		assert_int_equal(call.number, abis[i].clone3);
	}
}

static void clone3_needs_its_first_version_whole(void **state)
{
	const struct clone_args arguments = {.flags = CLONE_VM, .exit_signal = SIGCHLD, .stack_size = 0x9000};
	struct fork_call call = begin_clone3(ABI_X86_64, x86_64_clone3);

	(void)state;
	assert_int_equal(CLONE3_ARGS_READ, CLONE_ARGS_SIZE_VER0);
	for (size_t size = 0; size < CLONE3_ARGS_READ; size++) {
		fork_call_decode_clone3(&call, &arguments, size);
		assert_false(call.flags_known);
		assert_int_equal(call.flags, 0);
	}
	fork_call_decode_clone3(&call, &arguments, CLONE3_ARGS_READ);
	assert_true(call.flags_known);
	assert_int_equal(call.flags, CLONE_VM);
	assert_int_equal(call.exit_signal, SIGCHLD);
	assert_int_equal(call.child_stack, 0); /* a size without a stack is no stack */
}

/* The kernel refuses it, and the record of the failure must not show another signal. */
static void clone3_with_a_wild_signal(void **state)
{
	const struct clone_args arguments = {.exit_signal = UINT64_C(1) << 32 | SIGCHLD};
	struct fork_call call = begin_clone3(ABI_X86_64, x86_64_clone3);

	(void)state;
	fork_call_decode_clone3(&call, &arguments, sizeof(arguments));
	assert_int_equal(call.exit_signal, INT_MAX);
	assert_null(signal_name(call.exit_signal));
}

static void every_flag_bit(void **state)
{
	static const char *const names[64] = {
	    [7] = "CLONE_NEWTIME",
	    [8] = "CLONE_VM",
	    [9] = "CLONE_FS",
	    [10] = "CLONE_FILES",
	    [11] = "CLONE_SIGHAND",
	    [12] = "CLONE_PIDFD",
	    [13] = "CLONE_PTRACE",
	    [14] = "CLONE_VFORK",
	    [15] = "CLONE_PARENT",
	    [16] = "CLONE_THREAD",
	    [17] = "CLONE_NEWNS",
	    [18] = "CLONE_SYSVSEM",
	    [19] = "CLONE_SETTLS",
	    [20] = "CLONE_PARENT_SETTID",
	    [21] = "CLONE_CHILD_CLEARTID",
	    [22] = "CLONE_DETACHED",
	    [23] = "CLONE_UNTRACED",
	    [24] = "CLONE_CHILD_SETTID",
	    [25] = "CLONE_NEWCGROUP",
	    [26] = "CLONE_NEWUTS",
	    [27] = "CLONE_NEWIPC",
	    [28] = "CLONE_NEWUSER",
	    [29] = "CLONE_NEWPID",
	    [30] = "CLONE_NEWNET",
	    [31] = "CLONE_IO",
	    [32] = "CLONE_CLEAR_SIGHAND",
	    [33] = "CLONE_INTO_CGROUP",
	};

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = clone_flag_name(UINT64_C(1) << bit);

		if (names[bit])
			assert_string_equal(name, names[bit]);
		else
			assert_null(name);
	}
	assert_null(clone_flag_name(0));
	assert_null(clone_flag_name(CLONE_VM | CLONE_VFORK));
	assert_null(clone_flag_name(UINT64_MAX));
}

static void signals_have_names(void **state)
{
	(void)state;
	for (int number = 1; number <= 31; number++) {
		assert_memory_equal(signal_name(number), "SIG", 3);
		assert_string_equal(signal_name(number) + 3, sigabbrev_np(number));
	}
	assert_string_equal(signal_name(17), "SIGCHLD");
	assert_string_equal(signal_name(32), "SIGRTMIN");
	assert_string_equal(signal_name(33), "SIGRTMIN+1");
	assert_string_equal(signal_name(35), "SIGRTMIN+3");
	assert_string_equal(signal_name(64), "SIGRTMIN+32");
	assert_null(signal_name(0));
	assert_null(signal_name(-1));
	assert_null(signal_name(65));
	assert_null(signal_name(INT_MAX));
	assert_null(signal_name(INT_MIN));
}

static void real_time_signals_count_up(void **state)
{
	(void)state;
	for (int number = 33; number <= 64; number++) {
		char expected[16];

		snprintf(expected, sizeof(expected), "SIGRTMIN+%d", number - 32);
		assert_string_equal(signal_name(number), expected);
	}
}

static void errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(errno_name(EAGAIN), "EAGAIN");
	assert_string_equal(errno_name(ENOMEM), "ENOMEM");
	assert_string_equal(errno_name(EINVAL), "EINVAL");
	assert_string_equal(errno_name(ENOSYS), "ENOSYS");
	assert_string_equal(errno_name(EPERM), "EPERM");
	assert_string_equal(errno_name(EHWPOISON), "EHWPOISON");
	assert_string_equal(errno_name(512), "ERESTARTSYS");
	assert_string_equal(errno_name(513), "ERESTARTNOINTR");
	assert_string_equal(errno_name(514), "ERESTARTNOHAND");
	assert_null(errno_name(515)); /* ENOIOCTLCMD: never leaves a driver */
	assert_string_equal(errno_name(516), "ERESTART_RESTARTBLOCK");
	assert_null(errno_name(0));
	assert_null(errno_name(-EAGAIN));
	assert_null(errno_name(4095));
	assert_null(errno_name(INT_MIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_the_kernels),
	    cmocka_unit_test(other_numbers_are_none),
	    cmocka_unit_test(syscalls_have_names),
	    cmocka_unit_test(glibc_fork),
	    cmocka_unit_test(clone_with_a_stack),
	    cmocka_unit_test(clone_ignores_high_flags),
	    cmocka_unit_test(fork_and_vfork),
	    cmocka_unit_test(other_calls_are_not_decoded),
	    cmocka_unit_test(clone3_struct),
	    cmocka_unit_test(clone3_needs_its_first_version_whole),
	    cmocka_unit_test(clone3_with_a_wild_signal),
	    cmocka_unit_test(every_flag_bit),
	    cmocka_unit_test(signals_have_names),
	    cmocka_unit_test(real_time_signals_count_up),
	    cmocka_unit_test(errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
