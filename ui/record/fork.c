/* Fork records read from JSON: see event.h. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/record/event.h"

/* The bit that a flag's name stands for; several for what has none and is a number. 0: it is neither. */
static uint64_t flag_bits(const char *name)
{
	for (uint64_t flag = 1; flag; flag <<= 1) {
		const char *known = clone_flag_name(flag);

		if (known && !strcmp(known, name))
			return flag;
	}
	return strncmp(name, "0x", 2) != 0 ? 0 : strtoull(name, NULL, 16);
}

static void flags_read(struct fields *fields, const json_t *object, struct fork_call *call)
{
	const json_t *flags = field_array_or_null(fields, object, "flags");
	const char *signal = field_text_or_null(fields, object, "exit_signal");

	call->flags_known = flags;
	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *name = json_string_value(json_array_get(flags, i));
		uint64_t bits = name ? flag_bits(name) : 0;

		if (bits == 0)
			fields_wrong(fields, "flags", "hold '%.40s', which is no flag", name ? name : "no string");
		call->flags |= bits;
	}
	call->exit_signal = signal_number(signal);
	if (signal && call->exit_signal == 0)
		fields_wrong(fields, "exit_signal", "is '%.40s', which is no signal", signal);
}

static void call_read(struct fields *fields, const json_t *object, struct fork_call *call, enum entry_kind *entry,
		      bool *entry_certain)
{
	const char *syscall = field_text_or_null(fields, object, "syscall");
	int64_t number;

#define syscall_name(index) fork_syscall_name((enum fork_syscall)((index) + FORK_SYSCALL_FORK))
	if (syscall)
		call->syscall = (enum fork_syscall)(
		    FORK_SYSCALL_FORK + word_index(fields, "syscall", syscall, syscall_name, FORK_SYSCALL_CLONE3));
	field_integer_or_null(fields, object, "syscall_nr", 0, INT64_MAX, &number);
	call->number = (uint64_t)number;
	call->abi = (enum abi)field_word_or(fields, object, "abi", abi_name, ABI_X32 + 1, ABI_UNKNOWN);
	*entry =
	    (enum entry_kind)field_word_or(fields, object, "entry", entry_kind_name, ENTRY_SYSCALL + 1, ENTRY_UNKNOWN);
	*entry_certain = field_boolean(fields, object, "entry_certain");
	flags_read(fields, object, call);
	call->child_stack = field_address(fields, object, "child_stack");
}

/* Younger than the first records: these have none. */
static void injection_read(struct fields *fields, const json_t *object, bool *injected, uint64_t *delay_ns)
{
	int64_t delay;

	*injected = json_object_get(object, "injected") && field_boolean(fields, object, "injected");
	field_integer_or_null(fields, object, "delay_ns", 0, INT64_MAX, &delay);
	*delay_ns = (uint64_t)delay;
}

static void half_read(struct fields *fields, struct stack_pool *stacks, const json_t *object, const char *key,
		      struct fork_half *half)
{
	const json_t *side = field_object(fields, object, key);
	int64_t after;

	if (!side)
		return;

	size_t entered = fields_enter(fields, key);

	half->task = task_read(fields, side);
	if (half->task.pid == 0 || half->task.tid == 0)
		fields_wrong(fields, "pid", "or tid is missing");
	half->ret_known = field_integer_or_null(fields, side, "ret", INT64_MIN, INT64_MAX, &half->ret);
	if (half->ret_known)
		half->ret_from =
		    (enum ret_source)field_word(fields, side, "ret_from", ret_source_name, RET_FROM_USER_RETURN + 1);
	half->ret_reason = string_intern(stacks->strings, field_text_or_null(fields, side, "ret_reason"));
	field_integer_or_null(fields, side, "ret_ns", INT64_MIN, INT64_MAX, &after);
	half->ret_ns = (uint64_t)after;
	half->frames = stack_pool_read(stacks, fields, side, "frames");
	fields_leave(fields, entered);
}

