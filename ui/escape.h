/* Untrusted text (process names, paths, symbols) made safe for a terminal, and measured in its columns. */
#ifndef FORKTRACE_UI_ESCAPE_H
#define FORKTRACE_UI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Longest spelling of a glyph: a character of four bytes with the marks on it, or "\u{10ffff}". */
enum { GLYPH_SIZE = 16 };

/* One thing to draw: a character that is safe to show, or the escape that stands for one that is not. */
struct glyph {
	char text[GLYPH_SIZE];
	size_t size; /* bytes of text */
	unsigned columns;
};

/* Which part of a text that is too long stays. */
enum text_cut { KEEP_HEAD, KEEP_TAIL };

/* Does LC_CTYPE say UTF-8 (the program must have called setlocale)? In any other locale everything but ASCII is
 * escaped. */
bool escape_utf8(void);

/* Takes one glyph off *text, which ends at `end`. A control byte, DEL or a byte that is not part of valid UTF-8 becomes
 * \xNN; C1 controls, bidirectional controls, invisible and unprintable characters become \u{N}; a backslash is doubled,
 * so that an escape is never mistaken for text. Combining marks stay with the character before them. Returns false at
 * the end. */
bool glyph_next(const char **text, const char *end, struct glyph *glyph);

/* The columns that `text` takes once escaped. */
unsigned escape_width(const char *text);

/* Appends all of `text`, escaped; returns its columns. */
unsigned escape_append(struct buffer *buffer, const char *text);

/* As escape_append, but never more than `columns`: what is too long is cut at a glyph and marked with an ellipsis ("…",
 * or "~" where the locale is not UTF-8). Returns the columns used; does not pad. */
unsigned escape_fit(struct buffer *buffer, const char *text, unsigned columns, enum text_cut cut);

/* Decodes the UTF-8 character at `text`: returns its length in bytes, or 0 where it is invalid, overlong, a surrogate
 * or cut off at `end`. RFC 3629. */
size_t utf8_decode(const char *text, const char *end, unsigned *character);

#endif
