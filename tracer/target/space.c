/* An address space: see space.h. */
#include "target/space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"
#include "target/breakpoints.h"
#include "target/module.h"
#include "target/module_file.h"

struct space *space_create(pid_t tid)
{
	struct space *space = memory_alloc(sizeof(*space));

	space->references = 1;
	space->tid = tid;
	return space;
}

struct space *space_create_foreign(const struct space_source *source, void *owner)
{
	struct space *space = space_create(0);

	space->source = source;
	space->owner = owner;
	return space;
}

struct space *space_copy(const struct space *space, pid_t tid)
{
	struct space *copy = space_create(tid);

	copy->source = space->source;
	copy->owner = space->owner;
	copy->breakpoints = breakpoint_table_copy(space->breakpoints);
	copy->modules = space->modules;
	if (copy->modules)
		copy->modules->references++;
	return copy;
}

struct space *space_ref(struct space *space)
{
	space->references++;
	return space;
}

void space_unref(struct space *space)
{
	if (!space || --space->references)
		return;
	module_map_unref(space->modules);
	breakpoint_table_destroy(space->breakpoints);
	free(space);
}

void space_drop_modules(struct space *space)
{
	module_map_unref(space->modules);
	space->modules = NULL;
}

static struct error *read_modules(const struct space *space, struct module_map **map)
{
	const struct space_source *source = space->source;

	return source ? source->modules(source->context, space, map) : module_map_read(space, map);
}

struct error *space_modules(struct space *space, const struct module_map **modules)
{
	if (!space->modules) {
		struct error *error = read_modules(space, &space->modules);

		if (error)
			return error;
	}
	*modules = space->modules;
	return NULL;
}

/* Of what is known by its name alone there is an object for each place and time. */
static bool same_file(const struct module_file *one, const struct module_file *other)
{
	return one == other || (one->fd < 0 && other->fd < 0 && !one->image && !other->image &&
				!strcmp(one->path, other->path) && !strcmp(one->open_error, other->open_error));
}

static bool same_modules(const struct module_map *one, const struct module_map *other)
{
	if (one->count != other->count)
		return false;
	for (size_t i = 0; i < one->count; i++) {
		const struct module *a = &one->modules[i], *b = &other->modules[i];

		if (a->start != b->start || a->end != b->end || !same_file(a->file, b->file))
			return false;
	}
	return true;
}

struct error *space_refresh_modules(struct space *space, bool *changed)
{
	struct module_map *fresh;
	struct error *error = read_modules(space, &fresh);

	*changed = false;
	if (error)
		return error;
	if (space->modules && same_modules(space->modules, fresh)) {
		module_map_unref(fresh);
		return NULL;
	}
	space_drop_modules(space);
	space->modules = fresh;
	*changed = true;
	return NULL;
}

const struct module *module_map_find(const struct module_map *map, uint64_t address)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address >= map->modules[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->count && address >= map->modules[low].start ? &map->modules[low] : NULL;
}

/* The error of a read or write through /proc/TID/mem. An address that nothing is mapped at is EIO, one that no process
 * has may be EINVAL (fs/proc/base.c, mem_rw, 6.1). */
static struct error *memory_error(const struct space *space, const char *what)
{
	if (errno == EIO || errno == EINVAL)
		return &error_fault;
	return error_system(errno, NULL, "cannot %s the memory of %d", what, space->tid);
}

static int open_memory(const struct space *space, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", space->tid);
	return open(path, flags | O_CLOEXEC);
}

/* Reads what process_vm_readv did not: it is refused by a kernel without CONFIG_CROSS_MEMORY_ATTACH or by a seccomp
 * filter of our own surroundings, and does not read pages that the process itself may not read. */
static struct error *read_through_mem(const struct space *space, uint64_t address, void *bytes, size_t size)
{
	_cleanup_fd_ int fd = open_memory(space, O_RDONLY);

