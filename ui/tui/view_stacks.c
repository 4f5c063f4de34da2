/* Stacks: parent and child side by side from their fork on, the kernel's half beneath the user's. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { NAME_LEAST = 12 };

/* Frames of a stack, innermost first. */
struct frames {
	const struct frame *items;
	size_t count;
	size_t first; /* the number of the first in the stack that frames are selected of */
};

/* One process's column. */
struct side {
	struct tui *tui;
	const struct control_task *task; /* NULL: this side is empty */
	const char *name;
	struct area area;
	bool stands; /* its stack is known */
	struct frames user, kernel;
	bool before;        /* the kernel's frames are of a fork that is over: none of them is selected */
	const char *reason; /* why the kernel's half is missing */
	const char *entry;  /* how the kernel was entered; NULL: there is no border */
};

static bool stands_behind_fork(const struct control_task *task)
{
	return task->state == CONTROL_HELD && !task->in_kernel &&
	       (task->stop == CONTROL_STOP_FORK || task->stop == CONTROL_STOP_BORN);
}

static void find_fork_half(struct side *side)
{
	bool child;
	const struct fork_note *note = tui_fork_of(side->tui, side->task->tid, &child);
	const struct stack *kernel;

	if (!note || !stands_behind_fork(side->task))
		return;
	kernel = child ? note->child_kernel : note->parent_kernel;
	if (kernel)
		side->kernel = (struct frames){.items = kernel->frames, .count = kernel->count};
	side->before = true;
	side->reason = kernel ? NULL : note->kernel_reason;
	side->entry = kernel || side->reason ? entry_kind_name(note->entry) : NULL;
}

/* The kernel's half is where the task stands in a guest's kernel, or that of the fork that it stands behind. */
static void find_halves(struct side *side)
{
	const struct stack *stack = tui_stack(side->tui, side->task->id);
	size_t kernel;

	if (!stack)
		return;
	side->stands = true;
	side->task = control_task(side->tui->control, side->task->id); /* the stack tells how many are the kernel's */
	kernel = side->task->kernel_frames;
	side->user = (struct frames){stack->frames + kernel, stack->count - kernel, kernel};
	if (kernel) {
		side->kernel = (struct frames){stack->frames, kernel, 0};
		side->entry = side->task->entry == ENTRY_UNKNOWN ? "" : entry_kind_name(side->task->entry);
	} else {
		find_fork_half(side);
	}
}

static size_t kernel_rows(const struct side *side)
{
	return !side->entry ? 0 : 1 + (side->kernel.count ? side->kernel.count : 1);
}

/* --- drawing --- */

static void draw_frame(const struct area *area, int row, const struct frame *frame, enum role role, char mark)
{
	_cleanup_(buffer_deinit) struct buffer name = {0}, place = {0};
	unsigned width = (unsigned)(area->columns > 4 ? area->columns - 2 : 1);

	buffer_append_text(&place, "");
	buffer_append_text(&name, "");
	if (frame->file || frame->module)
		escape_append(&place, tui_base_name(frame->file ? frame->file : frame->module));
	if (frame->file && frame->line)
		buffer_printf(&place, ":%d", frame->line);

	unsigned aside = escape_width(place.data);

	if (aside + NAME_LEAST + 1 > width)
		aside = 0;
	if (frame->symbol)
		escape_fit(&name, frame->symbol, width - aside - (aside != 0), KEEP_HEAD);
	else
		buffer_printf(&name, "0x%llx", (unsigned long long)frame->pc);
	screen_print(area, row, 0, role, "%c%c", mark, frame->certain ? ' ' : '?');
	screen_put(area, row, 2, (int)(width - aside), role, name.data);
	if (aside)
		screen_put(area, row, area->columns - (int)aside, -1, ROLE_DIM, place.data);
}

