/* Which view is where, and the two lines at the bottom. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "ui/tui/tui.h"

enum { WIDE = 120 };

static void place(struct tui *tui, const struct view *view, int row, int column, int rows, int columns)
{
	struct area area = {row, column, rows, columns};

	if (rows > 0 && columns > 0)
		view->draw(tui, &area);
}

static void draw_panes(struct tui *tui)
{
	int rows = LINES - 2, columns = COLS;
	int bottom = rows / 5 > 5 ? rows / 5 : 5;
	int stacks = rows * 2 / 5;
	int code = rows - stacks - bottom;
	int registers = columns / 3 > 34 ? columns / 3 : 34;
	int tree = columns >= WIDE ? columns / 3 : 36;
	int low = code + stacks;

	if (registers > 52)
		registers = 52;
	place(tui, &view_code, 0, 0, code, columns - registers - 1);
	place(tui, &view_registers, 0, columns - registers, code, registers);
	place(tui, &view_stacks, code, 0, stacks, columns);
	place(tui, &view_tree, low, 0, bottom, tree - 1);
	if (columns >= WIDE) {
		int log = (columns - tree) / 2;

		place(tui, &view_log, low, tree, bottom, log - 1);
		place(tui, &view_output, low, tree + log, bottom, columns - tree - log);
	} else {
		place(tui, tui->log_shown ? &view_log : &view_output, low, tree, bottom, columns - tree);
	}
}

static void draw_status(const struct tui *tui)
{
	struct area area = {LINES - 2, 0, 1, COLS};
	const struct control_task *task = tui_task(tui);
	char what[80] = "";

	if (task)
		tui_describe(tui, task, what, sizeof(what));
	if (tui->message[0])
		screen_put(&area, 0, 1, -1, tui->message_bad ? ROLE_BAD : ROLE_TEXT, tui->message);
	else if (task)
		screen_print(&area, 0, 1, ROLE_TEXT, "%u: process %d (%s) %s", task->id, task->tid, abi_name(task->abi),
			     what);
	screen_mark(&area, 0, ROLE_STATUS);
}

static void draw_keys(const struct tui *tui)
{
	struct area area = {LINES - 1, 0, 1, COLS};
	const struct control_task *task = tui_task(tui);
	const char *keys = "Tab process  q quit  ? help";

	if (tui->prompt.kind != PROMPT_NONE) {
		int column = screen_put(&area, 0, 0, -1, ROLE_TITLE, prompt_label(tui->prompt.kind));

		column += screen_put(&area, 0, column, -1, ROLE_TEXT, tui->prompt.text);
		screen_put(&area, 0, column, -1, ROLE_CURRENT, " ");
		return;
	}
	if (task && task->state == CONTROL_HELD)
		keys = "s n line  S N instr  f finish  c C continue  F fork  b break  Tab next  ? help";
	else if (task && task->state == CONTROL_RUNNING)
		keys = "z interrupt  C continue all  Tab next  i input  q quit  ? help";
	screen_put(&area, 0, 0, -1, ROLE_DIM, keys);
}

static void draw_too_small(void)
{
	struct area area = {0, 0, LINES, COLS};
	char text[80];

	snprintf(text, sizeof(text), "80x24 is the least: this is %dx%d", COLS, LINES);
	screen_put(&area, LINES / 2, 0, -1, ROLE_BAD, text);
}

void tui_draw(struct tui *tui)
{
	struct area all = {0, 0, LINES - 2, COLS};

	tui->changed = false;
	erase();
	if (LINES < SCREEN_MIN_ROWS || COLS < SCREEN_MIN_COLUMNS) {
		draw_too_small();
		refresh();
		return;
	}
	if (tui->show_help)
		view_help.draw(tui, &all);
	else if (tui->show_returns)
		view_returns.draw(tui, &all);
	else
		draw_panes(tui);
	draw_status(tui);
	draw_keys(tui);
	refresh();
}
