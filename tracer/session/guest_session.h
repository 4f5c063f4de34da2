/* A run in a QEMU guest: what session.h needs besides. */
#ifndef FORKTRACE_SESSION_GUEST_SESSION_H
#define FORKTRACE_SESSION_GUEST_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "kernel/guest.h"
#include "session/session.h"
#include "symbol/kernel_symbols.h"

struct guest_request {
	struct guest_options machine;
	const char *debug_info;   /* the kernel's vmlinux, for kernel_debug_open; NULL: none */
	const char *program;      /* path of an i386 program on this machine, absolute */
	char *const *arguments;   /* NULL-terminated */
	char *const *environment; /* likewise */
	const char *directory;    /* where it starts, absolute */
	const char *library_path; /* LD_LIBRARY_PATH, to find its libraries; NULL: none */
	const char *const *files; /* further files for it: guest_files_add */
	size_t file_count;
	int timeout_ms; /* for the guest to become ready */
	int input;      /* what the program reads; -1: nothing. Stays the caller's */
	/* What the program wrote to standard output (1) or error (2). */
	void (*output)(void *context, int fd, const void *bytes, size_t size);
	/* Asked now and then while the guest starts: whether to give up. */
	bool (*interrupted)(void *context);
	void *context;
};

/* Starts the guest and, in it, the program. Blocks until the guest is ready: 0.2 to 5 s. Errors are sentences for the
 * user: those of kernel_debug_open and kernel_debug_fit, guest_start, guest_files_of_program and payload_create. */
struct error *session_start_guest(struct session *session, const struct guest_request *request);

struct guest_attach_request {
	const char *address;            /* of the stub: gdbstub_connect */
	struct kernel_symbols *symbols; /* of its kernel: foreign_kernel_load; taken over, on errors too */
	const char *const *files;       /* files of this machine that are in the guest as well: guest_files_add */
	size_t file_count;
};

/* Takes over a machine that somebody else runs, until it ends, or session_stop_guest. Every process's forks are told.
 * The machine is let run on without breakpoints however forktrace ends (gdbstub_guard_start). Errors are sentences for
 * the user: nothing there, no stub, another debugger's, no 32-bit kernel, symbols of another kernel. */
struct error *session_attach_guest(struct session *session, const struct guest_attach_request *request);

/* Ends the guest, or leaves it where it is somebody else's, at once; the report tells `reason`. */
void session_stop_guest(struct session *session, const char *reason);

#endif
