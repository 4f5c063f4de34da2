/* ui/report/text_walk.c, as part of a record */
#include "ui_text_fixture.h"

static void expect_absent(const struct event *event, const struct report_options *options, const char *piece)
{
	struct capture_report capture;

	capture_open(&capture, "text", options);
	capture_send(&capture, event);
	if (strstr(capture_text(&capture), piece))
		fail_msg("[%s] is in:\n%s", piece, capture.text.data);
	capture_close(&capture);
}

/* A record from a guest; drop it with fork_record_drop. */
static struct fork_record guest_record_make(struct fork_walk *walk)
{
	struct fork_record record = fork_record_make();

	record.kernel.source = KERNEL_SOURCE_GUEST;
	record.kernel.release = "6.1.0-50-686";
	record.kernel.walk = walk;
	return record;
}

static void lists_the_steps_in_the_order_seen(void **state)
{
	struct fork_record record = guest_record_make(fork_walk_make());
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	expect_piece(&event, &plain,
		     "\n"
		     "  kernel: guest, Linux 6.1.0-50-686 (stepped in QEMU)\n"
		     "\n"
		     "  step by step, in the order seen; times are the guest's own\n"
		     "   1  wrapper        fork                          parent  +0 us\n"
		     "      The program calls a function of the C library, which puts the number of\n"
		     "      the system call into eax and the call's arguments into other registers.\n"
		     "   2  vsyscall       __kernel_vsyscall             parent  +41 us\n");
	expect_piece(&event, &plain, "\n   5  handler        __ia32_sys_clone              parent  (on the stack)\n");
	expect_piece(&event, &plain,
		     "\n   9  return-parent  __kernel_vsyscall             parent  +2.103 ms\n"
		     "      The parent is in user mode, at the instruction behind the system call,\n"
		     "      with the child's process id in eax.\n"
		     "  10  return-child   __kernel_vsyscall             child   +2.841 ms\n"
		     "      The child is in user mode, at the instruction behind the system call, with\n"
		     "      0 in eax.\n"
		     "   -  child-first    -                             child   (not seen)\n");
	expect_piece(&event, &plain,
		     "having been in any stage above.\n      this kernel's symbols have no ret_from_fork\n");
	fork_record_drop(&record);
}

static void tells_more_when_asked(void **state)
{
	struct fork_record record = guest_record_make(fork_walk_make());
	struct event event = fork_event(&record);
	struct report_options verbose = {.verbosity = 1}, detailed = {.verbosity = 2};

	(void)state;
	require_utf8();
	expect_absent(&event, &plain, "in other kernels");
	expect_absent(&event, &plain, "0xc5064600");
	expect_piece(&event, &verbose, "\n      in other kernels: sys_clone, ptregs_clone\n");
	expect_piece(&event, &verbose, "\n      in other kernels: _do_fork, do_fork\n");
	expect_absent(&event, &verbose, "in other kernels: copy_process"); /* .part.0 is the compiler's */
	expect_absent(&event, &verbose, "0xc5064600");
	expect_piece(&event, &detailed, "\n      returns to 0xc5064c12, call at fork.c:2882\n");
	expect_piece(&event, &detailed, "\n      at 0xc5064600\n");
	fork_record_drop(&record);
}

/* Where there is debug information. */
static void shows_source_lines(void **state)
{
	struct fork_walk walk = *fork_walk_make();
	struct fork_record record = guest_record_make(&walk);
	struct event event = fork_event(&record);
	struct report_options detailed = {.verbosity = 2};

	(void)state;
	require_utf8();
	expect_piece(&event, &plain,
		     "form that all calls of the family share.\n      call at fork.c:2882\n   6  worker");
	expect_piece(&event, &plain, "to 0.\n      at fork.c:2101\n   8  wake");
	expect_piece(&event, &detailed, "\n      at 0xc5062d50, fork.c:2101\n");
	walk.steps[6].line = 0;
	expect_piece(&event, &plain, "\n      at fork.c\n");
	walk.steps[6].file = "a\033[31m\n.c";
	expect_absent(&event, &plain, "\033");
	fork_record_drop(&record);
}

/* The names of a fork by int $0x80 are those of its own way in. */
static void names_fit_the_way_in(void **state)
{
	struct fork_walk walk = *fork_walk_make();
	struct fork_record record = guest_record_make(&walk);
	struct event event = fork_event(&record);
	struct report_options verbose = {.verbosity = 1};

	(void)state;
	require_utf8();
	record.entry = ENTRY_INT80;
	walk.steps[2].function = "entry_INT80_32";
	expect_piece(&event, &verbose, "\n      in other kernels: system_call\n");
	expect_piece(&event, &verbose,
		     "\n      in other kernels: do_int80_syscall_32, do_syscall_32_irqs_on, syscall_call\n");
	expect_absent(&event, &verbose, "sysenter_do_call");
	fork_record_drop(&record);
}

/* Symbols of a guest are untrusted, and of any length. */
static void bears_every_function_name(void **state)
{
	struct fork_walk walk = *fork_walk_make();
	struct fork_record record = guest_record_make(&walk);
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	walk.steps[5].function = "kernel_clone.isra.0.constprop.12345";
	walk.steps[6].function = "copy\033[31m\n_process";
	walk.steps[7].time_known = false;
	expect_piece(&event, &plain, "  kernel_clone.isra.0.constprop.12345  parent  +121 us\n");
	expect_absent(&event, &plain, "\033");
	expect_piece(&event, &plain, "wake_up_new_task              parent  (time unknown)\n");
	for (unsigned width = 40; width <= 132; width++) {
		struct report_options options = {.width = width, .verbosity = 2};

		expect_piece(&event, &options, "return-parent");
	}
	fork_record_drop(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_the_steps_in_the_order_seen),
	    cmocka_unit_test(tells_more_when_asked),
	    cmocka_unit_test(shows_source_lines),
	    cmocka_unit_test(names_fit_the_way_in),
	    cmocka_unit_test(bears_every_function_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
