/* Archives for the guest: see initramfs.h. */
#include "kernel/initramfs.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"
#include "kernel/cpio_writer.h"
#include "kernel/guest_protocol.h"

enum { DIRECTORY_MODE = 0755, FILE_MODE = 0644, PROGRAM_MODE = 0755, SHARED_MODE = 01777 };

static struct error *open_memory(const char *name, int *fd)
{
	*fd = memfd_create(name, MFD_CLOEXEC);
	return *fd < 0 ? error_system(errno, NULL, "memfd_create failed") : NULL;
}

/* Closes what failed; else goes back to the beginning. */
static struct error *hand_over(int *fd, struct error *error)
{
	if (!error && lseek(*fd, 0, SEEK_SET) < 0)
		error = error_system(errno, NULL, "rewinding an archive failed");
	if (error && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return error;
}

/* --- the root --- */

static struct error *write_root(struct cpio_writer *writer, const void *init, size_t size)
{
	static const struct {
		const char *path;
		mode_t mode;
	} directories[] = {{"dev", DIRECTORY_MODE},
			   {"proc", DIRECTORY_MODE},
			   {"root", 0700},
			   {"sys", DIRECTORY_MODE},
			   {"tmp", SHARED_MODE}};
	struct error *error = cpio_writer_bytes(writer, "init", PROGRAM_MODE, init, size);

	for (size_t i = 0; !error && i < sizeof(directories) / sizeof(directories[0]); i++)
		error = cpio_writer_directory(writer, directories[i].path, directories[i].mode);
	return error ? error : cpio_writer_finish(writer);
}

struct error *initramfs_create(const void *init, size_t size, int *fd)
{
	struct cpio_writer writer = {0};
	struct error *error = open_memory("forktrace-initramfs", fd);

	if (!error)
		error = cpio_writer_init(&writer, *fd);
	if (!error)
		error = write_root(&writer, init, size);
	cpio_writer_deinit(&writer);
	return hand_over(fd, error);
}

/* --- the payload --- */

/* One member of the archive. */
struct member {
	char *path;                    /* absolute, without links */
	size_t order;                  /* of members with one path the first counts */
	const struct guest_file *file; /* NULL: a directory, or `text` */
	const char *text;
};

struct members {
	struct member *items;
	size_t count, capacity;
};

static void members_deinit(struct members *members)
{
	for (size_t i = 0; i < members->count; i++)
		free(members->items[i].path);
	vector_deinit(members);
}

static bool is_directory(const struct member *member)
{
	return !member->text && (!member->file || member->file->kind == GUEST_DIRECTORY);
}

/* A parent's path is the beginning of its child's, and so comes first. */
static int compare(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	int order = strcmp(a->path, b->path);

	if (order)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Adds the directories above `path`, and then it. */
static void add_member(struct members *members, const char *path, const struct guest_file *file, const char *text)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		vector_push(members, (struct member){.path = memory_strndup(path, (size_t)(slash - path)),
						     .order = members->count});
	if (path[1])
		vector_push(
		    members,
		    (struct member){.path = memory_strdup(path), .order = members->count, .file = file, .text = text});
}

static struct error *add_resolved(struct members *members, const struct guest_files *files, const char *path,
				  const struct guest_file *file, const char *text)
{
	_cleanup_free_ char *resolved = guest_files_resolve(files, path, file != NULL);

	if (!resolved)
		return error_create(ERROR_INPUT, ELOOP, path, "%s leads in circles in the guest", path);
	add_member(members, resolved, file, text);
	return NULL;
}

/* Two members with one path are one where both are directories, or the same file. */
static struct error *drop_doubles(struct members *members)
{
	size_t kept = 0;

	for (size_t i = 0; i < members->count; i++) {
		struct member *member = &members->items[i];
		const struct member *before = kept ? &members->items[kept - 1] : NULL;

		if (!before || strcmp(before->path, member->path) != 0) {
			struct member moved = *member;

			member->path = NULL;
			members->items[kept++] = moved;
			continue;
		}
		if (is_directory(before) != is_directory(member))
			return error_create(ERROR_INPUT, ENOTDIR, member->path,
					    "%s would be a file and a directory in the guest", member->path);
		free(member->path);
		member->path = NULL;
	}
	members->count = kept;
	return NULL;
}

static bool is_host_directory(const char *path, mode_t *mode)
{
	struct stat status;
	bool is = !stat(path, &status) && S_ISDIR(status.st_mode);

	*mode = is ? status.st_mode & 07777 : DIRECTORY_MODE;
	return is;
}

/* Programs count on the directories that these name to be there, empty or not. */
static struct error *add_named_directories(struct members *members, const struct guest_files *files,
					   char *const *environment)
{
	static const char *const variables[] = {"HOME=", "TMPDIR="};
	struct error *error = NULL;
	mode_t mode;

	for (; !error && *environment; environment++) {
		for (size_t i = 0; !error && i < sizeof(variables) / sizeof(variables[0]); i++) {
			const char *path = *environment + strlen(variables[i]);

			if (!strncmp(*environment, variables[i], strlen(variables[i])) && path[0] == '/' &&
			    is_host_directory(path, &mode))
				error = add_resolved(members, files, path, NULL, NULL);
		}
	}
	return error;
}

static struct error *collect(const struct guest_files *files, const char *directory, char *const *environment,
			     struct members *members)
{
	static const char *const texts[][2] = {
	    {"/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"},
	    {"/etc/group", "root:x:0:\n"},
	};
	struct error *error = NULL;

