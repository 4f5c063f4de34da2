/* What is said of a task: why it stands, or how it ended. */
#include <stdio.h>
#include <string.h>

#include "ui/tui/tui.h"

static const char *signal_word(int number)
{
	const char *name = sigabbrev_np(number);

	return name ? name : "RT";
}

void tui_describe(const struct control_task *task, char *text, size_t size)
{
	if (task->state == CONTROL_ENDED && task->signaled)
		snprintf(text, size, "killed by SIG%s", signal_word(task->status));
	else if (task->state == CONTROL_ENDED)
		snprintf(text, size, "exited %d", task->status);
	else if (task->state == CONTROL_LET_GO)
		snprintf(text, size, "let go");
	else if (task->state == CONTROL_RUNNING)
		snprintf(text, size, "%s", task->in_vfork ? "waits in vfork for its child" : "runs");
	else if (task->stop == CONTROL_STOP_START)
		snprintf(text, size, "at the start");
	else if (task->stop == CONTROL_STOP_STEP)
		snprintf(text, size, "stepped");
	else if (task->stop == CONTROL_STOP_BREAKPOINT)
		snprintf(text, size, "at breakpoint %d", task->number);
	else if (task->stop == CONTROL_STOP_WATCH)
		snprintf(text, size, "watchpoint %d changed", task->number);
	else if (task->stop == CONTROL_STOP_BORN && task->in_kernel)
		snprintf(text, size, "begins");
	else if (task->stop == CONTROL_STOP_FORK || task->stop == CONTROL_STOP_BORN)
		snprintf(text, size, "fork returned %lld", (long long)task->ret);
	else if (task->stop == CONTROL_STOP_SIGNAL)
		snprintf(text, size, "before SIG%s", signal_word(task->number));
	else if (task->stop == CONTROL_STOP_EXEC)
		snprintf(text, size, "executed another program");
	else
		snprintf(text, size, "interrupted");
}

void tui_describe_briefly(const struct control_task *task, char *text, size_t size)
{
	static const char *const words[] = {
	    [CONTROL_STOP_NONE] = "held",      [CONTROL_STOP_START] = "at start", [CONTROL_STOP_STEP] = "stepped",
	    [CONTROL_STOP_FORK] = "forked",    [CONTROL_STOP_BORN] = "born",      [CONTROL_STOP_EXEC] = "exec",
	    [CONTROL_STOP_INTERRUPT] = "held",
	};

	if (task->state == CONTROL_ENDED && task->signaled)
		snprintf(text, size, "SIG%s", signal_word(task->status));
	else if (task->state == CONTROL_RUNNING && task->in_vfork)
		snprintf(text, size, "in vfork");
	else if (task->state != CONTROL_HELD)
		tui_describe(task, text, size);
	else if (task->stop == CONTROL_STOP_BREAKPOINT)
		snprintf(text, size, "break %d", task->number);
	else if (task->stop == CONTROL_STOP_WATCH)
		snprintf(text, size, "watch %d", task->number);
	else if (task->stop == CONTROL_STOP_SIGNAL)
		snprintf(text, size, "SIG%s?", signal_word(task->number));
	else
		snprintf(text, size, "%s", words[task->stop]);
}

bool tui_is_thread(const struct control_task *task)
{
	return task->tid != task->pid;
}

const char *tui_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
