/* What the code pane shows: rows of source and instructions around a place. Internal to ui/tui/. */
#ifndef FORKTRACE_UI_TUI_CODE_H
#define FORKTRACE_UI_TUI_CODE_H

#include "ui/tui/tui.h"

enum { CODE_BEFORE = 64, CODE_INSTRUCTIONS = 192 };

/* A row: a source line, or an instruction. */
struct code_row {
	int line;                                      /* where rows are mixed, an instruction's too; 0: not known */
	const struct control_instruction *instruction; /* NULL: the source line itself */
};

struct code {
	struct tui *tui;
	uint64_t pc;                      /* where the selected frame goes on; 0: there is none */
	struct control_place stand;       /* of the frame: the line of a caller is its call's */
	uint64_t address;                 /* what the pane stands at: the pc, or where the user has moved to */
	struct control_place place;       /* of that */
	const struct source_file *source; /* NULL, or may have no lines */
	bool by_lines;                    /* the rows are source alone */
	struct control_instruction instructions[CODE_INSTRUCTIONS];
	size_t instruction_count, index; /* the one at `address` */
	VECTOR(struct code_row) rows;
	size_t at; /* row */
};

/* Finds the place and its rows, about `height` of them where they are lines. The caller frees it with code_destroy.
 * *error: why there is none, NULL where the task just runs. */
struct code *code_create(struct tui *tui, size_t height, struct error **error);
void code_destroy(struct code *code); /* accepts NULL */
bool code_has_source(const struct code *code);

#endif
