/* The kernel's call chain at every successful call of the fork family on this machine, and at the first stop of every
 * traced child, from perf tracepoints. */
#ifndef FORKTRACE_KERNEL_CALLCHAIN_H
#define FORKTRACE_KERNEL_CALLCHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct callchain;

enum {
	/* The default of kernel.perf_event_max_stack. */
	CALLCHAIN_MAX_FRAMES = 127,
	CALLCHAIN_COMM_SIZE = 16, /* TASK_COMM_LEN, linux/sched.h */
};

enum callchain_kind {
	CALLCHAIN_FORK, /* a successful call of the fork family */
	CALLCHAIN_STOP, /* a task that forktrace traces, in a PTRACE_EVENT_STOP: a child's first stop, a group stop */
};

struct callchain_sample {
	enum callchain_kind kind;
	pid_t tid;        /* the caller of fork, or who stopped, in forktrace's pid namespace */
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	bool have_comm;
	char comm[CALLCHAIN_COMM_SIZE]; /* the caller's name */
	bool truncated;                 /* there were more frames */
	size_t count;
	uint64_t addresses[CALLCHAIN_MAX_FRAMES]; /* kernel addresses, innermost first */
};

/* Opens the tracepoint task:task_newtask, or else sched:sched_process_fork, on every CPU for all tasks: an event that
 * children inherit would need no filtering, and costs a fork 20 to 30 %. Needs CAP_PERFMON, or
 * kernel.perf_event_paranoid at -1; the error's message names what is missing. The caller frees with callchain_destroy.
 */
struct error *callchain_create(struct callchain **callchain);
void callchain_destroy(struct callchain *callchain); /* accepts NULL */

/* Has the calling thread sent SIGIO, which it must have blocked, while rings are filling. */
void callchain_notify(const struct callchain *callchain);

/* Whether stops are sampled (signal:signal_generate): those of the thread that called callchain_create. */
bool callchain_has_stops(const struct callchain *callchain);

/* "task:task_newtask" */
const char *callchain_tracepoint(const struct callchain *callchain);

/* Whether the caller of callchain_drain wants a sample of `tid` (asked before the rest is decoded), and what takes it.
 * The sample is valid during the call alone. */
struct callchain_sink {
	bool (*wants)(void *context, enum callchain_kind kind, pid_t tid);
	void (*take)(void *context, const struct callchain_sample *sample);
	void *context;
};

/* Empties the rings. Samples of one CPU come in order of time, those of different CPUs do not. A fork's sample is
 * there before its ptrace event stop is reported. That of a stop comes when the stop is told: waitpid may see the stop
 * before, but any ptrace request to the task waits until it is past that (ptrace_check_attach, kernel/ptrace.c). */
void callchain_drain(struct callchain *callchain, const struct callchain_sink *sink);

/* Records that the kernel dropped so far because a ring was full. */
uint64_t callchain_lost(const struct callchain *callchain);

#endif
