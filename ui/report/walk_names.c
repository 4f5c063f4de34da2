/* What other kernel versions call a step: see walk_names.h. */
#include "ui/report/walk_names.h"

#include <string.h>

const char *const *walk_names(const struct fork_record *fork, enum stage stage)
{
	enum stage_entry entry = fork->entry == ENTRY_INT80 ? STAGE_ENTRY_INT80 : STAGE_ENTRY_SYSENTER;

	return stage_names(stage, entry, (unsigned)fork->call.number);
}

bool walk_name_is_other(const char *name, const char *function)
{
	size_t size = strlen(name);

	return !function || strncmp(name, function, size) != 0 || (function[size] != '\0' && function[size] != '.');
}
