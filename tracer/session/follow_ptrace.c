/* Turns ptrace stops into what they mean, and resumes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/internal.h"
#include "target/process.h"

/* --- resuming --- */

/* A call in which something was changed, or whose return is awaited, is seen to its end first. */
static bool may_leave(const struct task *task)
{
	return !task->parent_of && task->call.kind == CALL_NONE;
}

static void let_go(struct session *session, struct task *task, int signal)
{
	struct event event = {.kind = EVENT_DETACH};
	struct error *error;

	control_task_leaves(task);
	task_name_fill(task, &event.task);
	event.detach.reason = task->leaving_reason;
	error = ptrace_resume(task->tid, RESUME_DETACH, signal);
	/* Killed meanwhile: its end will be reported, and it is forgotten then. */
	if (error) {
		session_report(session, task, error);
		return;
	}
	if (task->tid == task->tgid)
		session_emit(session, &event);
	task_remove(session, task);
}

void follow_resume(struct session *session, struct task *task, int signal)
{
	/* It stands at its call's entry, where no signal waits to be delivered. */
	if (task->call.held_ns)
		return;
	if (task->leaving && may_leave(task)) {
		let_go(session, task, signal);
		return;
	}
	if (control_resume(task, signal))
		return;

	bool free_running = task->filtered && task->call.kind == CALL_NONE;
	enum ptrace_resume how = free_running ? RESUME_CONT : RESUME_SYSCALL;

	session_report(session, task, ptrace_resume(task->tid, how, signal));
}

/* --- system calls --- */

static void on_seccomp(struct session *session, struct task *task)
{
	struct syscall_info info;
	struct error *error;

	/* The entry itself was a stop already. */
	if (!task->filtered) {
		follow_resume(session, task, 0);
		return;
	}
	error = ptrace_syscall_info(task->tid, &info);
	if (error)
		session_report(session, task, error);
	else
		call_entered(session, task, &info);
	follow_resume(session, task, 0);
}

static void on_syscall(struct session *session, struct task *task)
{
	struct syscall_info info;
	struct error *error = ptrace_syscall_info(task->tid, &info);

	task->in_call = !error && info.phase == SYSCALL_PHASE_ENTRY;
	if (error)
		session_report(session, task, error);
	/* With a filter the same entry is reported as a seccomp stop, right after this one. */
	else if (info.phase == SYSCALL_PHASE_ENTRY && !task->filtered)
		call_entered(session, task, &info);
	else if (info.phase == SYSCALL_PHASE_EXIT)
		call_left(session, task, &info);
	follow_resume(session, task, 0);
}

/* --- exec --- */

/* The thread that called exec takes the leader's id; the others are gone, and the leader's own call with them. */
static void take_over_leader(struct session *session, struct task *leader, pid_t former_tid)
{
	struct task *former = task_find(session, former_tid);

	pair_task_lost(session, leader, "another thread of its process called exec");
	if (!former)
		return;
	leader->filtered = former->filtered;
	pair_task_lost(session, former, "its thread called exec");
	task_remove(session, former);
}

/* Under an unprivileged tracer exec gives no privilege (security/commoncap.c, bprm_caps_from_vfs_caps and
 * fs/exec.c, bprm_fill_uid, by way of LSM_UNSAFE_PTRACE). */
static void notice_lost_privilege(struct session *session, struct task *task, const char *path)
{
	struct stat file;

	if (geteuid() == 0 || !path || stat(path, &file) || !(file.st_mode & (S_ISUID | S_ISGID)))
		return;
	session_notice(
	    session, task,
	    "%s is set-user-ID or set-group-ID and runs without that privilege, because forktrace is not root", path);
}

static void on_exec(struct session *session, struct task *task)
{
	struct event event = {.kind = EVENT_EXEC};
	struct registers registers;
	unsigned long former = 0;
	_cleanup_free_ char *path = NULL;

	event.exec.old_abi = task->execed ? task->abi : ABI_UNKNOWN;
	if (!ptrace_event_message(task->tid, &former) && (pid_t)former != task->tid) {
		event.exec.former_tid = (pid_t)former;
		take_over_leader(session, task, (pid_t)former);
	}
	task->call = (struct watched_call){.kind = CALL_NONE};
	memset(task->restarts, 0, sizeof(task->restarts));
	task->execed = true;
	control_space_left(task);
	space_unref(task->space);
	task->space = space_create(task->tid);
	task_refresh_comm(task);

	struct error *error = ptrace_registers(task->tid, &registers);

	if (!error)
		task->abi = registers.abi;
	session_report(session, task, error);
	session_report(session, task, process_exe(task->tid, &path));
	event.exec.path = string_intern(session->pool, path);
	event.exec.new_abi = task->abi;
	control_execed(task);
	task_name_fill(task, &event.task);
	session->totals.execs++;
	session_emit(session, &event);
	notice_lost_privilege(session, task, path);
	follow_resume(session, task, 0);
}

/* --- signals and stops --- */

