/* What libdwfl knows of one module map: see unwinding.h. */
#include "symbol/unwinding.h"

#include <stdlib.h>

#include "base/memory.h"
#include "symbol/elf_file.h"

static void part_destroy(struct unwinding_part *part)
{
	if (part->data)
		part->destroy(part->data);
}

static void unwinding_destroy(void *pointer)
{
	struct unwinding *unwinding = pointer;

	part_destroy(&unwinding->libunwind);
	part_destroy(&unwinding->libdw);
	dwfl_end(unwinding->dwfl);
	free(unwinding);
}

struct unwinding *unwinding_of(struct module_map *map)
{
	if (map->unwinding)
		return map->unwinding;

	struct unwinding *unwinding = memory_alloc(sizeof(*unwinding));

	unwinding->dwfl = elf_file_dwfl_create(ELF_USER_UNWINDING);
	for (size_t i = 0; i < map->count; i++) {
		const struct module *module = &map->modules[i];

		if (module->file->memory_size)
			elf_file_report(unwinding->dwfl, module->file, module->start, module->end);
	}
	dwfl_report_end(unwinding->dwfl, NULL, NULL);
	map->unwinding = unwinding;
	map->unwinding_destroy = unwinding_destroy;
	return unwinding;
}
