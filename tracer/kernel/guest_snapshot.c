/* Snapshots of guests: see guest_snapshot.h. */
#include "kernel/guest_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "kernel/initramfs.h"
#include "kernel/snapshot_files.h"

/* Multiples of the page: the stream is read by another process. */
enum { ALIGNMENT = 4096, NAME_SIZE = 128 };

static const char magic[8] = "FTSNAP2";

struct head {
	char magic[sizeof(magic)];
	struct snapshot_key key;
	uint64_t size;     /* of the file */
	uint64_t checksum; /* of all that follows the head, seeded with the head, this one 0 */
	uint64_t text_size;
	uint32_t exec_address, vdso_size;
	char qemu[NAME_SIZE]; /* its version: the program may be a script that starts the real one */
	char release[NAME_SIZE];
	uint8_t build_id[GUEST_BUILD_ID_MAX];
	uint32_t build_id_size;
	uint32_t unused; /* the size is a multiple of 8 without a gap */
};

static uint64_t stream_offset(uint64_t text_size)
{
	return (sizeof(struct head) + text_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The file's content as memory; NULL with *size 0: it is empty. To be unmapped. Mapped, not read: a copy of the kernel
 * takes 20 ms, most of them for the pages that it is copied to. */
static struct error *map_file(const char *path, const void **bytes, size_t *size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	*bytes = NULL;
	*size = 0;
	if (fd < 0 || fstat(fd, &status))
		return error_system(errno, path, "opening the guest's kernel %s failed", path);
	if (status.st_size == 0)
		return NULL;
	*bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (*bytes == MAP_FAILED)
		return error_system(errno, path, "reading the guest's kernel %s failed", path);
	*size = (size_t)status.st_size;
	return NULL;
}

struct error *snapshot_key_make(const char *kernel, const char *qemu, const char *options, struct snapshot_key *key)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	struct stat program;
	const void *bytes;
	size_t size;

	if (stat(qemu, &program))
		return error_create(ERROR_NOT_FOUND, errno, qemu, "QEMU was not found at %s", qemu);

	struct error *error = map_file(kernel, &bytes, &size);

	if (error)
		return error;
	buffer_append(&text, guest_init_image, (size_t)(guest_init_image_end - guest_init_image));
	buffer_printf(&text, "%s %s %lld %lld.%ld", options, qemu, (long long)program.st_size,
		      (long long)program.st_mtim.tv_sec, program.st_mtim.tv_nsec);
	for (unsigned i = 0; i < 2; i++)
		key->words[i] = hash_bytes(hash_bytes(i, bytes, size), text.data, text.size);
	if (size)
		munmap((void *)(uintptr_t)bytes, size);
	return NULL;
}

static void make_name(const struct snapshot_key *key, const char *suffix, char name[SNAPSHOT_NAME_SIZE])
{
	snprintf(name, SNAPSHOT_NAME_SIZE, SNAPSHOT_PREFIX "%016" PRIx64 "%016" PRIx64 "%s", key->words[0],
		 key->words[1], suffix);
}

static bool head_good(const struct head *head, const struct snapshot_key *key, uint64_t size)
{
	return !memcmp(head->magic, magic, sizeof(magic)) && !memcmp(&head->key, key, sizeof(*key)) &&
	       head->size == size && head->text_size > head->vdso_size && head->text_size < size &&
	       stream_offset(head->text_size) < size && memchr(head->release, '\0', sizeof(head->release)) &&
	       memchr(head->qemu, '\0', sizeof(head->qemu)) && head->build_id_size <= sizeof(head->build_id);
}

static bool load_head(int fd, const struct snapshot_key *key, struct snapshot *snapshot)
{
	struct stat status;
	struct head head;

	if (fstat(fd, &status) || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    !head_good(&head, key, (uint64_t)status.st_size))
		return false;
	snapshot->qemu = memory_strdup(head.qemu);
	return lseek(fd, (off_t)stream_offset(head.text_size), SEEK_SET) >= 0;
}

bool snapshot_open(const char *directory, const struct snapshot_key *key, struct snapshot *snapshot)
{
	char name[SNAPSHOT_NAME_SIZE];
	int fd;

	*snapshot = (struct snapshot){.fd = -1};
	make_name(key, SNAPSHOT_SUFFIX, name);
	fd = snapshot_file_open(directory, name, &snapshot->path);
	if (fd < 0)
		return false;
	if (!load_head(fd, key, snapshot)) {
		snapshot_discard(snapshot);
		close(fd);
		return false;
	}
	snapshot->fd = fd;
	/* The time of the last use: those unused for longest go first. */
	futimens(fd, NULL);
	return true;
}

/* The file as memory; NULL: it cannot be read, or is too short. To be unmapped. */
static const char *map_snapshot(int fd, size_t *size)
{
	struct stat status;
	const char *bytes;

	if (fstat(fd, &status) || status.st_size <= (off_t)sizeof(struct head))
		return NULL;
	*size = (size_t)status.st_size;
	bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	return bytes == MAP_FAILED ? NULL : bytes;
}

static uint64_t checksum(const char *bytes, size_t size, struct head *head)
{
	struct head blank;
	uint64_t sum;

	memcpy(head, bytes, sizeof(*head));
	blank = *head;
	blank.checksum = 0;
	sum = hash_bytes(hash_bytes(0, &blank, sizeof(blank)), bytes + sizeof(blank), size - sizeof(blank));
	return sum ? sum : 1;
}

static void take_facts(const struct head *head, const char *text, struct guest_facts *facts)
{
	buffer_append(&facts->kallsyms, text, head->text_size);
	facts->release = memory_strdup(head->release);
	facts->exec_address = head->exec_address;
	facts->vdso_size = head->vdso_size;
	facts->build_id_size = head->build_id_size;
	memcpy(facts->build_id, head->build_id, sizeof(head->build_id));
}

bool snapshot_load(const struct snapshot *snapshot, struct guest_facts *facts)
{
	struct head head;
	size_t size;
	const char *bytes = map_snapshot(snapshot->fd, &size);
	bool intact = bytes && checksum(bytes, size, &head) == head.checksum;

	if (intact)
		take_facts(&head, bytes + sizeof(head), facts);
	if (bytes)
		munmap((void *)(uintptr_t)bytes, size);
	return intact;
}

void snapshot_discard(const struct snapshot *snapshot)
{
	unlink(snapshot->path);
}

void snapshot_deinit(struct snapshot *snapshot)
{
	if (snapshot->begun && snapshot->path)
		unlink(snapshot->path);
	if (snapshot->fd >= 0)
		close(snapshot->fd);
	free(snapshot->path);
	free(snapshot->qemu);
	*snapshot = (struct snapshot){.fd = -1};
}

static bool write_head(int fd, const struct snapshot_key *key, const struct guest_facts *facts, const char *qemu)
{
	struct head head = {.key = *key,
			    .text_size = facts->kallsyms.size,
			    .exec_address = facts->exec_address,
			    .vdso_size = facts->vdso_size,
			    .build_id_size = facts->build_id_size};

	memcpy(head.magic, magic, sizeof(magic));
	snprintf(head.release, sizeof(head.release), "%s", facts->release);
	snprintf(head.qemu, sizeof(head.qemu), "%s", qemu);
	memcpy(head.build_id, facts->build_id, sizeof(head.build_id));
	return pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       pwrite(fd, facts->kallsyms.data, facts->kallsyms.size, sizeof(head)) == (ssize_t)facts->kallsyms.size &&
	       lseek(fd, (off_t)stream_offset(head.text_size), SEEK_SET) >= 0;
}

bool snapshot_begin(const char *directory, const struct snapshot_key *key, const struct guest_facts *facts,
		    const char *qemu, struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){.begun = true};
	snapshot->fd = snapshot_file_create(directory, &snapshot->path);
	return snapshot->fd >= 0 && write_head(snapshot->fd, key, facts, qemu);
}

bool snapshot_commit(const char *directory, const struct snapshot_key *key, struct snapshot *snapshot)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct head head;
	struct stat status;
	const char *bytes;
	size_t size;
	int fd = snapshot->fd;

	if (fstat(fd, &status) || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return false;
	head.size = (uint64_t)status.st_size;
	if (pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return false;
	bytes = map_snapshot(fd, &size);
	if (!bytes)
		return false;
	head.checksum = checksum(bytes, size, &head);
	munmap((void *)(uintptr_t)bytes, size);
	make_name(key, SNAPSHOT_SUFFIX, name);
	snapshot->begun = pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
			  !snapshot_file_rename(directory, snapshot->path, name);
	return !snapshot->begun;
}
