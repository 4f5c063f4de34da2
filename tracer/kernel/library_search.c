/* Where the loader looks for libraries: see library_search.h. */
#include "kernel/library_search.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"

/* Files of configuration that are read in all. */
enum { MAX_FILES = 256 };

const char *const library_search_defaults[] = {
    "/lib/i386-linux-gnu", "/usr/lib/i386-linux-gnu", "/lib32", "/usr/lib32", "/lib", "/usr/lib", NULL};

void path_list_deinit(struct path_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	vector_deinit(list);
}

char *library_search_absolute(const char *path)
{
	char directory[PATH_MAX];
	struct buffer absolute = {0};

	if (path[0] != '/' && getcwd(directory, sizeof(directory))) {
		buffer_append_text(&absolute, directory);
		buffer_append_text(&absolute, "/");
	}
	buffer_append_text(&absolute, path);
	return absolute.data;
}

/* --- tokens --- */

/* The length of "$NAME" or "${NAME}" at the start of `text`; 0: something else stands there. */
static size_t token_length(const char *text, const char *name)
{
	size_t length = strlen(name);

	if (!strncmp(text + 1, name, length))
		return length + 1;
	if (text[1] == '{' && !strncmp(text + 2, name, length) && text[2 + length] == '}')
		return length + 3;
	return 0;
}

char *library_search_expand(const char *text, const struct library_tokens *tokens)
{
	const struct {
		const char *name, *value;
	} known[] = {{"ORIGIN", tokens->origin}, {"LIB", tokens->lib}, {"PLATFORM", "i686"}};
	struct buffer expanded = {0};

	buffer_append_text(&expanded, "");
	while (*text) {
		size_t length = 0;

		for (size_t i = 0; *text == '$' && !length && i < sizeof(known) / sizeof(known[0]); i++) {
			length = token_length(text, known[i].name);
			if (length)
				buffer_append_text(&expanded, known[i].value);
		}
		if (!length) {
			buffer_append(&expanded, text, 1);
			length = 1;
		}
		text += length;
	}
	return expanded.data;
}

void library_search_split(const char *path, const char *separators, const struct library_tokens *tokens,
			  struct path_list *directories)
{
	for (;;) {
		size_t length = strcspn(path, separators);
		_cleanup_free_ char *element = memory_strndup(path, length);
		_cleanup_free_ char *expanded = library_search_expand(element, tokens);

		vector_push(directories, library_search_absolute(expanded));
		if (!path[length])
			return;
		path += length + 1;
	}
}

/* --- ld.so.conf --- */

static void read_configuration(const char *path, unsigned *files, struct path_list *directories);

/* What a pattern of an include line matches, in the order of glob(3), as ldconfig does. */
static void include_pattern(const char *pattern, const char *includer, unsigned *files, struct path_list *directories)
{
	const char *slash = strrchr(includer, '/');
	struct buffer absolute = {0};
	glob_t found;

	if (pattern[0] != '/' && slash)
		buffer_append(&absolute, includer, (size_t)(slash + 1 - includer));
	buffer_append_text(&absolute, pattern);
	if (!glob(absolute.data, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_configuration(found.gl_pathv[i], files, directories);
		globfree(&found);
	}
	buffer_deinit(&absolute);
}

/* One line without its comment; changed while it is read. */
static void read_line(char *line, const char *path, unsigned *files, struct path_list *directories)
{
	static const char spaces[] = " \t\r\v\f";
	char *rest = line + strspn(line, spaces);
	size_t first = strcspn(rest, spaces);

	if (first == strlen("include") && !strncmp(rest, "include", first)) {
		char *at = rest + first;

		for (char *pattern; (pattern = strtok_r(at, spaces, &at));)
			include_pattern(pattern, path, files, directories);
		return;
	}
	/* "DIRECTORY=TYPE" is an old way to say which libc the libraries there belong to. */
	rest[strcspn(rest, "=")] = '\0';
	for (size_t length = strlen(rest); length && strchr(spaces, rest[length - 1]);)
		rest[--length] = '\0';
	/* "hwcap NUMBER NAME" is not a path; ldconfig takes none that is relative. */
	if (rest[0] == '/')
		vector_push(directories, memory_strdup(rest));
}

static void read_configuration(const char *path, unsigned *files, struct path_list *directories)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	_cleanup_fd_ int fd = -1;

	if (++*files > MAX_FILES)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	struct error *error = fd >= 0 ? buffer_read_fd(&text, fd) : NULL;
	char *at = text.data;

	error_destroy(error);
	for (char *line; at && (line = strsep(&at, "\n"));) {
		line[strcspn(line, "#")] = '\0';
		read_line(line, path, files, directories);
	}
}

void library_search_configuration(const char *path, struct path_list *directories)
{
	unsigned files = 0;

	read_configuration(path, &files, directories);
}
