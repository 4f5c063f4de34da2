/* The modules of a guest's process, found in its own memory: the auxiliary vector tells the executable, the dynamic
 * loader and the vDSO, the loader's list of link_maps the libraries. */
#ifndef FORKTRACE_KERNEL_GUEST_MODULES_H
#define FORKTRACE_KERNEL_GUEST_MODULES_H

#include <stdint.h>

#include "base/error.h"
#include "kernel/guest_files.h"
#include "kernel/guest_links.h"
#include "parse/auxv.h"
#include "target/space.h"

/* What an exec put into a process; shared by the processes that descend from it by fork alone. */
struct guest_image {
	unsigned references;
	struct auxv auxv;
	char path[GUEST_PATH_MAX]; /* the name given to execve (a script's own name, where it is one); "" unknown */
};

/* Reads what the kernel put on the new stack, whose pointer is `sp` (fs/binfmt_elf.c, create_elf_tables, 6.1: argc, the
 * arguments, the environment, the auxiliary vector). One reference is the caller's; NULL where it is not readable. */
struct guest_image *guest_image_read(const struct space *space, uint32_t sp);
/* The same from the vector itself, of `size` bytes, in the address space that it is of. */
struct guest_image *guest_image_of_auxv(const struct space *space, const void *auxv, size_t size);
struct guest_image *guest_image_ref(struct guest_image *image); /* accepts NULL */
void guest_image_unref(struct guest_image *image);              /* accepts NULL */

/* The file that is executed, as the guest names it: for a script its interpreter. NULL: none of `files`. Borrowed. */
const char *guest_image_executable(const struct guest_image *image, const struct guest_files *files);

/* What modules are taken from. */
struct guest_sources {
	const struct guest_files *files;
	const void *vdso; /* the image that the kernel gives to all processes */
	size_t vdso_size; /* 0: none */
};

/* The modules that `space` has now; a new map, the caller's. `image` may be NULL: there are none then. */
struct module_map *guest_modules_read(const struct space *space, const struct guest_image *image,
				      const struct guest_sources *sources);

#endif
