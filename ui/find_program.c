/* Finds a program as a shell would: see find_program.h. */
#include "ui/find_program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static struct error *check_directory(const char *path)
{
	struct stat file;

	if (!stat(path, &file) && S_ISDIR(file.st_mode))
		return error_create(ERROR_NOT_EXEC, EISDIR, path, "%s is a directory, not a program", path);
	return NULL;
}

/* One directory of the search path, an empty one being the current directory; *found_unusable is set for a file that is
 * there and may not be executed. */
static char *try_directory(const char *directory, size_t length, const char *name, bool *found_unusable)
{
	struct stat file;
	char *path = memory_printf("%.*s%s%s", (int)length, directory, length ? "/" : "./", name);

	if (!stat(path, &file) && S_ISREG(file.st_mode)) {
		if (!access(path, X_OK))
			return path;
		*found_unusable = true;
	}
	free(path);
	return NULL;
}

struct error *find_program(const char *name, const char *search_path, char **path)
{
	bool found_unusable = false;

	if (strchr(name, '/')) {
		*path = memory_strdup(name);
		return check_directory(name);
	}
	if (!*name)
		return error_create(ERROR_NOT_FOUND, ENOENT, name, "the name of the program is empty");
	for (const char *at = search_path ? search_path : "/bin:/usr/bin"; at;) {
		size_t length = strcspn(at, ":");

		*path = try_directory(at, length, name, &found_unusable);
		if (*path)
			return NULL;
		at = at[length] ? at + length + 1 : NULL;
	}
	if (found_unusable)
		return error_create(ERROR_NOT_EXEC, EACCES, name, "%s was found on PATH, but may not be executed",
				    name);
	return error_create(ERROR_NOT_FOUND, ENOENT, name, "%s: not found on PATH", name);
}
