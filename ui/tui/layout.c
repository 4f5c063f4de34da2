/* Where each pane lies: see layout.h. */
#include "ui/tui/layout.h"

enum {
	WIDE = 120,      /* events beside the output */
	VERY_WIDE = 170, /* memory beside the registers */
	REGISTERS = 34,  /* columns of two 64-bit registers side by side */
	REGISTERS_ROWS = 10,
	MEMORY = 48, /* columns of an address, a word of 64 bits, and its characters */
	TREE = 36,
};

static int at_least(int number, int least)
{
	return number > least ? number : least;
}

static int at_most(int number, int most)
{
	return number < most ? number : most;
}

/* Registers and memory: the right end of the upper part; returns the columns that are left for the code. */
static int place_values(struct layout *layout, const struct layout_choice *choice, int rows, int columns)
{
	int values = at_most(at_least(columns / 3, REGISTERS), 52);
	struct area right = {0, columns - values, rows, values};

	if (columns >= VERY_WIDE) {
		layout->panes[PANE_MEMORY] = (struct area){0, columns - MEMORY, rows, MEMORY};
		right = (struct area){0, columns - MEMORY - REGISTERS - 1, rows, REGISTERS};
		layout->panes[PANE_REGISTERS] = right;
	} else if (rows >= REGISTERS_ROWS + 5) {
		layout->panes[PANE_REGISTERS] = (struct area){0, right.column, REGISTERS_ROWS, values};
		layout->panes[PANE_MEMORY] = (struct area){REGISTERS_ROWS, right.column, rows - REGISTERS_ROWS, values};
	} else {
		layout->panes[choice->memory ? PANE_MEMORY : PANE_REGISTERS] = right;
	}
	return right.column - 1;
}

static void place_bottom(struct layout *layout, const struct layout_choice *choice, int row, int rows, int columns)
{
	int tree = columns >= WIDE ? at_most(columns / 3, 60) : TREE;

	layout->panes[PANE_PROCESSES] = (struct area){row, 0, rows, tree - 1};
	if (columns >= WIDE) {
		int events = (columns - tree) / 2;

		layout->panes[PANE_EVENTS] = (struct area){row, tree, rows, events - 1};
		layout->panes[PANE_OUTPUT] = (struct area){row, tree + events, rows, columns - tree - events};
	} else {
		layout->panes[choice->events ? PANE_EVENTS : PANE_OUTPUT] =
		    (struct area){row, tree, rows, columns - tree};
	}
}

bool layout_compute(int rows, int columns, const struct layout_choice *choice, struct layout *layout)
{
	*layout = (struct layout){.status = {rows - 2, 0, 1, columns}, .keys = {rows - 1, 0, 1, columns}};
	if (rows < SCREEN_MIN_ROWS || columns < SCREEN_MIN_COLUMNS)
		return false;

	int room = rows - 2;

	if (choice->zoomed) {
		layout->panes[choice->zoom] = (struct area){0, 0, room, columns};
		return true;
	}

	int bottom = at_least(room / 5, 4);
	int upper = at_least((room - bottom) / 2, REGISTERS_ROWS);

	/* The stacks get what they need for a fork: a dozen frames on either side of the border are enough. */
	if (room - upper - bottom > 26)
		upper = room - bottom - 26;

	int code = place_values(layout, choice, upper, columns);

	layout->panes[PANE_CODE] = (struct area){0, 0, upper, code};
	layout->panes[PANE_STACKS] = (struct area){upper, 0, room - upper - bottom, columns};
	place_bottom(layout, choice, room - bottom, bottom, columns);
	return true;
}
