/* Wait statuses: see wait_status.h. */
#include "parse/wait_status.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
	EVENT_SHIFT = 16,              /* a stop's event stands above its signal; other statuses have nothing there */
	SYSCALL_STOP = SIGTRAP | 0x80, /* PTRACE_O_TRACESYSGOOD */
	SIGNAL_MAX = 64,               /* the kernel's _NSIG */
};

static const struct wait_status invalid = {.kind = WAIT_INVALID};

/* kernel/signal.c: a group stop's signal is one of sig_kernel_stop, or SIGTRAP where there is no group stop. */
static struct wait_status decode_event_stop(int signal)
{
	switch (signal) {
	case SIGTRAP:
		return (struct wait_status){.kind = WAIT_TRACE_STOP};
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return (struct wait_status){.kind = WAIT_GROUP_STOP, .value = signal};
	default:
		return invalid;
	}
}

static struct wait_status decode_stop(int status)
{
	int event = status >> EVENT_SHIFT;
	int signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP)
		return decode_event_stop(signal);
	if (event > 0 && signal == SIGTRAP)
		return (struct wait_status){.kind = WAIT_EVENT, .value = event};
	if (event != 0)
		return invalid;
	if (signal == SYSCALL_STOP)
		return (struct wait_status){.kind = WAIT_SYSCALL};
	if (signal == 0 || signal > SIGNAL_MAX)
		return invalid;
	return (struct wait_status){.kind = WAIT_SIGNAL, .value = signal};
}

struct wait_status wait_status_decode(int status)
{
	bool core_dumped = WCOREDUMP(status);

	if (WIFSTOPPED(status))
		return decode_stop(status);
	if (WIFCONTINUED(status))
		return (struct wait_status){.kind = WAIT_CONTINUED};
	if (status >> EVENT_SHIFT != 0)
		return invalid;
	if (WIFEXITED(status) && !core_dumped)
		return (struct wait_status){.kind = WAIT_EXITED, .value = WEXITSTATUS(status)};
	if (WIFSIGNALED(status) && WTERMSIG(status) <= SIGNAL_MAX)
		return (struct wait_status){.kind = WAIT_KILLED, .value = WTERMSIG(status), .core_dumped = core_dumped};
	return invalid;
}
