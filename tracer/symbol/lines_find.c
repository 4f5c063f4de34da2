/* From a source line to its code, and from a function's name to its address: see lines.h. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "symbol/lines.h"
#include "symbol/symbols_internal.h"

/* --- lines ------------------------------------------------------------------------------------------------------- */

/* A statement, and the function or inlined body that it stands in. */
struct candidate {
	uint64_t address; /* relative */
	uint64_t body;    /* its debugging entry; 0: none */
};

struct search {
	struct symbols *symbols;
	const char *name;
	int wanted;
	const char *file; /* of the best line so far; NULL: none yet */
	int line;
	VECTOR(struct candidate) candidates; /* of that line */
};

/* Is `name` the end of `path`, in whole components? */
static bool path_ends_with(const char *path, const char *name)
{
	size_t path_length = strlen(path), length = strlen(name);

	if (!length || length > path_length || strcmp(path + path_length - length, name) != 0)
		return false;
	return length == path_length || name[0] == '/' || path[path_length - length - 1] == '/';
}

static bool unit_has_file(Dwarf_Die *unit, const char *name)
{
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(unit, &files, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *path = dwarf_filesrc(files, i, NULL, NULL);

		if (path && path_ends_with(path, name))
			return true;
	}
	return false;
}

static void add_candidate(struct search *search, Dwarf_Die *unit, Dwarf_Addr bias, Dwarf_Addr address)
{
	_cleanup_free_ Dwarf_Die *functions = NULL;
	size_t count = symbols_functions(unit, address, &functions);
	struct candidate candidate = {
	    .address = address + bias - search->symbols->view.start,
	    .body = count ? dwarf_dieoffset(&functions[0]) : 0,
	};

	for (size_t i = 0; i < search->candidates.count; i++) {
		struct candidate *other = &search->candidates.items[i];

		if (!candidate.body || other->body != candidate.body)
			continue;
		if (candidate.address < other->address)
			other->address = candidate.address;
		return;
	}
	vector_push(&search->candidates, candidate);
}

/* Is `line` of `file` as near to what is wanted as the best so far? A nearer one takes its place. */
static bool line_counts(struct search *search, const char *file, int line)
{
	if (line < search->wanted || (search->file && line > search->line) || !path_ends_with(file, search->name))
		return false;
	if (!search->file || line < search->line) {
		search->candidates.count = 0;
		search->file = string_intern(search->symbols->strings, file);
		search->line = line;
	}
	return true;
}

/* All rows: where several statements begin at one address (the call of an inlined body, and what is in it), lines_at
 * knows the last, and each is a line that can be asked for. */
static void search_unit(struct search *search, Dwarf_Die *unit, Dwarf_Addr bias)
{
	Dwarf_Lines *lines;
	size_t count;

	if (dwarf_getsrclines(unit, &lines, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		Dwarf_Line *row = dwarf_onesrcline(lines, i);
		const char *file = dwarf_linesrc(row, NULL, NULL);
		Dwarf_Addr address;
		bool statement = false, end = true;
		int line = 0;

		dwarf_linebeginstatement(row, &statement);
		dwarf_lineendsequence(row, &end);
		dwarf_lineno(row, &line);
		if (file && statement && !end && line > 0 && !dwarf_lineaddr(row, &address) &&
		    line_counts(search, file, line))
			add_candidate(search, unit, bias, address);
	}
}

static int compare_addresses(const void *one, const void *other)
{
	const uint64_t *first = one, *second = other;

	return (*first > *second) - (*first < *second);
}

bool lines_find(struct module_file *file, const char *name, int line, struct lines_found *found)
{
	*found = (struct lines_found){0};
	pthread_mutex_lock(&symbols_lock);

	struct search search = {.symbols = symbols_of(file), .name = name, .wanted = line};
	Dwfl_Module *module = search.symbols->view.module;
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;

	while (module && (unit = dwfl_module_nextcu(module, unit, &bias))) {
		if (unit_has_file(unit, name))
			search_unit(&search, unit, bias);
	}
	pthread_mutex_unlock(&symbols_lock);

	found->file = search.file;
	found->line = search.line;
	for (size_t i = 0; i < search.candidates.count; i++)
		vector_push(&found->addresses, search.candidates.items[i].address);
	if (found->addresses.count)
		qsort(found->addresses.items, found->addresses.count, sizeof(uint64_t), compare_addresses);
	vector_deinit(&search.candidates);
	return found->file != NULL;
}

void lines_found_deinit(struct lines_found *found)
{
	vector_deinit(&found->addresses);
}

/* --- functions --------------------------------------------------------------------------------------------------- */

/* Is `symbol` the name, or the name with a version (fork@@GLIBC_2.0)? */
static bool names_it(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(symbol, name, length) && (!symbol[length] || symbol[length] == '@');
}

/* type: STT_FUNC or STT_OBJECT. */
static bool find_in_tables(const struct symbols *symbols, const char *name, int type, uint64_t *address)
{
	Dwfl_Module *module = symbols->view.module;
	int count = dwfl_module_getsymtab(module);
	int best = 0;
	bool found = false;

	for (int i = 1; i < count; i++) {
		GElf_Sym symbol;
		GElf_Addr value;
		const char *other = dwfl_module_getsym_info(module, i, &symbol, &value, NULL, NULL, NULL);

		if (!other || symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != type ||
		    !names_it(other, name))
			continue;

		int rank = symbols_name_rank(other, &symbol);

		if (found && rank >= best)
			continue;
		found = true;
		best = rank;
		*address = value - symbols->view.start;
	}
	return found;
}

struct function_search {
	const char *name;
	Dwarf_Addr entry;
	bool found;
};

static int take_function(Dwarf_Die *function, void *argument)
{
	struct function_search *search = argument;
	const char *name = dwarf_diename(function);

	if (!name || strcmp(name, search->name) != 0 || dwarf_entrypc(function, &search->entry))
		return DWARF_CB_OK;
	search->found = true;
	return DWARF_CB_ABORT;
}

static bool find_in_debug_information(const struct symbols *symbols, const char *name, uint64_t *address)
{
	struct function_search search = {.name = name};
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;

	while (!search.found && (unit = dwfl_module_nextcu(symbols->view.module, unit, &bias)))
		dwarf_getfuncs(unit, take_function, &search, 0);
	if (search.found)
		*address = search.entry + bias - symbols->view.start;
	return search.found;
}

bool symbols_find(struct module_file *file, const char *name, uint64_t *address)
{
	pthread_mutex_lock(&symbols_lock);

	struct symbols *symbols = symbols_of(file);
	bool found = symbols->view.module && (find_in_tables(symbols, name, STT_FUNC, address) ||
					      find_in_debug_information(symbols, name, address));

	pthread_mutex_unlock(&symbols_lock);
	return found;
}

bool symbols_find_variable(struct module_file *file, const char *name, uint64_t *address)
{
	pthread_mutex_lock(&symbols_lock);

	struct symbols *symbols = symbols_of(file);
	bool found = symbols->view.module && find_in_tables(symbols, name, STT_OBJECT, address);

	pthread_mutex_unlock(&symbols_lock);
	return found;
}
