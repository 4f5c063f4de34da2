/* The table of traced tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "session/internal.h"
#include "target/process.h"

struct task *task_find(const struct session *session, pid_t tid)
{
	return map_get(&session->tasks, (uint64_t)tid);
}

struct task *task_add(struct session *session, pid_t tid, pid_t tgid)
{
	struct task *task = memory_alloc(sizeof(*task));

	task->tid = tid;
	task->tgid = tgid;
	map_put(&session->tasks, (uint64_t)tid, task);
	if (session->live)
		live_kernel_watch(session->live, tid);
	return task;
}

void task_free(struct task *task)
{
	space_unref(task->space);
	free(task);
}

void task_remove(struct session *session, struct task *task)
{
	control_task_removed(task);
	map_remove(&session->tasks, (uint64_t)task->tid);
	if (session->live)
		live_kernel_forget(session->live, task->tid);
	task_free(task);
}

void task_refresh_comm(struct task *task)
{
	/* A task that died has its last known name. */
	error_destroy(process_comm(task->tid, task->comm));
}

/* A task that descends from forktrace's own namespace by plain forks is in it: reading that from /proc would be among
 * the dearest things done at a fork. */
static void read_ns_pid(struct task *task)
{
	struct proc_status status;

	if (!task->elsewhere) {
		task->ns_pid = task->tid;
		return;
	}

	struct error *error = process_status(task->tid, &status);

	if (!error)
		task->ns_pid = status.ns_pid;
	error_destroy(error);
}

void task_find_namespaces(struct session *session, struct task *task)
{
	unsigned long own = 0, children = 0;
	struct error *error = process_pid_namespaces(task->tid, &own, &children);

	task->elsewhere = error || own != session->own_pid_namespace;
	task->children_elsewhere = error || children != own;
	error_destroy(error);
}

void task_name_fill(struct task *task, struct task_name *name)
{
	if (!task->ns_pid)
		read_ns_pid(task);
	name->pid = task->tgid;
	name->tid = task->tid;
	name->ns_pid = task->ns_pid;
	memcpy(name->comm, task->comm, COMM_SIZE);
}
