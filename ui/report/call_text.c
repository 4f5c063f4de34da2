/* A fork's call in words: see call_text.h. */
#include "ui/report/call_text.h"

#include <inttypes.h>

void fork_call_text(struct buffer *text, const struct fork_call *call)
{
	const char *signal = signal_name(call->exit_signal);
	const char *separator = "";
	uint64_t unnamed = 0;

	if (call->syscall == FORK_SYSCALL_NONE) {
		buffer_append_text(text, "a call that was not seen");
		return;
	}
	buffer_printf(text, "%s(", fork_syscall_name(call->syscall));
	if (!call->flags_known)
		buffer_append_text(text, "flags unknown");
	/* The flags of these two are the kernel's idea, not an argument. */
	if (call->syscall == FORK_SYSCALL_FORK || call->syscall == FORK_SYSCALL_VFORK || !call->flags_known) {
		buffer_append_text(text, ")");
		return;
	}
	for (uint64_t flag = 1; flag; flag <<= 1) {
		const char *name = call->flags & flag ? clone_flag_name(flag) : NULL;

		if (name) {
			buffer_printf(text, "%s%s", separator, name);
			separator = "|";
		} else {
			unnamed |= call->flags & flag;
		}
	}
	if (unnamed) {
		buffer_printf(text, "%s0x%" PRIx64, separator, unnamed);
		separator = "|";
	}
	if (signal)
		buffer_printf(text, "%s%s", separator, signal);
	else if (call->exit_signal)
		buffer_printf(text, "%s%d", separator, call->exit_signal);
	buffer_append_text(text, ")");
}

void entry_text(struct buffer *text, enum entry_kind entry, bool certain)
{
	buffer_append_text(text, entry == ENTRY_UNKNOWN ? "an unknown entry" : entry_kind_name(entry));
	if (entry != ENTRY_UNKNOWN && !certain)
		buffer_append_text(text, " (inferred)");
}

void ret_text(struct buffer *text, const struct fork_half *half)
{
	if (half->ret_known)
		buffer_printf(text, "returned %" PRId64, half->ret);
	else
		buffer_append_text(text, "no return value");
}

void exit_text(struct buffer *text, const struct event *event)
{
	const char *name = event->exit.signaled ? signal_name(event->exit.status) : NULL;

	if (!event->exit.signaled)
		buffer_printf(text, "exited %d", event->exit.status);
	else if (name)
		buffer_printf(text, "killed by %s", name);
	else
		buffer_printf(text, "killed by signal %d", event->exit.status);
	if (event->exit.core_dumped)
		buffer_append_text(text, ", core dumped");
}
