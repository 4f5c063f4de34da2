/* Lines of styled text that never grow wider than the report. All text that is put here is escaped. */
#ifndef FORKTRACE_UI_REPORT_CANVAS_H
#define FORKTRACE_UI_REPORT_CANVAS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/report/output.h"

/* What a piece of text is; canvas.c has the colour of each. */
enum role {
	ROLE_PLAIN,
	ROLE_HEADER,
	ROLE_PID,
	ROLE_RETURN,
	ROLE_SYMBOL,
	ROLE_DIM,
	ROLE_BORDER,
	ROLE_WARNING,
	ROLE_ERROR,
};

struct canvas {
	struct buffer text; /* finished lines and the current one */
	unsigned width;     /* columns of a line at most */
	unsigned column;    /* where the next text goes on the current line */
	unsigned written;   /* columns of the current line that are in `text` already; the gap is filled on demand */
	bool color;
	enum role role; /* the colour in force */
};

void canvas_deinit(struct canvas *canvas);

/* Moves right to `column` (left: ignored). Blanks are written once text follows, so no line ends in them. */
void canvas_move(struct canvas *canvas, unsigned column);

/* Puts text, cut with an ellipsis at `columns` or at the line's end, whichever is nearer. */
void canvas_fit(struct canvas *canvas, enum role role, const char *text, unsigned columns, enum text_cut cut);
void canvas_put(struct canvas *canvas, enum role role, const char *text);
__attribute__((format(printf, 3, 4))) void canvas_printf(struct canvas *canvas, enum role role, const char *format,
							 ...);

/* Puts text that goes on in further lines, from column `indent`, where it does not fit: broken at blanks and behind
 * '|', within a word only where it is longer than a line. */
void canvas_wrap(struct canvas *canvas, enum role role, unsigned indent, const char *text);

/* Puts `text` whole: two blanks behind what stands on the line or, where it does not fit, on the next line at `indent`
 * (then wrapped). */
void canvas_item(struct canvas *canvas, enum role role, unsigned indent, const char *text);

/* Puts `count` times the border line's character, or "-" where the locale is not UTF-8. */
void canvas_rule(struct canvas *canvas, enum role role, unsigned count);

void canvas_newline(struct canvas *canvas);

/* Gives all finished lines to `output`, and forgets them. */
void canvas_flush(struct canvas *canvas, struct output *output);

/* Spells nanoseconds for people: "48 us", "1.204 ms", "2.310 s". Static storage, overwritten by the next call. */
const char *duration_text(unsigned long long ns);

#endif
