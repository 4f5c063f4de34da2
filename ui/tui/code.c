/* Rows of source and instructions: see code.h. */
#include "ui/tui/code.h"

#include <stdlib.h>

bool code_has_source(const struct code *code)
{
	return code->source && code->place.line > 0 && (size_t)code->place.line <= code->source->line_count;
}

static void rows_of_source(struct code *code, size_t height)
{
	size_t line = (size_t)code->place.line, count = code->source->line_count;
	size_t first = line > height ? line - height : 1;

	for (size_t i = first; i <= count && i < line + height; i++) {
		if (i == line)
			code->at = code->rows.count;
		vector_push(&code->rows, (struct code_row){.line = (int)i});
	}
}

/* Instructions, and, before the first of each line, the source. */
static void rows_of_instructions(struct code *code, bool mixed)
{
	int line = 0;
	const char *file = NULL;

	for (size_t i = 0; i < code->instruction_count; i++) {
		struct control_place place = {0};

		if (mixed)
			error_destroy(control_place(code->tui->control, code->tui->selected,
						    code->instructions[i].address, &place));
		if (place.file != code->place.file || (place.line && (size_t)place.line > code->source->line_count))
			place.line = 0;
		if (place.line && (place.line != line || place.file != file))
			vector_push(&code->rows, (struct code_row){.line = place.line});
		line = place.line;
		file = place.file;
		if (i == code->index)
			code->at = code->rows.count;
		vector_push(&code->rows, (struct code_row){line, &code->instructions[i]});
	}
}

/* Where the selected frame stands. */
static struct error *find_stand(struct code *code)
{
	struct tui *tui = code->tui;
	const struct frame *frame = tui_frame(tui);
	uint64_t lookup;
	struct error *error;

	if (!frame)
		return NULL;
	code->pc = frame->pc;
	/* A caller's pc stands behind its call: the line is the call's. */
	lookup = tui->frame == 0 || frame->method == METHOD_PT_REGS ? frame->pc : frame->pc - 1;
	error = control_place(tui->control, tui->selected, lookup, &code->stand);
	/* Of an inlined frame the frame itself knows the line. */
	if (!error && frame->file) {
		code->stand.file = frame->file;
		code->stand.line = frame->line;
	}
	return error;
}

static struct error *find_place(struct code *code)
{
	const struct code_cursor *cursor = &code->tui->cursor;
	struct error *error = find_stand(code);

	code->address = cursor->moved ? cursor->address : code->pc;
	code->place = code->stand;
	if (!error && cursor->moved && cursor->address != code->pc)
		error = control_place(code->tui->control, code->tui->selected, cursor->address, &code->place);
	if (error)
		return error;
	code->source = source_file_of(code->tui->sources, &code->place);
	if (cursor->moved && cursor->line && code_has_source(code))
		code->place.line = cursor->line;
	return NULL;
}

struct code *code_create(struct tui *tui, size_t height, struct error **error)
{
	const struct control_task *task = tui_task(tui);
	struct code *code;

	*error = NULL;
	if (!task || task->state != CONTROL_HELD)
		return NULL;
	code = memory_alloc(sizeof(*code));
	code->tui = tui;
	*error = find_place(code);
	if (!*error && code->address)
		*error = control_disassemble(tui->control, tui->selected, code->address, CODE_BEFORE, CODE_INSTRUCTIONS,
					     tui->syntax, code->instructions, &code->instruction_count, &code->index);
	if (*error) {
		code_destroy(code);
		return NULL;
	}
	code->by_lines = tui->mode == CODE_SOURCE && code_has_source(code);
	if (code->by_lines)
		rows_of_source(code, height);
	else
		rows_of_instructions(code, tui->mode == CODE_MIXED && code_has_source(code));
	return code;
}

void code_destroy(struct code *code)
{
	if (!code)
		return;
	vector_deinit(&code->rows);
	free(code);
}
