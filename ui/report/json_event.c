/* Events as JSON: see json_event.h. */
#include "ui/report/json_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ui/report/json_text.h"
#include "ui/report/json_walk.h"
#include "ui/report/report.h"

static json_t *json_count(uint64_t number)
{
	return json_integer((json_int_t)number);
}

static json_t *json_number_or_null(bool known, int64_t number)
{
	return known ? json_integer(number) : json_null();
}

static json_t *json_signal(int number)
{
	char text[sizeof("SIG-2147483648")];
	const char *name = signal_name(number);

	if (number == 0 || name)
		return json_text(name);
	snprintf(text, sizeof(text), "SIG%d", number);
	return json_string(text);
}

static json_t *json_errno(int number)
{
	return number ? json_text(errno_name(number)) : json_null();
}

static void task_members(json_t *object, const struct task_name *task)
{
	json_member(object, "pid", json_number_or_null(task->pid != 0, task->pid));
	json_member(object, "tid", json_number_or_null(task->tid != 0, task->tid));
	json_member(object, "ns_pid", json_number_or_null(task->ns_pid != 0, task->ns_pid));
	json_member(object, "comm", task->pid ? json_text(task->comm) : json_null());
}

static json_t *json_flags(const struct fork_call *call)
{
	uint64_t unnamed = 0;
	json_t *flags;

	if (!call->flags_known)
		return json_null();
	flags = json_array();
	for (uint64_t flag = 1; flag; flag <<= 1) {
		const char *name = call->flags & flag ? clone_flag_name(flag) : NULL;

		if (name)
			json_array_append_new(flags, json_text(name));
		else
			unnamed |= call->flags & flag;
	}
	if (unnamed)
		json_array_append_new(flags, json_address(unnamed));
	return flags;
}

static void call_members(json_t *object, const struct fork_call *call, enum entry_kind entry, bool entry_certain)
{
	bool seen = call->syscall != FORK_SYSCALL_NONE;

	json_member(object, "syscall", json_text(seen ? fork_syscall_name(call->syscall) : NULL));
	json_member(object, "syscall_nr", json_number_or_null(seen, (int64_t)call->number));
	json_member(object, "abi", json_text(abi_name(call->abi)));
	json_member(object, "entry", json_text(entry_kind_name(entry)));
	json_member(object, "entry_certain", json_boolean(entry_certain));
	json_member(object, "flags", json_flags(call));
	json_member(object, "exit_signal", call->flags_known ? json_signal(call->exit_signal) : json_null());
	json_member(object, "child_stack", json_address(call->child_stack));
}

/* `truncated` and `reason` are the members' names. */
static void stack_members(json_t *object, const char *truncated, const char *reason, const struct stack *stack)
{
	json_member(object, truncated, json_boolean(stack && stack->truncated));
	json_member(object, reason, stack ? json_text(stack->reason) : json_null());
}

static void user_stack_members(json_t *object, const struct stack *stack)
{
	stack_members(object, "frames_truncated", "frames_reason", stack);
}

/* Adds `key` with a stack's frames, or its number, or null, to the object that `buffer` ends with. */
static void stack_splice(struct json_writer *json, struct buffer *buffer, const char *key, const struct stack *stack)
{
	char number[sizeof("18446744073709551615")];

	if (!stack) {
		json_splice(buffer, key, "null", sizeof("null") - 1);
	} else if (json->stacks_by_number) {
		snprintf(number, sizeof(number), "%lu", stack->id);
		json_splice(buffer, key, number, strlen(number));
	} else {
		const struct buffer *text = frames_cache_text(&json->frames, stack);

		json_splice(buffer, key, text->data, text->size);
	}
}

/* Adds `object`, completed by a stack's frames, to the line. Takes the object over. */
static void piece_splice(struct json_writer *json, const char *key, json_t *object, const struct stack *stack)
{
	buffer_clear(&json->piece);
	json_append(&json->piece, object);
	stack_splice(json, &json->piece, "frames", stack);
	json_splice(&json->line, key, json->piece.data, json->piece.size);
}

static json_t *half_json(const struct fork_half *half)
{
	json_t *object = json_object();
	bool known = half->ret_known;

	task_members(object, &half->task);
	json_member(object, "ret", json_number_or_null(known, half->ret));
	json_member(object, "ret_from", known ? json_text(ret_source_name(half->ret_from)) : json_null());
	json_member(object, "ret_reason", json_text(known ? NULL : half->ret_reason));
	json_member(object, "ret_ns", json_number_or_null(known, (int64_t)half->ret_ns));
	user_stack_members(object, half->frames);
	return object;
}

