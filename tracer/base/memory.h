/* Allocation that cannot fail, and scope-exit cleanup.
 *
 * Running out of memory is the one condition the engine does not report: it aborts, because no caller could go on, and
 * the kernel then does what forktrace promises (started programs end with it, attached ones live on). */
#ifndef FORKTRACE_BASE_MEMORY_H
#define FORKTRACE_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* All return memory owned by the caller (free), never NULL; memory_alloc and memory_calloc zero it. */
void *memory_alloc(size_t size);
void *memory_calloc(size_t count, size_t size);
/* Resizes to count * size bytes (checked for overflow); what is new is not zeroed. */
void *memory_resize(void *memory, size_t count, size_t size);
char *memory_strdup(const char *text);
char *memory_strndup(const char *text, size_t length);
__attribute__((format(printf, 1, 2))) char *memory_printf(const char *format, ...);
__attribute__((format(printf, 1, 0))) char *memory_vprintf(const char *format, va_list arguments);

void cleanup_free_(void *pointer);
void cleanup_fd_(const int *fd);
void cleanup_file_(FILE **file);
void cleanup_dir_(void *dir);

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_      _cleanup_(cleanup_free_)
#define _cleanup_fd_        _cleanup_(cleanup_fd_)
#define _cleanup_file_      _cleanup_(cleanup_file_)
#define _cleanup_dir_       _cleanup_(cleanup_dir_)

/* Hands a cleaned-up pointer over to somebody else. */
#define no_cleanup_pointer(pointer)                                                                                    \
	({                                                                                                             \
		__auto_type taken_ = (pointer);                                                                        \
		(pointer) = NULL;                                                                                      \
		taken_;                                                                                                \
	})

#endif
