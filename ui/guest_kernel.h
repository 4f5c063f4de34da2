/* The guest's kernel where the user gives none: kept in the cache directory, fetched from Debian. */
#ifndef FORKTRACE_UI_GUEST_KERNEL_H
#define FORKTRACE_UI_GUEST_KERNEL_H

#include <stdbool.h>

#include "base/error.h"

#define GUEST_KERNEL_PACKAGE "linux-image-686"

/* In the cache directory, guest/vmlinuz is a link to guest/vmlinuz-RELEASE_VERSION, where RELEASE is that of the kernel
 * and VERSION that of Debian's package. Other packages have links of their own: guest/vmlinuz-pae for
 * linux-image-686-pae, and likewise guest/vmlinuz-PACKAGE where the name begins otherwise. */

/* The path of the link if there is a kernel; NULL: none. The caller frees. */
char *guest_kernel_default(void);

/* Fetches the newest kernel of a package where it is not there yet; `*path` (the caller frees) is the link's. What
 * earlier runs left half done is removed. Says on standard error what it does, unless `quiet`. Errors: those of
 * ui/debian_kernel.h; no cache directory; no 32-bit bzImage. SIGCHLD must not be ignored. */
struct error *guest_kernel_fetch(const char *package, bool quiet, char **path);

/* --guest-fetch: the same (NULL: linux-image-686) as a command of its own, with errors told; the exit status. */
int guest_fetch(const char *package, bool quiet);

#endif
