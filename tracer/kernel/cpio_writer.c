/* A cpio archive being written, by libarchive: see cpio_writer.h. */
#include "kernel/cpio_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static struct error *fail(const struct cpio_writer *writer, const char *path)
{
	const char *why = archive_error_string(writer->archive);

	return error_create(ERROR_SYSTEM, archive_errno(writer->archive), path, "packing %s for the guest failed: %s",
			    path, why ? why : "no reason given");
}

struct error *cpio_writer_init(struct cpio_writer *writer, int fd)
{
	*writer = (struct cpio_writer){.archive = archive_write_new(), .fd = fd};
	if (!writer->archive)
		return error_system(ENOMEM, NULL, "making an archive failed");
	/* Without this the end is filled up to a whole tape record. */
	archive_write_set_bytes_in_last_block(writer->archive, 1);
	if (archive_write_set_format_cpio_newc(writer->archive) != ARCHIVE_OK ||
	    archive_write_open_fd(writer->archive, fd) != ARCHIVE_OK)
		return fail(writer, "the archive");
	return NULL;
}

void cpio_writer_deinit(struct cpio_writer *writer)
{
	archive_write_free(writer->archive);
	writer->archive = NULL;
}

static void cleanup_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

/* `target`: of a link; else NULL. `status` (may be NULL): a file's. */
static struct error *write_header(struct cpio_writer *writer, const char *path, mode_t mode, uint64_t size,
				  const char *target, time_t modified)
{
	_cleanup_(cleanup_entry) struct archive_entry *entry = archive_entry_new();

	if (!entry)
		return error_system(ENOMEM, path, "packing %s failed", path);
	archive_entry_copy_pathname(entry, path);
	archive_entry_set_mode(entry, mode);
	archive_entry_set_size(entry, (int64_t)size);
	archive_entry_set_mtime(entry, modified, 0);
	if (target)
		archive_entry_copy_symlink(entry, target);
	return archive_write_header(writer->archive, entry) == ARCHIVE_OK ? NULL : fail(writer, path);
}

static struct error *write_data(struct cpio_writer *writer, const char *path, const void *bytes, size_t size)
{
	return archive_write_data(writer->archive, bytes, size) == (la_ssize_t)size ? NULL : fail(writer, path);
}

struct error *cpio_writer_directory(struct cpio_writer *writer, const char *path, mode_t permissions)
{
	return write_header(writer, path, S_IFDIR | permissions, 0, NULL, 0);
}

struct error *cpio_writer_link(struct cpio_writer *writer, const char *path, const char *target)
{
	return write_header(writer, path, S_IFLNK | 0777, 0, target, 0);
}

struct error *cpio_writer_bytes(struct cpio_writer *writer, const char *path, mode_t permissions, const void *bytes,
				size_t size)
{
	struct error *error = write_header(writer, path, S_IFREG | permissions, size, NULL, 0);

	return error ? error : write_data(writer, path, bytes, size);
}

/* Exactly as many bytes as the header told. */
static struct error *copy(struct cpio_writer *writer, const char *path, int fd, uint64_t size, const char *host_path)
{
	_cleanup_free_ char *block = NULL;
	enum { BLOCK_SIZE = 1 << 18 };

	block = memory_resize(NULL, BLOCK_SIZE, 1);
	while (size) {
		ssize_t got = read(fd, block, size < BLOCK_SIZE ? size : BLOCK_SIZE);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_system(errno, host_path, "reading %s failed", host_path);
		if (got == 0)
			return error_create(ERROR_SYSTEM, 0, host_path,
					    "%s became shorter while it was packed for the guest: try again",
					    host_path);

		struct error *error = write_data(writer, path, block, (size_t)got);

		if (error)
			return error;
		size -= (size_t)got;
	}
	return NULL;
}

struct error *cpio_writer_file(struct cpio_writer *writer, const char *path, const char *host_path)
{
	/* Should a FIFO stand there by now, opening it must not wait. */
	_cleanup_fd_ int fd = open(host_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return error_system(errno, host_path, "opening %s failed", host_path);
	if (!S_ISREG(status.st_mode))
		return error_create(ERROR_INPUT, 0, host_path, "%s is not a regular file", host_path);
	/* The format has eight hexadecimal digits for a size. */
	if ((uint64_t)status.st_size > UINT32_MAX)
		return error_create(ERROR_UNSUPPORTED, EFBIG, host_path, "%s is too large for the guest", host_path);

	uint64_t size = (uint64_t)status.st_size;
	struct error *error =
	    write_header(writer, path, S_IFREG | (status.st_mode & 07777), size, NULL, status.st_mtime);

	return error ? error : copy(writer, path, fd, size, host_path);
}

struct error *cpio_writer_finish(struct cpio_writer *writer)
{
	return archive_write_close(writer->archive) == ARCHIVE_OK ? NULL : fail(writer, "the archive");
}
