/* The returns of a fork's two processes to user mode, in a guest. */
#include <sched.h>

#include "session/guest_internal.h"

enum { ERRNO_MAX = 4095 }; /* MAX_ERRNO, linux/err.h */

static bool is_followed(const struct guest_follow *follow, unsigned depth)
{
	switch (follow->session->options.follow) {
	case FOLLOW_NONE:
		return depth == 0;
	case FOLLOW_FIRST:
		return depth <= 1;
	default:
		return true;
	}
}

static uint64_t since_event(struct guest_follow *follow, const struct guest_fork *fork)
{
	uint64_t now;

	return fork->event_time_known && guest_now(follow, &now) ? now - fork->event_time
								 : session_now(follow->session) - fork->time_ns;
}

static void half_returned(struct guest_follow *follow, const struct guest_fork *fork, struct fork_half *half,
			  const struct registers *registers)
{
	half->ret_known = true;
	half->ret = registers_result(registers);
	half->ret_from = RET_FROM_USER_RETURN;
	half->ret_ns = since_event(follow, fork);
}

/* Where the child writes its number for itself (CLONE_CHILD_SETTID) it tells the one of its own pid namespace. */
static void read_child_tid(struct guest_follow *follow, const struct guest_fork *fork, struct guest_task *child)
{
	enum { EDI = 7 };
	const struct fork_call *call = &fork->record->call;
	uint32_t tid;

	if (!(call->flags & CLONE_CHILD_SETTID) || call->syscall != FORK_SYSCALL_CLONE)
		return;

	struct error *error = space_read(follow->kernel_space, fork->user.value[EDI], &tid, sizeof(tid));

	if (!error && tid) {
		child->ns_pid = (pid_t)tid;
		if (!child->tid && !child->elsewhere)
			child->tid = (pid_t)tid;
		if (!child->pid && !fork->record->thread)
			child->pid = child->tid;
	}
	error_destroy(error);
}

static void child_returned(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct guest_task *child = fork->child;

	guest_walk_add(follow, fork, STAGE_RETURN_CHILD, true, NULL, registers_pc(registers));
	half_returned(follow, fork, &fork->record->child, registers);
	read_child_tid(follow, fork, child);
	guest_task_name(child, &fork->record->child.task);
	if (!fork->record->thread || follow->session->options.threads)
		fork->child_stack = guest_user_stack(follow, child, registers, fork, true);
	if (!fork->parent_done)
		fork->record->order = ORDER_CHILD_FIRST;
	fork->child_done = true;
	fork->child = NULL;
	child->child_of = NULL;
	control_guest_returned(child, 0, true);
	if (!is_followed(follow, child->depth))
		guest_task_remove(follow, child);
	guest_fork_finish_if_complete(follow, fork);
}

/* --- the parent --- */

static void parent_failed(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	int error_number = (int)-registers_result(registers);

	control_guest_returned(fork->parent, registers_result(registers), false);
	if (!fork->parent_stack)
		fork->parent_stack = guest_user_stack(follow, fork->parent, registers, fork, false);
	guest_fork_failed(follow, fork, error_number);
}

static void parent_returned(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct fork_record *record = fork->record;

	guest_walk_add(follow, fork, STAGE_RETURN_PARENT, false, NULL, registers_pc(registers));
	half_returned(follow, fork, &record->parent, registers);
	if (!record->child.task.tid && !fork->parent->elsewhere) {
		record->child.task.tid = (pid_t)record->parent.ret;
		record->child.task.pid = record->thread ? record->parent.task.pid : record->child.task.tid;
		if (fork->child) {
			fork->child->tid = record->child.task.tid;
			fork->child->pid = record->child.task.pid;
		}
	}
	guest_foreign_returned(follow, fork, record->parent.ret);
	control_guest_returned(fork->parent, record->parent.ret, false);
	fork->parent_done = true;
	guest_fork_finish_if_complete(follow, fork);
}

/* --- back in user mode --- */

/* Where the kernel isolates its page tables, user mode has a second table one page behind (arch/x86/mm/pti.c). Tables
 * of two processes may lie side by side as well: what fits exactly goes first, and once that was seen nothing else
 * counts.
 */
static bool same_space(struct guest_follow *follow, uint64_t user, uint64_t kernel, bool isolated)
{
	enum { BEHIND = 4096 };

	if (isolated)
		return !follow->no_isolation && !(kernel & BEHIND) && user == (kernel | BEHIND);
	follow->no_isolation = follow->no_isolation || user == kernel;
	return user == kernel;
}

/* Is the stop the return of one of the two? A child is told from its parent, that it may share all with (vfork), by the
 * result. */
static bool take_return(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers,
			uint64_t cr3, bool isolated)
{
	uint64_t sp = registers_sp(registers);
	int64_t result = registers_result(registers);

	if (result == 0 && fork->child && sp == fork->child_sp && fork->child->cr3_known &&
	    same_space(follow, cr3, fork->child->cr3, isolated)) {
		child_returned(follow, fork, registers);
		return true;
	}
	if (!fork->parent || fork->parent_done || sp != fork->user_sp || result == 0 ||
	    !same_space(follow, cr3, fork->parent->cr3, isolated))
		return false;
	if (fork->created)
		parent_returned(follow, fork, registers);
	else if (result < 0 && result >= -ERRNO_MAX)
		parent_failed(follow, fork, registers);
	return true;
}

void guest_fork_user(struct guest_follow *follow, const struct registers *registers)
{
	uint64_t cr3 = guest_cr3(follow);

	for (int isolated = 0; isolated <= 1; isolated++) {
		for (size_t i = 0; i < follow->forks.count; i++) {
			struct guest_fork *fork = follow->forks.items[i];

			if (fork->user_pc == registers_pc(registers) &&
			    take_return(follow, fork, registers, cr3, isolated))
				return;
		}
	}
}
