/* The limit for `make bench`: a ptrace loop that makes the same stops as forktrace and reads nothing at any of them.
 *
 * usage: bare_loop PROGRAM [ARG...]
 *
 * A fork costs the system-call entry (seccomp), the fork event and the system call's exit in the parent, the first stop
 * and the end of the child, and the parent's SIGCHLD. Whatever forktrace takes beyond that is its own work. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "parse/wait_status.h"
#include "target/ptrace.h"
#include "target/start.h"
#include "target/syscall_filter.h"

extern char **environ;

enum {
	EXIT_TRACER_FAILED = 125,
	EXIT_SIGNAL_BASE = 128, /* a shell's convention for a program that a signal ended */
};

_Noreturn static void fail(struct error *error)
{
	fprintf(stderr, "bare_loop: %s\n", error->message);
	error_destroy(error);
	exit(EXIT_TRACER_FAILED);
}

/* A task killed at its stop is no failure: its end is reported next. */
static void resume(pid_t tid, enum ptrace_resume how, int signal)
{
	struct error *error = ptrace_resume(tid, how, signal);

	if (error && error->code != ERROR_GONE)
		fail(error);
	error_destroy(error);
}

static void resume_from(pid_t tid, const struct wait_status *status)
{
	switch (status->kind) {
	case WAIT_EVENT: {
		/* From the entry on the call is seen to its exit, past the event in its middle. An exec has no exit to
		 * wait for, and neither has the end of a vfork, which is not asked for. */
		bool in_call = status->value != PTRACE_EVENT_EXEC;

		resume(tid, in_call ? RESUME_SYSCALL : RESUME_CONT, 0);
		return;
	}
	case WAIT_SIGNAL:
		resume(tid, RESUME_CONT, status->value);
		return;
	case WAIT_GROUP_STOP:
		resume(tid, RESUME_LISTEN, 0);
		return;
	default: /* a system call's exit, a child's first stop */
		resume(tid, RESUME_CONT, 0);
		return;
	}
}

/* Until the last tracee is reaped. Returns the exit status of `root`. */
static int loop(pid_t root)
{
	int exit_status = EXIT_TRACER_FAILED;

	for (;;) {
		int raw;
		pid_t tid = waitpid(-1, &raw, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return exit_status;

		struct wait_status status = wait_status_decode(raw);
		bool killed = status.kind == WAIT_KILLED;

		if (status.kind != WAIT_EXITED && !killed)
			resume_from(tid, &status);
		else if (tid == root)
			exit_status = killed ? EXIT_SIGNAL_BASE + status.value : status.value;
	}
}

int main(int argc, char **argv)
{
	struct sock_fprog filter;
	sigset_t mask;
	bool no_new_privs;
	pid_t root;

	if (argc < 2) {
		fputs("usage: bare_loop PROGRAM [ARG...]\n", stderr);
		return EXIT_TRACER_FAILED;
	}
	sigprocmask(SIG_SETMASK, NULL, &mask);

	struct error *error = syscall_filter_create(&filter);

	if (error)
		fail(error);

	struct start_request request = {
	    .path = argv[1], .arguments = argv + 1, .environment = environ, .signal_mask = &mask, .filter = &filter};

	error = start_program(&request, &root, &no_new_privs);
	free(filter.filter);
	if (error)
		fail(error);
	return loop(root);
}
