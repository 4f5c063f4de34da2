/* The files that the guest gets, and where paths lead among them: see guest_files.h. */
#include "kernel/guest_files.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/vector.h"

/* As the kernel has it: MAXSYMLINKS in include/linux/namei.h. */
enum { MAX_LINKS = 40 };

void guest_files_deinit(struct guest_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->items[i].guest_path);
		free(files->items[i].host_path);
		free(files->items[i].target);
	}
	free(files->items);
	map_deinit(&files->by_path);
	free(files->library_path);
	free(files->library_directory);
	*files = (struct guest_files){0};
}

/* Finds the entry of a path; *key is then its key in the map, else one that is free. */
static struct guest_file *find(const struct guest_files *files, const char *path, uint64_t *key)
{
	void *found;

	for (*key = hash_bytes(0, path, strlen(path)); (found = map_get(&files->by_path, *key)); ++*key) {
		struct guest_file *file = &files->items[(uintptr_t)found - 1];

		if (!strcmp(file->guest_path, path))
			return file;
	}
	return NULL;
}

void guest_files_put(struct guest_files *files, enum guest_file_kind kind, const char *guest_path, const char *content)
{
	uint64_t key;

	if (find(files, guest_path, &key))
		return;
	vector_push(files, (struct guest_file){
			       .kind = kind,
			       .guest_path = memory_strdup(guest_path),
			       .host_path = kind == GUEST_REGULAR ? memory_strdup(content) : NULL,
			       .target = kind == GUEST_LINK ? memory_strdup(content) : NULL,
			   });
	map_put(&files->by_path, key, (void *)(uintptr_t)files->count); // NOLINT(performance-no-int-to-ptr)
}

/* --- following a path, in the guest's tree or in the host's --- */

/* A walk calls `link` for each component: the target of the link at `path` (the caller frees), or NULL. */
struct walk {
	char *(*link)(void *context, const char *path);
	void *context;
	bool keep_last;
};

static void drop_last(struct buffer *path)
{
	while (path->size && path->data[--path->size] != '/')
		;
	if (path->data)
		path->data[path->size] = '\0';
}

/* Goes one component on; returns the target where it is a link to be followed. */
static char *step(const struct walk *walk, struct buffer *path, const char *name, size_t length, bool last)
{
	if (length == 1 && name[0] == '.')
		return NULL;
	if (length == 2 && !memcmp(name, "..", 2)) {
		drop_last(path);
		return NULL;
	}
	buffer_append_text(path, "/");
	buffer_append(path, name, length);
	return last && walk->keep_last ? NULL : walk->link(walk->context, path->data);
}

/* What is left to go: the target of a link, then what stood behind the link. */
static char *join(const char *target, const char *rest)
{
	struct buffer joined = {0};

	buffer_append_text(&joined, target);
	buffer_append_text(&joined, "/");
	buffer_append_text(&joined, rest);
	return joined.data;
}

static char *walk_path(const struct walk *walk, const char *path)
{
	_cleanup_free_ char *rest = memory_strdup(path);
	struct buffer done = {0};
	unsigned links = 0;

	for (const char *at = rest + strspn(rest, "/"); *at;) {
		size_t length = strcspn(at, "/");
		const char *next = at + length + strspn(at + length, "/");
		_cleanup_free_ char *target = step(walk, &done, at, length, !*next);

		at = next;
		if (!target)
			continue;
		if (++links > MAX_LINKS) {
			buffer_deinit(&done);
			return NULL;
		}
		drop_last(&done);
		if (target[0] == '/')
			buffer_clear(&done);

		char *joined = join(target, next);

		free(rest);
		rest = joined;
		at = rest + strspn(rest, "/");
	}
	if (!done.size)
		buffer_append_text(&done, "/");
	return done.data;
}

static char *recorded_link(void *context, const char *path)
{
	uint64_t key;
	const struct guest_file *file = find(context, path, &key);

	return file && file->kind == GUEST_LINK ? memory_strdup(file->target) : NULL;
}

char *guest_files_resolve(const struct guest_files *files, const char *path, bool keep_last)
{
	struct walk walk = {.link = recorded_link, .keep_last = keep_last};

	memcpy(&walk.context, &files, sizeof(walk.context));
	return walk_path(&walk, path);
}

const char *guest_files_host_path(const struct guest_files *files, const char *guest_path)
{
	_cleanup_free_ char *path = guest_files_resolve(files, guest_path, false);
	uint64_t key;
	const struct guest_file *file = path ? find(files, path, &key) : NULL;

	return file ? file->host_path : NULL;
}

/* Directories are recorded too: ".." in a path needs them. */
static char *host_link(void *context, const char *path)
{
	char target[PATH_MAX];
	struct stat status;

	if (lstat(path, &status))
		return NULL;
	if (S_ISDIR(status.st_mode))
		guest_files_put(context, GUEST_DIRECTORY, path, NULL);
	if (!S_ISLNK(status.st_mode))
		return NULL;

	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length <= 0)
		return NULL;
	target[length] = '\0';
	guest_files_put(context, GUEST_LINK, path, target);
	return memory_strdup(target);
}

char *guest_files_follow(struct guest_files *files, const char *path)
{
	const struct walk walk = {.link = host_link, .context = files};

	return walk_path(&walk, path);
}
