/* Stacks drawn side by side: the parent's on the left, the child's on the right. */
#ifndef FORKTRACE_UI_REPORT_COLUMNS_H
#define FORKTRACE_UI_REPORT_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/report/canvas.h"
#include "unwind/stack.h"

/* A stack to be drawn, or why there is none. */
struct column {
	const struct stack *stack; /* NULL: `absent` stands in its place */
	const char *absent;
	size_t visible;     /* frames to draw, counted from the innermost */
	const char *origin; /* a line above the outermost frame ("on a stack of its own"); NULL: none */
};

enum column_align {
	ALIGN_TOP,    /* both begin in the first row: kernel halves, below the border */
	ALIGN_BOTTOM, /* both end in the last row: user halves, above the border */
};

/* Where the two columns of a report stand. */
enum { COLUMNS_INDENT = 2, COLUMNS_GAP = 2 };
unsigned column_width(const struct canvas *canvas);
unsigned column_start(const struct canvas *canvas, int index);

/* What a report shows of a path: its last part. */
const char *path_base(const char *path);

/* How many frames, from the innermost, are drawn: all, or those from main down. */
size_t stack_visible(const struct stack *stack, bool whole);

/* Draws the columns, outermost frames first. */
void columns_draw(struct canvas *canvas, const struct column columns[2], enum column_align align);

/* Draws one stack, a frame a line, with addresses, offsets and methods. */
void stack_draw_detailed(struct canvas *canvas, const struct stack *stack);

#endif
