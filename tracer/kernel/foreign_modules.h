/* The modules of a process whose files nobody handed over: found in its memory, like those of guest_modules.h. A file
 * of this machine is taken for one of them only where both have the same build id. */
#ifndef FORKTRACE_KERNEL_FOREIGN_MODULES_H
#define FORKTRACE_KERNEL_FOREIGN_MODULES_H

#include "kernel/guest_files.h"
#include "kernel/guest_modules.h"
#include "target/space.h"

/* The modules that `space` has now; a new map, the caller's. `image` may be NULL: there are none then. Where `files`
 * has a path of the process's, its file is the one that is looked at; else the one of the same path here. */
struct module_map *foreign_modules_read(const struct space *space, const struct guest_image *image,
					const struct guest_files *files);

#endif
