/* A growing run of bytes, always followed by a zero that is not counted. */
#ifndef FORKTRACE_BASE_BUFFER_H
#define FORKTRACE_BASE_BUFFER_H

#include <stddef.h>

#include "base/error.h"

struct buffer {
	char *data; /* NULL while nothing was added */
	size_t size;
	size_t capacity;
};

void buffer_deinit(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format, ...);

/* Makes room for `size` more bytes and returns where they go; the caller adds what it wrote to buffer->size. */
char *buffer_reserve(struct buffer *buffer, size_t size);

/* Appends the whole file behind `fd`, from its current position, in reads of at least 64 KiB. */
struct error *buffer_read_fd(struct buffer *buffer, int fd);

#endif
