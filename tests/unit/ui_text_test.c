/* The text report, against golden text. */
#include "ui_text_fixture.h"

#include <errno.h>

#include "base/memory.h"

/* What a report of one event says. */
static void expect_event(const struct event *event, const struct report_options *options, const char *expected)
{
	struct capture_report capture;

	capture_open(&capture, "text", options);
	capture_send(&capture, event);
	assert_string_equal(capture_text(&capture), expected);
	expect_lines(capture.text.data, options->width ? options->width : 80);
	capture_close(&capture);
}

static void test_record(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	expect_event(&event, &plain,
		     "fork 1  test_fork 4711 -> 4712  i386  at 1.204 ms\n"
		     "  clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD)  via sysenter\n"
		     "\n"
		     "  parent 4711  returned 4712  +48 us      child 4712  returned 0  +71 us\n"
		     "  main                 test_fork.c:21     main                 test_fork.c:21\n"
		     "  spawn_child          test_fork.c:12     spawn_child          test_fork.c:12\n"
		     "  fork                 libc.so.6          fork                 libc.so.6\n"
		     "  _Fork                libc.so.6          _Fork                libc.so.6\n"
		     "  arch_fork (inlined)  libc.so.6          arch_fork (inlined)  libc.so.6\n"
		     "  __kernel_vsyscall    [vdso]             __kernel_vsyscall    [vdso]\n"
		     "  ────────────────────────── user / kernel: sysenter ───────────────────────────\n"
		     "  entry_SYSENTER_compat_after_hwframe     ret_from_fork_asm\n"
		     "  kernel_clone                            ret_from_fork\n"
		     "  copy_process\n"
		     "\n"
		     "  kernel: live, Linux 6.18.0-1-amd64 (perf callchain; child: /proc/TID/stack)\n");
	fork_record_drop(&record);
}

static void test_record_ascii(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	assert_non_null(setlocale(LC_ALL, "C"));
	expect_piece(&event, &plain,
		     "\n  -------------------------- user / kernel: sysenter ---------------------------\n");
	fork_record_drop(&record);
}

static void test_record_verbose(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);
	struct report_options verbose = {.verbosity = 1};
	struct report_options detailed = {.verbosity = 2};

	(void)state;
	require_utf8();
	expect_piece(&event, &verbose, "\n  _start               test_fork          _start               test_fork\n");
	expect_piece(&event, &verbose,
		     "\n  parent-first; return values seen at: parent syscall-exit, child first-stop\n");
	expect_piece(&event, &detailed, "\n  0x56556200 dwarf         spawn_child+0x12  test_fork.c:12\n");
	expect_piece(&event, &detailed, "\n  (the parent's frames, all of them)\n");
	expect_piece(&event, &detailed, "\n  0xffffffff810a1234 perf          copy_process+0x1\n");
	fork_record_drop(&record);
}

/* A posix_spawn: the parent's names are long and one frame is a guess; the child has a stack of its own. */
static void test_fresh_stack(void **state)
{
	static const struct frame parent[] = {
	    {0x7f0000123456, "__clone3", 44, "/lib/libc.so.6", NULL, NULL, 0, false, true, METHOD_PT_REGS},
	    {0x7f0000123457, "std::vector<std::pair<int, std::string> >::emplace_back", 1, "/lib/libx.so", NULL,
	     "/a/very_long_source_file_name_that_never_ends.cpp", 1234567, false, false, METHOD_FRAME_POINTER},
	    {0x401234, "main", 5, "/t/prog", NULL, "/t/m.c", 9, false, true, METHOD_DWARF},
	};
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	fork_record_drop(&record);
	record.kind = FORK_KIND_VFORK;
	record.call = (struct fork_call){.syscall = FORK_SYSCALL_CLONE3,
					 .abi = ABI_X86_64,
					 .number = 435,
					 .flags = 0x4100 | 0x8000000000000000,
					 .exit_signal = SIGCHLD,
					 .child_stack = 0x7fff1000,
					 .flags_known = true};
	record.entry = ENTRY_SYSCALL;
	record.entry_certain = false;
	record.parent.frames = stack_of(parent, 3);
	record.child.frames = stack_of(parent, 1);
	record.kernel = (struct fork_kernel){
	    .reason = "perf events are not permitted: /proc/sys/kernel/perf_event_paranoid is 3 (needed: 1 or less)"};
	expect_event(&event, &plain,
		     "vfork 1  test_fork 4711 -> 4712  x86_64  at 1.204 ms\n"
		     "  clone3(CLONE_VM|CLONE_VFORK|0x8000000000000000|SIGCHLD)\n"
		     "    via syscall (inferred)\n"
		     "\n"
		     "  parent 4711  returned 4712  +48 us      child 4712  returned 0  +71 us\n"
		     "  main                      m.c:9\n"
		     "  std::vector<std::pair… ?  …cpp:1234567  (on a stack of its own)\n"
		     "  __clone3                  libc.so.6     __clone3  libc.so.6\n"
		     "\n"
		     "  kernel half missing: perf events are not permitted:\n"
		     "    /proc/sys/kernel/perf_event_paranoid is 3 (needed: 1 or less)\n"
		     "  ? marks a frame that was guessed (by frame-pointer), not proven\n");
	fork_record_drop(&record);
}