static void draw_title(const struct side *side)
{
	const struct control_task *task = side->task;
	char title[120], what[80];
	bool chosen = task->id == side->tui->selected;

	if (task->state != CONTROL_HELD)
		tui_describe_briefly(task, what, sizeof(what));
	else
		tui_describe(task, what, sizeof(what));
	if (task->ret_known && !stands_behind_fork(task) && !tui_is_thread(task)) {
		tui_describe_briefly(task, what, sizeof(what));
		snprintf(title, sizeof(title), "%s %d  fork=%lld  %s", side->name, task->tid, (long long)task->ret,
			 what);
	} else {
		snprintf(title, sizeof(title), "%s %d  %s", side->name, task->tid, what);
	}
	screen_rule(&side->area, 0, title,
		    !chosen                           ? ROLE_DIM
		    : side->tui->focus == PANE_STACKS ? ROLE_FOCUS
						      : ROLE_TITLE);
}

/* `rows` rows above row `end`, the innermost frame lowest, as in the report. The selected frame stays in sight. */
static void draw_user(const struct side *side, size_t rows, int end)
{
	struct tui *tui = side->tui;
	bool selected = side->task->id == tui->selected && tui->frame >= side->user.first;
	size_t shown, last = 0, frame = tui->frame - side->user.first;

	if (!side->stands) {
		if (side->task->state == CONTROL_RUNNING)
			screen_put(&side->area, 1, 2, -1, ROLE_DIM, "(it runs)");
		return;
	}
	shown = rows < side->user.count ? rows : side->user.count;
	if (selected && frame >= shown)
		last = frame - shown + 1;
	for (size_t i = last; i < last + shown && i < side->user.count; i++) {
		bool chosen = selected && i == frame;
		char mark = ' ';

		/* There is more where the frames do not end, above or below. */
		if (chosen)
			mark = '>';
		else if (i + 1 == last + shown && i + 1 < side->user.count)
			mark = '^';
		else if (i == last && last > 0)
			mark = 'v';
		draw_frame(&side->area, end - 1 - (int)(i - last), &side->user.items[i],
			   chosen ? ROLE_CHOSEN : ROLE_TEXT, mark);
	}
}

/* Is one of the kernel's frames selected? */
static bool stands_in_kernel(const struct side *side)
{
	return !side->before && side->task->id == side->tui->selected && side->tui->frame < side->kernel.count;
}

/* A frame of the kernel's half, by its number there. */
static void draw_kernel_frame(const struct side *side, const struct area *area, int row, size_t number)
{
	bool chosen = stands_in_kernel(side) && side->tui->frame == number;

	draw_frame(area, row, &side->kernel.items[number], chosen ? ROLE_CHOSEN : ROLE_KERNEL, chosen ? '>' : ' ');
}

/* From `row` on, the innermost frame lowest. Where they do not all fit, the innermost, or the selected one, is always
 * to be seen. */
static void draw_kernel(const struct side *side, int row)
{
	size_t count = side->kernel.count, last = 0;

	if (!side->entry)
		return;
	if (!count)
		screen_put(&side->area, row, 2, -1, ROLE_DIM, side->reason ? side->reason : "(not seen)");
	if (stands_in_kernel(side))
		last = side->tui->frame;
	for (size_t i = count; i-- > 0; row++) {
		if (row == side->area.rows - 1 && i > last) {
			struct area rest = side->area;
			int used = 3 + screen_print(&side->area, row, 2, ROLE_DIM, "(%zu more)", i - last);

			rest.column += used - 1;
			rest.columns -= used - 1;
			draw_kernel_frame(side, &rest, row, last);
			return;
		}
		if (row == side->area.rows)
			return;
		draw_kernel_frame(side, &side->area, row, i);
	}
}

