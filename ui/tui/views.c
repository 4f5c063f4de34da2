/* The panes drawn in their places, the two lines at the bottom, and which pane the arrows move in. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { WIDE = 100 };

const struct view *const tui_views[PANE_COUNT] = {
    [PANE_CODE] = &view_code,     [PANE_REGISTERS] = &view_registers, [PANE_MEMORY] = &view_memory,
    [PANE_STACKS] = &view_stacks, [PANE_PROCESSES] = &view_processes, [PANE_EVENTS] = &view_events,
    [PANE_OUTPUT] = &view_output,
};

void tui_title(const struct tui *tui, enum pane pane, const struct area *area, const char *title)
{
	screen_rule(area, 0, title, tui->focus == pane ? ROLE_FOCUS : ROLE_TITLE);
}

/* --- the arrows --- */

void tui_focus(struct tui *tui, enum pane pane)
{
	tui->focus = pane;
	tui->choice.zoom = pane;
	if (pane == PANE_REGISTERS || pane == PANE_MEMORY)
		tui->choice.memory = pane == PANE_MEMORY;
	if (pane == PANE_EVENTS || pane == PANE_OUTPUT)
		tui->choice.events = pane == PANE_EVENTS;
	tui->changed = true;
}

static const struct view *shown_sheet(const struct tui *tui)
{
	return tui->sheet == SHEET_HELP ? &view_help : tui->sheet == SHEET_RETURNS ? &view_returns : NULL;
}

void tui_move(struct tui *tui, int key)
{
	const struct view *sheet = shown_sheet(tui);
	const struct view *view = sheet ? sheet : tui_views[tui->focus];
	struct area all = {0, 0, LINES - 2, COLS};

	tui->changed = true;
	if (view->move_in)
		view->move_in(tui, sheet ? &all : &tui->layout.panes[tui->focus], key);
}

static bool search_frames(struct tui *tui)
{
	const struct stack *stack = tui_stack(tui, tui->selected);

	for (size_t i = 1; stack && i <= stack->count; i++) {
		size_t at = (tui->frame + i) % stack->count;

		if (stack->frames[at].symbol && strstr(stack->frames[at].symbol, tui->search)) {
			tui->frame = (unsigned)at;
			tui->cursor = (struct code_cursor){0};
			return true;
		}
	}
	return false;
}

bool tui_search(struct tui *tui)
{
	const struct view *view = tui_views[tui->focus];

	tui->changed = true;
	return (view->search && view->search(tui, tui->search)) || search_frames(tui);
}

/* --- drawing --- */

static void draw_panes(struct tui *tui)
{
	for (int pane = 0; pane < PANE_COUNT; pane++) {
		const struct area *area = &tui->layout.panes[pane];

		if (area->rows >= tui_views[pane]->min_rows && area->columns >= tui_views[pane]->min_columns)
			tui_views[pane]->draw(tui, area);
	}
}

/* Which process, why it stands, and where. */
static void draw_status(struct tui *tui)
{
	const struct area *area = &tui->layout.status;
	const struct control_task *task = tui_task(tui);
	const struct frame *frame = task && task->state == CONTROL_HELD ? tui_frame(tui) : NULL;
	_cleanup_(buffer_deinit) struct buffer text = {0};
	char what[80];

	if (task) {
		tui_describe(task, what, sizeof(what));
		buffer_printf(&text, "%u: %s %d (%s) %s", task->id, tui_is_thread(task) ? "thread" : "process",
			      task->tid, abi_name(task->abi), what);
	}
	if (frame && frame->symbol) {
		buffer_append_text(&text, tui->frame < task->kernel_frames ? ", in the kernel's " : ", in ");
		escape_fit(&text, frame->symbol, 60, KEEP_HEAD);
	}
	if (frame && frame->file) {
		buffer_append_text(&text, " at ");
		escape_fit(&text, tui_base_name(frame->file), 40, KEEP_TAIL);
		buffer_printf(&text, ":%d", frame->line);
	}
	if (tui->message[0])
		screen_put(area, 0, 1, -1, tui->message_bad ? ROLE_BAD : ROLE_TEXT, tui->message);
	else if (text.size)
		screen_put(area, 0, 1, -1, ROLE_TEXT, text.data);
	screen_mark(area, 0, tui->message[0] && tui->message_bad ? ROLE_STATUS_BAD : ROLE_STATUS);
}