static void test_missing_halves(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	stack_unref(record.child.frames);
	stack_unref(record.kernel.child_frames);
	record.child.frames = NULL;
	record.child.ret_known = false;
	record.child.ret_reason = "it was killed by SIGKILL first";
	record.kernel.child_frames = NULL;
	record.kernel.reason = "the child's kernel stack needs CAP_SYS_ADMIN";
	record.child.task.ns_pid = 2;
	record.restarts = 1;
	record.untraced = true;
	record.parent.frames->truncated = true;
	record.parent.frames->reason = "no call frame information at 0x1234";
	expect_piece(&event, &plain, "  child 4712  no return value\n");
	expect_piece(&event, &plain, "    [vdso]             (stack not read)\n");
	expect_piece(&event, &plain, "  entry_SYSENTER_compat_after_hwframe     (not seen)\n");
	expect_piece(&event, &plain,
		     "\n\n"
		     "  kernel: live, Linux 6.18.0-1-amd64 (parent: perf callchain)\n"
		     "  kernel half: the child's kernel stack needs CAP_SYS_ADMIN\n"
		     "  a signal restarted the call 1 time\n"
		     "  CLONE_UNTRACED was asked for, and taken out to follow the child\n"
		     "  child 4712 is 2 in its own pid namespace\n"
		     "  child has no return value: it was killed by SIGKILL first\n"
		     "  parent's stack ends early: no call frame information at 0x1234\n"
		     "  parent's stack is cut at 8 frames (--max-frames)\n");
	fork_record_drop(&record);
}

static void test_no_kernel_asked(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);
	struct capture_report capture;

	(void)state;
	require_utf8();
	stack_unref(record.kernel.parent_frames);
	stack_unref(record.kernel.child_frames);
	record.kernel = (struct fork_kernel){0};
	capture_open(&capture, "text", &plain);
	capture_send(&capture, &event);
	assert_null(strstr(capture_text(&capture), "kernel:"));
	assert_null(strstr(capture.text.data, "\n\n\n"));
	assert_memory_not_equal(capture.text.data + capture.text.size - 2, "\n\n", 2);
	capture_close(&capture);
	fork_record_drop(&record);
}

static void test_thread(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	record.kind = FORK_KIND_CLONE;
	record.thread = true;
	record.parent.task.tid = 4713;
	record.child.task = record.parent.task;
	record.child.task.tid = 4714;
	expect_piece(&event, &plain, "thread 1  test_fork 4711/4713 -> thread 4714  i386  at 1.204 ms\n");
	expect_piece(&event, &plain, "\n  parent 4713  returned 4712  +48 us      child 4714  returned 0");
	fork_record_drop(&record);
}

/* Names that try to paint the terminal, to break the line, to reorder it, and to be too wide for it. */
static void test_hostile(void **state)
{
	static const struct frame frames[] = {
	    {0x1000, "f\033[31m\u202e\u202c", 1, "/tmp/\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587.so",
	     NULL, NULL, 0, false, true, METHOD_DWARF},
	    {0x2000, "\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587",
	     1, "/x\ny", NULL, NULL, 0, true, false, METHOD_SCAN},
	    {0x3000, NULL, 0, NULL, NULL, NULL, 0, false, true, METHOD_DWARF},
	    {0, NULL, 0, NULL, NULL, NULL, 0, false, true, METHOD_DWARF},
	};
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);

	(void)state;
	require_utf8();
	fork_record_drop(&record);
	record.parent.frames = stack_of(frames, 4);
	record.child.frames = stack_of(frames, 4);
	record.kernel.parent_frames = stack_of(frames, 1);
	record.kernel.child_frames = NULL;
	record.kernel.release = "evil\r\033]0;title\a";
	snprintf(record.parent.task.comm, sizeof(record.parent.task.comm), "a\033[2J\nb\xff");
	for (unsigned width = 40; width <= 132; width++) {
		for (int verbosity = 0; verbosity <= 2; verbosity++) {
			struct report_options options = {.width = width, .verbosity = verbosity};

			expect_piece(&event, &options, "a\\x1b[2J\\x0ab\\xff 4711");
		}
	}
	expect_piece(&event, &plain, "f\\x1b[31m\\u{202e}");
	expect_piece(&event, &plain, "0x3000");
	expect_piece(&event, &plain, "Linux evil\\x0d\\x1b]0;title\\x07");
	fork_record_drop(&record);
}

