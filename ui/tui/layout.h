/* Where each pane of the stepper lies: sizes in, areas out. */
#ifndef FORKTRACE_UI_TUI_LAYOUT_H
#define FORKTRACE_UI_TUI_LAYOUT_H

#include <stdbool.h>

enum { SCREEN_MIN_ROWS = 24, SCREEN_MIN_COLUMNS = 80 };

struct area {
	int row, column, rows, columns;
};

/* In the order in which the keys go through them. */
enum pane { PANE_CODE, PANE_REGISTERS, PANE_MEMORY, PANE_STACKS, PANE_PROCESSES, PANE_EVENTS, PANE_OUTPUT, PANE_COUNT };

/* What a smaller screen shows of two panes that share a place there. */
struct layout_choice {
	bool memory;    /* instead of the registers */
	bool events;    /* instead of the program's output */
	bool zoomed;    /* one pane alone */
	enum pane zoom; /* which */
};

struct layout {
	struct area panes[PANE_COUNT]; /* no rows: not shown. An area's first row is the pane's title */
	struct area status, keys;      /* the two lines at the bottom */
};

/* False: the screen is too small for anything but a sentence that says so. Panes neither overlap nor leave the screen;
 * between two that lie side by side one column is empty. */
bool layout_compute(int rows, int columns, const struct layout_choice *choice, struct layout *layout);

#endif
