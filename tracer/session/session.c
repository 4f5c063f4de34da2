/* A run: see session.h. Creation, the loop's step, and events. */
#include "session/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/internal.h"
#include "target/process.h"
#include "target/start.h"
#include "target/syscall_filter.h"

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t session_now(const struct session *session)
{
	return monotonic_ns() - session->start_ns;
}

uint64_t session_next_seq(struct session *session)
{
	return ++session->last_seq;
}

void session_emit_stacks(struct session *session, const struct event *event, struct unwound *parent,
			 struct unwound *child)
{
	struct queued queued = {.event = *event, .parent = parent, .child = child};

	if (!queued.event.seq)
		queued.event.seq = session_next_seq(session);
	if (!queued.event.time_ns && queued.event.kind != EVENT_START)
		queued.event.time_ns = session_now(session);
	writer_put(session->writer, &queued);
}

void session_emit(struct session *session, const struct event *event)
{
	session_emit_stacks(session, event, NULL, NULL);
}

void session_report(struct session *session, const struct task *task, struct error *error)
{
	if (!error || error->code == ERROR_GONE) {
		error_destroy(error);
		return;
	}

	struct event event = {.kind = EVENT_ERROR, .error = error};

	if (task) {
		event.task.pid = task->tgid;
		event.task.tid = task->tid;
		event.task.ns_pid = task->ns_pid;
		memcpy(event.task.comm, task->comm, COMM_SIZE);
	}
	session->totals.errors++;
	session_emit(session, &event);
}

void session_notice(struct session *session, const struct task *task, const char *format, ...)
{
	char message[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	session_report(session, task, error_create(ERROR_DENIED, 0, NULL, "%s", message));
}

struct session *session_create(const struct session_options *options, const struct event_sink *sink,
			       const struct log *log)
{
	struct session *session = memory_alloc(sizeof(*session));
	struct capture_options capture = {
	    .unwinder = options->unwinder, .max_frames = options->max_frames, .memo = true};
	struct utsname machine;

	session->options = *options;
	session->options.cache = NULL; /* the caller's */
	session->options.injections = NULL;
	session->injector = injector_create(options, log);
	session->sink = *sink;
	session->log = *log;
	session->pool = string_pool_create();
	session->capture = capture_create(&capture, session->pool, &session->log);
	if (options->kernel_half)
		session->live = live_kernel_create(session->pool, &session->log, options->cache);
	if (session->live) {
		live_kernel_defer_names(session->live);
		live_kernel_notify(session->live);
	}
	session->kernel_release = string_intern(session->pool, uname(&machine) ? "unknown" : machine.release);
	error_destroy(process_pid_namespaces(getpid(), &session->own_pid_namespace, &session->children_pid_namespace));
	session->exit_status = -1;
	session->start_ns = monotonic_ns();
	if (options->control)
		session->control = control_create(session);
	session->writer = writer_create(session);
	return session;
}

/* A pair that is still open hangs on one task or on both. */
static void destroy_tasks(struct session *session)
{
	struct task *task;

	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		struct fork_pair *pair = task->parent_of;

		if (pair && !pair->child_done && task_find(session, pair->record->child.task.tid))
			task_find(session, pair->record->child.task.tid)->child_of = NULL;
		if (pair)
			pair_free(pair);
		task->parent_of = NULL;
	}
	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		if (task->child_of)
			pair_free(task->child_of);
		task_free(task);
	}
	map_deinit(&session->tasks);
}

void session_destroy(struct session *session)
{
	if (!session)
		return;
	writer_destroy(session->writer);
	guest_follow_destroy(session->guest);
	control_destroy(session->control);
	session->control = NULL;
	destroy_tasks(session);
	for (size_t i = 0; i < session->parentless.count; i++)
		pair_free(session->parentless.items[i]);
	vector_deinit(&session->parentless);
	vector_deinit(&session->parked);
	capture_destroy(session->capture);
	live_kernel_destroy(session->live);
	injector_destroy(session->injector);
	string_pool_destroy(session->pool);
	free(session);
}

void session_emit_start(struct session *session, char *const *command)
{
	struct utsname machine;
	struct event event = {.kind = EVENT_START};

	if (uname(&machine))
		snprintf(machine.machine, sizeof(machine.machine), "unknown");
	clock_gettime(CLOCK_REALTIME, &event.start.wall_clock);
	event.start.command = (const char *const *)command;
	event.start.kernel_release = session->kernel_release;
	/* Nobody has asked somebody else's guest for its utsname. */
	event.start.guest = session->guest;
	event.start.stub = guest_follow_stub(session->guest);
	if (!event.start.stub)
		event.start.kernel_machine = session->guest ? "i686" : string_intern(session->pool, machine.machine);
	event.start.version = FORKTRACE_VERSION;
	session_emit(session, &event);
}

/* A filter outlives its tracer and its calls then fail with ENOSYS, so nothing that inherits it may ever be let go. */
static bool filter_allowed(const struct session *session)
{
	return session->options.seccomp && session->options.follow == FOLLOW_ALL && !session->control;
}