static void test_color(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = fork_event(&record);
	struct report_options colored = {.color = true};
	struct capture_report capture;
	struct buffer bare = {0};

	(void)state;
	require_utf8();
	capture_open(&capture, "text", &colored);
	capture_send(&capture, &event);
	/* Without its colours it is the plain report. */
	for (const char *next = capture_text(&capture); *next; next++) {
		if (*next == '\033')
			next = strchr(next, 'm');
		else
			buffer_append(&bare, next, 1);
	}
	assert_true(bare.size < capture.text.size);
	expect_event(&event, &plain, bare.data);
	buffer_deinit(&bare);
	capture_close(&capture);
	fork_record_drop(&record);
}

static void test_failed(void **state)
{
	struct fork_record record = fork_record_make();
	struct fork_failed failed = {.call = record.call,
				     .entry = ENTRY_INT80,
				     .entry_certain = true,
				     .error_number = EAGAIN,
				     .parent = record.parent.task,
				     .frames = record.parent.frames};
	struct event event = {.kind = EVENT_FORK_FAILED, .time_ns = 2000000000, .fork_failed = &failed};
	struct report_options quiet = {.verbosity = -1};
	struct report_options verbose = {.verbosity = 1};

	(void)state;
	require_utf8();
	expect_event(&event, &quiet,
		     "failed  test_fork 4711  i386  EAGAIN (Resource temporarily unavailable)\n"
		     "        at 2.000 s  clone(CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD)\n"
		     "        via int80\n");
	expect_piece(&event, &verbose, "\n  0x56556280 dwarf         main+0x52  test_fork.c:21\n");
	fork_record_drop(&record);
}

static void test_lines(void **state)
{
	struct error error = {.code = ERROR_UNSUPPORTED,
			      .message = "the child was created with CLONE_UNTRACED and could not be followed"};
	struct event events[] = {
	    {.kind = EVENT_EXEC, .task = task_named(5, "sh"), .exec = {.path = "/bin/sh", .new_abi = ABI_I386}},
	    {.kind = EVENT_EXEC,
	     .task = task_named(5, "ls"),
	     .exec = {.old_abi = ABI_I386, .new_abi = ABI_X86_64, .former_tid = 6}},
	    {.kind = EVENT_EXIT, .task = task_named(5, "ls"), .exit = {.status = 3}},
	    {.kind = EVENT_EXIT,
	     .task = task_named(5, "ls"),
	     .exit = {.signaled = true, .status = SIGSEGV, .core_dumped = true}},
	    {.kind = EVENT_EXIT, .task = task_named(5, "ls"), .exit = {.thread = true}},
	    {.kind = EVENT_SIGNAL, .task = task_named(5, "ls"), .signal = {.number = SIGUSR1, .sender = 9}},
	    {.kind = EVENT_SIGNAL, .task = task_named(5, "ls"), .signal = {.number = SIGTSTP, .stop = true}},
	    {.kind = EVENT_ATTACH, .task = task_named(5, "ls")},
	    {.kind = EVENT_DETACH, .task = task_named(5, "ls"), .detach = {"--follow=first"}},
	    {.kind = EVENT_ERROR, .task = task_named(5, "ls"), .error = &error},
	    {.kind = EVENT_ERROR, .error = &error},
	};
	static const char *const verbose_text =
	    "exec    sh 5  i386  at 0 us  /bin/sh\n"
	    "exec    ls 5  i386 -> x86_64  by thread 6  at 0 us  (path unknown)\n"
	    "exit    ls 5  status 3  at 0 us\n"
	    "exit    ls 5  killed by SIGSEGV  core dumped  at 0 us\n"
	    "thread  ls 5  ended  status 0  at 0 us\n"
	    "signal  ls 5  SIGUSR1  from 9  at 0 us\n"
	    "stop    ls 5  SIGTSTP  at 0 us\n"
	    "attach  ls 5  at 0 us\n"
	    "detach  ls 5  --follow=first  at 0 us\n"
	    "error   ls 5  at 0 us: the child was created with CLONE_UNTRACED and could not\n"
	    "        be followed\n"
	    "error   at 0 us: the child was created with CLONE_UNTRACED and could not be\n"
	    "        followed\n";
	static const int shown[] = {2, 5, 11}; /* at verbosity -1, 0, 1 */

	(void)state;
	require_utf8();
	for (int verbosity = -1; verbosity <= 1; verbosity++) {
		struct report_options options = {.verbosity = verbosity};
		struct capture_report capture;
		int lines = 0;

		capture_open(&capture, "text", &options);
		for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
			capture_send(&capture, &events[i]);
		for (const char *line = capture_text(&capture); (line = strchr(line, '\n')); line++)
			lines += line[1] != ' ';
		expect_lines(capture.text.data, 80);
		assert_int_equal(lines, shown[verbosity + 1]);
		if (verbosity == 1)
			assert_string_equal(capture.text.data, verbose_text);
		capture_close(&capture);
	}
}

