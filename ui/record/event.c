/* Events read from JSON: see event.h. */
#include "ui/record/event.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SIGNAL_MAX = 64, ERRNO_MAX = 4095 };

int signal_number(const char *name)
{
	int number = 0;

	if (!name)
		return 0;
	for (int i = 1; i <= SIGNAL_MAX; i++) {
		const char *known = signal_name(i);

		if (known && !strcmp(known, name))
			return i;
	}
	/* As the report spells a number that is no signal's. */
	return sscanf(name, "SIG%d", &number) == 1 ? number : 0;
}

int errno_number(const char *name)
{
	for (int i = 1; name && i <= ERRNO_MAX; i++) {
		const char *known = errno_name(i);

		if (known && !strcmp(known, name))
			return i;
	}
	return 0;
}

/* A name that is too long had bytes that are not UTF-8, and has three for each in their place (U+FFFD). */
static size_t comm_shorten(const char *text, char *comm, size_t room)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t size = 0;

	while (*text) {
		bool replaced = !strncmp(text, replacement, sizeof(replacement) - 1);

		if (size == room)
			return 0;
		comm[size++] = *text;
		if (replaced)
			comm[size - 1] = '\xff';
		text += replaced ? sizeof(replacement) - 1 : 1;
	}
	return size;
}

static void comm_read(struct fields *fields, const json_t *object, struct task_name *task)
{
	const char *comm = field_text_or_null(fields, object, "comm");
	size_t size = comm ? strlen(comm) : 0;

	if (size < COMM_SIZE)
		memcpy(task->comm, comm ? comm : "", size);
	else if (comm_shorten(comm, task->comm, COMM_SIZE - 1) == 0)
		fields_wrong(fields, "comm", "is longer than a name can be");
}

struct task_name task_read(struct fields *fields, const json_t *object)
{
	struct task_name task = {0};
	int64_t pid, tid, ns_pid;

	field_integer_or_null(fields, object, "pid", 1, INT_MAX, &pid);
	field_integer_or_null(fields, object, "tid", 1, INT_MAX, &tid);
	field_integer_or_null(fields, object, "ns_pid", 1, INT_MAX, &ns_pid);
	task.pid = (pid_t)pid;
	task.tid = (pid_t)tid;
	task.ns_pid = (pid_t)ns_pid;
	comm_read(fields, object, &task);
	return task;
}

static struct timespec wall_clock_read(struct fields *fields, const json_t *object)
{
	const char *text = field_text(fields, object, "wall_clock");
	struct tm utc = {0};
	long nanoseconds = 0;
	int used = 0;
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;

	if (text && (!rest || sscanf(rest, ".%9ldZ%n", &nanoseconds, &used) != 1 || rest[used] != '\0'))
		fields_wrong(fields, "wall_clock", "is '%.40s', which is no time", text);
	return (struct timespec){.tv_sec = timegm(&utc), .tv_nsec = nanoseconds};
}

static void command_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
			 const json_t *object)
{
	const json_t *command = field_array_or_null(fields, object, "command");

	if (!command)
		return;
	read->command.count = 0;
	for (size_t i = 0; i < json_array_size(command); i++) {
		const char *word = json_string_value(json_array_get(command, i));

		if (!word)
			fields_wrong(fields, "command", "holds what is no string");
		vector_push(&read->command, string_intern(stacks->strings, word));
	}
	vector_push(&read->command, NULL);
	read->event.start.command = read->command.items;
}

/* A text that a sink may keep. */
static const char *text_kept(struct fields *fields, struct stack_pool *stacks, const json_t *object, const char *key)
{
	return string_intern(stacks->strings, field_text_or_null(fields, object, key));
}

static void start_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
		       const json_t *object)
{
	static const char *const sources[] = {"host", "guest"};
#define source_name(index) sources[index]
	const json_t *kernel = field_object(fields, object, "kernel");
	struct event *event = &read->event;

	event->start.wall_clock = wall_clock_read(fields, object);
	event->start.guest = field_word(fields, object, "source", source_name, 2);
	event->start.stub = text_kept(fields, stacks, object, "stub");
	event->start.version = string_intern(stacks->strings, field_text(fields, object, "version"));
	command_read(read, fields, stacks, object);
	read->schema = (uint64_t)field_integer(fields, object, "schema", 1, INT64_MAX);
	if (!kernel)
		return;

	size_t entered = fields_enter(fields, "kernel");

	event->start.kernel_release = text_kept(fields, stacks, kernel, "release");
	event->start.kernel_machine = text_kept(fields, stacks, kernel, "machine");
	fields_leave(fields, entered);
}

static void exec_read(struct event *event, struct fields *fields, struct stack_pool *stacks, const json_t *object)
{
	const char *old_abi = field_text_or_null(fields, object, "old_abi");
	int64_t former;

	event->exec.path = text_kept(fields, stacks, object, "path");
	if (old_abi)
		event->exec.old_abi = (enum abi)word_index(fields, "old_abi", old_abi, abi_name, ABI_X32 + 1);
	event->exec.new_abi = (enum abi)field_word(fields, object, "new_abi", abi_name, ABI_X32 + 1);
	field_integer_or_null(fields, object, "former_tid", 1, INT_MAX, &former);
	event->exec.former_tid = (pid_t)former;
}

