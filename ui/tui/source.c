/* Source files: see source.h. */
#include "ui/tui/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/vector.h"
#include "ui/escape.h"

enum { SIZE_LIMIT = 16 << 20, TAB = 8 };

struct source_files {
	const char *path, *program;
	VECTOR(struct source_file *) known;
};

struct source_files *source_files_create(const char *path, const char *program)
{
	struct source_files *files = memory_alloc(sizeof(*files));

	files->path = path;
	files->program = program;
	return files;
}

void source_files_destroy(struct source_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->known.count; i++) {
		for (size_t line = 0; line < files->known.items[i]->line_count; line++)
			free(files->known.items[i]->lines[line]);
		free(files->known.items[i]->lines);
		free(files->known.items[i]);
	}
	vector_deinit(&files->known);
	free(files);
}

/* --- finding --- */

/* A regular file alone: a path from debug information that is not trusted must not make a FIFO be opened. */
static int open_source(const char *directory, size_t length, const char *name)
{
	_cleanup_free_ char *path = memory_printf("%.*s%s%s", (int)length, directory, length ? "/" : "", name);
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size > SIZE_LIMIT)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* With its directories, and then by its last component. */
static int open_in(const char *directory, size_t length, const char *file)
{
	const char *slash = strrchr(file, '/');
	int fd = *file == '/' ? -1 : open_source(directory, length, file);

	return fd >= 0 || !slash ? fd : open_source(directory, length, slash + 1);
}

static int find(const struct source_files *files, const struct control_place *place)
{
	int fd = *place->file == '/' ? open_source("", 0, place->file) : -1;

	if (fd < 0 && *place->file != '/' && place->directory)
		fd = open_source(place->directory, strlen(place->directory), place->file);
	for (const char *at = files->path; fd < 0 && at && *at;) {
		size_t length = strcspn(at, ":");

		if (length)
			fd = open_in(at, length, place->file);
		at += length + (at[length] == ':');
	}
	if (fd < 0 && files->program) {
		const char *slash = strrchr(files->program, '/');

		fd = open_in(slash ? files->program : ".", slash ? (size_t)(slash - files->program) : 1, place->file);
	}
	return fd;
}

/* --- reading --- */

static char *make_line(const char *text, size_t size)
{
	_cleanup_(buffer_deinit) struct buffer expanded = {0}, safe = {0};

	buffer_append_text(&expanded, "");
	for (size_t i = 0; i < size && text[i] != '\r'; i++) {
		if (text[i] == '\t')
			buffer_printf(&expanded, "%*s", (int)(TAB - expanded.size % TAB), "");
		else if (text[i])
			buffer_append(&expanded, &text[i], 1);
	}
	buffer_append_text(&safe, "");
	/* A source's own backslashes are shown as they are: doubled, its strings would read wrong. */
	for (char *part = expanded.data, *next; part; part = next) {
		next = strchr(part, '\\');
		if (next)
			*next++ = '\0';
		escape_append(&safe, part);
		if (next)
			buffer_append_text(&safe, "\\");
	}
	return memory_strdup(safe.data);
}

static void split(struct source_file *file, const char *text, size_t size)
{
	VECTOR(char *) lines = {0};

	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		vector_push(&lines, make_line(text, length));
		length += end != NULL;
		text += length;
		size -= length;
	}
	file->lines = lines.items;
	file->line_count = lines.count;
}

const struct source_file *source_file_of(struct source_files *files, const struct control_place *place)
{
	if (!place->file)
		return NULL;
	for (size_t i = 0; i < files->known.count; i++) {
		if (files->known.items[i]->key == place->file)
			return files->known.items[i];
	}

	struct source_file *file = memory_alloc(sizeof(*file));
	_cleanup_(buffer_deinit) struct buffer text = {0};
	_cleanup_fd_ int fd = find(files, place);

	file->key = place->file;
	if (fd >= 0)
		error_destroy(buffer_read_fd(&text, fd));
	split(file, text.data, text.size);
	vector_push(&files->known, file);
	return file;
}
