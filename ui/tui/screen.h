/* The terminal: opened, drawn to in roles, restored however forktrace ends. */
#ifndef FORKTRACE_UI_TUI_SCREEN_H
#define FORKTRACE_UI_TUI_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

enum { SCREEN_MIN_ROWS = 24, SCREEN_MIN_COLUMNS = 80 };

/* What a text is; how that looks is said once, in screen.c. */
enum role {
	ROLE_TEXT,
	ROLE_DIM,
	ROLE_TITLE,   /* of a pane */
	ROLE_CHOSEN,  /* the selected process, frame */
	ROLE_CURRENT, /* the line or instruction that is next */
	ROLE_CHANGED, /* a register that the last step changed */
	ROLE_BORDER,  /* between user and kernel */
	ROLE_KERNEL,  /* frames beneath it */
	ROLE_SYMBOL,
	ROLE_BREAK,
	ROLE_GOOD,
	ROLE_BAD,
	ROLE_STATUS,
	ROLE_COUNT,
};

/* `virtual`: no terminal is used; the screen has the size that LINES and COLUMNS give (24 x 80) and is only ever
 * written by screen_write. ERROR_UNSUPPORTED: the terminal cannot be used, a sentence. */
struct error *screen_open(bool color, bool virtual);
/* Restores the terminal; may be called twice. */
void screen_close(void);
/* For a signal's handler: the same, by calls that are safe there. */
void screen_abandon(void);
/* After SIGWINCH. */
void screen_resize(void);

struct area {
	int row, column, rows, columns;
};

/* Writes `text`, which is UTF-8 that may be shown as it is (escape.h), into one row of an area, cut to `columns`
 * (negative: to the area's end). Returns the columns used. */
int screen_put(const struct area *area, int row, int column, int columns, enum role role, const char *text);
__attribute__((format(printf, 5, 6))) int screen_print(const struct area *area, int row, int column, enum role role,
						       const char *format, ...);
/* A title over the whole width of the row, with a rule. */
void screen_title(const struct area *area, int row, const char *title);
void screen_rule(const struct area *area, int row, const char *text, enum role role);
/* Gives a whole row of an area the look of a role. */
void screen_mark(const struct area *area, int row, enum role role);

/* The screen as text, a line a row, trailing blanks cut. */
struct error *screen_write(const char *path);

#endif
