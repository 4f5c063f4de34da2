/* Forks of which a half will never come: their tasks were killed, or replaced by a thread that called exec. */
#include <sched.h>
#include <signal.h>

#include "session/internal.h"
#include "target/process.h"

/* Killed inside the call, before its event could be read: whether there is a child is not known yet. */
static void remember_parentless(struct session *session, struct task *task, const char *reason)
{
	struct fork_pair *pair = pair_open(session, FORK_KIND_FORK, &task->call);

	if (task->call.fork.flags & CLONE_VFORK)
		pair->record->kind = FORK_KIND_VFORK;
	else if (task->call.fork.exit_signal != SIGCHLD)
		pair->record->kind = FORK_KIND_CLONE;
	task_name_fill(task, &pair->record->parent.task);
	pair->record->parent.ret_reason = reason;
	pair->parent_kernel_reason = "the parent was killed before its fork event could be read";
	pair->parent_done = true;
	vector_push(&session->parentless, pair);
}

void pair_task_lost(struct session *session, struct task *task, const char *reason)
{
	struct fork_pair *as_parent = task->parent_of, *as_child = task->child_of;

	task->parent_of = NULL;
	task->child_of = NULL;
	if (as_parent) {
		as_parent->record->parent.ret_reason = reason;
		as_parent->parent_done = true;
		pair_finish_if_complete(session, as_parent);
	} else if (call_may_fork(&task->call)) {
		remember_parentless(session, task, reason);
	}
	if (as_child) {
		as_child->record->child.ret_reason = reason;
		task_name_fill(task, &as_child->record->child.task);
		as_child->child_kernel_reason = "the child ended before its first stop";
		as_child->child_done = true;
		pair_finish_if_complete(session, as_child);
	}
}

void pair_park(struct session *session, pid_t tid, struct wait_status status)
{
	vector_push(&session->parked, (struct parked){.tid = tid, .status = status});
	pair_adopt_orphans(session);
}

/* Somebody who lives is inside the fork family, and its event has not been seen: a parked child may be its. */
static bool fork_event_expected(const struct session *session)
{
	struct task *task;

	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		if (call_may_fork(&task->call))
			return true;
		/* Attached, and not stopped yet: it may be inside any call. */
		if (!task->call_state_known)
			return true;
	}
	return false;
}

static struct fork_pair *take_parentless(struct session *session, bool thread)
{
	for (size_t i = 0; i < session->parentless.count; i++) {
		struct fork_pair *pair = session->parentless.items[i];

		if (pair->record->thread == thread) {
			vector_remove(&session->parentless, i);
			return pair;
		}
	}
	return NULL;
}

static struct task *add_orphan(struct session *session, pid_t tid, pid_t tgid)
{
	struct task *child = task_add(session, tid, tgid);
	struct task *leader = tgid == tid ? NULL : task_find(session, tgid);

	child->new_task = true;
	child->execed = true;
	child->call_state_known = true;
	child->elsewhere = true;
	child->space = leader && leader->space ? space_ref(leader->space) : space_create(tid);
	task_refresh_comm(child);
	return child;
}

/* A task whose parent's event will never come: it was killed, or replaced by a thread that called exec. */
static void adopt(struct session *session, pid_t tid, struct wait_status status)
{
	struct proc_status facts;
	struct error *error = process_status(tid, &facts);

	/* Killed since: it leaves nothing but an end that belongs to nobody. */
	if (error) {
		error_destroy(error);
		return;
	}

	bool thread = facts.tgid != tid;
	struct fork_pair *pair = thread && !session->options.threads ? NULL : take_parentless(session, thread);
	struct task *child = add_orphan(session, tid, facts.tgid);

	child->child_of = pair;
	if (pair) {
		pair->seq = session_next_seq(session);
		pair_count(session, pair->record);
	} else if (thread) {
		session->totals.threads++;
	} else {
		session_notice(session, child, "process %d appeared without the event of the fork that made it", tid);
	}
	follow_status(session, tid, status);
	pair_follow_parked(session, tid);
}

/* The first parked stop; SIZE_MAX: none. An end without a stop is that of a process that forktrace inherited or started
 * for itself: it stays for its owner. */
static size_t find_parked_stop(const struct session *session)
{
	for (size_t i = 0; i < session->parked.count; i++) {
		enum wait_kind kind = session->parked.items[i].status.kind;

		if (kind != WAIT_EXITED && kind != WAIT_KILLED)
			return i;
	}
	return SIZE_MAX;
}

bool pair_stops_parked(const struct session *session)
{
	return find_parked_stop(session) != SIZE_MAX;
}

void pair_adopt_orphans(struct session *session)
{
	size_t found;

	while ((found = find_parked_stop(session)) != SIZE_MAX && !fork_event_expected(session)) {
		struct parked parked = session->parked.items[found];

		vector_remove(&session->parked, found);
		adopt(session, parked.tid, parked.status);
	}
}
