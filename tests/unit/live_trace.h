/* Traces a child's forks with a live_kernel. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_LIVE_TRACE_H
#define FORKTRACE_TESTS_UNIT_LIVE_TRACE_H

#include "kernel/live.h"
#include "tests/unit/tracee.h"

/* What is left of a traced program's forks. */
struct outcome {
	unsigned forks, children;
	unsigned stacks;     /* parents' stacks in all */
	unsigned new_stacks; /* of them those that differ from the one before */
	bool times_ascend;
	struct live_parent parent; /* of the last fork */
	struct stack *child;       /* of the last child */
	struct stack *child_file;  /* the same, asked for once more, when there is no sample any more */
	unsigned child_methods;    /* a bit for each that found a child's innermost frame */
};

static inline void outcome_take_parent(struct live_kernel *live, pid_t tid, struct outcome *outcome)
{
	struct live_parent last = outcome->parent;

	live_kernel_take_parent(live, tid, &outcome->parent);
	outcome->forks++;
	outcome->stacks += outcome->parent.stack != NULL;
	outcome->new_stacks += outcome->parent.stack != last.stack;
	outcome->times_ascend = outcome->times_ascend && outcome->parent.time_ns > last.time_ns;
	stack_unref(last.stack);
}

static inline void outcome_take_child(struct live_kernel *live, pid_t tid, struct outcome *outcome)
{
	const char *reason;
	siginfo_t info;

	assert_int_equal(ptrace(PTRACE_GETSIGINFO, tid, NULL, &info), 0); /* live_kernel_take_child asks for it */
	stack_unref(outcome->child);
	stack_unref(outcome->child_file);
	outcome->child = live_kernel_take_child(live, tid, &reason);
	outcome->child_file = live_kernel_take_child(live, tid, &reason);
	outcome->children++;
	if (outcome->child)
		outcome->child_methods |= 1U << outcome->child->frames[0].method;
}

/* Traces `run` to its end, as a session does: each stop is looked at while the task is in it. */
static inline void trace_watched(struct live_kernel *live, int (*run)(void), bool watch, struct outcome *outcome)
{
	pid_t root = tracee_start(run, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE);
	pid_t tid;
	int status;

	*outcome = (struct outcome){.times_ascend = true};
	if (watch)
		live_kernel_watch(live, root);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int signal = 0;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			live_kernel_forget(live, tid);
			if (tid == root)
				assert_int_equal(status, 0);
			continue;
		}
		if (status >> 16 == PTRACE_EVENT_FORK || status >> 16 == PTRACE_EVENT_CLONE)
			outcome_take_parent(live, tid, outcome);
		else if (status >> 16 == PTRACE_EVENT_STOP)
			outcome_take_child(live, tid, outcome);
		else
			signal = WSTOPSIG(status);
		ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)signal);
	}
}

static inline void trace(struct live_kernel *live, int (*run)(void), struct outcome *outcome)
{
	trace_watched(live, run, true, outcome);
}

static inline void outcome_cleanup(struct outcome *outcome)
{
	stack_unref(outcome->parent.stack);
	stack_unref(outcome->child);
	stack_unref(outcome->child_file);
}

static inline int reap(pid_t child)
{
	int status;

	if (child == 0)
		_exit(0);
	return child > 0 && waitpid(child, &status, __WALL) == child ? status : 1;
}

static inline int run_fork(void)
{
	return reap(fork());
}

#endif
