/* Debian's kernels for i386, through its own tools (apt-get, apt-cache, dpkg, dpkg-deb). Debian 12 is the last release
 * that has one. */
#ifndef FORKTRACE_UI_DEBIAN_KERNEL_H
#define FORKTRACE_UI_DEBIAN_KERNEL_H

#include <stdbool.h>

#include "base/error.h"

struct debian_kernel {
	char *package; /* "linux-image-6.1.0-50-686": letters, digits and "+-." alone */
	char *version; /* "6.1.176-1": likewise, and "~:" */
};
void debian_kernel_deinit(struct debian_kernel *kernel);

/* Finds the newest kernel that `package` ("linux-image-686", "linux-image-686-pae") stands for, or that it is. Where
 * the package lists do not know it, i386 is made known to dpkg and the lists are fetched, which takes root; `tell` is
 * told before. Errors: ERROR_UNSUPPORTED without the tools, ERROR_DENIED (with the command to run) without root,
 * ERROR_NOT_FOUND where no package source has it. */
struct error *debian_kernel_find(const char *package, void (*tell)(void *context, const char *message), void *context,
				 struct debian_kernel *kernel);

/* Fetches the lists anew, whatever they know: what was found may be gone from the server by now. Does nothing without
 * root. Returns whether it did. */
bool debian_kernel_refresh(void (*tell)(void *context, const char *message), void *context);

/* Downloads the package (which apt verifies) into `directory`, private to us and empty, and writes the image that it
 * has to `fd`. */
struct error *debian_kernel_download(const struct debian_kernel *kernel, const char *directory, int fd);

#endif
