/* Stacks drawn side by side: see columns.h. */
#include "ui/report/columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	SYMBOL_GAP = 2,   /* between a frame's symbol and its place */
	PLACE_SHARE = 3,  /* a place may take 1/3 of the column where the symbols are long: they tell more */
	TEXT_MAX = 512,   /* longer names are cut: no line is that wide */
	PC_WIDTH_32 = 10, /* 0x and eight digits */
	PC_WIDTH_64 = 18,
	METHOD_WIDTH = 13, /* "frame-pointer" */
};

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* What stands for a frame on the left of its column. */
static const char *frame_name(const struct frame *frame, char text[TEXT_MAX])
{
	if (frame->symbol)
		return frame->symbol;
	if (frame->pc == 0)
		return "(unknown)";
	snprintf(text, TEXT_MAX, "0x%" PRIx64, frame->pc);
	return text;
}

static const char *frame_tag(const struct frame *frame)
{
	if (frame->certain)
		return frame->inlined ? " (inlined)" : "";
	return frame->inlined ? " (inlined) ?" : " ?";
}

/* What stands on the right: the source line, else the module; "" for the kernel proper. */
static const char *frame_place(const struct frame *frame, char text[TEXT_MAX])
{
	bool kernel = frame->method == METHOD_PERF || frame->method == METHOD_PROC_STACK;

	if (frame->file && frame->line > 0)
		snprintf(text, TEXT_MAX, "%s:%d", path_base(frame->file), frame->line);
	else if (frame->file)
		snprintf(text, TEXT_MAX, "%s", path_base(frame->file));
	else if (frame->module)
		snprintf(text, TEXT_MAX, kernel ? "[%s]" : "%s", path_base(frame->module));
	else
		text[0] = '\0';
	return text;
}

unsigned column_width(const struct canvas *canvas)
{
	return (canvas->width - COLUMNS_INDENT - COLUMNS_GAP) / 2;
}

unsigned column_start(const struct canvas *canvas, int index)
{
	return COLUMNS_INDENT + (unsigned)index * (column_width(canvas) + COLUMNS_GAP);
}

size_t stack_visible(const struct stack *stack, bool whole)
{
	if (!stack)
		return 0;
	for (size_t i = stack->count; i > 0 && !whole; i--) {
		const char *symbol = stack->frames[i - 1].symbol;

		if (symbol && !strcmp(symbol, "main"))
			return i;
	}
	return stack->count;
}

/* How a column is shared between symbols and places. */
struct shares {
	unsigned symbol, place;
};

static struct shares column_share(const struct column *column, unsigned width)
{
	struct shares shares = {0};
	char text[TEXT_MAX];

	for (size_t i = 0; i < column->visible; i++) {
		const struct frame *frame = &column->stack->frames[i];
		unsigned symbol = escape_width(frame_name(frame, text)) + (unsigned)strlen(frame_tag(frame));
		unsigned place = escape_width(frame_place(frame, text));

		/* A symbol without a place beside it may be as long as the column. */
		if (place > 0 && symbol > shares.symbol)
			shares.symbol = symbol;
		if (place > shares.place)
			shares.place = place;
	}
	if (shares.symbol + SYMBOL_GAP + shares.place > width) {
		unsigned least = width / PLACE_SHARE;
		unsigned left = shares.symbol + SYMBOL_GAP < width ? width - SYMBOL_GAP - shares.symbol : 0;

		if (shares.place > least)
			shares.place = left > least ? left : least;
		shares.symbol = width - SYMBOL_GAP - shares.place;
	}
	return shares;
}