	for (size_t i = 0; !error && i < files->count; i++)
		error = add_resolved(members, files, files->items[i].guest_path, &files->items[i], NULL);
	if (!error)
		error = add_resolved(members, files, directory, NULL, NULL);
	if (!error)
		error = add_named_directories(members, files, environment);
	for (size_t i = 0; !error && i < sizeof(texts) / sizeof(texts[0]); i++)
		error = add_resolved(members, files, texts[i][0], NULL, texts[i][1]);
	if (error)
		return error;
	/* So that there is an array even where nothing was added. */
	vector_reserve(members, 1);
	qsort(members->items, members->count, sizeof(members->items[0]), compare);
	return drop_doubles(members);
}

/* As on the host, where there is such a directory. */
static mode_t directory_mode(const char *path)
{
	mode_t mode;

	is_host_directory(path, &mode);
	return mode;
}

static struct error *write_member(struct cpio_writer *writer, const struct member *member)
{
	const char *path = member->path + 1;

	if (member->text)
		return cpio_writer_bytes(writer, path, FILE_MODE, member->text, strlen(member->text));
	if (is_directory(member))
		return cpio_writer_directory(writer, path, directory_mode(member->path));
	if (member->file->kind == GUEST_LINK)
		return cpio_writer_link(writer, path, member->file->target);
	return cpio_writer_file(writer, path, member->file->host_path);
}

static struct error *write_archive(const struct guest_files *files, const char *directory, char *const *environment,
				   int fd)
{
	_cleanup_(members_deinit) struct members members = {0};
	struct cpio_writer writer = {0};
	struct error *error = collect(files, directory, environment, &members);

	if (!error)
		error = cpio_writer_init(&writer, fd);
	for (size_t i = 0; !error && i < members.count; i++)
		error = write_member(&writer, &members.items[i]);
	if (!error)
		error = cpio_writer_finish(&writer);
	cpio_writer_deinit(&writer);
	return error;
}

static uint32_t count_of(char *const *strings)
{
	uint32_t count = 0;

	while (strings[count])
		count++;
	return count;
}

static void append_number(struct buffer *head, uint32_t number)
{
	for (unsigned shift = 0; shift < 32; shift += 8)
		buffer_append(head, &(unsigned char){(unsigned char)(number >> shift)}, 1);
}

static void append_string(struct buffer *head, const char *text)
{
	buffer_append(head, text, strlen(text) + 1);
}

static struct error *write_head(const char *path, const char *directory, char *const *arguments,
				char *const *environment, int fd)
{
	_cleanup_(buffer_deinit) struct buffer head = {0};

	buffer_append(&head, GUEST_PAYLOAD_MAGIC, GUEST_PAYLOAD_MAGIC_SIZE);
	append_number(&head, count_of(arguments));
	append_number(&head, count_of(environment));
	append_string(&head, path);
	append_string(&head, directory);
	for (size_t i = 0; arguments[i]; i++)
		append_string(&head, arguments[i]);
	for (size_t i = 0; environment[i]; i++)
		append_string(&head, environment[i]);
	buffer_append(&head, "\0\0\0", -head.size % 4);
	for (size_t at = 0; at < head.size;) {
		ssize_t written = write(fd, head.data + at, head.size - at);

		if (written < 0 && errno != EINTR)
			return error_system(errno, NULL, "writing the payload failed");
		at += written > 0 ? (size_t)written : 0;
	}
	return NULL;
}

struct error *payload_create(const struct guest_files *files, const char *path, const char *directory,
			     char *const *arguments, char *const *environment, int *fd)
{
	struct error *error = open_memory("forktrace-payload", fd);

	if (!error)
		error = write_head(path, directory, arguments, environment, *fd);
	if (!error)
		error = write_archive(files, directory, environment, *fd);
	return hand_over(fd, error);
}
