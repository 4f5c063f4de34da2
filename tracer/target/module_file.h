/* Files that are mapped somewhere, opened once and shared: internal to target/, but for symbol/kernel_debug.c. */
#ifndef FORKTRACE_TARGET_MODULE_FILE_H
#define FORKTRACE_TARGET_MODULE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "target/space.h"

/* The shared object of the file behind `fd`, which becomes its own (closed where the file is known already). `path` is
 * how the process names it. NULL where it is no ELF file of a known kind: fd is closed. One reference is the caller's.
 */
struct module_file *module_file_of_fd(int fd, const struct stat *status, const char *path);

/* The shared object of an ELF image, whose memory becomes its own. `open_error` says why there is no file (taken over;
 * NULL for the vDSO). NULL where the image is no ELF file: both are freed. */
struct module_file *module_file_of_image(uint8_t *image, size_t size, const char *path, char *open_error);

/* A file of which the process knows the name and nobody anything else, not shared: it names its module and no more. */
struct module_file *module_file_unreadable(const char *path, char *open_error);

/* Reads memory that the file alone determines, `offset` bytes from the start of the module: of a segment that is not
 * written to. False where it is none. */
bool module_file_read(const struct module_file *file, uint64_t offset, void *bytes, size_t size);

void module_file_unref(struct module_file *file);

#endif
