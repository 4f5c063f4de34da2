/* The modules of an address space, found in /proc/TID/maps: internal to target/. */
#ifndef FORKTRACE_TARGET_MODULE_H
#define FORKTRACE_TARGET_MODULE_H

#include "base/error.h"
#include "target/space.h"

/* Reads the modules of `space` (through its task) into a new map with one reference. error_gone when the process died.
 */
struct error *module_map_read(const struct space *space, struct module_map **map);

struct module_map *module_map_ref(struct module_map *map);
void module_map_unref(struct module_map *map); /* accepts NULL */

#endif
