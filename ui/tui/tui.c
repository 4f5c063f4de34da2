/* What the views and commands share: see tui.h. */
#include "ui/tui/tui.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"

bool tui_is_guest(const struct tui *tui)
{
	return tui->options->kernel == KERNEL_GUEST;
}

const struct control_task *tui_task(const struct tui *tui)
{
	return control_task(tui->control, tui->selected);
}

void tui_select(struct tui *tui, unsigned id)
{
	if (!control_task(tui->control, id))
		return;
	tui->selected = id;
	tui->frame = 0;
	tui->cursor = (struct code_cursor){0};
	tui->scroll[PANE_MEMORY] = 0;
	tui->changed = true;
}

void tui_select_any(struct tui *tui)
{
	const struct control_task *task = tui_task(tui);
	const struct control_task *tasks;
	size_t count;

	if (task && (task->state == CONTROL_HELD || task->state == CONTROL_RUNNING))
		return;
	tasks = control_tasks(tui->control, &count);
	for (size_t i = 0; i < count; i++) {
		if (tasks[i].state == CONTROL_HELD) {
			tui_select(tui, tasks[i].id);
			return;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (tasks[i].state == CONTROL_RUNNING || (!task && i + 1 == count)) {
			tui_select(tui, tasks[i].id);
			return;
		}
	}
}

static void show_message(struct tui *tui, const char *text, bool bad)
{
	_cleanup_(buffer_deinit) struct buffer safe = {0};

	buffer_append_text(&safe, "");
	escape_append(&safe, text);
	snprintf(tui->message, sizeof(tui->message), "%s", safe.data);
	tui->message_bad = bad;
	tui->changed = true;
}

void tui_say(struct tui *tui, const char *format, ...)
{
	char text[240];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	show_message(tui, text, false);
}

void tui_fail(struct tui *tui, struct error *error)
{
	show_message(tui, error ? error->message : "", error != NULL);
	error_destroy(error);
}

const struct stack *tui_stack(struct tui *tui, unsigned id)
{
	const struct stack *stack;
	struct error *error = control_stack(tui->control, id, &stack);

	/* It runs, or has ended: that is shown elsewhere. */
	error_destroy(error);
	return stack;
}

const struct frame *tui_frame(struct tui *tui)
{
	const struct stack *stack = tui_stack(tui, tui->selected);

	if (!stack || !stack->count)
		return NULL;
	return &stack->frames[tui->frame < stack->count ? tui->frame : stack->count - 1];
}

const struct fork_note *tui_fork_of(const struct tui *tui, pid_t tid, bool *child)
{
	for (size_t i = tui->forks.count; i-- > 0;) {
		*child = tui->forks.items[i].child == tid;
		if (*child || tui->forks.items[i].parent == tid)
			return &tui->forks.items[i];
	}
	return NULL;
}

void tui_keep_fork(struct tui *tui, const struct fork_note *note)
{
	struct fork_note kept = *note;

	if (tui->forks.count == EVENT_NOTES_MAX) {
		stack_unref(tui->forks.items[0].parent_kernel);
		stack_unref(tui->forks.items[0].child_kernel);
		vector_remove(&tui->forks, 0);
		tui->forks_dropped++;
	}
	stack_ref(kept.parent_kernel);
	stack_ref(kept.child_kernel);
	vector_push(&tui->forks, kept);
	tui->changed = true;
}

bool tui_registers(struct tui *tui, const struct register_memory **registers)
{
	const struct control_task *task = tui_task(tui);
	struct register_memory *memory = NULL;

	if (!task || task->state != CONTROL_HELD)
		return false;
	for (size_t i = 0; i < tui->registers.count; i++) {
		if (tui->registers.items[i].id == task->id)
			memory = &tui->registers.items[i];
	}
	if (!memory) {
		vector_push(&tui->registers, (struct register_memory){.id = task->id});
		memory = &tui->registers.items[tui->registers.count - 1];
	}
	if (memory->stops != task->stops) {
		struct registers now;
		struct error *error = control_registers(tui->control, task->id, &now);

		error_destroy(error);
		if (error)
			return false;
		memory->compared = memory->stops && memory->now.abi == now.abi;
		memory->before = memory->now;
		memory->now = now;
		memory->stops = task->stops;
	}
	*registers = memory;
	return true;
}

/* "rsp", "$rsp", "rsp+0x10": false where it does not begin with a register's name. */
static bool find_in_register(struct tui *tui, const char *what, uint64_t *address)
{
	const struct register_memory *memory;
	const struct arch *arch;
	size_t length;
	char *end;

	what += *what == '$';
	length = strcspn(what, "+-");
	if (!tui_registers(tui, &memory))
		return false;
	arch = arch_of(memory->now.abi);
	for (unsigned i = 0; i < arch->register_count; i++) {
		const char *name = arch->register_names[i];

		if (strlen(name) != length || memcmp(name, what, length) != 0)
			continue;
		what += length;
		*address = memory->now.value[i];
		if (*what) {
			uint64_t offset = strtoull(what + 1, &end, 0);

			*address = *what == '-' ? *address - offset : *address + offset;
			return end > what + 1 && !*end;
		}
		return true;
	}
	return false;
}

struct error *tui_find(struct tui *tui, const char *what, struct control_place *place)
{
	uint64_t address;

	if (find_in_register(tui, what, &address))
		return control_place(tui->control, tui->selected, address, place);
	return control_find(tui->control, tui->selected, what, place);
}