static void draw_prompt(const struct tui *tui)
{
	const struct area *area = &tui->layout.keys;
	const char *label = prompt_label(tui->prompt.kind), *text = tui->prompt.text;
	int column = screen_put(area, 0, 0, -1, ROLE_TITLE, label);
	int room = area->columns - column - 2;

	/* The end of what is typed stays in sight. */
	while (*text && screen_columns(text) > room)
		text += screen_character(text);
	column += screen_put(area, 0, column, -1, ROLE_TEXT, text);
	screen_put(area, 0, column, -1, ROLE_CURRENT, " ");
}

static bool is_of_use(const struct tui *tui, const struct command *command, unsigned now)
{
	const struct control_task *task = tui_task(tui);

	if (!command->brief || !(command->when & now) || (command->when & WHEN_WIDE && tui->layout.keys.columns < WIDE))
		return false;
	return !(command->when & WHEN_OUTSIDE) || (tui_is_guest(tui) && !(task && task->in_kernel));
}

/* Those of the table that are of use now, as many as there is room for; the way out is always there. */
static void draw_keys(const struct tui *tui)
{
	const struct area *area = &tui->layout.keys;
	const struct control_task *task = tui_task(tui);
	unsigned now = task && task->state == CONTROL_HELD ? WHEN_HELD : WHEN_OVER;
	int column = 0, help = area->columns - 6, quit = (int)strlen("q quit  ");

	if (task && task->state == CONTROL_RUNNING)
		now = WHEN_RUNNING;
	for (const struct command *command = tui_commands; command->word; command++) {
		char name[16];

		if (!is_of_use(tui, command, now))
			continue;
		key_label(command->key, name);
		if (column + screen_columns(name) + screen_columns(command->brief) + 3 >
		    help - (command->key == 'q' ? 0 : quit))
			continue;
		column += screen_put(area, 0, column, -1, ROLE_KEY, name) + 1;
		column += screen_put(area, 0, column, -1, ROLE_DIM, command->brief) + 2;
	}
	screen_put(area, 0, help, -1, ROLE_KEY, "?");
	screen_put(area, 0, help + 2, -1, ROLE_DIM, "help");
}

static void draw_too_small(void)
{
	struct area area = {0, 0, LINES, COLS};
	char text[80];

	snprintf(text, sizeof(text), "%dx%d is the least that this needs: the terminal has %dx%d", SCREEN_MIN_COLUMNS,
		 SCREEN_MIN_ROWS, COLS, LINES);
	if (screen_columns(text) > COLS)
		snprintf(text, sizeof(text), "%dx%d needed", SCREEN_MIN_COLUMNS, SCREEN_MIN_ROWS);

	int used = screen_columns(text);

	screen_put(&area, LINES / 2, used < COLS ? (COLS - used) / 2 : 0, -1, ROLE_BAD, text);
}

void tui_draw(struct tui *tui)
{
	struct area all = {0, 0, LINES - 2, COLS};
	const struct view *sheet = shown_sheet(tui);

	tui->changed = false;
	erase();
	if (!layout_compute(LINES, COLS, &tui->choice, &tui->layout)) {
		draw_too_small();
	} else {
		if (sheet)
			sheet->draw(tui, &all);
		else
			draw_panes(tui);
		draw_status(tui);
		if (tui->prompt.kind != PROMPT_NONE)
			draw_prompt(tui);
		else
			draw_keys(tui);
	}
	wnoutrefresh(stdscr);
	doupdate();
}
