/* A client of the GDB remote protocol (GDB manual, appendix E): a stopped or running machine or program behind a
 * socket.
 *
 * Requests are answered at once, the machine being stopped; a resumed machine tells its stop later: gdbstub_fd becomes
 * readable and gdbstub_stopped takes it. Errors: ERROR_GONE when the peer closed the connection, error_fault for memory
 * that is not readable, ERROR_INPUT for a peer that breaks the protocol, ERROR_SYSTEM with ETIMEDOUT for one that does
 * not answer. */
#ifndef FORKTRACE_TARGET_GDBSTUB_H
#define FORKTRACE_TARGET_GDBSTUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"

struct gdbstub;

/* Shakes hands over a connected socket (which stays the caller's, and needs not be non-blocking): qSupported,
 * QStartNoAckMode where it is offered (QEMU 7.2 has none), the target description (i386 or x86_64, registers by name;
 * a peer without one has the layout that GDB assumes, chosen by its size), and takes the current stop. */
struct error *gdbstub_create(int fd, const struct log *log, struct gdbstub **stub);
/* Takes out the breakpoints that are left if it is stopped; does not resume. Accepts NULL. */
void gdbstub_destroy(struct gdbstub *stub);

/* A connected socket for "PATH" (unix) or "HOST:PORT" ("[::1]:1234"); the caller closes it. Errors are sentences for
 * the user; ERROR_DENIED with EBUSY: another debugger is connected to it, and nothing was done. */
struct error *gdbstub_connect(const char *address, int *fd);

int gdbstub_fd(const struct gdbstub *stub);
enum abi gdbstub_abi(const struct gdbstub *stub);
/* From now on a 64-bit processor that runs a 32-bit kernel is an i386 (ERROR_UNSUPPORTED: it is in 64-bit mode, or does
 * not tell). Nothing is done where it is one already. To be called before the first breakpoint. */
struct error *gdbstub_take_for_i386(struct gdbstub *stub);

/* Of the thread that stopped, read once a stop. A register that the peer does not have or tell is not known;
 * original_result is then -1. */
struct error *gdbstub_registers(struct gdbstub *stub, struct registers *registers);
/* A register by its name in the target description ("cr3", "fs_base", "eflags"). ERROR_NOT_FOUND: the peer has none, or
 * does not tell it now; ERROR_UNSUPPORTED: it is wider than 64 bits, or may not be written. */
struct error *gdbstub_register(struct gdbstub *stub, const char *name, uint64_t *value);
struct error *gdbstub_set_register(struct gdbstub *stub, const char *name, uint64_t value);

/* Exactly `size` bytes, in packets that the peer takes. What is read is kept until the next resume, step or write, in
 * blocks of a power of two up to a page, as much as one packet holds (QEMU: 2 KiB), where a block can be read whole. */
struct error *gdbstub_read(struct gdbstub *stub, uint64_t address, void *bytes, size_t size);
struct error *gdbstub_write(struct gdbstub *stub, uint64_t address, const void *bytes, size_t size);

/* Breakpoints, counted: each add wants its remove. They fire in every address space. Software ones (Z0), or hardware
 * ones (Z1) where the peer has no others. The peer is told at the next resume: what it refuses is that call's error
 * (ERROR_FAULT, ERROR_UNSUPPORTED), after which the machine still stands and the breakpoint may be removed. Errors
 * here: error_fault, an address that the machine does not have; ERROR_NOT_FOUND, none of ours to remove. A running
 * machine keeps what it has until it stops. */
struct error *gdbstub_breakpoint_add(struct gdbstub *stub, uint64_t address);
struct error *gdbstub_breakpoint_remove(struct gdbstub *stub, uint64_t address);
/* Promises that the code at a breakpoint is the same in all address spaces and does not change (a kernel's): it is then
 * looked at once. */
