/* Signals by a descriptor, for the loops. */
#ifndef FORKTRACE_UI_SIGNALS_H
#define FORKTRACE_UI_SIGNALS_H

#include <signal.h>
#include <sys/signalfd.h>

#include "base/error.h"

struct session;

/* Has the signals of `wanted`, a list that ends with 0, come through *fd (owned by the caller) from now on, and blocks
 * signals_of_writing's. `before`: the mask until then; NULL: it is not wanted. */
struct error *signals_watch(const int *wanted, int *fd, sigset_t *before);

/* Blocks SIGPIPE and SIGXFSZ: a closed pipe and a file at its limit are errors of write(2). */
void signals_of_writing(void);

/* Takes what waits at `fd`: SIGCHLD only says that there is something to dispatch, SIGIO that samples wait; all else is
 * for `other`. */
void signals_take(int fd, struct session *session, void (*other)(void *context, const struct signalfd_siginfo *info),
		  void *context);

#endif