	if (fd < 0)
		return errno == ENOENT ? &error_gone : memory_error(space, "open");
	for (size_t done = 0; done < size;) {
		ssize_t got = pread64(fd, (char *)bytes + done, size - done, (off64_t)(address + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return memory_error(space, "read");
		if (got == 0)
			return &error_gone; /* the memory was let go by an exit or an exec */
		done += (size_t)got;
	}
	return NULL;
}

/* A page that a process has not used yet is absent; the file has it. */
static struct error *read_foreign(const struct space *space, uint64_t address, void *bytes, size_t size)
{
	struct error *error = space->source->read(space->source->context, address, bytes, size);
	const struct module *module = error && space->modules ? module_map_find(space->modules, address) : NULL;

	if (!module || error->code != ERROR_FAULT ||
	    !module_file_read(module->file, address - module->start, bytes, size))
		return error;
	error_destroy(error);
	return NULL;
}

/* As it stands there, breakpoints included. */
static struct error *read_process(const struct space *space, uint64_t address, void *bytes, size_t size)
{
	struct iovec local = {bytes, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	ssize_t got = process_vm_readv(space->tid, &local, 1, &remote, 1, 0);

	if (got == (ssize_t)size)
		return NULL;
	if (got < 0 && errno == ESRCH)
		return &error_gone;
	return read_through_mem(space, address, bytes, size);
}

struct error *space_read(const struct space *space, uint64_t address, void *bytes, size_t size)
{
	if (!size)
		return NULL;
	if (space->source)
		return read_foreign(space, address, bytes, size);

	struct error *error = read_process(space, address, bytes, size);

	if (!error && space->breakpoints)
		space_breakpoints_hide(space, address, bytes, size);
	return error;
}

static struct error *read_each(const struct space *space, const struct space_run *runs, size_t count, char *bytes)
{
	for (size_t i = 0; i < count; i++) {
		struct error *error = space_read(space, runs[i].address, bytes, runs[i].size);

		if (error)
			return error;
		bytes += runs[i].size;
	}
	return NULL;
}

/* As many runs as one call is given. */
enum { RUNS_MAX = 128 };

static struct error *read_batch(const struct space *space, const struct space_run *runs, size_t count, char *bytes,
				size_t *size)
{
	struct iovec remote[RUNS_MAX];

	*size = 0;
	for (size_t i = 0; i < count; i++) {
		remote[i] = (struct iovec){(void *)(uintptr_t)runs[i].address, runs[i].size};
		*size += runs[i].size;
	}
	if (!*size)
		return NULL;

	struct iovec local = {bytes, *size};
	ssize_t got = process_vm_readv(space->tid, &local, 1, remote, count, 0);

	if (got == (ssize_t)*size)
		return NULL;
	if (got < 0 && errno == ESRCH)
		return &error_gone;
	return read_each(space, runs, count, bytes);
}

struct error *space_read_runs(const struct space *space, const struct space_run *runs, size_t count, void *bytes)
{
	char *to = bytes;

	if (space->source || space->breakpoints)
		return read_each(space, runs, count, bytes);
	while (count) {
		size_t batch = count < RUNS_MAX ? count : RUNS_MAX;
		size_t size;
		struct error *error = read_batch(space, runs, batch, to, &size);

		if (error)
			return error;
		runs += batch;
		count -= batch;
		to += size;
	}
	return NULL;
}

struct error *space_write(const struct space *space, uint64_t address, const void *bytes, size_t size)
{
	_cleanup_fd_ int fd = open_memory(space, O_RDWR);

	if (fd < 0)
		return errno == ENOENT ? &error_gone : memory_error(space, "open");
	for (size_t done = 0; done < size;) {
		ssize_t put = pwrite64(fd, (const char *)bytes + done, size - done, (off64_t)(address + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return memory_error(space, "write");
		if (put == 0)
			return &error_gone;
		done += (size_t)put;
	}
	return NULL;
}