static void injection_members(json_t *object, bool injected, uint64_t delay_ns)
{
	json_member(object, "injected", json_boolean(injected));
	json_member(object, "delay_ns", json_number_or_null(delay_ns != 0, (int64_t)delay_ns));
}

static void fork_members(json_t *object, const struct fork_record *fork)
{
	json_member(object, "kind", json_text(fork_kind_name(fork->kind)));
	call_members(object, &fork->call, fork->entry, fork->entry_certain);
	json_member(object, "thread", json_boolean(fork->thread));
	json_member(object, "untraced", json_boolean(fork->untraced));
	json_member(object, "order", json_text(stop_order_name(fork->order)));
	json_member(object, "restarts", json_integer(fork->restarts));
	injection_members(object, fork->injected, fork->delay_ns);
}

static json_t *kernel_json(const struct fork_record *fork)
{
	json_t *object = json_object();

	json_member(object, "source", json_text(kernel_source_name(fork->kernel.source)));
	json_member(object, "release", json_text(fork->kernel.release));
	json_member(object, "reason", json_text(fork->kernel.reason));
	json_member(object, "walk", json_walk(fork));
	stack_members(object, "parent_frames_truncated", "parent_frames_reason", fork->kernel.parent_frames);
	stack_members(object, "child_frames_truncated", "child_frames_reason", fork->kernel.child_frames);
	return object;
}

static void fork_splice(struct json_writer *json, const struct fork_record *fork)
{
	piece_splice(json, "parent", half_json(&fork->parent), fork->parent.frames);
	piece_splice(json, "child", half_json(&fork->child), fork->child.frames);
	buffer_clear(&json->piece);
	json_append(&json->piece, kernel_json(fork));
	stack_splice(json, &json->piece, "parent_frames", fork->kernel.parent_frames);
	stack_splice(json, &json->piece, "child_frames", fork->kernel.child_frames);
	json_splice(&json->line, "kernel", json->piece.data, json->piece.size);
}

static void fork_failed_members(json_t *object, const struct fork_failed *failed)
{
	call_members(object, &failed->call, failed->entry, failed->entry_certain);
	json_member(object, "thread", json_boolean(failed->thread));
	json_member(object, "restarts", json_integer(failed->restarts));
	injection_members(object, failed->injected, failed->delay_ns);
	json_member(object, "errno", json_errno(failed->error_number));
	json_member(object, "errno_nr", json_integer(failed->error_number));
}

static json_t *caller_json(const struct fork_failed *failed)
{
	json_t *object = json_object();

	task_members(object, &failed->parent);
	user_stack_members(object, failed->frames);
	return object;
}

static void fork_failed_splice(struct json_writer *json, const struct fork_failed *failed)
{
	piece_splice(json, "parent", caller_json(failed), failed->frames);
}

