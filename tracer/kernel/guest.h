/* A QEMU guest, booted (or restored from a snapshot) to the point where its PID 1 waits to start a program. */
#ifndef FORKTRACE_KERNEL_GUEST_H
#define FORKTRACE_KERNEL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "symbol/kernel_symbols.h"

struct guest_options {
	const char *qemu;    /* path of qemu-system-i386 (the face finds it on PATH) */
	const char *kernel;  /* path of an i386 bzImage */
	const char *cpu;     /* NULL: the default (qemu32) */
	unsigned memory_mib; /* 0: the default (128) */
	const char *append;  /* further kernel arguments; NULL: none */
	const char *cache;   /* directory for snapshots, made with mode 0700 where missing; NULL: none are kept */
	bool cold;           /* boot; neither use nor make a snapshot */
};

struct guest;

/* Starts QEMU with the payload (a descriptor of a memfd or file, read by the guest after guest_go; stays the caller's)
 * and gets it to the state in which PID 1 has said READY and polls for GUEST_GO. The virtual CPU is stopped when this
 * returns (QMP's `stop`, or never let run after a restore); the stub's continue sets it going, and nothing has
 * been said over the stub's connection. Takes a snapshot on the way where none fits. Blocks up to `timeout_ms`;
 * `interrupted` (may be NULL) is asked now and then whether to give up (the error is then ERROR_GONE). QEMU is killed
 * when the calling thread ends. Errors are sentences for the user: QEMU or kernel missing or refused, panic, no PID 1,
 * PID 1's own words, no /proc/kallsyms, silence. The console's last lines go to `log` at debug level. */
struct error *guest_start(const struct guest_options *options, int payload, int timeout_ms, bool (*interrupted)(void *),
			  void *context, const struct log *log, struct guest **guest);

/* Kills and reaps QEMU, closes all. Accepts NULL. */
void guest_destroy(struct guest *guest);

/* What PID 1 told at READY; all live as long as the guest. */
const char *guest_kallsyms(const struct guest *guest, size_t *size);
/* The same, ready to be asked, and the caller's from now on; to be called once. */
struct kernel_symbols *guest_take_symbols(struct guest *guest);
const void *guest_vdso(const struct guest *guest, size_t *size); /* the image; size 0: none */
const char *guest_release(const struct guest *guest);            /* "6.1.0-50-686" */
/* The kernel's build id, at most GUEST_BUILD_ID_MAX bytes; size 0: not known. */
enum { GUEST_BUILD_ID_MAX = 64 };
const uint8_t *guest_build_id(const struct guest *guest, size_t *size);
uint32_t guest_exec_address(const struct guest *guest);
bool guest_from_snapshot(const struct guest *guest);

/* A connected socket to the GDB stub; the caller's user talks over it, the guest keeps and closes it. */
int guest_stub_fd(const struct guest *guest);

/* Has PID 1 start the program. The virtual CPU must then be let run, by the stub. */
struct error *guest_go(struct guest *guest);

/* Descriptors to poll for reading (-1: closed), to be followed by guest_receive when any is readable; *count of them.
 * After GUEST_DONE they stay readable: QEMU ends. Whoever waits for the stub while the machine runs must read on here:
 * a machine that finds a megabyte of output unread stands still, and its stub with it. */
enum { GUEST_POLL_MAX = 4 };
void guest_poll_fds(const struct guest *guest, int fds[GUEST_POLL_MAX], size_t *count);

/* What PID 1 says, one message at a time; never blocks. */
struct guest_message {
	char type;         /* GUEST_STARTED … of kernel/guest_protocol.h */
	uint32_t number;   /* pid, errno, wait status, credit */
	const char *bytes; /* output, or a text; valid until the next call */
	size_t size;
};
/* False: nothing more now. An error (with the console's end in the log) when QEMU died, the kernel panicked, or PID 1
 * broke the protocol. */
struct error *guest_receive(struct guest *guest, struct guest_message *message, bool *any);

/* Sends standard input, within the credit and GUEST_INPUT_MAX at a time; size 0: the end of it. A guest that has ended
 * takes it in silence. */
struct error *guest_send_input(struct guest *guest, const void *bytes, size_t size);

#endif
