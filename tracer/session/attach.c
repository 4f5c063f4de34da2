/* Attaching to a process that runs already. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/internal.h"
#include "target/process.h"

/* Says why `pid` cannot be attached to, before anything is changed; NULL: nothing speaks against it. */
static struct error *check_process(pid_t pid)
{
	struct proc_status status;
	char object[16];
	struct error *error = process_status(pid, &status);

	snprintf(object, sizeof(object), "%d", pid);
	if (error && error->code == ERROR_GONE)
		return error_create(ERROR_NOT_FOUND, ESRCH, object, "there is no process %d", pid);
	if (error)
		return error;
	if (status.tgid != pid)
		return error_create(ERROR_INPUT, 0, object, "%d is a thread of process %d: attach to %d", pid,
				    status.tgid, status.tgid);
	if (pid == getpid())
		return error_create(ERROR_INPUT, 0, object, "%d is forktrace itself", pid);
	if (status.kernel_thread)
		return error_create(ERROR_INPUT, 0, object,
				    "%d is a kernel thread: it has no user half and cannot be traced", pid);
	if (status.state == 'Z' || status.state == 'X')
		return error_create(ERROR_INPUT, 0, object, "process %d has ended already (it is a zombie)", pid);
	if (status.tracer_pid)
		return error_create(ERROR_INPUT, 0, object, "process %d is already traced by process %d", pid,
				    status.tracer_pid);
	return NULL;
}

static struct error *denied(pid_t pid)
{
	char object[16];

	snprintf(object, sizeof(object), "%d", pid);
	return error_create(ERROR_DENIED, EPERM, object,
			    "process %d may not be traced: it belongs to someone else, or kernel.yama.ptrace_scope "
			    "forbids it (run as root)",
			    pid);
}

static struct task *add_thread(struct session *session, struct task *leader, pid_t tid)
{
	struct task *task = task_add(session, tid, leader->tgid);

	task->space = space_ref(leader->space);
	task_refresh_comm(task);
	task_find_namespaces(session, task);
	control_task_added(session->control, task, NULL, true);
	return task;
}

/* Seizes and stops the threads of a list that are not traced yet; returns whether there was one. */
static bool seize_new_threads(struct session *session, struct task *leader, const pid_vector *tids)
{
	bool found = false;

	for (size_t i = 0; i < tids->count; i++) {
		pid_t tid = tids->items[i];

		if (task_find(session, tid))
			continue;

		struct error *error = ptrace_seize(tid, false);

		/* Gone; or created by a thread that is seized already: then it is traced, and its first stop comes. */
		if (error) {
			error_destroy(error);
			continue;
		}
		found = true;
		session_report(session, NULL, ptrace_interrupt(add_thread(session, leader, tid)->tid));
	}
	return found;
}

/* Until there is no new one: a thread that is seized announces those that it creates. */
static void seize_threads(struct session *session, struct task *leader)
{
	bool found = true;

	while (found) {
		pid_vector tids = {0};
		struct error *error = process_threads(leader->tgid, &tids);

		found = !error && seize_new_threads(session, leader, &tids);
		error_destroy(error);
		vector_deinit(&tids);
	}
}

struct error *session_attach(struct session *session, pid_t pid)
{
	struct error *error = process_check_proc();

	if (!error)
		error = check_process(pid);
	if (error)
		return error;
	if (!session->last_seq)
		session_emit_start(session, NULL);
	error = ptrace_seize(pid, false);
	if (error && error->code == ERROR_DENIED) {
		error_destroy(error);
		return denied(pid);
	}
	if (error && error->code == ERROR_GONE)
		return error_create(ERROR_NOT_FOUND, ESRCH, NULL, "process %d ended while forktrace attached to it",
				    pid);
	if (error)
		return error;

	struct task *task = task_add(session, pid, pid);

	task->execed = true;
	task->space = space_create(pid);
	task_refresh_comm(task);
	task_find_namespaces(session, task);
	control_task_added(session->control, task, NULL, true);

	struct event event = {.kind = EVENT_ATTACH};

	task_name_fill(task, &event.task);
	session_emit(session, &event);
	session_report(session, task, ptrace_interrupt(pid));
	seize_threads(session, task);
	return NULL;
}
