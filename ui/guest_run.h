/* Runs the program in a guest instead of on this machine. */
#ifndef FORKTRACE_UI_GUEST_RUN_H
#define FORKTRACE_UI_GUEST_RUN_H

#include "base/error.h"
#include "session/session.h"
#include "symbol/kernel_symbols.h"
#include "ui/options.h"

/* Finds QEMU, the kernel and the program's files, boots (or restores) and starts the program. `signals` is the
 * descriptor at which a wish to end can be read meanwhile: ERROR_GONE then. Other errors are sentences. */
struct error *guest_run_start(struct session *session, const struct options *options, const char *program,
			      char *const *environment, int signals);

/* Takes over the guest behind --gdb, whose symbols become the session's. */
struct error *guest_run_attach(struct session *session, const struct options *options, struct kernel_symbols *symbols);

#endif
