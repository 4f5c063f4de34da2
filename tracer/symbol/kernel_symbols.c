/* Names for a kernel's addresses: see kernel_symbols.h. */
#include "symbol/kernel_symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "parse/kallsyms.h"

struct kernel_symbols {
	struct kallsyms kallsyms;
	struct map by_name; /* hash -> symbol, with and without the compiler's suffixes; empty: not made yet */
};

struct kernel_symbols *kernel_symbols_create(const char *text, size_t size)
{
	struct kernel_symbols *symbols = memory_alloc(sizeof(*symbols));

	kallsyms_parse(text, size, &symbols->kallsyms);
	return symbols;
}

void kernel_symbols_destroy(struct kernel_symbols *symbols)
{
	if (!symbols)
		return;
	kallsyms_deinit(&symbols->kallsyms);
	map_deinit(&symbols->by_name);
	free(symbols);
}

bool kernel_symbols_hidden(const struct kernel_symbols *symbols)
{
	return symbols->kallsyms.zeroed;
}

/* How many symbols begin at or before `address`. */
static size_t count_up_to(const struct kallsyms *kallsyms, uint64_t address)
{
	size_t low = 0, high = kallsyms->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kallsyms->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool kernel_symbols_find(const struct kernel_symbols *symbols, uint64_t address, struct kernel_symbol *symbol)
{
	const struct kallsyms *kallsyms = &symbols->kallsyms;
	size_t count = count_up_to(kallsyms, address);

	/* Where the last symbol ends is not known: kallsyms has no sizes. */
	if (count == 0 || count == kallsyms->count)
		return false;

	const struct kallsyms_symbol *found = &kallsyms->symbols[count - 1];

	if (found->name == 0)
		return false;
	symbol->name = kallsyms->names + found->name;
	symbol->module = found->module ? kallsyms->names + found->module : NULL;
	symbol->offset = address - found->address;
	return true;
}

bool kernel_symbols_find_caller(const struct kernel_symbols *symbols, uint64_t address, struct kernel_symbol *symbol)
{
	if (!kernel_symbols_find(symbols, address - 1, symbol))
		return false;
	symbol->offset++;
	return true;
}

bool kernel_symbols_bounds(const struct kernel_symbols *symbols, uint64_t address, uint64_t *start, uint64_t *end)
{
	const struct kallsyms *kallsyms = &symbols->kallsyms;
	size_t count = count_up_to(kallsyms, address);

	if (count == 0 || count == kallsyms->count || kallsyms->symbols[count - 1].name == 0)
		return false;
	*start = kallsyms->symbols[count - 1].address;
	*end = kallsyms->symbols[count].address;
	return true;
}

/* --- by name --- */

/* How much of a name the source has; 0: it is not the function's start. */
static size_t base_length(const char *name)
{
	static const char *const suffixes[] = {".part.", ".isra.", ".constprop."};
	size_t length = strcspn(name, ".");

	for (const char *at = name + length; *at;) {
		size_t i = 0, count = sizeof(suffixes) / sizeof(suffixes[0]);

		while (i < count && strncmp(at, suffixes[i], strlen(suffixes[i])) != 0)
			i++;
		if (i == count)
			return 0;
		at += strlen(suffixes[i]);
		at += strspn(at, "0123456789");
	}
	return length;
}

static void index_symbol(struct kernel_symbols *symbols, struct kallsyms_symbol *symbol)
{
	const char *name = symbols->kallsyms.names + symbol->name;
	size_t whole = strlen(name), base = base_length(name);
	uint64_t hash = hash_bytes(0, name, whole);
	const struct kallsyms_symbol *known = map_get(&symbols->by_name, hash);

	/* A name of its own goes before one that only a suffix was taken from. */
	if (!known || strcmp(symbols->kallsyms.names + known->name, name) != 0)
		map_put(&symbols->by_name, hash, symbol);
	if (base == 0 || base == whole)
		return;
	hash = hash_bytes(0, name, base);
	if (!map_get(&symbols->by_name, hash))
		map_put(&symbols->by_name, hash, symbol);
}

void kernel_symbols_index(struct kernel_symbols *symbols)
{
	struct kallsyms *kallsyms = &symbols->kallsyms;

	if (symbols->by_name.count)
		return;
	for (size_t i = 0; i < kallsyms->count; i++) {
		if (kallsyms->symbols[i].name)
			index_symbol(symbols, &kallsyms->symbols[i]);
	}
	for (size_t i = 0; i < kallsyms->alias_count; i++)
		index_symbol(symbols, &kallsyms->aliases[i]);
}

bool kernel_symbols_by_name(struct kernel_symbols *symbols, const char *name, uint64_t *address, const char **found)
{
	const struct kallsyms_symbol *symbol;
	const char *known;

	kernel_symbols_index(symbols);
	symbol = map_get(&symbols->by_name, hash_bytes(0, name, strlen(name)));
	if (!symbol)
		return false;
	known = symbols->kallsyms.names + symbol->name;
	if (strncmp(known, name, strlen(name)) != 0 || (known[strlen(name)] && known[strlen(name)] != '.'))
		return false;
	*address = symbol->address;
	if (found)
		*found = known;
	return true;
}
