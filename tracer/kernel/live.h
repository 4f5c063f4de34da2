/* The kernel half on this machine: both kernel stacks from perf tracepoints' callchains, named from /proc/kallsyms, or
 * else from /proc/TID/stack. */
#ifndef FORKTRACE_KERNEL_LIVE_H
#define FORKTRACE_KERNEL_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/intern.h"
#include "base/log.h"
#include "unwind/stack.h"

struct live_kernel;

/* Opens what is permitted: perf events on task:task_newtask (else sched:sched_process_fork) and on
 * signal:signal_generate, one ring a CPU, system-wide, for the tracepoints' callchains; mounts tracefs privately if it
 * has to and may. Starts reading /proc/kallsyms in the background. `cache` is a directory of the user's own where a
 * copy of it may be kept (NULL: none). Never fails as a whole: what is not to be had is told by live_kernel_reason.
 * `pool` and `log` must outlive it. */
struct live_kernel *live_kernel_create(struct string_pool *pool, const struct log *log, const char *cache);
void live_kernel_destroy(struct live_kernel *live); /* accepts NULL */

/* Why the parent's half (or the child's) cannot be had, one sentence naming the knob; NULL: it can. */
const char *live_kernel_parent_reason(const struct live_kernel *live);
const char *live_kernel_child_reason(const struct live_kernel *live);

/* Says that task `tid` is traced: samples of tasks that are not are dropped. Forget when it ends. */
void live_kernel_watch(struct live_kernel *live, pid_t tid);
void live_kernel_forget(struct live_kernel *live, pid_t tid);

/* Has the calling thread sent SIGIO, which it must have blocked, while samples of the whole machine's forks fill the
 * rings and no fork of ours empties them: live_kernel_drain does then. */
void live_kernel_notify(struct live_kernel *live);
void live_kernel_drain(struct live_kernel *live);

/* At the parent's fork event stop: drains the rings and takes the newest sample of `tid` (a stopped task makes no
 * further call, so that it is this fork's; older ones belong to calls without an event stop and are dropped). *stack
 * becomes the caller's (one reference), or NULL with *reason (string pool) when there is none (it then falls back to
 * /proc/TID/stack and says so by METHOD_PROC_STACK, with the frames of the ptrace stop itself taken off). comm receives
 * the task's name where the sample had it (then true is in *have_comm). */
struct live_parent {
	struct stack *stack;
	const char *reason;
	bool have_comm;
	char comm[16];
	uint64_t time_ns; /* CLOCK_MONOTONIC of the sample; 0: none */
};
void live_kernel_take_parent(struct live_kernel *live, pid_t tid, struct live_parent *parent);

/* At the child's first stop, after a ptrace request to it (else the sample may be missing): its kernel stack, from the
 * stop's sample, or else from /proc/TID/stack, the frames of the ptrace stop itself taken off. NULL with *reason when
 * neither is to be had. */
struct stack *live_kernel_take_child(struct live_kernel *live, pid_t tid, const char **reason);

/* Lets live_kernel_take_parent hand out stacks whose frames are not named yet, instead of keeping the stopped parent
 * waiting until /proc/kallsyms is read (some 25 ms from the create on). The caller then owes each a live_kernel_name.
 */
void live_kernel_defer_names(struct live_kernel *live);

/* Names the frames of a stack that was handed out without names, in place; waits for the symbols. One thread, not
 * necessarily that of the other calls, does this. */
void live_kernel_name(struct live_kernel *live, struct stack *stack);

/* Perf records that the kernel dropped so far. */
uint64_t live_kernel_lost(const struct live_kernel *live);

#endif
