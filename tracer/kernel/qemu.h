/* A QEMU process and the channels to it. Internal to kernel/. */
#ifndef FORKTRACE_KERNEL_QEMU_H
#define FORKTRACE_KERNEL_QEMU_H

#include <stdbool.h>

#include "base/error.h"

struct qemu_request {
	const char *path;
	const char *cpu;
	unsigned memory_mib;
	bool incoming; /* waits for a migration instead of booting: kernel, initramfs and append are not used */
	const char *kernel;
	int initramfs; /* descriptors, the caller's; -1: none */
	const char *append;
	int payload;
	int dump; /* a memfd for QEMU to write to, as /proc/self/fd/NUMBER; -1: none */
};

struct qemu {
	const char *name;     /* the path as it was given, the caller's; for errors */
	int pidfd;            /* -1: none runs */
	int stub, qmp, input; /* connected sockets */
	int output, console;  /* pipes, non-blocking */
	int errors;           /* a memfd: what it wrote to standard error */
};

#define QEMU_NONE ((struct qemu){NULL, -1, -1, -1, -1, -1, -1, -1})

/* Starts it, stopped (-S), in a session of its own; it is killed when the calling thread ends. Fills *qemu also where
 * it fails; qemu_deinit then cleans up. */
struct error *qemu_start(const struct qemu_request *request, struct qemu *qemu);

/* Kills and reaps exactly this process, closes all. */
void qemu_deinit(struct qemu *qemu);

/* Has it ended? */
bool qemu_ended(const struct qemu *qemu);

/* Why it ended, in its own words: an ERROR_SYSTEM. */
struct error *qemu_death(const struct qemu *qemu);

/* What makes one QEMU's snapshot useless to another: its options, without the numbers of descriptors. The caller's. */
char *qemu_options_text(const struct qemu_request *request);

#endif
