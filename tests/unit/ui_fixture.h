/* What the tests of reports share: hand-made events, and a report's output as a string. */
#ifndef FORKTRACE_TESTS_UI_FIXTURE_H
#define FORKTRACE_TESTS_UI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "forktrace.h"
#include "tests/unit/skipping.h"
#include "ui/report/report.h"

/* The tests' golden text is UTF-8; where a machine has no such locale they are skipped. */
static inline void require_utf8(void)
{
	if (!setlocale(LC_ALL, "C.UTF-8"))
		skip_because("this machine has no C.UTF-8 locale");
}

/* A report that writes into memory. */
struct capture_report {
	struct output output;
	struct report *report;
	struct buffer text;
};

static inline void capture_open(struct capture_report *capture, const char *format,
				const struct report_options *options)
{
	*capture = (struct capture_report){.output = {.fd = memfd_create("report", MFD_CLOEXEC)}};
	assert_true(capture->output.fd >= 0);
	capture->report = report_create(report_format_find(format), &capture->output, options);
}

static inline void capture_send(struct capture_report *capture, const struct event *event)
{
	capture->report->sink.event(capture->report->sink.context, event);
	capture->report->sink.flush(capture->report->sink.context);
}

/* All that was written so far; valid until capture_close. */
static inline const char *capture_text(struct capture_report *capture)
{
	assert_null(capture->output.error);
	buffer_clear(&capture->text);
	buffer_append_text(&capture->text, "");
	lseek(capture->output.fd, 0, SEEK_SET);
	assert_null(buffer_read_fd(&capture->text, capture->output.fd));
	return capture->text.data;
}

static inline void capture_close(struct capture_report *capture)
{
	report_destroy(capture->report);
	close(capture->output.fd);
	capture->output.fd = -1;
	output_deinit(&capture->output);
	buffer_deinit(&capture->text);
}

static inline struct stack *stack_of(const struct frame *frames, size_t count)
{
	struct stack *stack = stack_create(count);

	memcpy(stack->frames, frames, count * sizeof(*frames));
	return stack;
}

static inline struct task_name task_named(pid_t pid, const char *comm)
{
	struct task_name task = {.pid = pid, .tid = pid, .ns_pid = pid};

	snprintf(task.comm, sizeof(task.comm), "%s", comm);
	return task;
}

#define LIBC        "/usr/lib32/libc.so.6"
#define SOURCE_FILE "/home/user/targets/test_fork.c"

/* The stack of a 32-bit test_fork in fork(). */
static inline struct stack *fork_stack(void)
{
	static const struct frame frames[] = {
	    {0xf7f5a549, "__kernel_vsyscall", 9, "[vdso]", NULL, NULL, 0, false, true, METHOD_PT_REGS},
	    {0xf7d0ab12, "arch_fork", 30, LIBC, "c0ffee", NULL, 0, true, true, METHOD_VDSO_CFI},
	    {0xf7d0ab12, "_Fork", 67, LIBC, "c0ffee", NULL, 0, false, true, METHOD_VDSO_CFI},
	    {0xf7d0abcc, "fork", 96, LIBC, "c0ffee", NULL, 0, false, true, METHOD_DWARF},
	    {0x56556200, "spawn_child", 18, "/t/test_fork", "ab", SOURCE_FILE, 12, false, true, METHOD_DWARF},
	    {0x56556280, "main", 82, "/t/test_fork", "ab", SOURCE_FILE, 21, false, true, METHOD_DWARF},
	    {0xf7c23295, "__libc_start_main", 117, LIBC, "c0ffee", NULL, 0, false, true, METHOD_DWARF},
	    {0x565560bb, "_start", 43, "/t/test_fork", "ab", NULL, 0, false, true, METHOD_DWARF},
	};

	return stack_of(frames, sizeof(frames) / sizeof(frames[0]));
}

static inline struct stack *kernel_stack(void)
{
	static const struct frame frames[] = {
	    {0xffffffff810a1234, "copy_process", 1, NULL, NULL, NULL, 0, false, true, METHOD_PERF},
	    {0xffffffff810a2234, "kernel_clone", 2, NULL, NULL, NULL, 0, false, true, METHOD_PERF},
	    {0xffffffff81c01234, "entry_SYSENTER_compat_after_hwframe", 3, NULL, NULL, NULL, 0, false, true,
	     METHOD_PERF},
	};

	return stack_of(frames, sizeof(frames) / sizeof(frames[0]));
}

