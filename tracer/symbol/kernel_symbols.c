/* Names for a kernel's addresses: see kernel_symbols.h. */
#include "symbol/kernel_symbols.h"

#include <stdlib.h>

#include "base/memory.h"
#include "parse/kallsyms.h"

struct kernel_symbols {
	struct kallsyms kallsyms;
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
