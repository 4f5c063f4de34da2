/* The code of the selected frame: source, instructions, or both mixed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { INSTRUCTIONS_MAX = 256 };

/* A row: a source line, or an instruction. */
struct code_row {
	int line; /* 0: an instruction */
	const struct control_instruction *instruction;
};

struct code {
	struct tui *tui;
	uint64_t pc; /* of the frame, where it goes on */
	struct control_place place;
	const struct source_file *source; /* may have no lines */
	struct control_instruction instructions[INSTRUCTIONS_MAX];
	size_t instruction_count, index;
	VECTOR(struct code_row) rows;
	size_t current; /* row */
};

static bool has_source(const struct code *code)
{
	return code->source && code->source->line_count && code->place.line > 0 &&
	       (size_t)code->place.line <= code->source->line_count;
}

static void rows_of_source(struct code *code, size_t height)
{
	size_t line = (size_t)code->place.line, count = code->source->line_count;
	size_t first = line > height / 2 ? line - height / 2 : 1;

	for (size_t i = first; i <= count && i < first + height; i++) {
		if (i == line)
			code->current = code->rows.count;
		vector_push(&code->rows, (struct code_row){.line = (int)i});
	}
}

/* Instructions, and, before the first of each line, the source. */
static void rows_of_instructions(struct code *code, bool mixed)
{
	int line = 0;
	const char *file = NULL;

	for (size_t i = 0; i < code->instruction_count; i++) {
		struct control_place place;
		struct error *error = mixed ? control_place(code->tui->control, code->tui->selected,
							    code->instructions[i].address, &place)
					    : NULL;

		if (mixed && !error && place.line && (place.line != line || place.file != file) &&
		    place.file == code->place.file && (size_t)place.line <= code->source->line_count)
			vector_push(&code->rows, (struct code_row){.line = place.line});
		if (mixed && !error) {
			line = place.line;
			file = place.file;
		}
		error_destroy(error);
		if (i == code->index)
			code->current = code->rows.count;
		vector_push(&code->rows, (struct code_row){.instruction = &code->instructions[i]});
	}
}

static void draw_source_row(const struct code *code, const struct area *area, int row, int line)
{
	bool current = line == code->place.line;

	screen_print(area, row, 0, current ? ROLE_CHOSEN : ROLE_DIM, "%c%4d ", current ? '>' : ' ', line);
	screen_put(area, row, 6, -1, current ? ROLE_CHOSEN : ROLE_TEXT, code->source->lines[line - 1]);
}

static void draw_instruction_row(const struct code *code, const struct area *area, int row,
				 const struct control_instruction *instruction)
{
	_cleanup_(buffer_deinit) struct buffer target = {0};
	bool current = instruction->address == code->pc;
	int number = control_breakpoint_at(code->tui->control, code->tui->selected, instruction->address);
	char mark = number ? 'b' : ' ';
	int column;

	screen_print(area, row, 0, number ? ROLE_BREAK : ROLE_TEXT, "%c%c", current ? '>' : ' ', mark);
	column = 2 + screen_print(area, row, 2, ROLE_DIM, "%" PRIx64 "  ", instruction->address);
	column +=
	    screen_put(area, row, column, -1, ROLE_TEXT, instruction->text[0] ? instruction->text : "(no instruction)");
	if (instruction->target[0]) {
		buffer_append_text(&target, "");
		escape_append(&target, instruction->target);
		screen_print(area, row, column, ROLE_SYMBOL, "  <%s>", target.data);
	}
	if (current)
		screen_mark(area, row, ROLE_CURRENT);
}

static void draw_rows(const struct code *code, const struct area *area)
{
	size_t height = (size_t)area->rows - 1;
	/* A third above what is next. */
	size_t first = code->current > height / 3 ? code->current - height / 3 : 0;

	if (code->rows.count > height && first + height > code->rows.count)
		first = code->rows.count - height;
	if (code->rows.count <= height)
		first = 0;
	for (size_t i = 0; i < height && first + i < code->rows.count; i++) {
		const struct code_row *row = &code->rows.items[first + i];

		if (row->line)
			draw_source_row(code, area, (int)i + 1, row->line);
		else
			draw_instruction_row(code, area, (int)i + 1, row->instruction);
	}
}

static void draw_title(const struct code *code, const struct area *area)
{
	_cleanup_(buffer_deinit) struct buffer title = {0};
	const struct control_place *place = &code->place;

	buffer_append_text(&title, "code  ");
	if (place->symbol)
		escape_fit(&title, place->symbol, 40, KEEP_HEAD);
	else
		buffer_printf(&title, "0x%" PRIx64, place->address);
	if (place->symbol && place->offset)
		buffer_printf(&title, "+0x%" PRIx64, place->offset);
	if (place->file) {
		const char *slash = strrchr(place->file, '/');

		buffer_append_text(&title, "  ");
		escape_fit(&title, slash ? slash + 1 : place->file, 30, KEEP_TAIL);
		buffer_printf(&title, ":%d", place->line);
	}
	screen_title(area, 0, title.data);
}

static struct error *find_place(struct code *code)
{
	struct tui *tui = code->tui;
	const struct frame *frame = tui_frame(tui);
	uint64_t lookup;
	struct error *error;

	if (!frame)
		return error_create(ERROR_NOT_FOUND, 0, NULL, "it has no frame");
	code->pc = tui->looked_at ? tui->looked_at : frame->pc;
	/* A caller's pc stands behind its call: the line is the call's. */
	lookup = tui->looked_at || tui->frame == 0 || frame->method == METHOD_PT_REGS ? code->pc : code->pc - 1;
	error = control_place(tui->control, tui->selected, lookup, &code->place);
	if (error)
		return error;
	/* Of an inlined frame the frame itself knows the line. */
	if (!tui->looked_at && frame->file) {
		code->place.file = frame->file;
		code->place.line = frame->line;
	}
	code->source = source_file_of(tui->sources, &code->place);
	return control_disassemble(tui->control, tui->selected, code->pc, 24, INSTRUCTIONS_MAX / 2, tui->syntax,
				   code->instructions, &code->instruction_count, &code->index);
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct control_task *task = tui_task(tui);
	_cleanup_free_ struct code *code = memory_alloc(sizeof(*code));
	struct error *error;

	if (!task || task->state != CONTROL_HELD) {
		char what[80] = "nothing is traced yet";

		screen_title(area, 0, "code");
		if (task)
			tui_describe(tui, task, what, sizeof(what));
		screen_print(area, 1, 0, ROLE_DIM, "(%s)", what);
		return;
	}
	code->tui = tui;
	error = find_place(code);
	if (error) {
		screen_title(area, 0, "code");
		screen_put(area, 1, 0, -1, ROLE_DIM, error->message);
		error_destroy(error);
		return;
	}
	if (has_source(code) && tui->mode == CODE_SOURCE)
		rows_of_source(code, (size_t)area->rows - 1);
	else
		rows_of_instructions(code, has_source(code) && tui->mode == CODE_MIXED);
	draw_title(code, area);
	draw_rows(code, area);
	vector_deinit(&code->rows);
}

const struct view view_code = {"code", draw};
