/* The code of the selected frame: source, instructions, or both mixed. */
#include <inttypes.h>
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/code.h"

enum { CHUNKS_MAX = 64 };

/* --- drawing --- */

/* A breakpoint of the task's in this source line? */
static bool has_breakpoint(const struct code *code, int line)
{
	struct control *control = code->tui->control;
	size_t count;
	const struct control_breakpoint *all = control_breakpoints(control, &count);

	for (size_t i = 0; i < count; i++) {
		struct control_place place = {0};

		if (all[i].watch || !control_breakpoint_at(control, code->tui->selected, all[i].address))
			continue;
		error_destroy(control_place(control, code->tui->selected, all[i].address, &place));
		if (place.file == code->place.file && place.line == line)
			return true;
	}
	return false;
}

static void draw_source_row(const struct code *code, const struct area *area, int row, int line)
{
	bool current = line == code->stand.line && code->place.file == code->stand.file;
	bool marked = code->by_lines && has_breakpoint(code, line);

	screen_put(area, row, 0, 1, current ? ROLE_CHOSEN : ROLE_TEXT, current ? ">" : " ");
	screen_put(area, row, 1, 1, ROLE_BREAK, marked ? "b" : " ");
	screen_print(area, row, 2, current ? ROLE_CHOSEN : ROLE_DIM, "%4d", line);
	screen_put(area, row, 8, -1,
		   current          ? ROLE_CHOSEN
		   : code->by_lines ? ROLE_TEXT
				    : ROLE_SYMBOL,
		   code->source->lines[line - 1]);
}

/* Where a jump or call goes to is told by its name: the address that the text ends in is left out then. */
static int text_length(const struct control_instruction *instruction)
{
	size_t length = strlen(instruction->text);
	const char *address = NULL;

	for (const char *at = instruction->text; (at = strstr(at, "0x")); at++)
		address = at;
	if (instruction->target[0] && (instruction->call || instruction->jump) && address &&
	    !address[2 + strspn(address + 2, "0123456789abcdef")])
		length = (size_t)(address - instruction->text);
	return (int)length;
}

static void draw_instruction_row(const struct code *code, const struct area *area, int row,
				 const struct control_instruction *instruction)
{
	_cleanup_(buffer_deinit) struct buffer target = {0};
	bool current = instruction->address == code->pc;
	enum role role = current ? ROLE_CHOSEN : ROLE_TEXT;
	int number = control_breakpoint_at(code->tui->control, code->tui->selected, instruction->address);
	int column = 2;

	screen_put(area, row, 0, 1, role, current ? ">" : " ");
	screen_put(area, row, 1, 1, ROLE_BREAK, number ? "b" : " ");
	column += screen_print(area, row, column, ROLE_DIM, "%" PRIx64 "  ", instruction->address);
	column += screen_print(area, row, column, role, "%.*s", text_length(instruction), instruction->text);
	if (!instruction->text[0])
		screen_put(area, row, column, -1, ROLE_DIM, "(no instruction)");
	if (!instruction->target[0])
		return;
	buffer_append_text(&target, instruction->call || instruction->jump ? "" : "  ");
	buffer_append_text(&target, "<");
	escape_append(&target, instruction->target);
	buffer_append_text(&target, ">");
	screen_put(area, row, column, -1, ROLE_SYMBOL, target.data);
}

static void draw_rows(const struct code *code, const struct area *area)
{
	size_t height = (size_t)area->rows - 1;
	/* A third above what is next. */
	size_t first = code->at > height / 3 ? code->at - height / 3 : 0;

	if (first + height > code->rows.count)
		first = code->rows.count > height ? code->rows.count - height : 0;
	for (size_t i = 0; i < height && first + i < code->rows.count; i++) {
		const struct code_row *row = &code->rows.items[first + i];

		/* The first tells which line it is of, where that stands above the pane. */
		if (row->line && (!row->instruction || (i == 0 && code->at > first)))
			draw_source_row(code, area, (int)i + 1, row->line);
		else
			draw_instruction_row(code, area, (int)i + 1, row->instruction);
		if (first + i == code->at)
			screen_mark(area, (int)i + 1, ROLE_CURRENT);
	}
}

static void draw_title(const struct code *code, const struct area *area)
{
	_cleanup_(buffer_deinit) struct buffer title = {0};
	const struct control_place *place = &code->place;

	bool elsewhere = code->by_lines && code->tui->cursor.line; /* in no function that is known */

	buffer_append_text(&title, elsewhere ? "code" : "code  ");
	if (place->symbol && !elsewhere)
		escape_fit(&title, place->symbol, 40, KEEP_HEAD);
	else if (!elsewhere)
		buffer_printf(&title, "0x%" PRIx64, place->address);
	if (place->symbol && place->offset && !code->by_lines)
		buffer_printf(&title, "+0x%" PRIx64, place->offset);
	if (place->file) {
		buffer_append_text(&title, "  ");
		escape_fit(&title, tui_base_name(place->file), 30, KEEP_TAIL);
		buffer_printf(&title, ":%d", place->line);
	} else if (place->module) {
		buffer_append_text(&title, "  ");
		escape_fit(&title, tui_base_name(place->module), 30, KEEP_TAIL);
	}
	tui_title(code->tui, PANE_CODE, area, title.data);
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct control_task *task = tui_task(tui);
	struct error *error;
	struct code *code = code_create(tui, (size_t)area->rows, &error);

	if (code) {
		draw_title(code, area);
		draw_rows(code, area);
		code_destroy(code);
		return;
	}
	tui_title(tui, PANE_CODE, area, "code");
	if (error) {
		screen_put(area, 1, 2, -1, ROLE_DIM, error->message);
	} else {
		char what[80] = "nothing is traced yet";

		if (task)
			tui_describe(task, what, sizeof(what));
		screen_print(area, 1, 2, ROLE_DIM, "(%s)", what);
	}
	error_destroy(error);
}

