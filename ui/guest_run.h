/* Runs the program in a guest instead of on this machine. */
#ifndef FORKTRACE_UI_GUEST_RUN_H
#define FORKTRACE_UI_GUEST_RUN_H

#include "base/error.h"
#include "session/session.h"
#include "symbol/kernel_symbols.h"
#include "ui/options.h"

/* Where the program's output goes, its input comes from, and a wish to end can be read while the guest starts. */
struct guest_streams {
	int signals; /* a signalfd */
	int input;
	void (*output)(void *context, int fd, const void *bytes, size_t size); /* NULL: to ours */
	void *context;                                                         /* of `output` */
};

/* Finds QEMU, the kernel and the program's files, boots (or restores) and starts the program. ERROR_GONE: somebody
 * wished it to end. Other errors are sentences. `streams` must outlive the session. */
struct error *guest_run_start(struct session *session, const struct options *options, const char *program,
			      char *const *environment, struct guest_streams *streams);

/* Takes over the guest behind --gdb, whose symbols become the session's. */
struct error *guest_run_attach(struct session *session, const struct options *options, struct kernel_symbols *symbols);

#endif
