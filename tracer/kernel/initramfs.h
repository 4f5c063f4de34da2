/* Archives for the guest: its root with PID 1, and the payload with a program and what it needs. */
#ifndef FORKTRACE_KERNEL_INITRAMFS_H
#define FORKTRACE_KERNEL_INITRAMFS_H

#include <stddef.h>

#include "base/error.h"
#include "kernel/guest_files.h"

/* In both archives names have no leading slash, a directory comes before what is in it, everything belongs to root, and
 * there are regular files (0100000), directories (0040000) and symbolic links (0120000) alone. The same input gives the
 * same bytes. The descriptors are the caller's, close-on-exec and at the beginning. */

/* A memfd with the archive (newc) that holds PID 1 alone as /init, and the directories it mounts on. */
struct error *initramfs_create(const void *init, size_t size, int *fd);

/* A memfd with the payload of kernel/guest_protocol.h. `path` is what execve gets, `arguments` and `environment` are
 * NULL-terminated; `directory` (absolute) is made where no file brings it, and so are those that HOME and TMPDIR name
 * and that are there on the host. /etc/passwd and /etc/group, which know root, are made where no file brings them.
 * Files are read now. Errors: a file that cannot be read, that is cut while it is read, or whose path in the guest
 * leads through another file or in circles. */
struct error *payload_create(const struct guest_files *files, const char *path, const char *directory,
			     char *const *arguments, char *const *environment, int *fd);

/* PID 1, as it was built into forktrace (kernel/guest_init_image.S). */
extern const unsigned char guest_init_image[];
extern const unsigned char guest_init_image_end[];

#endif
