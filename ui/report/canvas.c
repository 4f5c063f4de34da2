/* Lines of styled text: see canvas.h. */
#include "ui/report/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Select Graphic Rendition parameters (ECMA-48 8.3.117) by role; NULL: the terminal's own colours. */
static const char *const colors[] = {
    [ROLE_PLAIN] = NULL, [ROLE_HEADER] = "1", [ROLE_PID] = "35",     [ROLE_RETURN] = "1;32", [ROLE_SYMBOL] = "36",
    [ROLE_DIM] = "2",    [ROLE_BORDER] = "2", [ROLE_WARNING] = "33", [ROLE_ERROR] = "1;31",
};

void canvas_deinit(struct canvas *canvas)
{
	buffer_deinit(&canvas->text);
}

static void canvas_set_role(struct canvas *canvas, enum role role)
{
	if (!canvas->color || role == canvas->role)
		return;
	if (colors[canvas->role])
		buffer_append_text(&canvas->text, "\033[0m");
	if (colors[role])
		buffer_printf(&canvas->text, "\033[%sm", colors[role]);
	canvas->role = role;
}

void canvas_move(struct canvas *canvas, unsigned column)
{
	if (column > canvas->column)
		canvas->column = column;
}

/* Makes ready for text in `role` at the current column. */
static void canvas_begin(struct canvas *canvas, enum role role)
{
	for (; canvas->written < canvas->column; canvas->written++)
		buffer_append_text(&canvas->text, " "); /* no colour shows on a blank */
	canvas_set_role(canvas, role);
}

static void canvas_advance(struct canvas *canvas, unsigned columns)
{
	canvas->column += columns;
	canvas->written = canvas->column;
}

static unsigned canvas_room(const struct canvas *canvas)
{
	return canvas->column < canvas->width ? canvas->width - canvas->column : 0;
}

void canvas_fit(struct canvas *canvas, enum role role, const char *text, unsigned columns, enum text_cut cut)
{
	unsigned room = canvas_room(canvas);

	if (columns > room)
		columns = room;
	if (columns == 0 || *text == '\0')
		return;
	canvas_begin(canvas, role);
	canvas_advance(canvas, escape_fit(&canvas->text, text, columns, cut));
}

void canvas_put(struct canvas *canvas, enum role role, const char *text)
{
	canvas_fit(canvas, role, text, canvas->width, KEEP_HEAD);
}

void canvas_printf(struct canvas *canvas, enum role role, const char *format, ...)
{
	char text[256]; /* wider than any line */
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	canvas_put(canvas, role, text);
}

/* Puts bytes up to `end` glyph by glyph, on a new line wherever the line is full. */
static void canvas_spill(struct canvas *canvas, enum role role, unsigned indent, const char *text, const char *end)
{
	struct glyph glyph;

	while (glyph_next(&text, end, &glyph)) {
		if (glyph.columns > canvas_room(canvas) && canvas->column > indent) {
			canvas_newline(canvas);
			canvas_move(canvas, indent);
		}
		canvas_begin(canvas, role);
		buffer_append(&canvas->text, glyph.text, glyph.size);
		canvas_advance(canvas, glyph.columns);
	}
}

static unsigned word_width(const char *word, const char *end)
{
	struct glyph glyph;
	unsigned columns = 0;

	while (glyph_next(&word, end, &glyph))
		columns += glyph.columns;
	return columns;
}

void canvas_wrap(struct canvas *canvas, enum role role, unsigned indent, const char *text)
{
	while (*text) {
		const char *end = text + strcspn(text, " |");
		bool broken = false;

		if (*end == '|')
			end++;
		if (word_width(text, end) > canvas_room(canvas) && canvas->column > indent) {
			canvas_newline(canvas);
			canvas_move(canvas, indent);
			broken = true;
		}
		canvas_spill(canvas, role, indent, text, end);
		/* A blank separates words; it never begins a line. */
		if (*end == ' ' && !(broken && end == text))
			canvas->column++;
		text = end + (*end == ' ');
	}
}

void canvas_item(struct canvas *canvas, enum role role, unsigned indent, const char *text)
{
	if (canvas->written > 0) {
		canvas_move(canvas, canvas->written + 2);
		if (escape_width(text) > canvas_room(canvas)) {
			canvas_newline(canvas);
			canvas_move(canvas, indent);
		}
	}
	canvas_wrap(canvas, role, indent, text);
}

void canvas_rule(struct canvas *canvas, enum role role, unsigned count)
{
	const char *character = escape_utf8() ? "\u2500" : "-";
	unsigned room = canvas_room(canvas);

	if (count > room)
		count = room;
	canvas_begin(canvas, role);
	for (unsigned i = 0; i < count; i++)
		buffer_append_text(&canvas->text, character);
	canvas_advance(canvas, count);
}

void canvas_newline(struct canvas *canvas)
{
	canvas_set_role(canvas, ROLE_PLAIN);
	buffer_append_text(&canvas->text, "\n");
	canvas->column = 0;
	canvas->written = 0;
}

void canvas_flush(struct canvas *canvas, struct output *output)
{
	if (canvas->text.size > 0)
		output_put(output, canvas->text.data, canvas->text.size);
	buffer_clear(&canvas->text);
}

const char *duration_text(unsigned long long ns)
{
	static char text[32];

	if (ns < 1000000)
		snprintf(text, sizeof(text), "%llu us", ns / 1000);
	else if (ns < 1000000000)
		snprintf(text, sizeof(text), "%llu.%03llu ms", ns / 1000000, ns / 1000 % 1000);
	else
		snprintf(text, sizeof(text), "%llu.%03llu s", ns / 1000000000, ns / 1000000 % 1000);
	return text;
}
