/* parse/proc_stack.c */
#include "parse/proc_stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

/* Seen on Linux 6.18: a forking parent at its event stop, a child at its first stop. */
static const char parent_text[] = "[<0>] ptrace_stop+0x14e/0x2c0\n"
				  "[<0>] ptrace_do_notify+0x96/0xc0\n"
				  "[<0>] ptrace_notify+0x4b/0x70\n"
				  "[<0>] kernel_clone+0x1f1/0x3f0\n"
				  "[<0>] __do_compat_sys_ia32_clone+0x8d/0xb0\n"
				  "[<0>] __do_fast_syscall_32+0x90/0x180\n"
				  "[<0>] do_fast_syscall_32+0x32/0x70\n"
				  "[<0>] entry_SYSENTER_compat_after_hwframe+0x83/0x8d\n";
static const char child_text[] = "[<0>] ptrace_stop+0x14e/0x2c0\n"
				 "[<0>] ptrace_do_notify+0x96/0xc0\n"
				 "[<0>] get_signal+0x5c4/0x7f0\n"
				 "[<0>] arch_do_signal_or_restart+0x71/0x220\n"
				 "[<0>] exit_to_user_mode_loop+0x6b/0x110\n"
				 "[<0>] ret_from_fork+0x121/0x150\n"
				 "[<0>] ret_from_fork_asm+0x1a/0x30\n";

static bool is_symbol(const struct proc_stack_frame *frame, const char *name)
{
	return frame->symbol_length == strlen(name) && !memcmp(frame->symbol, name, strlen(name));
}

/* The first frame that is not the stop's, and how many stand before it. */
static int skip_stop(const char *text, struct proc_stack_frame *frame)
{
	const char *at = text, *end = text + strlen(text);
	int skipped = 0;

	while (proc_stack_next(&at, end, frame)) {
		if (!kernel_function_is_stop(frame->symbol, frame->symbol_length))
			return skipped;
		skipped++;
	}
	return -1;
}

static void reads_frames(void **state)
{
	const char *at = parent_text, *end = parent_text + strlen(parent_text);
	struct proc_stack_frame frame;
	int count = 0;

	(void)state;
	assert_true(proc_stack_next(&at, end, &frame));
	assert_true(is_symbol(&frame, "ptrace_stop"));
	assert_int_equal(frame.offset, 0x14e);
	assert_int_equal(frame.module_length, 0);
	while (proc_stack_next(&at, end, &frame))
		count++;
	assert_int_equal(count, 7);
	assert_true(is_symbol(&frame, "entry_SYSENTER_compat_after_hwframe"));
	assert_int_equal(frame.offset, 0x83);
}

static void reads_modules(void **state)
{
	static const char text[] = "[<0>] nf_hook_slow+0x42/0xd0 [nf_tables]\n"
				   "[<0>] ext4_open+0xdeadbeef/0xdeadbef0 [ext4 0123456789abcdef]\n";
	const char *at = text, *end = text + strlen(text);
	struct proc_stack_frame frame;

	(void)state;
	assert_true(proc_stack_next(&at, end, &frame));
	assert_true(is_symbol(&frame, "nf_hook_slow"));
	assert_int_equal(frame.offset, 0x42);
	assert_int_equal(frame.module_length, 9);
	assert_memory_equal(frame.module, "nf_tables", 9);
	assert_true(proc_stack_next(&at, end, &frame));
	assert_int_equal(frame.offset, 0xdeadbeef);
	assert_int_equal(frame.module_length, 4);
	assert_memory_equal(frame.module, "ext4", 4);
}

/* Kernels before 4.15 show addresses, and end with a mark. */
static void reads_old_kernels(void **state)
{
	static const char text[] = "[<ffffffff810a1b2c>] do_fork+0xfc/0x300\n"
				   "[<ffffffffffffffff>] 0xffffffffffffffff\n";
	const char *at = text, *end = text + strlen(text);
	struct proc_stack_frame frame;

	(void)state;
	assert_true(proc_stack_next(&at, end, &frame));
	assert_true(is_symbol(&frame, "do_fork"));
	assert_false(proc_stack_next(&at, end, &frame));
}

static void tells_the_stop_from_the_task(void **state)
{
	struct proc_stack_frame frame;

	(void)state;
	assert_int_equal(skip_stop(parent_text, &frame), 3);
	assert_true(is_symbol(&frame, "kernel_clone"));
	assert_int_equal(skip_stop(child_text, &frame), 3);
	assert_true(is_symbol(&frame, "arch_do_signal_or_restart"));
	assert_int_equal(skip_stop("[<0>] ptrace_stop.part.0+0x1/0x2\n[<0>] ptrace_stopper+0x1/0x2\n", &frame), 1);
	assert_true(is_symbol(&frame, "ptrace_stopper"));
}

static void skips_malformed_lines(void **state)
{
	static const char text[] = "\n[\n]\n[<0>]\n[<0>] \n[<0>] name\n[<0>] +0x1/0x2\n[<0>] name+\n[<0>] name+0x\n"
				   "[<0>] name+0x1\n[<0>] name+1/2\n[<0>] name+0x11112222333344445/0x6\nname+0x1/0x2\n"
				   "[<0>] good+0x1/0x2 [\n[<0>] cut_off+0x1/0x2";
	const char *at = text, *end = text + strlen(text);
	struct proc_stack_frame frame;

	(void)state;
	assert_true(proc_stack_next(&at, end, &frame));
	assert_true(is_symbol(&frame, "good"));
	assert_int_equal(frame.module_length, 0);
	assert_false(proc_stack_next(&at, end, &frame));
}

/* Each prefix in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_being_cut(void **state)
{
	(void)state;
	for (size_t size = 0; size <= strlen(child_text); size++) {
		_cleanup_free_ char *copy = memory_alloc(size);
		const char *at = copy;
		struct proc_stack_frame frame;
		int count = 0;

		memcpy(copy, child_text, size);
		while (proc_stack_next(&at, copy + size, &frame)) {
			kernel_function_is_stop(frame.symbol, frame.symbol_length);
			count++;
		}
		assert_in_range(count, 0, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_frames),          cmocka_unit_test(reads_modules),
	    cmocka_unit_test(reads_old_kernels),     cmocka_unit_test(tells_the_stop_from_the_task),
	    cmocka_unit_test(skips_malformed_lines), cmocka_unit_test(survives_being_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
