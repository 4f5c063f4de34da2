/* Pairs the two halves of a fork: the parent's event and return, the child's first stop. They come in any order. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/internal.h"

/* --- the record --- */

const char *pair_join_reasons(struct session *session, const char *parent, const char *child)
{
	char text[512];

	if (!parent || !child || parent == child || !strcmp(parent, child))
		return parent ? parent : child;
	snprintf(text, sizeof(text), "parent: %s; child: %s", parent, child);
	return string_intern(session->pool, text);
}

void pair_count(struct session *session, const struct fork_record *record)
{
	struct totals *totals = &session->totals;

	if (record->thread)
		totals->threads++;
	else if (record->kind == FORK_KIND_FORK)
		totals->forks++;
	else if (record->kind == FORK_KIND_VFORK)
		totals->vforks++;
	else
		totals->clones++;
}

void fork_record_destroy(struct fork_record *record)
{
	if (!record)
		return;
	stack_unref(record->parent.frames);
	stack_unref(record->child.frames);
	stack_unref(record->kernel.parent_frames);
	stack_unref(record->kernel.child_frames);
	free(record->kernel.walk);
	free(record);
}

void pair_free(struct fork_pair *pair)
{
	fork_record_destroy(pair->record);
	unwound_unref(pair->parent_stack);
	unwound_unref(pair->child_stack);
	free(pair);
}

void pair_finish_if_complete(struct session *session, struct fork_pair *pair)
{
	if (!pair->parent_done || !pair->child_done)
		return;

	struct event event = {.kind = EVENT_FORK, .seq = pair->seq, .time_ns = pair->time_ns, .fork = pair->record};
	struct fork_kernel *kernel = &pair->record->kernel;

	kernel->release = session->kernel_release;
	kernel->source = session->live ? KERNEL_SOURCE_LIVE : KERNEL_SOURCE_NONE;
	/* Where no kernel half was asked for, nothing is missing. */
	if (session->live)
		kernel->reason = pair_join_reasons(session, pair->parent_kernel_reason, pair->child_kernel_reason);
	event.task = pair->record->parent.task;
	session_emit_stacks(session, &event, pair->parent_stack, pair->child_stack);
	free(pair);
}

/* --- the parent's half --- */

/* A call whose entry was not seen (attached in its middle) is decoded from the registers, where it still stands. */
static void ensure_call(struct task *task, const struct registers *registers)
{
	/* The argument registers in order, by DWARF number: syscall(2). */
	static const unsigned i386_arguments[6] = {3, 1, 2, 6, 7, 5}, x86_64_arguments[6] = {5, 4, 1, 10, 8, 9};
	const unsigned *order = registers->abi == ABI_I386 ? i386_arguments : x86_64_arguments;
	uint64_t arguments[6];

	if (task->call.kind == CALL_FORK)
		return;
	for (int i = 0; i < 6; i++)
		arguments[i] = registers->value[order[i]];
	task->call = (struct watched_call){.kind = CALL_FORK};
	fork_call_decode(registers->abi, registers->original_result, arguments, &task->call.fork);
}

static void read_parent_kernel_half(struct session *session, struct task *parent, struct fork_pair *pair)
{
	struct live_parent half = {0};

	if (session->live)
		live_kernel_take_parent(session->live, parent->tid, &half);
	pair->record->kernel.parent_frames = half.stack;
	pair->parent_kernel_reason = half.reason;
	if (half.have_comm)
		memcpy(parent->comm, half.comm, COMM_SIZE);
	else
		task_refresh_comm(parent);
}

struct fork_pair *pair_open(struct session *session, enum fork_kind kind, const struct watched_call *call)
{
	struct fork_pair *pair = memory_alloc(sizeof(*pair));

	pair->record = memory_alloc(sizeof(*pair->record));

	pair->time_ns = session_now(session);
	pair->record->kind = kind;
	pair->record->call = call->fork;
	pair->record->thread = call->fork.flags & CLONE_THREAD;
	pair->record->untraced = call->untraced;
	pair->record->restarts = call->restarts;
	pair->record->injected = call->delay_ns != 0;
	pair->record->delay_ns = call->delay_ns;
	return pair;
}

static void read_parent_half(struct session *session, struct task *parent, struct fork_pair *pair,
			     const struct registers *registers)
{
	struct capture_hint hint = {.in_syscall = true};
	struct fork_record *record = pair->record;

	read_parent_kernel_half(session, parent, pair);
	task_name_fill(parent, &record->parent.task);

	struct entry_fact entry = entry_from_code(&session->entry, &record->call, registers, parent->space);

	record->entry = entry.kind;
	record->entry_certain = entry.certain;
	session_report(session, parent,
		       capture_unwind(session->capture, parent->space, registers, &hint, &pair->parent_stack));
}

static unsigned follow_limit(const struct session *session)
{
	switch (session->options.follow) {
	case FOLLOW_NONE:
		return 0;
	case FOLLOW_FIRST:
		return 1;
	default:
		return UINT32_MAX;
	}
}

static struct task *add_child(struct session *session, struct task *parent, pid_t tid, uint64_t flags)
{
	bool thread = flags & CLONE_THREAD;
	struct task *child = task_add(session, tid, thread ? parent->tgid : tid);

