/* The line table of one compilation unit, with one row for each address: internal to lines.c. */
#ifndef FORKTRACE_SYMBOL_LINE_TABLE_H
#define FORKTRACE_SYMBOL_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "symbol/symbols_internal.h"

struct line_row {
	Dwarf_Addr address;
	const char *file; /* interned; NULL: from here on there is no line */
	int line;
	bool statement;
	bool prologue_end;
};

struct line_table {
	size_t count;
	struct line_row rows[]; /* by ascending address */
};

/* The unit's, made at the first call and kept with the symbols. Of the rows that one address has the last one counts
 * that is a statement, or the last where none is, as in gdb (dwarf2/read.c, lnp_state_machine::record_line). What has
 * the line number 0 belongs to the line before it. */
const struct line_table *line_table_of(struct symbols *symbols, Dwarf_Die *unit);

/* The row that `address` lies in; NULL where it has no line. The next one is behind it: the last of a table has no
 * line.
 */
const struct line_row *line_table_find(const struct line_table *table, Dwarf_Addr address);

/* The first address behind the contiguous code of the row's line; and its start. */
Dwarf_Addr line_row_start(const struct line_table *table, const struct line_row *row);
Dwarf_Addr line_row_end(const struct line_table *table, const struct line_row *row);

/* Where the prologue of the function ends that has the addresses from `function` to `end`: at a row that says so; else,
 * where its code begins with setting up the frame pointer, behind the line that does that; else at `function`, as in
 * gdb (amd64_skip_prologue, i386_skip_prologue, handle_step_into_function). */
Dwarf_Addr line_table_prologue_end(const struct symbols *symbols, const struct line_table *table, Dwarf_Die *unit,
				   Dwarf_Addr bias, Dwarf_Addr function, Dwarf_Addr end);

#endif