static void draw_border(const struct area *area, const struct side sides[2], int row)
{
	char text[64];
	const char *both = sides[0].entry && *sides[0].entry ? sides[0].entry : sides[1].entry;

	if (sides[0].entry && sides[1].entry) {
		snprintf(text, sizeof(text), "user / kernel%s%s", *both ? ": " : "", both);
		screen_border(area, row, text, ROLE_BORDER);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (!sides[i].entry)
			continue;
		snprintf(text, sizeof(text), "user / kernel%s%s", *sides[i].entry ? ": " : "", sides[i].entry);
		screen_border(&sides[i].area, row, text, ROLE_BORDER);
	}
}

/* The border has one row in both columns: the user's frames stand on it, the kernel's hang below. */
static void draw_sides(const struct area *area, const struct side sides[2])
{
	size_t room = (size_t)area->rows - 1, user = 0, kernel = 0, share = (room + 1) / 2;

	for (int i = 0; i < 2; i++) {
		if (sides[i].task && stands_in_kernel(&sides[i]))
			share = (room + 3) / 4;
		if (sides[i].task && kernel_rows(&sides[i]) > kernel)
			kernel = kernel_rows(&sides[i]);
		if (sides[i].user.count > user)
			user = sides[i].user.count;
	}
	/* The user's innermost frames matter more than the kernel's last ones, unless one of those is selected, but
	 * both are to be seen. */
	if (user + kernel > room) {
		size_t least = user < share ? user : share;

		kernel = kernel < room - least ? kernel : room - least;
		user = room - kernel;
	}
	for (int i = 0; i < 2; i++) {
		if (!sides[i].task)
			continue;
		draw_title(&sides[i]);
		draw_user(&sides[i], user, 1 + (int)user);
		draw_kernel(&sides[i], 2 + (int)user);
	}
	if (kernel)
		draw_border(area, sides, 1 + (int)user);
}

/* --- whom --- */

/* The other side of the last fork that the task was in: its newest living child, else its parent. */
static const struct control_task *other_side(struct tui *tui, const struct control_task *task, bool *is_child)
{
	const struct control_task *parent = control_task(tui->control, task->parent), *ended = NULL;
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	*is_child = false;
	for (size_t i = count; i-- > 0;) {
		if (tasks[i].parent != task->id)
			continue;
		if (tasks[i].state != CONTROL_ENDED)
			return &tasks[i];
		ended = ended ? ended : &tasks[i];
	}
	*is_child = parent != NULL;
	return parent ? parent : ended;
}

/* A thread is no child, and its creator no parent. */
static void name_sides(struct side sides[2])
{
	const struct control_task *first = sides[0].task, *second = sides[1].task;
	bool fork = second && !tui_is_thread(second);

	sides[0].name = fork ? "parent" : tui_is_thread(first) ? "thread" : "process";
	sides[1].name = fork ? "child" : "thread";
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct control_task *task = tui_task(tui), *other;
	int half = area->columns / 2;
	bool is_child;

	if (!task) {
		tui_title(tui, PANE_STACKS, area, "stack");
		return;
	}
	other = other_side(tui, task, &is_child);

	struct side sides[2] = {{.tui = tui, .task = is_child ? other : task},
				{.tui = tui, .task = is_child ? task : other}};

	name_sides(sides);

	sides[0].area = *area;
	if (other) {
		sides[0].area.columns = half - 1;
		sides[1].area = (struct area){area->row, area->column + half, area->rows, area->columns - half};
	}
	for (int i = 0; i < 2; i++) {
		if (sides[i].task)
			find_halves(&sides[i]);
	}
	draw_sides(area, sides);
}

/* Up is outwards. */
static void move_in(struct tui *tui, const struct area *area, int key)
{
	const struct stack *stack = tui_stack(tui, tui->selected);

	if (!stack || !stack->count)
		return;
	tui->frame =
	    (unsigned)scroll_moved((int)tui->frame, key, (int)stack->count + area->rows - 2, area->rows - 1, true);
	tui->cursor = (struct code_cursor){0};
}

const struct view view_stacks = {"stacks", 3, 40, draw, move_in, NULL};
