/* A growing run of bytes: see buffer.h. */
#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t wanted = buffer->size + size + 1;

	if (buffer->capacity < wanted) {
		size_t grown = buffer->capacity ? buffer->capacity * 2 : 256;

		buffer->capacity = grown < wanted ? wanted : grown;
		buffer->data = memory_resize(buffer->data, buffer->capacity, 1);
		buffer->data[buffer->size] = '\0';
	}
	return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	char *end = buffer_reserve(buffer, size);

	if (size > 0) /* of nothing, `bytes` may be NULL, which memcpy forbids */
		memcpy(end, bytes, size);
	buffer->size += size;
	buffer->data[buffer->size] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	size_t room = 128;

	for (;;) {
		char *end = buffer_reserve(buffer, room);

		va_start(arguments, format);
		int length = vsnprintf(end, room + 1, format, arguments);
		va_end(arguments);
		if (length < 0)
			abort();
		if ((size_t)length <= room) {
			buffer->size += (size_t)length;
			return;
		}
		room = (size_t)length;
	}
}

struct error *buffer_read_fd(struct buffer *buffer, int fd)
{
	enum { CHUNK = 64 * 1024 };

	for (;;) {
		ssize_t got = read(fd, buffer_reserve(buffer, CHUNK), CHUNK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_system(errno, NULL, "reading failed");
		buffer->size += (size_t)got;
		buffer->data[buffer->size] = '\0';
		if (got == 0)
			return NULL;
	}
}