static inline struct stack *kernel_child_stack(void)
{
	static const struct frame frames[] = {
	    {0, "ret_from_fork", 4, NULL, NULL, NULL, 0, false, true, METHOD_PROC_STACK},
	    {0, "ret_from_fork_asm", 5, NULL, NULL, NULL, 0, false, true, METHOD_PROC_STACK},
	};

	return stack_of(frames, sizeof(frames) / sizeof(frames[0]));
}

enum { CLONE_SETTID_CLEARTID = 0x1200000 };

/* A fork with all its parts: 4711 -> 4712. The record owns its stacks. */
static inline struct fork_record fork_record_make(void)
{
	struct stack *user = fork_stack();

	return (struct fork_record){
	    .kind = FORK_KIND_FORK,
	    .call = {.syscall = FORK_SYSCALL_CLONE,
		     .abi = ABI_I386,
		     .number = 120,
		     .flags = CLONE_SETTID_CLEARTID,
		     .exit_signal = SIGCHLD,
		     .flags_known = true},
	    .entry = ENTRY_SYSENTER,
	    .entry_certain = true,
	    .parent = {.task = task_named(4711, "test_fork"),
		       .ret_known = true,
		       .ret = 4712,
		       .ret_from = RET_FROM_SYSCALL_EXIT,
		       .ret_ns = 48000,
		       .frames = user},
	    .child = {.task = task_named(4712, "test_fork"),
		      .ret_known = true,
		      .ret = 0,
		      .ret_from = RET_FROM_FIRST_STOP,
		      .ret_ns = 71000,
		      .frames = stack_ref(user)},
	    .kernel = {.source = KERNEL_SOURCE_LIVE,
		       .release = "6.18.0-1-amd64",
		       .parent_frames = kernel_stack(),
		       .child_frames = kernel_child_stack()},
	};
}

/* The walk of that fork through a guest's kernel: nearly all of its stages were seen, one by its return address alone.
 */
static inline struct fork_walk *fork_walk_make(void)
{
	static struct fork_walk walk = {{
	    {STAGE_WRAPPER, false, "fork", NULL, 0xb7dbf500, false, true, 0, NULL, 0},
	    {STAGE_VSYSCALL, false, "__kernel_vsyscall", NULL, 0xb7f8f560, false, true, 41000, NULL, 0},
	    {STAGE_ENTRY, false, "entry_SYSENTER_32", NULL, 0xc5b3b000, false, true, 52000, NULL, 0},
	    {STAGE_DISPATCH, false, "ia32_sys_call", NULL, 0xc50ff000, false, true, 93000, NULL, 0},
	    {STAGE_HANDLER, false, "__ia32_sys_clone", NULL, 0xc5064c12, true, false, 0, "kernel/fork.c", 2882},
	    {STAGE_WORKER, false, "kernel_clone", NULL, 0xc5064600, false, true, 121000, NULL, 0},
	    {STAGE_COPY, false, "copy_process.part.0", NULL, 0xc5062d50, false, true, 140000, "kernel/fork.c", 2101},
	    {STAGE_WAKE, false, "wake_up_new_task", NULL, 0xc50a1c60, false, true, 1730000, NULL, 0},
	    {STAGE_RETURN_PARENT, false, "__kernel_vsyscall", NULL, 0xb7f8f569, false, true, 2103000, NULL, 0},
	    {STAGE_RETURN_CHILD, true, "__kernel_vsyscall", NULL, 0xb7f8f569, false, true, 2841000, NULL, 0},
	    {STAGE_CHILD_FIRST, true, NULL, "this kernel's symbols have no ret_from_fork", 0, false, false, 0, NULL, 0},
	}};

	return &walk;
}

static inline void fork_record_drop(struct fork_record *record)
{
	stack_unref(record->parent.frames);
	stack_unref(record->child.frames);
	stack_unref(record->kernel.parent_frames);
	stack_unref(record->kernel.child_frames);
}

#endif
