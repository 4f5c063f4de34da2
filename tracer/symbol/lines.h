/* Source lines as a stepper asks for them: where the code of a line begins and ends, where a function's prologue does,
 * which inlined bodies an address lies in; and the other way round, the code of a line. Addresses are relative to the
 * start of the module. Any thread may ask: one at a time uses the file's debug information, the one that it is named
 * by (symbols.h), which is loaded at the first question (tens of milliseconds). */
#ifndef FORKTRACE_SYMBOL_LINES_H
#define FORKTRACE_SYMBOL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vector.h"
#include "target/space.h"

/* Deeper inlining is cut: the outermost ones count. */
enum { LINE_INLINED_MAX = 16 };

/* The body of a function where it was inlined. */
struct line_inlined {
	uint64_t body;         /* tells it from all others of the file: its debugging entry's place */
	uint64_t entry;        /* its first instruction */
	const char *call_file; /* of the call that it replaces; compared as line_place.file is */
	int call_line;         /* 0: unknown */
	bool begins;           /* the address is the begin of it: the entry, or of one of its ranges */
};

/* What the line table says of an address. Strings belong to the file's symbols and are equal exactly where the pointers
 * are. */
struct line_place {
	const char *file;      /* of the source, as the debug information has it */
	const char *directory; /* of its compilation, which a relative `file` starts from; NULL: not known */
	int line;
	uint64_t start, end;   /* the contiguous code of this line around the address: rows that follow one another are
				  one */
	bool statement;        /* the address is exactly where a statement begins (a row with is_stmt) */
	bool within_statement; /* the row that the address lies in is one */
	uint64_t function;     /* the first instruction of the enclosing function that has the frame */
	uint64_t body;         /* behind its prologue, where gdb's step and break stop; `function` where it has none */
	unsigned inlined_count;
	struct line_inlined inlined[LINE_INLINED_MAX]; /* bodies that the address lies in, outermost first */
};

/* False where the address has no line (the line number 0 is none). */
bool lines_at(struct module_file *file, uint64_t address, struct line_place *place);

/* Where the code of a line is. */
struct lines_found {
	const char *file;           /* whose line it is, as in line_place */
	int line;                   /* the one that was asked for, or the next that has code */
	VECTOR(uint64_t) addresses; /* ascending: the first statement in each function and each inlined body */
};
void lines_found_deinit(struct lines_found *found);

/* Finds the code of line `line` of the source file `name`: "fork.c", "posix/fork.c" or an absolute path, which must be
 * the end of the file's path in whole components. False where no file of this name, or none that has code at or behind
 * that line; *found is empty then. The caller calls lines_found_deinit. */
bool lines_find(struct module_file *file, const char *name, int line, struct lines_found *found);

/* Finds a function by its name in the symbol tables (.symtab, .dynsym, .gnu_debugdata), or, where it has no symbol, in
 * the debug information. Of several the one that is visible from outside. An ifunc, whose address only the process
 * knows, is none. */
bool symbols_find(struct module_file *file, const char *name, uint64_t *address);

/* The same of a variable: one that all threads share and that has a symbol. */
bool symbols_find_variable(struct module_file *file, const char *name, uint64_t *address);

#endif
