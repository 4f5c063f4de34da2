/* Breakpoints and watchpoints of the processor, by perf events that send SIGTRAP: in a program that forktrace attached
 * to, because they vanish with forktrace however it ends (perf_event_open(2), sigtrap and remove_on_exec, Linux 5.13).
 */
#ifndef FORKTRACE_TARGET_HARDWARE_H
#define FORKTRACE_TARGET_HARDWARE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* As many as the processor has, for each thread. */
enum { HARDWARE_POINTS = 4 };

enum hardware_kind { HARDWARE_EXECUTE, HARDWARE_WRITE };

/* Stops thread `tid` before the instruction at `address` is executed, or behind the one that wrote some of the `size`
 * bytes there (1, 2, 4 or 8, and `address` a multiple of it): with SIGTRAP, of which hardware_hit tells. In this thread
 * alone; gone with an exec, and when *fd, the caller's, is closed. Errors: ERROR_UNSUPPORTED (the sentence says what is
 * missing here; found out once, by trying one), ERROR_SYSTEM with ENOSPC (all are in use). */
struct error *hardware_open(pid_t tid, enum hardware_kind kind, uint64_t address, unsigned size, int *fd);

/* Is this the SIGTRAP of one of ours? `address`: what it was opened for. */
bool hardware_hit(const siginfo_t *info, uint64_t *address);

#endif