static void step_read(struct fields *fields, struct stack_pool *stacks, const json_t *object, struct walk_step *step)
{
	static const char *const observed_names[] = {"breakpoint", "stack"};
	static const char *const process_names[] = {"parent", "child"};
#define stage_name(index)    stage_info((enum stage)(index))->name
#define observed_name(index) observed_names[index]
#define process_name(index)  process_names[index]
	const char *observed = field_text_or_null(fields, object, "observed");
	int64_t number;

	step->stage = (enum stage)field_word_or(fields, object, "stage", stage_name, STAGE_COUNT, 0);
	step->child = field_word(fields, object, "process", process_name, 2);
	step->function = string_intern(stacks->strings, field_text_or_null(fields, object, "function"));
	step->reason = string_intern(stacks->strings, field_text_or_null(fields, object, "reason"));
	step->address = field_address(fields, object, "address");
	step->on_stack = observed && word_index(fields, "observed", observed, observed_name, 2);
	step->time_known = field_integer_or_null(fields, object, "vtime_ns", 0, INT64_MAX, &number);
	step->time_ns = (uint64_t)number;
	step->file = string_intern(stacks->strings, field_text_or_null(fields, object, "file"));
	field_integer_or_null(fields, object, "line", 1, INT_MAX, &number);
	step->line = (int)number;
}

static void walk_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks, const json_t *kernel)
{
	const json_t *steps = field_array_or_null(fields, kernel, "walk");
	uint32_t seen = 0;

	if (!steps)
		return;
	read->walk = (struct fork_walk){0};
	for (size_t i = 0; i < STAGE_COUNT && i < json_array_size(steps); i++) {
		size_t entered;
		const json_t *step = field_item(fields, steps, "walk", i, &entered);

		if (step)
			step_read(fields, stacks, step, &read->walk.steps[i]);
		seen |= 1U << read->walk.steps[i].stage;
		fields_leave(fields, entered);
	}
	if (json_array_size(steps) == STAGE_COUNT && seen == (1U << STAGE_COUNT) - 1)
		read->fork.kernel.walk = &read->walk;
	else
		fields_missed(fields, "walk", "does not have each of the %d stages once", STAGE_COUNT);
}

static void kernel_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
			const json_t *object)
{
	const json_t *half = field_object(fields, object, "kernel");
	struct fork_kernel *kernel = &read->fork.kernel;

	if (!half)
		return;

	size_t entered = fields_enter(fields, "kernel");

	kernel->source =
	    (enum kernel_source)field_word(fields, half, "source", kernel_source_name, KERNEL_SOURCE_GUEST + 1);
	kernel->release = string_intern(stacks->strings, field_text_or_null(fields, half, "release"));
	kernel->reason = string_intern(stacks->strings, field_text_or_null(fields, half, "reason"));
	kernel->parent_frames = stack_pool_read(stacks, fields, half, "parent_frames");
	kernel->child_frames = stack_pool_read(stacks, fields, half, "child_frames");
	walk_read(read, fields, stacks, half);
	fields_leave(fields, entered);
}

void fork_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks, const json_t *object)
{
	struct fork_record *fork = &read->fork;

	read->event.fork = fork;
	fork->kind = (enum fork_kind)field_word(fields, object, "kind", fork_kind_name, FORK_KIND_CLONE + 1);
	call_read(fields, object, &fork->call, &fork->entry, &fork->entry_certain);
	fork->thread = field_boolean(fields, object, "thread");
	fork->untraced = field_boolean(fields, object, "untraced");
	fork->order = (enum stop_order)field_word(fields, object, "order", stop_order_name, ORDER_CHILD_FIRST + 1);
	fork->restarts = (unsigned)field_integer(fields, object, "restarts", 0, UINT_MAX);
	injection_read(fields, object, &fork->injected, &fork->delay_ns);
	half_read(fields, stacks, object, "parent", &fork->parent);
	half_read(fields, stacks, object, "child", &fork->child);
	kernel_read(read, fields, stacks, object);
}

void fork_failed_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks, const json_t *object)
{
	struct fork_failed *failed = &read->failed;

	read->event.fork_failed = failed;
	call_read(fields, object, &failed->call, &failed->entry, &failed->entry_certain);
	failed->thread = field_boolean(fields, object, "thread");
	failed->restarts = (unsigned)field_integer(fields, object, "restarts", 0, UINT_MAX);
	injection_read(fields, object, &failed->injected, &failed->delay_ns);
	failed->error_number = (int)field_integer(fields, object, "errno_nr", 1, INT_MAX);

	const json_t *parent = field_object(fields, object, "parent");

	if (!parent)
		return;

	size_t entered = fields_enter(fields, "parent");

	failed->parent = task_read(fields, parent);
	if (failed->parent.pid == 0)
		fields_wrong(fields, "pid", "is missing");
	failed->frames = stack_pool_read(stacks, fields, parent, "frames");
	fields_leave(fields, entered);
}