static void test_end(void **state)
{
	struct event start = {.kind = EVENT_EXEC, .seq = 1, .task = task_named(5, "sh"), .exec = {.path = "/bin/sh"}};
	struct event exit = {.kind = EVENT_EXIT, .seq = 2, .task = task_named(5, "sh")};
	struct event end = {.kind = EVENT_END, .seq = 3, .end = {.forks = 3, .vforks = 1, .execs = 2, .exits = 5}};
	struct report_options quiet = {.verbosity = -1};
	struct capture_report capture;

	(void)state;
	require_utf8();
	capture_open(&capture, "text", &plain);
	capture_send(&capture, &start);
	capture_send(&capture, &exit);
	capture_send(&capture, &end);
	assert_string_equal(capture_text(&capture),
			    "exec    sh 5  unknown  at 0 us  /bin/sh\n"
			    "\n"
			    "sh 5  exited 0\n"
			    "\n"
			    "3 forks, 1 vfork, 0 failed, 2 execs, 5 exits, 0 kernel samples lost\n");
	capture_close(&capture);
	expect_event(&end, &quiet, "3 forks, 1 vfork, 0 failed, 2 execs, 5 exits, 0 kernel samples lost\n");
}

/* A full disk: told once by main, the report goes on in silence. */
static void test_full_disk(void **state)
{
	struct event attach = {.kind = EVENT_ATTACH, .task = task_named(5, "ls")};
	struct report_options verbose = {.verbosity = 1};
	struct output output;
	struct report *report;

	(void)state;
	assert_null(output_open(&output, "/dev/full", STDERR_FILENO));
	report = text_report_create(&output, &verbose);
	report->sink.event(report->sink.context, &attach);
	report->sink.flush(report->sink.context);
	assert_non_null(output.error);
	assert_int_equal(output.error->sys_errno, ENOSPC);
	assert_string_equal(output.error->object, "/dev/full");

	const struct error *first = output.error;

	report->sink.event(report->sink.context, &attach);
	report->sink.flush(report->sink.context);
	assert_ptr_equal(output.error, first);
	report_destroy(report);
	output_deinit(&output);
}

static void test_output_refused(void **state)
{
	struct output output;
	struct error *error = output_open(&output, "/no/such/directory/report", STDERR_FILENO);

	(void)state;
	assert_non_null(error);
	assert_int_equal(error->sys_errno, ENOENT);
	assert_non_null(strstr(error->message, "'/no/such/directory/report'"));
	error_destroy(error);
	output_deinit(&output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_record),         cmocka_unit_test(test_record_ascii),
	    cmocka_unit_test(test_record_verbose), cmocka_unit_test(test_fresh_stack),
	    cmocka_unit_test(test_missing_halves), cmocka_unit_test(test_no_kernel_asked),
	    cmocka_unit_test(test_thread),         cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_color),          cmocka_unit_test(test_failed),
	    cmocka_unit_test(test_lines),          cmocka_unit_test(test_end),
	    cmocka_unit_test(test_full_disk),      cmocka_unit_test(test_output_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
