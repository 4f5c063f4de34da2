/* Decodes a wait status once, into one type. */
#ifndef FORKTRACE_PARSE_WAIT_STATUS_H
#define FORKTRACE_PARSE_WAIT_STATUS_H

#include <stdbool.h>

enum wait_kind {
	WAIT_EXITED,     /* value: exit status */
	WAIT_KILLED,     /* value: the signal */
	WAIT_SYSCALL,    /* system-call stop (SIGTRAP | 0x80, PTRACE_O_TRACESYSGOOD) */
	WAIT_EVENT,      /* value: PTRACE_EVENT_* (fork, vfork, clone, exec, exit, vfork-done, seccomp) */
	WAIT_TRACE_STOP, /* PTRACE_EVENT_STOP with SIGTRAP: a new child's first stop, PTRACE_INTERRUPT, SIGCONT of a
			    listened task */
	WAIT_GROUP_STOP, /* PTRACE_EVENT_STOP with a stopping signal (value): a group stop under PTRACE_SEIZE */
	WAIT_SIGNAL,     /* signal-delivery stop; value: the signal */
	WAIT_CONTINUED,
	WAIT_INVALID, /* none of these */
};

struct wait_status {
	enum wait_kind kind;
	int value;
	bool core_dumped; /* WAIT_KILLED alone */
};

/* ptrace(2), "Stopped states"; wait(2). For tasks that were seized (PTRACE_SEIZE). */
struct wait_status wait_status_decode(int status);

#endif
