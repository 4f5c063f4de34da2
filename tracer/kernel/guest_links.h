/* What the dynamic loader of a guest's process leaves in its memory (link.h): untrusted. */
#ifndef FORKTRACE_KERNEL_GUEST_LINKS_H
#define FORKTRACE_KERNEL_GUEST_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vector.h"
#include "target/space.h"

enum { GUEST_PATH_MAX = 4096 }; /* PATH_MAX of the guest's kernel, the final zero included */

struct guest_link {
	uint64_t bias; /* l_addr */
	char *path;    /* l_name, absolute */
};
typedef VECTOR(struct guest_link) guest_links;

/* The libraries, in the loader's order, from the executable's dynamic section; the executable itself, and the vDSO,
 * whose name is no path, are left out. Starts as {0}; freed with guest_links_deinit. */
void guest_links_read(const struct space *space, uint64_t dynamic, guest_links *links);
void guest_links_deinit(guest_links *links);

/* A zero-terminated string, in pieces that never reach into a further page. False: not readable, or too long. */
bool guest_string_read(const struct space *space, uint64_t address, char *text, size_t size);

#endif