static void frame_draw(struct canvas *canvas, const struct frame *frame, struct shares shares, unsigned start,
		       unsigned width)
{
	char name[TEXT_MAX];
	char place[TEXT_MAX];
	const char *tag = frame_tag(frame);
	unsigned tag_width = (unsigned)strlen(tag);

	frame_place(frame, place);

	unsigned room = *place ? shares.symbol : width;

	canvas_move(canvas, start);
	canvas_fit(canvas, frame->certain ? ROLE_SYMBOL : ROLE_WARNING, frame_name(frame, name),
		   room > tag_width ? room - tag_width : 1, KEEP_HEAD);
	canvas_put(canvas, frame->certain ? ROLE_DIM : ROLE_WARNING, tag);
	if (*place) {
		unsigned place_width = escape_width(place);
		unsigned used = canvas->column - start + SYMBOL_GAP;
		unsigned column = shares.symbol + SYMBOL_GAP;

		/* What is too long for its share may begin earlier, beside a short symbol. */
		if (place_width > shares.place && used < column)
			column = place_width < width - used ? width - place_width : used;
		canvas_move(canvas, start + column);
		canvas_fit(canvas, ROLE_DIM, place, width - column, KEEP_TAIL);
	}
}

static size_t column_rows(const struct column *column)
{
	return column->visible + (column->origin || (column->visible == 0 && column->absent) ? 1 : 0);
}

/* Draws row `row` of a column, counted from its own top. */
static void column_draw_row(struct canvas *canvas, const struct column *column, struct shares shares, unsigned start,
			    size_t row)
{
	unsigned width = column_width(canvas);
	const char *note = column->visible == 0 ? column->absent : column->origin;

	if (note && row == 0) {
		canvas_move(canvas, start);
		canvas_fit(canvas, ROLE_DIM, note, width, KEEP_HEAD);
		return;
	}

	size_t from_outermost = row - (note ? 1 : 0);

	frame_draw(canvas, &column->stack->frames[column->visible - 1 - from_outermost], shares, start, width);
}

void columns_draw(struct canvas *canvas, const struct column columns[2], enum column_align align)
{
	size_t rows[2] = {column_rows(&columns[0]), column_rows(&columns[1])};
	size_t height = rows[0] > rows[1] ? rows[0] : rows[1];
	struct shares shares[2];

	for (int side = 0; side < 2; side++)
		shares[side] = column_share(&columns[side], column_width(canvas));
	for (size_t row = 0; row < height; row++) {
		for (int side = 0; side < 2; side++) {
			size_t blank = align == ALIGN_BOTTOM ? height - rows[side] : 0;

			if (row >= blank && row - blank < rows[side])
				column_draw_row(canvas, &columns[side], shares[side], column_start(canvas, side),
						row - blank);
		}
		canvas_newline(canvas);
	}
}

void stack_draw_detailed(struct canvas *canvas, const struct stack *stack)
{
	unsigned pc_width = PC_WIDTH_32;
	char text[TEXT_MAX];

	for (size_t i = 0; i < stack->count; i++) {
		if (stack->frames[i].pc > UINT32_MAX)
			pc_width = PC_WIDTH_64;
	}
	for (size_t i = stack->count; i > 0; i--) {
		const struct frame *frame = &stack->frames[i - 1];
		unsigned column = COLUMNS_INDENT;

		canvas_move(canvas, column);
		if (frame->pc)
			canvas_printf(canvas, ROLE_DIM, "0x%0*" PRIx64, (int)pc_width - 2, frame->pc);
		canvas_move(canvas, column += pc_width + 1);
		canvas_fit(canvas, ROLE_DIM, frame_method_name(frame->method), METHOD_WIDTH, KEEP_HEAD);
		canvas_move(canvas, column + METHOD_WIDTH + 1);
		column += METHOD_WIDTH + 3;
		canvas_wrap(canvas, frame->certain ? ROLE_SYMBOL : ROLE_WARNING, column,
			    frame->symbol ? frame->symbol : "(no symbol)");
		if (frame->symbol) {
			snprintf(text, sizeof(text), "+0x%" PRIx64, frame->offset);
			canvas_wrap(canvas, ROLE_DIM, column, text);
		}
		canvas_wrap(canvas, ROLE_DIM, column, frame_tag(frame));
		if (*frame_place(frame, text))
			canvas_item(canvas, ROLE_DIM, column, text);
		canvas_newline(canvas);
	}
}