void gdbstub_breakpoint_same_code(struct gdbstub *stub, uint64_t address);
/* Is there one of ours? */
bool gdbstub_breakpoint_at(const struct gdbstub *stub, uint64_t address);

/* Watchpoints (Z2): stop when `size` bytes at `address` are written, in any address space. The peer is told at once,
 * the machine standing still. ERROR_UNSUPPORTED: it refuses. */
struct error *gdbstub_watch_add(struct gdbstub *stub, uint64_t address, unsigned size);
struct error *gdbstub_watch_remove(struct gdbstub *stub, uint64_t address, unsigned size);

enum gdbstub_stop_kind {
	GDBSTUB_STOP_SIGNAL, /* T05 …: a breakpoint, a step, an interrupt, or a program's signal */
	GDBSTUB_STOP_WATCH,  /* a watchpoint: `address` */
	GDBSTUB_STOP_EXITED, /* W: `number` is the exit status */
	GDBSTUB_STOP_KILLED, /* X: `number` is the signal */
};

struct gdbstub_stop {
	enum gdbstub_stop_kind kind;
	int number;       /* GDB's signal number; exit status */
	uint64_t address; /* GDBSTUB_STOP_WATCH */
	char thread[32];  /* as the peer spells it; "" where it does not */
};

/* Lets it run (vCont;c), delivering the signal that it stopped for, if that was the program's own. Where a breakpoint
 * of ours lies under the pc it is stepped over first, once (taken out for the step where the peer would hit it again:
 * the first one finds out); a stop for another reason during that step is told as the stop. Does not wait for the
 * step's end: gdbstub_stopped and gdbstub_wait go on from there, so one of them must be called for it to run at all. A
 * repeated string instruction under a breakpoint is a hit at each repetition. */
struct error *gdbstub_resume(struct gdbstub *stub);
/* Executes one instruction of the thread that stopped, over a breakpoint too, and waits for its end (which is told as
 * *stop). An instruction that takes longer than 10 s (a system call that blocks, behind gdbserver) is ERROR_SYSTEM,
 * ETIMEDOUT: it then runs on, and gdbstub_wait takes its end. */
struct error *gdbstub_step(struct gdbstub *stub, struct gdbstub_stop *stop);
/* The same without waiting: its end is told as a stop, by gdbstub_stopped or gdbstub_wait. Breakpoints are as they were
 * at the last resume. */
struct error *gdbstub_step_begin(struct gdbstub *stub);
/* Asks QEMU to take no interrupt during a step and to let no time pass (its gdbstub's SSTEP_NOIRQ and SSTEP_NOTIMER).
 * Peers that know nothing of it are left as they are. */
struct error *gdbstub_step_undisturbed(struct gdbstub *stub);
/* Asks a running machine to stop; the stop is told as any other. Nothing is done where it does not run. */
struct error *gdbstub_interrupt(struct gdbstub *stub);

/* Takes what has arrived, without blocking: *stopped tells whether it has stopped now, *stop how. Console output
 * packets (O) go to the log as they are: untrusted text. */
struct error *gdbstub_stopped(struct gdbstub *stub, struct gdbstub_stop *stop, bool *stopped);
/* The same, waiting (-1: for ever). ERROR_SYSTEM, ETIMEDOUT: it runs on, which breaks nothing. */
struct error *gdbstub_wait(struct gdbstub *stub, int timeout_ms, struct gdbstub_stop *stop);
bool gdbstub_running(const struct gdbstub *stub);

/* Asks a stopped peer to carry out a command of its own (qRcmd; QEMU: its monitor's) and appends what that prints to
 * `answer`. ERROR_UNSUPPORTED: it knows none, or not this one. */
struct error *gdbstub_monitor(struct gdbstub *stub, const char *command, struct buffer *answer);

/* Lets the peer go its way without us (D), breakpoints taken out; it runs on. */
struct error *gdbstub_detach(struct gdbstub *stub);

#endif
