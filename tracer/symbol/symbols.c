/* Names and source lines of one file: see symbols.h. */
#include "symbol/symbols.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"
#include "symbol/symbols_internal.h"

pthread_mutex_t symbols_lock = PTHREAD_MUTEX_INITIALIZER;

static void free_values(struct map *map)
{
	void *value;

	for (size_t i = 0; (value = map_next(map, &i));)
		free(value);
	map_deinit(map);
}

static void symbols_destroy(void *pointer)
{
	struct symbols *symbols = pointer;

	free_values(&symbols->names);
	free_values(&symbols->places);
	free_values(&symbols->tables);
	string_pool_destroy(symbols->strings);
	file_view_deinit(&symbols->view);
	free(symbols);
}

struct symbols *symbols_of(struct module_file *file)
{
	struct symbols *symbols = file->symbols;

	if (symbols)
		return symbols;
	symbols = memory_alloc(sizeof(*symbols));
	symbols->strings = string_pool_create();
	file_view_init(&symbols->view, file, ELF_USER_NAMES);
	file->symbols = symbols;
	file->symbols_destroy = symbols_destroy;
	return symbols;
}

/* One question: an address, and what was found of it so far. */
struct lookup {
	struct symbols *symbols;
	uint64_t address;  /* in the Dwfl */
	struct name table; /* by the symbol table */
	VECTOR(struct name) names;
};

/* Orders the names of one address by how a user knows them: `fork` before `__fork` before `__libc_fork`; among equals,
 * what is visible from outside comes first. */
int symbols_name_rank(const char *name, const GElf_Sym *symbol)
{
	enum { UNDERSCORE = 4, GLOBAL = 0, WEAK = 1, LOCAL = 2 };
	int binding = GELF_ST_BIND(symbol->st_info);
	int rank = binding == STB_GLOBAL ? GLOBAL : binding == STB_WEAK ? WEAK : LOCAL;

	return rank + UNDERSCORE * (int)strspn(name, "_");
}

/* The best of the names at `value`, starting from the one that libdwfl chose. */
static const char *best_alias(Dwfl_Module *module, const char *name, const GElf_Sym *chosen, GElf_Addr value)
{
	int count = dwfl_module_getsymtab(module);
	int best = symbols_name_rank(name, chosen);

	for (int i = 1; i < count; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *other = dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);

		if (!other || !*other || address != value || symbol.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(symbol.st_info) != GELF_ST_TYPE(chosen->st_info) ||
		    symbols_name_rank(other, &symbol) >= best)
			continue;
		best = symbols_name_rank(other, &symbol);
		name = other;
	}
	return name;
}

/* The symbol table's answer. .symtab has versions in the name (fork@@GLIBC_2.0): cut off. */
static void ask_table(struct lookup *lookup)
{
	Dwfl_Module *module = lookup->symbols->view.module;
	GElf_Off offset;
	GElf_Sym symbol;
	const char *name = dwfl_module_addrinfo(module, lookup->address, &offset, &symbol, NULL, NULL, NULL);

	if (!name || !*name)
		return;
	name = best_alias(module, name, &symbol, lookup->address - offset);

	_cleanup_free_ char *plain = memory_strndup(name, strcspn(name, "@"));

	lookup->table.symbol = string_intern(lookup->symbols->strings, plain);
	lookup->table.start = lookup->address - offset - lookup->symbols->view.start;
}

/* libdwfl takes a gap between two ranges of one unit for a part of it. clang writes no .debug_aranges: then each unit
 * is asked for its ranges. */
Dwarf_Die *symbols_unit(const struct symbols *symbols, uint64_t address, Dwarf_Addr *bias)
{
	Dwfl_Module *module = symbols->view.module;
	Dwarf_Die *unit = dwfl_module_addrdie(module, address, bias);

	if (unit)
		return dwarf_haspc(unit, address - *bias) > 0 ? unit : NULL;
	if (!dwfl_module_getdwarf(module, bias))
		return NULL;
	while ((unit = dwfl_module_nextcu(module, unit, bias))) {
		if (dwarf_haspc(unit, address - *bias) > 0)
			return unit;
	}
	return NULL;
}

