/* Allocation that cannot fail, and scope-exit cleanup: see memory.h. */
#include "base/memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *memory_alloc(size_t size)
{
	return memory_calloc(1, size);
}

void *memory_calloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void *memory_resize(void *memory, size_t count, size_t size)
{
	void *resized = reallocarray(memory, count ? count : 1, size ? size : 1);

	if (!resized)
		abort();
	return resized;
}

char *memory_strdup(const char *text)
{
	return memory_strndup(text, strlen(text));
}

char *memory_strndup(const char *text, size_t length)
{
	char *copy = strndup(text, length);

	if (!copy)
		abort();
	return copy;
}

char *memory_printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	char *text = memory_vprintf(format, arguments);
	va_end(arguments);
	return text;
}

char *memory_vprintf(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	return text;
}

void cleanup_free_(void *pointer)
{
	free(*(void **)pointer);
}

void cleanup_fd_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void cleanup_file_(FILE **file)
{
	if (*file)
		fclose(*file);
}

void cleanup_dir_(void *dir)
{
	if (*(DIR **)dir)
		closedir(*(DIR **)dir);
}
