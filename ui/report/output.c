/* Where a report goes: see output.h. */
#include "ui/report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* The standard descriptor that has the same file as `fd` and can be written to, or -1. */
static int find_standard(int fd)
{
	struct stat opened, standard;

	if (fstat(fd, &opened))
		return -1;
	for (int candidate = STDOUT_FILENO; candidate <= STDERR_FILENO; candidate++) {
		bool writable = (fcntl(candidate, F_GETFL) & O_ACCMODE) != O_RDONLY;

		if (writable && !fstat(candidate, &standard) && standard.st_dev == opened.st_dev &&
		    standard.st_ino == opened.st_ino)
			return candidate;
	}
	return -1;
}

/* Opening a file anew gives a position of its own: where the program writes to the same file (/dev/stdout, or the file
 * behind a redirection) the two would overwrite one another. Then the descriptor is shared, and nothing is cut off. */
static int open_or_share(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	int standard = fd < 0 ? -1 : find_standard(fd);
	struct stat file;

	if (standard >= 0) {
		close(fd);
		return fcntl(standard, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	}
	if (fd >= 0 && !fstat(fd, &file) && S_ISREG(file.st_mode) && ftruncate(fd, 0)) {
		cleanup_fd_(&fd);
		return -1;
	}
	return fd;
}

struct error *output_open(struct output *output, const char *path, int otherwise)
{
	*output = (struct output){.fd = otherwise};
	if (!path)
		return NULL;
	output->fd = open_or_share(path);
	if (output->fd < 0)
		return error_system(errno, path, "the report cannot be written to '%s'", path);
	output->path = memory_strdup(path);
	return NULL;
}

static void output_fail(struct output *output, int sys_errno)
{
	if (!output->error)
		output->error = error_system(sys_errno, output->path, "the report could not be written to %s",
					     output->path                  ? output->path
					     : output->fd == STDOUT_FILENO ? "standard output"
									   : "standard error");
}

void output_put(struct output *output, const void *bytes, size_t size)
{
	if (output->error)
		return;
	buffer_append(&output->kept, bytes, size);
	if (output->kept.size >= OUTPUT_KEPT_MAX)
		output_flush(output);
}

void output_flush(struct output *output)
{
	const char *next = output->kept.data;
	size_t size = output->kept.size;

	while (size > 0 && !output->error) {
		ssize_t written = write(output->fd, next, size);

		if (written >= 0) {
			next += written;
			size -= (size_t)written;
		} else if (errno == EAGAIN) {
			/* A traced program that shares our terminal may have made it non-blocking. */
			poll(&(struct pollfd){.fd = output->fd, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			output_fail(output, errno);
		}
	}
	buffer_clear(&output->kept);
}

void output_close(struct output *output)
{
	output_flush(output);
	if (output->path && output->fd >= 0 && close(output->fd) < 0 && errno != EINTR)
		output_fail(output, errno);
	output->fd = -1;
}

void output_deinit(struct output *output)
{
	output_close(output);
	buffer_deinit(&output->kept);
	free(output->path);
	error_destroy(output->error);
	*output = (struct output){.fd = -1};
}
