/* What the traced program writes: see program_output.h. */
#include "ui/script/program_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct error *program_output_open(struct program_output *output)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return error_system(errno, NULL, "no pipe is to be had for the program's output");
	output->read = ends[0];
	output->write = ends[1];
	/* The writing end is the program's, and blocks. */
	if (fcntl(output->read, F_SETFL, O_NONBLOCK))
		return error_system(errno, NULL, "the program's output cannot be read");
	return NULL;
}

static void close_end(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

void program_output_deinit(struct program_output *output)
{
	close_end(&output->read);
	close_end(&output->write);
	buffer_deinit(&output->begun);
}

void program_output_started(struct program_output *output)
{
	close_end(&output->write);
}

void program_output_pass_on(int number, const char *bytes, size_t size)
{
	while (size) {
		ssize_t put = write(number, bytes, size);

		if (put > 0) {
			bytes += put;
			size -= (size_t)put;
		} else if (put < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = number, .events = POLLOUT}, 1, -1);
		} else if (put == 0 || errno != EINTR) {
			return; /* nobody reads it: the program's loss, as without us */
		}
	}
}

void program_output_take(struct program_output *output, const char *bytes, size_t size)
{
	const char *end = bytes + size;

	if (output->pass_on)
		program_output_pass_on(output->number, bytes, size);
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		size_t part = (size_t)((newline ? newline : end) - bytes);
		size_t room = LINE_MAX_BYTES - output->begun.size;
		bool full = part >= room;

		if (full)
			part = room;
		buffer_append(&output->begun, bytes, part);
		bytes += part;
		if (bytes < end && *bytes == '\n')
			bytes++;
		else if (!full)
			return;
		output->line(output->context, output->number, output->begun.data ? output->begun.data : "",
			     output->begun.size);
		buffer_clear(&output->begun);
	}
}

bool program_output_read(struct program_output *output)
{
	char bytes[32 * 1024];
	ssize_t got = output->read < 0 ? -1 : read(output->read, bytes, sizeof(bytes));

	if (got > 0) {
		program_output_take(output, bytes, (size_t)got);
		return true;
	}
	if (output->read >= 0 && (!got || (errno != EAGAIN && errno != EINTR)))
		close_end(&output->read);
	return false;
}

void program_output_end(struct program_output *output)
{
	if (output->begun.size)
		output->line(output->context, output->number, output->begun.data, output->begun.size);
	buffer_clear(&output->begun);
}

bool is_same_file(int one, int other)
{
	struct stat first, second;

	return !fstat(one, &first) && !fstat(other, &second) && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino && first.st_rdev == second.st_rdev;
}

void keep_from_programs(int fd)
{
	_cleanup_dir_ DIR *descriptors = opendir("/proc/self/fd");
	struct dirent *entry;

	while (descriptors && (entry = readdir(descriptors))) {
		int other = atoi(entry->d_name);

		if (other > STDERR_FILENO && is_same_file(other, fd))
			fcntl(other, F_SETFD, FD_CLOEXEC);
	}
}
