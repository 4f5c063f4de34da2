/* What libdwfl knows of one module map, made once and kept across forks. */
#ifndef FORKTRACE_SYMBOL_UNWINDING_H
#define FORKTRACE_SYMBOL_UNWINDING_H

#include <elfutils/libdwfl.h>

#include "target/space.h"

/* Something that a higher layer hangs on the map; it is destroyed before the Dwfl. */
struct unwinding_part {
	void *data;
	void (*destroy)(void *data);
};

struct unwinding {
	Dwfl *dwfl;                      /* with all modules of the map, at their addresses */
	struct unwinding_part libdw;     /* of unwind/libdw.c */
	struct unwinding_part libunwind; /* of unwind/libunwind.c */
};

/* The map's own, made at the first call; borrowed from the map. */
struct unwinding *unwinding_of(struct module_map *map);

#endif
