/* A cpio archive ("newc") being written to a descriptor: internal to kernel/. */
#ifndef FORKTRACE_KERNEL_CPIO_WRITER_H
#define FORKTRACE_KERNEL_CPIO_WRITER_H

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"

struct archive;

struct cpio_writer {
	struct archive *archive;
	int fd;
};

/* Writes at the current position of `fd`, which stays the caller's. */
struct error *cpio_writer_init(struct cpio_writer *writer, int fd);
void cpio_writer_deinit(struct cpio_writer *writer);

/* Adds what `path` (without a leading slash) names. `permissions` are those of a mode (07777). */
struct error *cpio_writer_directory(struct cpio_writer *writer, const char *path, mode_t permissions);
struct error *cpio_writer_link(struct cpio_writer *writer, const char *path, const char *target);
struct error *cpio_writer_bytes(struct cpio_writer *writer, const char *path, mode_t permissions, const void *bytes,
				size_t size);
/* The host's file as it is now, with its permissions and its modification time. */
struct error *cpio_writer_file(struct cpio_writer *writer, const char *path, const char *host_path);

/* Writes the end of the archive. */
struct error *cpio_writer_finish(struct cpio_writer *writer);

#endif