struct error *session_start(struct session *session, const struct start_request *wanted)
{
	struct sock_fprog filter = {0};
	struct start_request request = *wanted;
	bool no_new_privs = false;
	pid_t pid;
	struct error *error = process_check_proc();

	if (error)
		return error;
	if (filter_allowed(session)) {
		error = syscall_filter_create(&filter);
		if (error)
			log_write(&session->log, LOG_LEVEL_WARNING, "%s; every system call will stop instead",
				  error->message);
		else
			request.filter = &filter;
		error_destroy(error);
	}
	if (!session->last_seq)
		session_emit_start(session, request.arguments);

	error = start_program(&request, &pid, &no_new_privs);
	free(filter.filter);
	if (error)
		return error;
	if (no_new_privs)
		log_write(&session->log, LOG_LEVEL_DEBUG,
			  "no_new_privs is set: the seccomp filter needs it without CAP_SYS_ADMIN");

	struct task *task = task_add(session, pid, pid);

	task->root = true;
	task->elsewhere = session->children_pid_namespace != session->own_pid_namespace;
	task->call_state_known = true;
	task->filtered = request.filter != NULL;
	session->filter_installed = task->filtered;
	session->root = pid;
	control_task_added(session->control, task, NULL, false);
	return NULL;
}

enum { BATCH = 64 };

/* Collects what waits. Returns how many; *nobody_left: there is nothing to wait for any more. */
static size_t collect(struct parked waiting[BATCH], bool *nobody_left)
{
	size_t count = 0;

	while (count < BATCH) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

		*nobody_left = tid < 0 && errno == ECHILD;
		if (tid <= 0)
			break;
		waiting[count++] = (struct parked){.tid = tid, .status = wait_status_decode(status)};
	}
	return count;
}

/* A stopped task reports again only when it was killed or, a leader, replaced by a thread that called exec: then the
 * earlier stop is void, and whoever acted on it would resume its successor. */
static bool is_superseded(const struct parked *waiting, size_t count, size_t index)
{
	for (size_t i = index + 1; i < count; i++) {
		if (waiting[i].tid == waiting[index].tid)
			return true;
	}
	return false;
}

/* Statuses are collected before any is acted on: a task that is resumed could stop again at once, and waitpid would
 * return it again and again while others wait. What stops later has sent its own SIGCHLD: the caller comes again. */
bool session_dispatch(struct session *session)
{
	struct parked waiting[BATCH];
	bool nobody_left, any = false;
	size_t count;

	if (session->guest) {
		any = guest_follow_dispatch(session->guest);
		writer_flush(session->writer);
		return any;
	}
	do {
		count = collect(waiting, &nobody_left);
		any = any || count;
		for (size_t i = 0; i < count; i++) {
			if (!is_superseded(waiting, count, i))
				follow_status(session, waiting[i].tid, waiting[i].status);
		}
	} while (count == BATCH);
	if (nobody_left)
		follow_lost(session, 0);
	any = inject_dispatch(session) || any;
	writer_flush(session->writer);
	return any;
}

void session_drain(struct session *session)
{
	if (session->live)
		live_kernel_drain(session->live);
}

bool session_is_writing(const struct session *session)
{
	return writer_is_busy(session->writer);
}

int session_fd(const struct session *session)
{
	return session->guest ? guest_follow_fd(session->guest) : injector_fd(session->injector);
}

bool session_done(const struct session *session)
{
	if (session->guest)
		return guest_follow_done(session->guest);
	return !session->tasks.count && !pair_stops_parked(session);
}

void session_end(struct session *session)
{
	struct event event = {.kind = EVENT_END};

	event.end.forks = session->totals.forks;
	event.end.vforks = session->totals.vforks;
	event.end.clones = session->totals.clones;
	event.end.threads = session->totals.threads;
	event.end.failed = session->totals.failed;
	event.end.execs = session->totals.execs;
	event.end.exits = session->totals.exits;
	event.end.signals = session->totals.signals;
	event.end.errors = session->totals.errors;
	event.end.lost_samples = session->live ? live_kernel_lost(session->live) : 0;
	event.end.exit_status = session->exit_status < 0 ? 0 : session->exit_status;
	session_emit(session, &event);
	writer_finish(session->writer);
	inject_end(session);
}

bool session_release(struct session *session, const char *reason)
{
	struct task *task;

	if (session->filter_installed)
		return false;
	session->releasing = true;
	session->release_reason = string_intern(session->pool, reason);
	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		task->leaving = true;
		task->leaving_reason = session->release_reason;
		session_report(session, task, ptrace_interrupt(task->tid));
	}
	session_end_delays(session);
	return true;
}

void session_forward_signal(struct session *session, int signal)
{
	struct task *task;

	if (session->root && task_find(session, session->root)) {
		kill(session->root, signal);
		return;
	}
	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		if (task->tid == task->tgid)
			kill(task->tgid, signal);
	}
}

int session_exit_status(const struct session *session)
{
	return session->exit_status;
}
