/* A copy of /proc/kallsyms on disk: see kallsyms_cache.h. */
#include "kernel/kallsyms_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"

#define NAME_PREFIX "kallsyms-"

enum { NAME_SIZE = 64 };

static bool read_whole(const char *path, struct buffer *text)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct error *error = fd < 0 ? error_system(errno, path, "opening %s failed", path) : buffer_read_fd(text, fd);
	bool done = !error;

	error_destroy(error);
	return done;
}

/* The boot and the modules with their addresses (which the kernel shows root alone) make the name. A kernel without
 * modules has no such file. */
static bool make_name(char name[NAME_SIZE])
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (!read_whole("/proc/sys/kernel/random/boot_id", &text))
		return false;
	read_whole("/proc/modules", &text);
	snprintf(name, NAME_SIZE, NAME_PREFIX "%016" PRIx64, hash_bytes(0, text.data, text.size));
	return true;
}

/* Opened only where it is ours, and nobody else may write to it. */
static int open_directory(const char *directory)
{
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat status;

	if (fd < 0 || (!fstat(fd, &status) && status.st_uid == geteuid() && !(status.st_mode & (S_IRWXG | S_IRWXO))))
		return fd;
	close(fd);
	return -1;
}

static int open_copy(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0 || (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
		       !(status.st_mode & (S_IRWXG | S_IRWXO))))
		return fd;
	close(fd);
	return -1;
}

bool kallsyms_cache_load(const char *directory, struct buffer *text)
{
	struct buffer copy = {0};
	char name[NAME_SIZE];
	_cleanup_fd_ int parent = open_directory(directory);
	_cleanup_fd_ int fd = parent >= 0 && make_name(name) ? open_copy(parent, name) : -1;
	struct error *error = fd >= 0 ? buffer_read_fd(&copy, fd) : &error_gone;
	bool good = !error && copy.size > text->size && !memcmp(copy.data, text->data, text->size);

	error_destroy(error);
	if (good) {
		struct buffer old = *text;

		*text = copy;
		copy = old;
	}
	buffer_deinit(&copy);
	return good;
}

static void sweep(int directory, const char *keep)
{
	int fd = dup(directory);
	_cleanup_dir_ DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

	for (struct dirent *entry; entries && (entry = readdir(entries));) {
		if (!strncmp(entry->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) && strcmp(entry->d_name, keep) != 0)
			unlinkat(directory, entry->d_name, 0);
	}
}

static bool write_whole(int fd, const struct buffer *text)
{
	for (size_t at = 0; at < text->size;) {
		ssize_t written = write(fd, text->data + at, text->size - at);

		if (written < 0 && errno != EINTR)
			return false;
		at += written > 0 ? (size_t)written : 0;
	}
	return true;
}

void kallsyms_cache_store(const char *directory, const struct buffer *text)
{
	char name[NAME_SIZE], temporary[2 * NAME_SIZE];
	_cleanup_fd_ int parent = open_directory(directory);

	if (parent < 0 || !make_name(name))
		return;
	snprintf(temporary, sizeof(temporary), "%s.%d", name, getpid());

	_cleanup_fd_ int fd = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

	if (fd < 0)
		return;
	if (write_whole(fd, text) && !renameat(parent, temporary, parent, name))
		sweep(parent, name);
	else
		unlinkat(parent, temporary, 0);
}
