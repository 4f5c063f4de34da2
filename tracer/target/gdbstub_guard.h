/* A process that outlives us and lets a stub's machine go if we cannot: QEMU does nothing of its own when a debugger's
 * connection is closed (gdb_chr_event, gdbstub.c of 7.2: measured). The breakpoints stay, and a machine that stood
 * still, or that meets one of them, stands still for ever. */
#ifndef FORKTRACE_TARGET_GDBSTUB_GUARD_H
#define FORKTRACE_TARGET_GDBSTUB_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct gdbstub_guard {
	pid_t pid; /* 0: none */
	int pipe;  /* whose other end the guard reads: its end of file is ours */
};

/* Forks the guard of the stub at the other end of `fd`, a connected socket, which must be one that listens on for the
 * next connection. The guard holds none of our descriptors, is in a session of its own and keeps the signal mask. When
 * this process ends without gdbstub_guard_end, however that is, it connects anew and detaches (the packet D: QEMU takes
 * all breakpoints out and lets the machine run). */
struct error *gdbstub_guard_start(int fd, struct gdbstub_guard *guard);

/* Ends the guard: the machine has been let go. Where it could not be (`let_go` is false), or is not known to be, the
 * guard tries, for some seconds, and nobody waits for it. Accepts {0}. */
void gdbstub_guard_end(struct gdbstub_guard *guard, bool let_go);

#endif
