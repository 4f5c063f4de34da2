/* The terminal: opened, drawn to in roles, restored however forktrace ends. */
#ifndef FORKTRACE_UI_TUI_SCREEN_H
#define FORKTRACE_UI_TUI_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "ui/tui/layout.h"

/* What a text is; how that looks is said once, in screen.c. */
enum role {
	ROLE_TEXT,
	ROLE_DIM,
	ROLE_TITLE,   /* of a pane */
	ROLE_FOCUS,   /* of the pane that the arrows move in */
	ROLE_CHOSEN,  /* the selected process, frame */
	ROLE_CURRENT, /* the line or instruction that is next */
	ROLE_CHANGED, /* a register that the last step changed */
	ROLE_BORDER,  /* between user and kernel */
	ROLE_KERNEL,  /* frames beneath it */
	ROLE_SYMBOL,
	ROLE_BREAK,
	ROLE_GOOD,
	ROLE_BAD,
	ROLE_KEY,
	ROLE_STATUS,
	ROLE_STATUS_BAD,
	ROLE_COUNT,
};

/* `virtual`: no terminal is used; the screen has the size that LINES and COLUMNS give (24 x 80) and is only ever
 * written by screen_write. ERROR_UNSUPPORTED: the terminal cannot be used, a sentence. */
struct error *screen_open(bool color, bool virtual);
/* Restores the terminal; may be called twice. */
void screen_close(void);
/* For a signal's handler: the same, by calls that are safe there. The process is to end. */
void screen_abandon(void);
/* Gives the terminal back for a while, and takes it again, whatever its size is then. False: there is none. */
bool screen_suspend(void);
void screen_resume(void);
/* After SIGWINCH. */
void screen_resize(void);

/* Writes `text`, which is UTF-8 that may be shown as it is (escape.h), into one row of an area, cut to `columns`
 * (negative: to the area's end), the last column then being an ellipsis. Returns the columns used. */
int screen_put(const struct area *area, int row, int column, int columns, enum role role, const char *text);
__attribute__((format(printf, 5, 6))) int screen_print(const struct area *area, int row, int column, enum role role,
						       const char *format, ...);
/* The columns of a text, and the bytes of its first character. */
int screen_columns(const char *text);
size_t screen_character(const char *text);
/* A rule over the whole width of a row, with a text in it: near its begin, or in the middle. */
void screen_rule(const struct area *area, int row, const char *text, enum role role);
void screen_border(const struct area *area, int row, const char *text, enum role role);
void screen_blank(const struct area *area, int row);
/* Gives a whole row of an area the look of a role. */
void screen_mark(const struct area *area, int row, enum role role);

/* The screen as text, a line a row, trailing blanks cut. */
struct error *screen_write(const char *path);

#endif
