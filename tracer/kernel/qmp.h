/* QEMU's machine protocol (QEMU docs/interop/qmp-spec.txt): commands, one at a time, and the events that matter here.
 * Internal to kernel/. */
#ifndef FORKTRACE_KERNEL_QMP_H
#define FORKTRACE_KERNEL_QMP_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"
#include "kernel/patience.h"

struct qmp {
	int fd; /* a connected socket, the caller's */
	struct buffer received;
	char version[128];  /* QEMU's own, with its packager's: "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)" */
	char migration[32]; /* the status of the newest MIGRATION event; "" before */
};

/* Shakes hands. `fd` must be a unix socket in non-blocking mode. */
struct error *qmp_init(struct qmp *qmp, int fd, const struct patience *patience);
void qmp_deinit(struct qmp *qmp);

/* Executes `command` with `arguments` (consumed; NULL: none), passing the descriptor `passed` along (-1: none). *result
 * (may be NULL) gets what it returned, the caller's. Errors: ERROR_SYSTEM with ECONNRESET when QEMU closed the
 * connection, ERROR_INPUT when it refused, with its words, or broke the protocol; those of patience_poll. */
struct error *qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int passed,
			  const struct patience *patience, json_t **result);

/* Waits for the end of a migration, one way or the other: qmp->migration tells. Wants the capability "events". */
struct error *qmp_wait_migration(struct qmp *qmp, const struct patience *patience);

/* Waits until the machine is in the state `wanted`: RunState in QEMU's qapi/run-state.json. Errors: as above, ETIMEDOUT
 * after a few seconds. */
struct error *qmp_wait_status(struct qmp *qmp, const char *wanted, const struct patience *patience);

/* Takes the events that have arrived, without blocking. ERROR_SYSTEM with ECONNRESET when QEMU closed the
 * connection. */
struct error *qmp_dispatch(struct qmp *qmp);

#endif