	child->new_task = true;
	child->call_state_known = true;
	child->execed = true;
	child->depth = parent->depth + !thread;
	child->filtered = parent->filtered;
	child->abi = parent->abi;
	child->elsewhere = parent->elsewhere || (!thread && (parent->children_elsewhere || flags & CLONE_NEWPID));
	child->children_elsewhere = parent->children_elsewhere;
	child->space = flags & CLONE_VM ? space_ref(parent->space) : space_copy(parent->space, tid);
	memcpy(child->comm, parent->comm, COMM_SIZE);
	control_task_added(session->control, child, parent, false);
	if (session->releasing || parent->leaving) {
		child->leaving = true;
		child->leaving_reason = session->releasing ? session->release_reason : parent->leaving_reason;
	} else if (child->depth > follow_limit(session)) {
		child->leaving = true;
		child->leaving_reason = session->options.follow == FOLLOW_NONE ? "--follow=none" : "--follow=first";
	}
	return child;
}

/* The status that waits for `tid`, taken out; false: none does. */
static bool take_parked(struct session *session, pid_t tid, struct wait_status *status)
{
	for (size_t i = 0; i < session->parked.count; i++) {
		if (session->parked.items[i].tid == tid) {
			*status = session->parked.items[i].status;
			vector_remove(&session->parked, i);
			return true;
		}
	}
	return false;
}

/* All that waited for a task that is known now: its first stop, and perhaps its end. */
void pair_follow_parked(struct session *session, pid_t tid)
{
	struct wait_status status;

	while (take_parked(session, tid, &status))
		follow_status(session, tid, status);
}

static bool is_parked(const struct session *session, pid_t tid)
{
	for (size_t i = 0; i < session->parked.count; i++) {
		if (session->parked.items[i].tid == tid)
			return true;
	}
	return false;
}

void pair_parent_event(struct session *session, struct task *parent, enum fork_kind kind)
{
	unsigned long child_tid;
	struct registers registers;
	struct error *error = ptrace_event_message(parent->tid, &child_tid);

	if (!error)
		error = ptrace_registers(parent->tid, &registers);
	/* Killed at this very stop: its end comes next, and pair_adopt_orphans finds the child. */
	if (error) {
		session_report(session, parent, error);
		return;
	}
	ensure_call(parent, &registers);
	parent->abi = registers.abi;
	parent->space->tid = parent->tid;
	parent->call.event_seen = true;
	control_forking(parent, kind == FORK_KIND_VFORK);

	bool parked = is_parked(session, (pid_t)child_tid);
	bool thread = parent->call.fork.flags & CLONE_THREAD;

	if (thread && !session->options.threads) {
		session->totals.threads++;
		add_child(session, parent, (pid_t)child_tid, parent->call.fork.flags);
		/* Nothing more to learn from this call, unless its flags must be put back. */
		if (!parent->call.untraced)
			parent->call = (struct watched_call){.kind = CALL_NONE};
	} else {
		struct fork_pair *pair = pair_open(session, kind, &parent->call);

		pair->seq = session_next_seq(session);
		read_parent_half(session, parent, pair, &registers);
		pair->record->order = parked ? ORDER_CHILD_FIRST : ORDER_PARENT_FIRST;
		pair_count(session, pair->record);

		struct task *child = add_child(session, parent, (pid_t)child_tid, parent->call.fork.flags);

		pair->record->child.task = (struct task_name){.pid = child->tgid, .tid = child->tid};
		parent->parent_of = pair;
		child->child_of = pair;
	}
	follow_resume(session, parent, 0);
	pair_follow_parked(session, (pid_t)child_tid);
}

void pair_parent_returned(struct session *session, struct task *parent, int64_t result)
{
	struct fork_pair *pair = parent->parent_of;

	control_returned(parent, result);
	if (!pair)
		return;
	pair->record->parent.ret_known = true;
	pair->record->parent.ret = result;
	pair->record->parent.ret_from = RET_FROM_SYSCALL_EXIT;
	pair->record->parent.ret_ns = session_now(session) - pair->time_ns;
	pair->parent_done = true;
	parent->parent_of = NULL;
	pair_finish_if_complete(session, pair);
}

/* --- the child's half --- */

static void read_child_half(struct session *session, struct task *child, struct fork_pair *pair)
{
	struct registers registers;
	struct fork_record *record = pair->record;
	struct fork_half *half = &record->child;
	struct capture_hint hint = {.in_syscall = true, .fresh_stack = record->call.child_stack != 0};
	struct error *error = ptrace_registers(child->tid, &registers);

	if (error) {
		half->ret_reason = "its registers could not be read: it was killed at its first stop";
		session_report(session, child, error);
		return;
	}
	half->ret_known = true;
	half->ret = registers_result(&registers);
	half->ret_from = RET_FROM_FIRST_STOP;
	half->ret_ns = session_now(session) - pair->time_ns;
	child->abi = registers.abi;
	child->space->tid = child->tid;
	if (session->live)
		record->kernel.child_frames =
		    live_kernel_take_child(session->live, child->tid, &pair->child_kernel_reason);
	if (record->untraced)
		call_restore_untraced(session, child, &record->call);
	session_report(session, child,
		       capture_unwind(session->capture, child->space, &registers, &hint, &pair->child_stack));
}

void pair_child_first_stop(struct session *session, struct task *child)
{
	struct fork_pair *pair = child->child_of;

	if (!pair)
		return;
	read_child_half(session, child, pair);
	task_name_fill(child, &pair->record->child.task);
	pair->child_done = true;
	child->child_of = NULL;
	pair_finish_if_complete(session, pair);
}
