/* A unit's line table: see line_table.h. */
#include "symbol/line_table.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* What a row of libdw's says; `before` is the row in front of it. */
static struct line_row read_row(const struct symbols *symbols, Dwarf_Line *line, const struct line_row *before)
{
	struct line_row row = {0};
	bool end = false;

	dwarf_lineaddr(line, &row.address);
	dwarf_lineno(line, &row.line);
	dwarf_linebeginstatement(line, &row.statement);
	dwarf_lineprologueend(line, &row.prologue_end);
	if (dwarf_lineendsequence(line, &end) || end)
		return (struct line_row){.address = row.address};
	if (row.line <= 0)
		return (struct line_row){
		    .address = row.address, .file = before ? before->file : NULL, .line = before ? before->line : 0};
	row.file = string_intern(symbols->strings, dwarf_linesrc(line, NULL, NULL));
	return row;
}

/* Adds a row behind `rows[count - 1]`, or in place of it where it has the same address. */
static size_t add_row(struct line_row *rows, size_t count, struct line_row row)
{
	struct line_row *last = count ? &rows[count - 1] : NULL;

	if (!last || last->address != row.address) {
		rows[count] = row;
		return count + 1;
	}
	/* Another sequence ends where one has begun: the tables are sorted by address alone. */
	if (!row.file)
		return count;

	bool prologue_end = row.prologue_end || last->prologue_end;

	if (row.statement || !last->statement)
		*last = row;
	last->prologue_end = prologue_end;
	return count;
}

static struct line_table *make(struct symbols *symbols, Dwarf_Die *unit)
{
	Dwarf_Lines *lines;
	size_t count;

	if (dwarf_getsrclines(unit, &lines, &count))
		count = 0;

	struct line_table *table = memory_alloc(sizeof(*table) + count * sizeof(table->rows[0]));

	for (size_t i = 0; i < count; i++) {
		const struct line_row *before = table->count ? &table->rows[table->count - 1] : NULL;
		struct line_row row = read_row(symbols, dwarf_onesrcline(lines, i), before);

		table->count = add_row(table->rows, table->count, row);
	}
	return table;
}

const struct line_table *line_table_of(struct symbols *symbols, Dwarf_Die *unit)
{
	uint64_t key = dwarf_dieoffset(unit);
	struct line_table *table = map_get(&symbols->tables, key);

	if (!table) {
		table = make(symbols, unit);
		map_put(&symbols->tables, key, table);
	}
	return table;
}

const struct line_row *line_table_find(const struct line_table *table, Dwarf_Addr address)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->rows[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Code behind the last row is in no sequence: every table is closed. */
	return low && low < table->count && table->rows[low - 1].file ? &table->rows[low - 1] : NULL;
}

static bool same_line(const struct line_row *one, const struct line_row *other)
{
	return one->file == other->file && one->line == other->line;
}

Dwarf_Addr line_row_start(const struct line_table *table, const struct line_row *row)
{
	while (row > table->rows && same_line(row - 1, row))
		row--;
	return row->address;
}

Dwarf_Addr line_row_end(const struct line_table *table, const struct line_row *row)
{
	const struct line_row *end = row;

	while (end + 1 < table->rows + table->count && same_line(end, row))
		end++;
	return end->address;
}

/* --- prologues ------------------------------------------------------------------------------------------------- */

/* Up to `size` bytes of code at `address` of the Dwfl, from the file. Returns how many. */
static size_t read_code(const struct symbols *symbols, Dwarf_Addr address, uint8_t *bytes, size_t size)
{
	Dwarf_Addr bias;
	Elf_Scn *section = dwfl_module_address_section(symbols->view.module, &address, &bias);
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;

	if (!data || !data->d_buf || address >= data->d_size)
		return 0;
	if (size > data->d_size - address)
		size = data->d_size - address;
	memcpy(bytes, (const uint8_t *)data->d_buf + address, size);
	return size;
}

/* A run of code, some bytes of which may be anything. */
struct pattern {
	size_t size;
	uint8_t bytes[12];
	uint16_t any; /* bit n: byte n */
};

/* The first of the patterns that the code begins with; its size, or 0. */
static size_t match(const struct pattern *patterns, size_t count, const uint8_t *code, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		const struct pattern *pattern = &patterns[i];
		size_t at = 0;

		while (at < pattern->size && at < size &&
		       (code[at] == pattern->bytes[at] || (pattern->any & (1U << at))))
			at++;
		if (at == pattern->size)
			return at;
	}
	return 0;
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The bytes of code that set up a frame pointer at the start of a function; 0 where it begins otherwise. */
static size_t frame_setup(const uint8_t *code, size_t size)
{
	static const struct pattern landings[] = {
	    {4, {0xf3, 0x0f, 0x1e, 0xfa}, 0}, /* endbr64 */
	    {4, {0xf3, 0x0f, 0x1e, 0xfb}, 0}, /* endbr32 */
	};
	static const struct pattern realignments[] = {
	    /* lea 4(%esp),%ecx; and $-16,%esp; push -4(%ecx) */
	    {10, {0x8d, 0x4c, 0x24, 0x04, 0x83, 0xe4, 0xf0, 0xff, 0x71, 0xfc}, 1U << 6},
	};
	static const struct pattern realignments64[] = {
	    /* lea 8(%rsp),%r10; and $-16,%rsp; push -8(%r10), in two patterns' length */
	    {9, {0x4c, 0x8d, 0x54, 0x24, 0x08, 0x48, 0x83, 0xe4, 0xf0}, 1U << 8},
	};
	static const struct pattern rest64[] = {{4, {0x41, 0xff, 0x72, 0xf8}, 0}};
	static const struct pattern setups[] = {
	    {4, {0x55, 0x48, 0x89, 0xe5}, 0}, /* push %rbp; mov %rsp,%rbp: two encodings */
	    {4, {0x55, 0x48, 0x8b, 0xec}, 0},
	    {3, {0x55, 0x89, 0xe5}, 0}, /* push %ebp; mov %esp,%ebp */
	    {3, {0x55, 0x8b, 0xec}, 0},
	};
	size_t at = match(landings, COUNT(landings), code, size);
	size_t realigned = match(realignments64, COUNT(realignments64), code + at, size - at);

	if (realigned)
		realigned += match(rest64, COUNT(rest64), code + at + realigned, size - at - realigned);
	at += realigned + match(realignments, COUNT(realignments), code + at, size - at);

	size_t setup = match(setups, COUNT(setups), code + at, size - at);

	return setup ? at + setup : 0;
}

static bool is_assembler(Dwarf_Die *unit)
{
	int language = dwarf_srclang(unit);

	return language == DW_LANG_Mips_Assembler;
}

Dwarf_Addr line_table_prologue_end(const struct symbols *symbols, const struct line_table *table, Dwarf_Die *unit,
				   Dwarf_Addr bias, Dwarf_Addr function, Dwarf_Addr end)
{
	const struct line_row *row = line_table_find(table, function);
	uint8_t code[32];

	if (!row || row->address != function || is_assembler(unit))
		return function;
	for (const struct line_row *each = row; each->file && each->address < end; each++) {
		if (each->prologue_end)
			return each->address;
	}

	size_t size = frame_setup(code, read_code(symbols, function + bias, code, sizeof(code)));

	row = size ? line_table_find(table, function + size) : NULL;
	if (!row)
		return function;
	if (row->address == function + size)
		return row->address;
	return row[1].file && row[1].address < end ? row[1].address : function + size;
}
