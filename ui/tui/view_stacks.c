/* Stacks: parent and child side by side from their fork on, the kernel's half beneath the user's. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void draw_frame(const struct area *area, int row, const struct frame *frame, enum role role, char mark)
{
	_cleanup_(buffer_deinit) struct buffer name = {0}, place = {0};
	unsigned width = (unsigned)(area->columns > 4 ? area->columns - 3 : 1);
	unsigned used;

	buffer_append_text(&place, "");
	buffer_append_text(&name, "");
	if (frame->file)
		escape_append(&place, base_name(frame->file));
	else if (frame->module)
		escape_append(&place, base_name(frame->module));
	if (frame->file && frame->line)
		buffer_printf(&place, ":%d", frame->line);

	unsigned aside = escape_width(place.data);

	if (aside + 12 > width)
		aside = 0;
	if (frame->symbol)
		used = escape_fit(&name, frame->symbol, width - aside - (aside != 0), KEEP_HEAD);
	else {
		buffer_printf(&name, "0x%llx", (unsigned long long)frame->pc);
		used = (unsigned)name.size;
	}
	(void)used;
	screen_print(area, row, 0, role, "%c%c", mark, frame->certain ? ' ' : '?');
	screen_put(area, row, 2, -1, role, name.data);
	if (aside)
		screen_put(area, row, area->columns - (int)aside - 1, -1, ROLE_DIM, place.data);
}

/* The kernel's frames of the fork that it stands behind, from the border on. */
static int draw_kernel(struct tui *tui, const struct area *area, int row, const struct control_task *task)
{
	bool child;
	const struct fork_note *note = tui_fork_of(tui, task->tid, &child);
	const struct stack *kernel = note ? (child ? note->child_kernel : note->parent_kernel) : NULL;
	char title[80];

	if ((task->stop != CONTROL_STOP_FORK && task->stop != CONTROL_STOP_BORN) || !note)
		return row;
	snprintf(title, sizeof(title), "kernel: %s", entry_kind_name(note->entry));
	screen_rule(area, row++, title, ROLE_KERNEL);
	if (!kernel && note->kernel_reason)
		screen_put(area, row++, 2, -1, ROLE_DIM, note->kernel_reason);
	for (size_t i = kernel ? kernel->count : 0; i-- > 0 && row < area->rows;)
		draw_frame(area, row++, &kernel->frames[i], ROLE_KERNEL, ' ');
	return row;
}

static size_t kernel_rows(struct tui *tui, const struct control_task *task)
{
	bool child;
	const struct fork_note *note = tui_fork_of(tui, task->tid, &child);
	const struct stack *kernel = note ? (child ? note->child_kernel : note->parent_kernel) : NULL;

	if ((task->stop != CONTROL_STOP_FORK && task->stop != CONTROL_STOP_BORN) || !note)
		return 0;
	return 1 + (kernel ? kernel->count : note->kernel_reason != NULL);
}

static void draw_title(struct tui *tui, const struct area *area, const struct control_task *task, const char *side)
{
	char title[120], what[80];

	tui_describe(tui, task, what, sizeof(what));
	if (task->ret_known && task->stop != CONTROL_STOP_FORK && task->stop != CONTROL_STOP_BORN)
		snprintf(title, sizeof(title), "%s %d  fork gave %lld  %s", side, task->tid, (long long)task->ret,
			 what);
	else
		snprintf(title, sizeof(title), "%s %d  %s", side, task->tid, what);
	screen_rule(area, 0, title, task->id == tui->selected ? ROLE_TITLE : ROLE_DIM);
}

/* From main down, as in the report: the innermost is the last, and stays in sight. */
static void draw_column(struct tui *tui, const struct area *area, const struct control_task *task, const char *side)
{
	const struct stack *stack = tui_stack(tui, task->id);
	bool selected = task->id == tui->selected;
	size_t room = area->rows > 1 ? (size_t)area->rows - 1 : 0, below, shown, last = 0;
	int row = 1;

	draw_title(tui, area, task, side);
	if (!stack)
		return;
	below = kernel_rows(tui, task);
	/* The user's innermost frames matter more than the kernel's last ones, but both are to be seen. */
	if (below > room / 2)
		below = room / 2;
	shown = room - below < stack->count ? room - below : stack->count;
	/* The selected frame stays in sight. */
	if (selected && tui->frame >= shown)
		last = tui->frame - shown + 1;
	for (size_t i = last + shown; i-- > last && row < area->rows;) {
		bool chosen = selected && i == tui->frame;

		draw_frame(area, row++, &stack->frames[i], chosen ? ROLE_CHOSEN : ROLE_TEXT, chosen ? '>' : ' ');
	}
	draw_kernel(tui, area, row, task);
}

/* The other side of the last fork that the selected task was in. */
static const struct control_task *other_side(struct tui *tui, const struct control_task *task, bool *child)
{
	const struct control_task *parent = control_task(tui->control, task->parent);
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	*child = true;
	for (size_t i = count; i-- > 0;) {
		if (tasks[i].parent == task->id && tasks[i].state != CONTROL_ENDED) {
			*child = false;
			return &tasks[i];
		}
	}
	if (parent)
		return parent;
	for (size_t i = count; i-- > 0;) {
		if (tasks[i].parent == task->id) {
			*child = false;
			return &tasks[i];
		}
	}
	return NULL;
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct control_task *task = tui_task(tui), *other;
	bool child;
	int half = area->columns / 2;

	if (!task) {
		screen_title(area, 0, "stack");
		return;
	}
	other = other_side(tui, task, &child);
	if (!other) {
		draw_column(tui, area, task, "process");
		return;
	}

	struct area left = {area->row, area->column, area->rows, half - 1};
	struct area right = {area->row, area->column + half, area->rows, area->columns - half};

	draw_column(tui, &left, child ? other : task, "parent");
	draw_column(tui, &right, child ? task : other, "child");
}

const struct view view_stacks = {"stacks", draw};