static void exit_read(struct event *event, struct fields *fields, const json_t *object)
{
	const char *signal = field_text_or_null(fields, object, "signal");
	int64_t status;

	event->exit.signaled = signal;
	if (!field_integer_or_null(fields, object, "status", 0, UINT8_MAX, &status) && !signal)
		fields_wrong(fields, "status", "and signal are both missing");
	event->exit.status = signal ? signal_number(signal) : (int)status;
	if (signal && event->exit.status == 0)
		fields_wrong(fields, "signal", "is '%.40s', which is no signal", signal);
	event->exit.core_dumped = field_boolean(fields, object, "core_dumped");
	event->exit.thread = field_boolean(fields, object, "thread");
	event->exit.root = field_boolean(fields, object, "root");
}

static void signal_read(struct event *event, struct fields *fields, const json_t *object)
{
	int64_t sender;

	event->signal.number = (int)field_integer(fields, object, "signal_nr", 1, INT_MAX);
	event->signal.code = (int)field_integer(fields, object, "code", INT_MIN, INT_MAX);
	field_integer_or_null(fields, object, "sender", INT_MIN, INT_MAX, &sender);
	event->signal.sender = (pid_t)sender;
	event->signal.stop = field_boolean(fields, object, "stop");
}

/* The error's texts are the object's and are never freed as an error's. */
static void error_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
		       const json_t *object)
{
	const char *text = field_text_or_null(fields, object, "object");

	read->error = (struct error){
	    .code = (enum error_code)field_word(fields, object, "code", error_code_name, ERROR_INPUT + 1),
	    .sys_errno = errno_number(field_text_or_null(fields, object, "errno")),
	    .object = text ? (char *)(uintptr_t)string_intern(stacks->strings, text) : NULL,
	    .message = (char *)(uintptr_t)string_intern(stacks->strings, field_text(fields, object, "message")),
	};
	read->event.error = &read->error;
}

static uint64_t count_read(struct fields *fields, const json_t *object, const char *key)
{
	return (uint64_t)field_integer(fields, object, key, 0, INT64_MAX);
}

static void end_read(struct event *event, struct fields *fields, const json_t *object)
{
	event->end.forks = count_read(fields, object, "forks");
	event->end.vforks = count_read(fields, object, "vforks");
	event->end.clones = count_read(fields, object, "clones");
	event->end.threads = count_read(fields, object, "threads");
	event->end.failed = count_read(fields, object, "failed");
	event->end.execs = count_read(fields, object, "execs");
	event->end.exits = count_read(fields, object, "exits");
	event->end.signals = count_read(fields, object, "signals");
	event->end.errors = count_read(fields, object, "errors");
	event->end.lost_samples = count_read(fields, object, "lost_samples");
	event->end.exit_status = (int)field_integer(fields, object, "exit_status", INT_MIN, INT_MAX);
}

/* What each kind has besides its number and time. */
static void kind_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks, const json_t *object)
{
	struct event *event = &read->event;

	switch (event->kind) {
	case EVENT_START:
		start_read(read, fields, stacks, object);
		return;
	case EVENT_FORK:
		fork_read(read, fields, stacks, object);
		return;
	case EVENT_FORK_FAILED:
		fork_failed_read(read, fields, stacks, object);
		return;
	case EVENT_END:
		end_read(event, fields, object);
		return;
	default:
		break;
	}
	event->task = task_read(fields, object);
	if (event->kind != EVENT_ERROR && event->task.pid == 0)
		fields_wrong(fields, "pid", "is missing");
	if (event->kind == EVENT_EXEC)
		exec_read(event, fields, stacks, object);
	else if (event->kind == EVENT_EXIT)
		exit_read(event, fields, object);
	else if (event->kind == EVENT_SIGNAL)
		signal_read(event, fields, object);
	else if (event->kind == EVENT_DETACH)
		event->detach.reason = text_kept(fields, stacks, object, "reason");
	else if (event->kind == EVENT_ERROR)
		error_read(read, fields, stacks, object);
}

void record_event_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
		       const json_t *object)
{
	record_event_clear(read);
	fields_begin(fields);
	if (!json_is_object(object)) {
		fields_wrong(fields, "it", "is no object");
		return;
	}
	read->event.kind = (enum event_kind)field_word(fields, object, "event", event_kind_name, EVENT_END + 1);
	read->event.seq = (uint64_t)field_integer(fields, object, "seq", 1, INT64_MAX);
	read->event.time_ns = (uint64_t)field_integer(fields, object, "time_ns", 0, INT64_MAX);
	if (fields_ok(fields))
		kind_read(read, fields, stacks, object);
}

void record_event_clear(struct record_event *read)
{
	stack_unref(read->fork.parent.frames);
	stack_unref(read->fork.child.frames);
	stack_unref(read->fork.kernel.parent_frames);
	stack_unref(read->fork.kernel.child_frames);
	stack_unref(read->failed.frames);
	read->event = (struct event){0};
	read->fork = (struct fork_record){0};
	read->failed = (struct fork_failed){0};
	read->schema = 0;
}

void record_event_deinit(struct record_event *read)
{
	record_event_clear(read);
	vector_deinit(&read->command);
}
