/* The directory of snapshots: see snapshot_files.h. */
#include "kernel/snapshot_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/vector.h"

#define TEMPORARY_PREFIX SNAPSHOT_PREFIX "tmp-"

enum { KEPT = 4, DIRECTORY_MODE = 0700, FILE_MODE = 0600 };
static const uint64_t kept_bytes = UINT64_C(512) << 20;

static char *path_of(const char *directory, const char *name)
{
	return memory_printf("%s/%s", directory, name);
}

static bool ours_alone(int fd, mode_t type)
{
	struct stat status;

	return !fstat(fd, &status) && (status.st_mode & S_IFMT) == type && status.st_uid == geteuid() &&
	       !(status.st_mode & (S_IRWXG | S_IRWXO));
}

int snapshot_file_open(const char *directory, const char *name, char **path)
{
	_cleanup_free_ char *candidate = path_of(directory, name);
	int fd = open(candidate, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*path = NULL;
	if (fd >= 0 && !ours_alone(fd, S_IFREG)) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*path = no_cleanup_pointer(candidate);
	return fd;
}

static bool make_directory(const char *directory)
{
	_cleanup_free_ char *path = memory_strdup(directory);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, DIRECTORY_MODE);
		*slash = '/';
	}
	mkdir(path, DIRECTORY_MODE);

	_cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && ours_alone(fd, S_IFDIR);
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool ends(const char *text, const char *suffix)
{
	size_t length = strlen(text), tail = strlen(suffix);

	return length >= tail && !strcmp(text + length - tail, suffix);
}

/* A file that a living process writes is locked by it. */
static void sweep(const char *directory)
{
	_cleanup_dir_ DIR *entries = opendir(directory);

	for (const struct dirent *entry; entries && (entry = readdir(entries));) {
		if (!begins(entry->d_name, TEMPORARY_PREFIX))
			continue;

		_cleanup_free_ char *path = path_of(directory, entry->d_name);
		_cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			unlink(path);
	}
}

int snapshot_file_create(const char *directory, char **path)
{
	char name[SNAPSHOT_NAME_SIZE];

	*path = NULL;
	if (!make_directory(directory))
		return -1;
	sweep(directory);
	snprintf(name, sizeof(name), TEMPORARY_PREFIX "%d-XXXXXX", getpid());

	_cleanup_free_ char *candidate = path_of(directory, name);
	int fd = mkostemp(candidate, O_CLOEXEC); /* mode 0600 */

	/* Somebody else's sweep may have come in between: then the file is gone, and the rename will fail. */
	if (fd >= 0) {
		flock(fd, LOCK_EX | LOCK_NB);
		*path = no_cleanup_pointer(candidate);
	}
	return fd;
}

/* --- bounds --- */

struct kept {
	char *path;
	struct timespec used;
	uint64_t size;
};

/* The newest first. */
static int compare(const void *left, const void *right)
{
	const struct kept *a = left, *b = right;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
	if (a->used.tv_nsec != b->used.tv_nsec)
		return a->used.tv_nsec < b->used.tv_nsec ? 1 : -1;
	return 0;
}

/* One that is open in another process stays whole for it. */
static void bound(const char *directory)
{
	VECTOR(struct kept) found = {0};
	_cleanup_dir_ DIR *entries = opendir(directory);
	uint64_t total = 0;

	for (const struct dirent *entry; entries && (entry = readdir(entries));) {
		if (!begins(entry->d_name, SNAPSHOT_PREFIX) || !ends(entry->d_name, SNAPSHOT_SUFFIX))
			continue;

		char *path = path_of(directory, entry->d_name);
		struct stat status = {0};

		lstat(path, &status);
		vector_push(&found, (struct kept){path, status.st_mtim, (uint64_t)status.st_blocks * 512});
	}
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), compare);
	for (size_t i = 0; i < found.count; i++) {
		total += found.items[i].size;
		if (i && (i >= KEPT || total > kept_bytes))
			unlink(found.items[i].path);
		free(found.items[i].path);
	}
	vector_deinit(&found);
}

bool snapshot_file_rename(const char *directory, const char *path, const char *name)
{
	_cleanup_free_ char *final = path_of(directory, name);

	if (rename(path, final))
		return false;
	bound(directory);
	return true;
}