static bool is_function(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_entry_point;
}

static void add_function(struct lookup *lookup, Dwarf_Die *die, Dwarf_Addr bias, const char *file, int line)
{
	struct name name = {
	    .symbol = string_intern(lookup->symbols->strings, dwarf_diename(die)),
	    .file = string_intern(lookup->symbols->strings, file),
	    .line = line,
	    .inlined = dwarf_tag(die) == DW_TAG_inlined_subroutine,
	};
	Dwarf_Addr entry;

	if (!name.inlined && (!name.symbol || lookup->table.symbol)) {
		if (!name.symbol)
			name.symbol = lookup->table.symbol;
		name.start = lookup->table.start;
	} else if (!dwarf_entrypc(die, &entry) && entry + bias <= lookup->address) {
		name.start = entry + bias - lookup->symbols->view.start;
	} else {
		name.start = lookup->address - lookup->symbols->view.start;
	}
	vector_push(&lookup->names, name);
}

const char *symbols_call_file(Dwarf_Die *unit, Dwarf_Die *inlined, int *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word number, index;
	size_t count;

	*line = 0;
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number))
		*line = (int)number;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &index) ||
	    dwarf_getsrcfiles(unit, &files, &count))
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

size_t symbols_functions(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **functions)
{
	_cleanup_free_ Dwarf_Die *at_address = NULL;
	int count = dwarf_getscopes(unit, address, &at_address);
	int innermost = 0;
	size_t found = 0;

	*functions = NULL;
	while (innermost < count && !is_function(&at_address[innermost]))
		innermost++;
	if (innermost >= count)
		return 0;
	/* dwarf_getscopes goes on with the scopes of an inlined function's definition; here those of its place. */
	count = dwarf_getscopes_die(&at_address[innermost], functions);
	for (int i = 0; i < count; i++) {
		if (!is_function(&(*functions)[i]))
			continue;
		(*functions)[found++] = (*functions)[i];
		if (dwarf_tag(&(*functions)[i]) != DW_TAG_inlined_subroutine)
			break;
	}
	return found;
}

/* The debug information's answer: the innermost function with the line of the address, then each function that it was
 * inlined into, with the line of that call. */
static void ask_debug_information(struct lookup *lookup)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = symbols_unit(lookup->symbols, lookup->address, &bias);

	if (!unit)
		return;

	Dwarf_Line *source = dwarf_getsrc_die(unit, lookup->address - bias);
	const char *file = source ? dwarf_linesrc(source, NULL, NULL) : NULL;
	int line = 0;

	if (source)
		dwarf_lineno(source, &line);
	lookup->table.file = string_intern(lookup->symbols->strings, file);
	lookup->table.line = line;

	_cleanup_free_ Dwarf_Die *functions = NULL;
	size_t count = symbols_functions(unit, lookup->address - bias, &functions);

	for (size_t i = 0; i < count; i++) {
		add_function(lookup, &functions[i], bias, file, line);
		file = symbols_call_file(unit, &functions[i], &line);
	}
}

static struct name_list *ask(struct symbols *symbols, uint64_t address)
{
	struct lookup lookup = {.symbols = symbols, .address = symbols->view.start + address};
	struct name_list *list;

	if (symbols->view.module) {
		ask_table(&lookup);
		ask_debug_information(&lookup);
	}
	if (!lookup.names.count || lookup.names.items[lookup.names.count - 1].inlined)
		vector_push(&lookup.names, lookup.table);
	list = memory_alloc(sizeof(*list) + lookup.names.count * sizeof(list->names[0]));
	list->count = lookup.names.count;
	memcpy(list->names, lookup.names.items, lookup.names.count * sizeof(list->names[0]));
	vector_deinit(&lookup.names);
	return list;
}

const struct name_list *symbols_lookup(struct module_file *file, uint64_t address)
{
	pthread_mutex_lock(&symbols_lock);

	struct symbols *symbols = symbols_of(file);
	struct name_list *list = map_get(&symbols->names, address);

	if (!list) {
		list = ask(symbols, address);
		map_put(&symbols->names, address, list);
	}
	pthread_mutex_unlock(&symbols_lock);
	return list;
}
