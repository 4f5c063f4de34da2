/* Where the stages of a fork are in one kernel: see lineage.h. */
#include "kernel/lineage.h"

bool lineage_find(struct kernel_symbols *symbols, enum stage stage, enum stage_entry entry, unsigned nr,
		  uint64_t *address, const char **name)
{
	for (const char *const *names = stage_names(stage, entry, nr); *names; names++) {
		if (kernel_symbols_by_name(symbols, *names, address, name))
			return true;
	}
	return false;
}