static void emit_signal(struct session *session, struct task *task, int number)
{
	siginfo_t info = {0};
	struct event event = {.kind = EVENT_SIGNAL};
	struct error *error = ptrace_siginfo(task->tid, &info);

	event.signal.number = number;
	if (!error) {
		event.signal.code = info.si_code;
		/* si_pid is there for what kill, tgkill, sigqueue and a child's end sent (sigaction(2)). */
		if (info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_QUEUE ||
		    number == SIGCHLD)
			event.signal.sender = info.si_pid;
	}
	session_report(session, task, error);
	task_name_fill(task, &event.task);
	session_emit(session, &event);
}

static void on_signal(struct session *session, struct task *task, int number)
{
	session->totals.signals++;
	if (session->options.signals)
		emit_signal(session, task, number);
	follow_resume(session, task, number);
}

static void on_group_stop(struct session *session, struct task *task, int number)
{
	if (session->options.signals && task->tid == task->tgid) {
		struct event event = {.kind = EVENT_SIGNAL};

		event.signal.number = number;
		event.signal.stop = true;
		task_name_fill(task, &event.task);
		session_emit(session, &event);
	}
	if (task->leaving && may_leave(task))
		let_go(session, task, 0);
	else
		session_report(session, task, ptrace_resume(task->tid, RESUME_LISTEN, 0));
}

static void on_event(struct session *session, struct task *task, int event)
{
	switch (event) {
	case PTRACE_EVENT_FORK:
		pair_parent_event(session, task, FORK_KIND_FORK);
		break;
	case PTRACE_EVENT_VFORK:
		pair_parent_event(session, task, FORK_KIND_VFORK);
		break;
	case PTRACE_EVENT_CLONE:
		pair_parent_event(session, task, FORK_KIND_CLONE);
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(session, task);
		break;
	case PTRACE_EVENT_SECCOMP:
		on_seccomp(session, task);
		break;
	default:
		follow_resume(session, task, 0);
		break;
	}
}

/* --- ends --- */

static void emit_exit(struct session *session, struct task *task, const struct wait_status *status)
{
	bool thread = task->tid != task->tgid;
	struct event event = {.kind = EVENT_EXIT};

	if (thread && !session->options.threads)
		return;
	event.exit.signaled = status->kind == WAIT_KILLED;
	event.exit.status = status->value;
	event.exit.core_dumped = status->core_dumped;
	event.exit.thread = thread;
	event.exit.root = task->root;
	task_name_fill(task, &event.task);
	if (!thread)
		session->totals.exits++;
	session_emit(session, &event);
}

void follow_lost(struct session *session, pid_t tgid)
{
	VECTOR(struct task *) lost = {0};
	struct task *task;

	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		if (!tgid || task->tgid == tgid)
			vector_push(&lost, task);
	}
	for (size_t i = 0; i < lost.count; i++) {
		pair_task_lost(session, lost.items[i], "its end was not reported");
		task_remove(session, lost.items[i]);
	}
	vector_deinit(&lost);
}

static void on_end(struct session *session, struct task *task, const struct wait_status *status)
{
	char text[64];

	if (status->kind == WAIT_KILLED)
		snprintf(text, sizeof(text), "it was killed by %s first", signal_name(status->value));
	else
		snprintf(text, sizeof(text), "it exited with status %d first", status->value);
	pair_task_lost(session, task, string_intern(session->pool, text));
	if (task->root && task->tid == task->tgid)
		session->exit_status = status->kind == WAIT_KILLED ? 128 + status->value : status->value;
	emit_exit(session, task, status);
	control_task_ended(task, status);

	bool leader = task->tid == task->tgid;
	pid_t tgid = task->tgid;

	task_remove(session, task);
	/* A leader's end is reported when all its threads are gone (kernel/exit.c, delay_group_leader). One that was
	 * killed after it had taken the leader's id in exec is reported as the leader, and never by its own id. */
	if (leader)
		follow_lost(session, tgid);
	pair_adopt_orphans(session);
}

/* Attached, and stopped for the first time. */
static void on_attached(struct session *session, struct task *task)
{
	struct registers registers;
	struct error *error = ptrace_registers(task->tid, &registers);

	task->call_state_known = true;
	if (!error)
		task->abi = registers.abi;
	session_report(session, task, error);
}

void follow_status(struct session *session, pid_t tid, struct wait_status status)
{
	struct task *task = task_find(session, tid);

	if (!task) {
		pair_park(session, tid, status);
		return;
	}
	if (status.kind == WAIT_EXITED || status.kind == WAIT_KILLED) {
		on_end(session, task, &status);
		return;
	}
	if (!task->call_state_known)
		on_attached(session, task);
	if (task->new_task) {
		task->new_task = false;
		pair_child_first_stop(session, task);
	}
	if (control_stopped(task, &status))
		return;
	switch (status.kind) {
	case WAIT_SYSCALL:
		on_syscall(session, task);
		break;
	case WAIT_EVENT:
		on_event(session, task, status.value);
		break;
	case WAIT_GROUP_STOP:
		on_group_stop(session, task, status.value);
		break;
	case WAIT_SIGNAL:
		on_signal(session, task, status.value);
		break;
	default:
		follow_resume(session, task, 0);
		break;
	}
}