/* --- moving --- */

static void go_to(struct tui *tui, uint64_t address)
{
	tui->cursor = (struct code_cursor){.moved = true, .address = address};
}

static void move_by_lines(const struct code *code, int key, int page)
{
	int line = code->place.line, count = (int)code->source->line_count;

	switch (key) {
	case KEY_HOME:
		line = 1;
		break;
	case KEY_END:
		line = count;
		break;
	default:
		line += key == KEY_UP ? -1 : key == KEY_DOWN ? 1 : key == KEY_PPAGE ? -page : page;
		break;
	}
	line = line < 1 ? 1 : line > count ? count : line;
	code->tui->cursor = (struct code_cursor){.moved = true, .address = code->address, .line = line};
}

/* The function that lies before the first instruction. */
static void go_before(const struct code *code)
{
	struct control_place place;
	struct error *error =
	    control_place(code->tui->control, code->tui->selected, code->instructions[0].address - 1, &place);

	if (!error && place.symbol)
		go_to(code->tui, place.address - place.offset);
	error_destroy(error);
}

static void move_by_instructions(const struct code *code, size_t by, bool down)
{
	if (!code->instruction_count)
		return;
	if (down && code->index + by >= code->instruction_count)
		go_to(code->tui, code->instructions[code->instruction_count - 1].address);
	else if (down || by <= code->index)
		go_to(code->tui, code->instructions[down ? code->index + by : code->index - by].address);
	else if (code->index)
		go_to(code->tui, code->instructions[0].address);
	else
		go_before(code);
}

/* The last instruction of the function; false: the end is not among those that were looked at. */
static bool go_to_end(struct tui *tui, const char *symbol)
{
	struct error *error;
	struct code *code = code_create(tui, 1, &error);
	bool found = !code || code->instruction_count <= code->index + 1;

	for (size_t i = code ? code->index : 0; code && i < code->instruction_count && !found; i++) {
		struct control_place place = {0};

		error_destroy(control_place(tui->control, tui->selected, code->instructions[i].address, &place));
		found = !place.symbol || strcmp(place.symbol, symbol) != 0;
		if (!found)
			go_to(tui, code->instructions[i].address);
	}
	error_destroy(error);
	code_destroy(code);
	return found;
}

static void move_in(struct tui *tui, const struct area *area, int key)
{
	int page = area->rows > 2 ? area->rows - 2 : 1;
	struct error *error;
	struct code *code = code_create(tui, 1, &error);

	if (!code) {
		tui_fail(tui, error);
		return;
	}
	if (code->by_lines)
		move_by_lines(code, key, page);
	else if (key == KEY_HOME && code->place.symbol)
		go_to(tui, code->place.address - code->place.offset);
	else if (key == KEY_END && code->place.symbol)
		for (int i = 0; i < CHUNKS_MAX && !go_to_end(tui, code->place.symbol); i++)
			;
	else
		move_by_instructions(code, key == KEY_UP || key == KEY_DOWN ? 1 : (size_t)page,
				     key == KEY_DOWN || key == KEY_NPAGE);
	code_destroy(code);
}

/* --- searching --- */

/* The next source line with the text in it; in a mixed pane, the first instruction from there on. */
static bool search_source(const struct code *code, const char *text)
{
	struct tui *tui = code->tui;
	size_t count = code->source->line_count;

	for (size_t i = 0; i < count; i++) {
		size_t line = ((size_t)code->place.line + i) % count + 1;
		_cleanup_(buffer_deinit) struct buffer what = {0};
		struct control_place place = {.address = code->address};

		if (!strstr(code->source->lines[line - 1], text))
			continue;
		buffer_printf(&what, "%s:%zu", tui_base_name(code->place.file), line);
		if (!code->by_lines)
			error_destroy(control_find(tui->control, tui->selected, what.data, &place));
		tui->cursor = (struct code_cursor){
		    .moved = true, .address = place.address, .line = code->by_lines ? (int)line : 0};
		return true;
	}
	return false;
}

static bool search_instructions(const struct code *code, const char *text)
{
	for (size_t i = 1; i < code->instruction_count; i++) {
		size_t at = (code->index + i) % code->instruction_count;

		if (!strstr(code->instructions[at].text, text) && !strstr(code->instructions[at].target, text))
			continue;
		go_to(code->tui, code->instructions[at].address);
		return true;
	}
	return false;
}

static bool search(struct tui *tui, const char *text)
{
	struct error *error;
	struct code *code = code_create(tui, 1, &error);
	bool found = false;

	error_destroy(error);
	if (!code)
		return false;
	if (code_has_source(code) && tui->mode != CODE_ASSEMBLY)
		found = search_source(code, text);
	found = found || (!code->by_lines && search_instructions(code, text));
	code_destroy(code);
	return found;
}

const struct view view_code = {"code", 3, 40, draw, move_in, search};
