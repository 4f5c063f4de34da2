/* Calls of the fork family that are made to fail or to wait, counted over all tasks in the order in which forktrace
 * sees them entered. A call that is to fail is not made; a task whose call is to wait is left in its entry stop, while
 * the others go on. */
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "session/internal.h"

/* An injection, and what came of it. */
struct rule {
	struct injection injection;
	uint64_t entries; /* of its calls */
	uint64_t applied; /* those of them that it changed */
};

struct injector {
	struct rule *rules;
	size_t count;
	int timer;        /* -1: nothing is ever delayed */
	bool hurried;     /* the run is to end: nothing is delayed any more */
	uint64_t next_ns; /* when the first of the held tasks is to go on, of session_now; 0: none is held */
};

/* --- what is asked for --- */

static int open_timer(const struct session_options *options, const struct log *log)
{
	bool needed = false;
	int fd;

	for (size_t i = 0; i < options->injection_count; i++)
		needed = needed || options->injections[i].delay_ns;
	if (!needed)
		return -1;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0) {
		struct error *error = error_system(errno, NULL, "timerfd_create failed: no call is delayed");

		log_write(log, LOG_LEVEL_WARNING, "%s", error->message);
		error_destroy(error);
	}
	return fd;
}

struct injector *injector_create(const struct session_options *options, const struct log *log)
{
	struct injector *injector;

	if (!options->injection_count)
		return NULL;
	injector = memory_alloc(sizeof(*injector));
	injector->count = options->injection_count;
	injector->rules = memory_calloc(injector->count, sizeof(*injector->rules));
	for (size_t i = 0; i < injector->count; i++)
		injector->rules[i].injection = options->injections[i];
	injector->timer = open_timer(options, log);
	return injector;
}

void injector_destroy(struct injector *injector)
{
	if (!injector)
		return;
	if (injector->timer >= 0)
		close(injector->timer);
	free(injector->rules);
	free(injector);
}

int injector_fd(const struct injector *injector)
{
	return injector ? injector->timer : -1;
}

void inject_end(const struct session *session)
{
	const struct injector *injector = session->injector;

	for (size_t i = 0; injector && i < injector->count; i++) {
		const struct rule *rule = &injector->rules[i];

		if (!rule->applied)
			log_write(&session->log, LOG_LEVEL_WARNING,
				  "--inject=%s changed nothing: its calls were entered %llu time%s",
				  rule->injection.text, (unsigned long long)rule->entries,
				  rule->entries == 1 ? "" : "s");
	}
}

/* --- a call's entry and exit --- */

/* Of several injections that one call meets, the first error and the longest delay hold. */
static void count_entry(struct injector *injector, enum fork_syscall syscall, int *error_number, uint64_t *delay_ns)
{
	for (size_t i = 0; i < injector->count; i++) {
		struct rule *rule = &injector->rules[i];
		const struct injection *injection = &rule->injection;

		if (!(injection->calls & 1U << syscall) || !injection_applies(injection, ++rule->entries))
			continue;
		rule->applied++;
		if (!*error_number)
			*error_number = injection->error_number;
		if (injection->delay_ns > *delay_ns)
			*delay_ns = injection->delay_ns;
	}
}

/* Sets the timer to `next_ns` of session_now; 0: stops it. Either takes back that it has run out. */
static void set_timer(struct session *session, uint64_t next_ns)
{
	enum { NS_PER_S = 1000000000 };
	uint64_t at = next_ns ? session->start_ns + next_ns : 0;
	struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)}};

	session->injector->next_ns = next_ns;
	timerfd_settime(session->injector->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void hold(struct session *session, struct watched_call *call, uint64_t delay_ns)
{
	const struct injector *injector = session->injector;

	call->held_ns = session_now(session);
	call->held_to_ns = call->held_ns + delay_ns;
	if (!injector->next_ns || call->held_to_ns < injector->next_ns)
		set_timer(session, call->held_to_ns);
}

void inject_entered(struct session *session, struct task *task)
{
	struct watched_call *call = &task->call;
	int error_number = 0;
	uint64_t delay_ns = 0;

	count_entry(session->injector, call->fork.syscall, &error_number, &delay_ns);
	if (error_number) {
		struct error *error = ptrace_skip_call(task->tid);

		if (!error)
			call->injected_error = error_number;
		session_report(session, task, error);
	}
	if (delay_ns && session->injector->timer >= 0 && !session->injector->hurried)
		hold(session, call, delay_ns);
}

void inject_left(struct session *session, struct task *task, struct syscall_info *info)
{
	info->result = -task->call.injected_error;
	info->is_error = true;
	session_report(session, task, ptrace_set_result(task->tid, info->result));
}

/* --- going on --- */

static bool is_due(const struct injector *injector, const struct task *task, uint64_t now)
{
	return task->call.held_ns && (injector->hurried || task->call.held_to_ns <= now);
}

static void go_on(struct session *session, struct task *task, uint64_t now)
{
	task->call.delay_ns = now - task->call.held_ns;
	task->call.held_ns = 0;
	follow_resume(session, task, 0);
}

bool inject_dispatch(struct session *session)
{
	const struct injector *injector = session->injector;
	VECTOR(struct task *) due = {0};
	uint64_t now, next = 0;
	struct task *task;
	bool any;

	if (!injector || !injector->next_ns)
		return false;
	now = session_now(session);
	if (!injector->hurried && now < injector->next_ns)
		return false;
	for (size_t i = 0; (task = map_next(&session->tasks, &i));) {
		if (is_due(injector, task, now))
			vector_push(&due, task);
		else if (task->call.held_ns && (!next || task->call.held_to_ns < next))
			next = task->call.held_to_ns;
	}
	set_timer(session, next);
	for (size_t i = 0; i < due.count; i++)
		go_on(session, due.items[i], now);
	any = due.count;
	vector_deinit(&due);
	return any;
}

void session_end_delays(struct session *session)
{
	if (!session->injector)
		return;
	session->injector->hurried = true;
	inject_dispatch(session);
}
