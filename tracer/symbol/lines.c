/* What the line table and the debug information say of one address: see lines.h. */
#include "symbol/lines.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "symbol/line_table.h"

/* What an address without a line is remembered by. */
static const struct line_place no_place;

/* One question: addresses are libdw's. */
struct question {
	struct symbols *symbols;
	Dwarf_Die *unit;
	Dwarf_Addr bias;
	Dwarf_Addr address;
	const struct line_table *table;
	const struct line_row *row;
};

static uint64_t relative(const struct question *question, Dwarf_Addr address)
{
	return address + question->bias - question->symbols->view.start;
}

static void add_inlined(const struct question *question, Dwarf_Die *body, struct line_place *place)
{
	struct line_inlined *inlined = &place->inlined[place->inlined_count++];
	Dwarf_Addr entry;

	*inlined = (struct line_inlined){.body = dwarf_dieoffset(body)};
	if (dwarf_entrypc(body, &entry))
		entry = question->address;
	inlined->entry = relative(question, entry);
	inlined->begins = entry == question->address || dwarf_haspc(body, question->address - 1) <= 0;
	inlined->call_file =
	    string_intern(question->symbols->strings, symbols_call_file(question->unit, body, &inlined->call_line));
}

/* The contiguous code of the function that it begins with. */
static void add_function(const struct question *question, Dwarf_Die *function, struct line_place *place)
{
	Dwarf_Addr base, entry, start, end;
	ptrdiff_t next = 0;

	if (dwarf_entrypc(function, &entry))
		return;
	while ((next = dwarf_ranges(function, next, &base, &start, &end)) > 0) {
		if (entry < start || entry >= end)
			continue;
		place->function = relative(question, entry);
		place->body = relative(question, line_table_prologue_end(question->symbols, question->table,
									 question->unit, question->bias, entry, end));
		return;
	}
}

/* The function by the symbol table, where the debug information knows the line alone (assembler). */
static void add_symbol(const struct question *question, struct line_place *place)
{
	GElf_Off offset;
	GElf_Sym symbol;
	uint64_t address = question->address + question->bias;

	place->function = place->start;
	if (dwfl_module_addrinfo(question->symbols->view.module, address, &offset, &symbol, NULL, NULL, NULL))
		place->function = address - offset - question->symbols->view.start;
	place->body = place->function;
}

static void add_functions(const struct question *question, struct line_place *place)
{
	_cleanup_free_ Dwarf_Die *functions = NULL;
	size_t count = symbols_functions(question->unit, question->address, &functions);

	for (size_t i = count; i-- > 0;) {
		if (dwarf_tag(&functions[i]) != DW_TAG_inlined_subroutine)
			add_function(question, &functions[i], place);
		else if (place->inlined_count < LINE_INLINED_MAX)
			add_inlined(question, &functions[i], place);
	}
	if (!place->body)
		add_symbol(question, place);
}

/* DW_AT_comp_dir. */
static const char *compilation_directory(Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
}

/* NULL: no line. */
static struct line_place *ask(struct symbols *symbols, uint64_t address)
{
	struct question question = {.symbols = symbols};

	if (!symbols->view.module)
		return NULL;
	question.unit = symbols_unit(symbols, symbols->view.start + address, &question.bias);
	if (!question.unit)
		return NULL;
	question.address = symbols->view.start + address - question.bias;
	question.table = line_table_of(symbols, question.unit);
	question.row = line_table_find(question.table, question.address);
	if (!question.row)
		return NULL;

	struct line_place *place = memory_alloc(sizeof(*place));

	*place = (struct line_place){
	    .file = question.row->file,
	    .directory = string_intern(symbols->strings, compilation_directory(question.unit)),
	    .line = question.row->line,
	    .start = relative(&question, line_row_start(question.table, question.row)),
	    .end = relative(&question, line_row_end(question.table, question.row)),
	    .statement = question.row->statement && question.row->address == question.address,
	    .within_statement = question.row->statement,
	};
	add_functions(&question, place);
	return place;
}

bool lines_at(struct module_file *file, uint64_t address, struct line_place *place)
{
	pthread_mutex_lock(&symbols_lock);

	struct symbols *symbols = symbols_of(file);
	struct line_place *known = map_get(&symbols->places, address);

	if (!known) {
		known = ask(symbols, address);
		if (!known) {
			known = memory_alloc(sizeof(*known));
			*known = no_place;
		}
		map_put(&symbols->places, address, known);
	}
	*place = *known;
	pthread_mutex_unlock(&symbols_lock);
	return place->file != NULL;
}
