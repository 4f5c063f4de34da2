/* Starts a program that is traced from its first instruction. */
#ifndef FORKTRACE_TARGET_START_H
#define FORKTRACE_TARGET_START_H

#include <linux/filter.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct start_request {
	const char *path;       /* the file to run: execve's first argument, no search */
	char *const *arguments; /* NULL-terminated, argv[0] first */
	char *const *environment;
	const sigset_t *signal_mask; /* what the program gets: the mask that forktrace itself was started with */
	bool ignore_sigchld;         /* the program inherits an ignored SIGCHLD, which forktrace itself cannot use */
	const struct sock_fprog *filter; /* NULL: none */
	/* What it gets as standard input, output and error, where redirect is set: a terminal of its own, or the like.
	 * Stay the caller's. */
	bool redirect;
	int standard[3];
};

/* Forks, seizes the child with PTRACE_O_EXITKILL, installs the filter and lets it exec. On success *pid is seized and
 * stops (or has stopped) with PTRACE_EVENT_EXEC; *no_new_privs tells whether the filter needed it. Errors:
 * ERROR_NOT_FOUND (no such file or no such interpreter), ERROR_NOT_EXEC (cannot be executed), others; nothing is left
 * behind. The calling thread must be the one that goes on tracing. */
struct error *start_program(const struct start_request *request, pid_t *pid, bool *no_new_privs);

#endif