/* ISO 8601 with nanoseconds, in UTC. */
static json_t *json_wall_clock(const struct timespec *time)
{
	struct tm utc;
	char seconds[sizeof("-2147483648-12-31T23:59:60")];
	char text[sizeof(seconds) + sizeof(".123456789Z")];

	gmtime_r(&time->tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%09ldZ", seconds, time->tv_nsec);
	return json_string(text);
}

static void start_members(json_t *object, const struct event *event)
{
	json_t *command = event->start.command ? json_array() : json_null();
	json_t *kernel = json_object();

	for (size_t i = 0; event->start.command && event->start.command[i]; i++)
		json_array_append_new(command, json_text(event->start.command[i]));
	json_member(object, "wall_clock", json_wall_clock(&event->start.wall_clock));
	json_member(object, "source", json_text(event->start.guest ? "guest" : "host"));
	json_member(object, "stub", json_text(event->start.stub));
	json_member(object, "command", command);
	json_member(kernel, "release", json_text(event->start.kernel_release));
	json_member(kernel, "machine", json_text(event->start.kernel_machine));
	json_member(object, "kernel", kernel);
	json_member(object, "version", json_text(event->start.version));
	json_member(object, "schema", json_integer(SCHEMA_VERSION));
}

static void exec_members(json_t *object, const struct event *event)
{
	enum abi old_abi = event->exec.old_abi;

	json_member(object, "path", json_text(event->exec.path));
	json_member(object, "old_abi", old_abi == ABI_UNKNOWN ? json_null() : json_text(abi_name(old_abi)));
	json_member(object, "new_abi", json_text(abi_name(event->exec.new_abi)));
	json_member(object, "former_tid", json_number_or_null(event->exec.former_tid != 0, event->exec.former_tid));
}

static void exit_members(json_t *object, const struct event *event)
{
	bool signaled = event->exit.signaled;

	json_member(object, "status", json_number_or_null(!signaled, event->exit.status));
	json_member(object, "signal", signaled ? json_signal(event->exit.status) : json_null());
	json_member(object, "core_dumped", json_boolean(event->exit.core_dumped));
	json_member(object, "thread", json_boolean(event->exit.thread));
	json_member(object, "root", json_boolean(event->exit.root));
}

static void signal_members(json_t *object, const struct event *event)
{
	json_member(object, "signal", json_signal(event->signal.number));
	json_member(object, "signal_nr", json_integer(event->signal.number));
	json_member(object, "code", json_integer(event->signal.code));
	json_member(object, "sender", json_number_or_null(event->signal.sender != 0, event->signal.sender));
	json_member(object, "stop", json_boolean(event->signal.stop));
}

static void error_members(json_t *object, const struct error *error)
{
	json_member(object, "code", json_text(error_code_name(error->code)));
	json_member(object, "errno", json_errno(error->sys_errno));
	json_member(object, "object", json_text(error->object));
	json_member(object, "message", json_text(error->message));
}

static void end_members(json_t *object, const struct event *event)
{
	json_member(object, "forks", json_count(event->end.forks));
	json_member(object, "vforks", json_count(event->end.vforks));
	json_member(object, "clones", json_count(event->end.clones));
	json_member(object, "threads", json_count(event->end.threads));
	json_member(object, "failed", json_count(event->end.failed));
	json_member(object, "execs", json_count(event->end.execs));
	json_member(object, "exits", json_count(event->end.exits));
	json_member(object, "signals", json_count(event->end.signals));
	json_member(object, "errors", json_count(event->end.errors));
	json_member(object, "lost_samples", json_count(event->end.lost_samples));
	json_member(object, "exit_status", json_integer(event->end.exit_status));
}

/* All members but those that hold frames. */
static json_t *event_json(const struct event *event)
{
	json_t *object = json_object();

	json_member(object, "event", json_text(event_kind_name(event->kind)));
	json_member(object, "seq", json_count(event->seq));
	json_member(object, "time_ns", json_count(event->time_ns));
	switch (event->kind) {
	case EVENT_START:
		start_members(object, event);
		return object;
	case EVENT_FORK:
		fork_members(object, event->fork);
		return object;
	case EVENT_FORK_FAILED:
		fork_failed_members(object, event->fork_failed);
		return object;
	case EVENT_END:
		end_members(object, event);
		return object;
	default:
		break;
	}
	task_members(object, &event->task);
	if (event->kind == EVENT_EXEC)
		exec_members(object, event);
	else if (event->kind == EVENT_EXIT)
		exit_members(object, event);
	else if (event->kind == EVENT_SIGNAL)
		signal_members(object, event);
	else if (event->kind == EVENT_DETACH)
		json_member(object, "reason", json_text(event->detach.reason));
	else if (event->kind == EVENT_ERROR)
		error_members(object, event->error);
	return object;
}

static void framed_member(json_t *object, const char *key, json_t *value, const struct stack *frames)
{
	json_member(value, "frames", json_frames(frames));
	json_member(object, key, value);
}

json_t *json_event(const struct event *event)
{
	json_t *object = event_json(event);

	if (event->kind == EVENT_FORK) {
		const struct fork_record *fork = event->fork;
		json_t *kernel = kernel_json(fork);

		framed_member(object, "parent", half_json(&fork->parent), fork->parent.frames);
		framed_member(object, "child", half_json(&fork->child), fork->child.frames);
		json_member(kernel, "parent_frames", json_frames(fork->kernel.parent_frames));
		json_member(kernel, "child_frames", json_frames(fork->kernel.child_frames));
		json_member(object, "kernel", kernel);
	} else if (event->kind == EVENT_FORK_FAILED) {
		framed_member(object, "parent", caller_json(event->fork_failed), event->fork_failed->frames);
	}
	return object;
}

const struct buffer *json_event_line(struct json_writer *json, const struct event *event)
{
	buffer_clear(&json->line);
	json_append(&json->line, event_json(event));
	if (event->kind == EVENT_FORK)
		fork_splice(json, event->fork);
	else if (event->kind == EVENT_FORK_FAILED)
		fork_failed_splice(json, event->fork_failed);
	buffer_append_text(&json->line, "\n");
	return &json->line;
}

void json_writer_deinit(struct json_writer *json)
{
	frames_cache_deinit(&json->frames);
	buffer_deinit(&json->line);
	buffer_deinit(&json->piece);
}
