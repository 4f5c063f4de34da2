/* The modules of an address space: see module.h. */
#include "target/module.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"
#include "parse/auxv.h"
#include "parse/elf_header.h"
#include "parse/maps.h"
#include "target/module_file.h"

enum {
	IMAGE_MAX = 64 * 1024 * 1024, /* bytes of a file that is put together from memory */
	PAGE = 4096,
};

#define INODE_MASK ((UINT64_C(1) << 48) - 1) /* without the bits that xino sets */

/* Mappings of one file that follow one another: perhaps a module. */
struct group {
	struct map_line first;
	uint64_t end;
	uint64_t code; /* start of the first executable mapping; 0: none */
	uint64_t code_offset;
};

struct reader {
	const struct space *space;
	struct auxv auxv;
	char root[PATH_MAX]; /* the process's root directory as its mount namespace names it; "" for "/" */
	VECTOR(struct module) modules;
};

static struct error *read_proc(pid_t tid, const char *name, struct buffer *buffer)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);

	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? &error_gone : error_system(errno, path, "cannot open %s", path);
	return buffer_read_fd(buffer, fd);
}

static void read_auxv(struct reader *reader)
{
	struct buffer bytes = {0};
	struct error *error = read_proc(reader->space->tid, "auxv", &bytes);

	/* Without it the vDSO is still known by its name. */
	if (error || !auxv_parse(bytes.data, bytes.size, &reader->auxv))
		reader->auxv = (struct auxv){0};
	error_destroy(error);
	buffer_deinit(&bytes);
}

/* /proc/TID/maps names files from the root of the mount namespace, a process in a chroot from its own. */
static void read_root(struct reader *reader)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", reader->space->tid);

	ssize_t length = readlink(path, reader->root, sizeof(reader->root) - 1);

	reader->root[length > 1 ? length : 0] = '\0';
}

static const char *path_in_root(const struct reader *reader, const char *path)
{
	size_t length = strlen(reader->root);

	return length && !strncmp(path, reader->root, length) && path[length] == '/' ? path + length : path;
}

/* Is the file behind `fd` the one that is mapped at `line`? Overlay and btrfs report other device numbers in maps than
 * in stat, and overlay with xino has the number of a layer in the inode number's upper bits, there alone
 * (Documentation/filesystems/overlayfs.rst): where they differ, the first page decides, that holds the header and as a
 * rule the build id. */
static bool is_mapped_file(const struct reader *reader, const struct map_line *line, int fd, const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return false;
	if (status->st_dev == line->device && status->st_ino == line->inode)
		return true;
	if ((status->st_ino ^ line->inode) & INODE_MASK || line->offset)
		return false;

	char mapped[PAGE], file[PAGE];
	struct error *error = space_read(reader->space, line->start, mapped, sizeof(mapped));
	bool same =
	    !error && pread(fd, file, sizeof(file), 0) == (ssize_t)sizeof(file) && !memcmp(mapped, file, sizeof(file));

	error_destroy(error);
	return same;
}

static int open_checked(const struct reader *reader, const struct map_line *line, const char *path, struct stat *status)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || (!fstat(fd, status) && is_mapped_file(reader, line, fd, status)))
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

/* Opens the file that is mapped at `line`, in the process's mount namespace: through its mapping where that is
 * permitted (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE; finds deleted and replaced files too), else by its name. errno
 * tells why the name did not do. */
static int open_mapped(const struct reader *reader, const struct map_line *line, const char *name, struct stat *status)
{
	pid_t tid = reader->space->tid;
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", tid, (unsigned long long)line->start,
		 (unsigned long long)line->end);

	int fd = open_checked(reader, line, path, status);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/%d/root%s%s", tid, path_in_root(reader, name),
		 line->deleted ? " (deleted)" : "");
	fd = open_checked(reader, line, path, status);
	if (fd >= 0)
		return fd;

	int reason = line->deleted ? ENOENT : errno;

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	fd = open_checked(reader, line, path, status);
	errno = reason;
	return fd;
}

static char *open_failure(const struct map_line *line, const char *name, int reason)
{
	const char *why = strerror(reason);

	if (line->deleted)
		why = "it was deleted";
	else if (reason == ESTALE)
		why = "another file has its name now";
	return memory_printf("cannot open %s: %s", name, why);
}

/* The program headers of a mapped file, in the first page. */
struct mapped_headers {
	uint8_t page[PAGE];
	struct elf_header header;
};

static bool mapped_segment(const struct mapped_headers *headers, unsigned index, struct elf_segment *segment)
{
	uint64_t at = headers->header.segment_table;

	return at < sizeof(headers->page) &&
	       elf_segment_parse(&headers->header, headers->page + at, sizeof(headers->page) - at, index, segment);
}

static bool read_headers(const struct space *space, const struct group *group, struct mapped_headers *headers)
{
	struct error *error = space_read(space, group->first.start, headers->page, sizeof(headers->page));
	bool read =
	    !error && !group->first.offset && elf_header_parse(headers->page, sizeof(headers->page), &headers->header);

	error_destroy(error);
	return read;
}

/* How long the image has to be, and what to add to the segments' addresses. false: not to be believed. */
static bool measure_image(const struct mapped_headers *headers, uint64_t start, size_t *size, uint64_t *bias)
{
	struct elf_segment segment;

	*size = 0;
	for (unsigned i = 0; mapped_segment(headers, i, &segment); i++) {
		uint64_t end = segment.offset + segment.file_size;

		if (segment.type != PT_LOAD)
			continue;
		if (end < segment.offset || end > IMAGE_MAX)
			return false;
		if (!*size)
			*bias = start - (segment.address & -(uint64_t)PAGE);
		*size = end > *size ? end : *size;
	}
	return *size >= ELF_HEADER_SIZE;
}

/* The sections are not loaded: e_shoff, e_shnum and e_shstrndx become 0. */
static void forget_sections(uint8_t *image, bool is64)
{
	if (is64) {
		memset(image + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
		memset(image + offsetof(Elf64_Ehdr, e_shnum), 0, 2 * sizeof(Elf64_Half));
	} else {
		memset(image + offsetof(Elf32_Ehdr, e_shoff), 0, sizeof(Elf32_Off));
		memset(image + offsetof(Elf32_Ehdr, e_shnum), 0, 2 * sizeof(Elf32_Half));
	}
}

/* Puts the loaded segments of a file that is out of reach back in the order of the file. Returns NULL where they cannot
 * be read. */
static uint8_t *image_from_memory(const struct space *space, const struct group *group, size_t *size)
{
	struct mapped_headers headers;
	struct elf_segment segment;
	uint64_t bias = 0;

	if (!read_headers(space, group, &headers) || !measure_image(&headers, group->first.start, size, &bias))
		return NULL;

	uint8_t *image = memory_alloc(*size);

	for (unsigned i = 0; mapped_segment(&headers, i, &segment); i++) {
		/* What cannot be read stays zero: a file shorter than its mapping. */
		if (segment.type == PT_LOAD && segment.file_size)
			error_destroy(
			    space_read(space, segment.address + bias, image + segment.offset, segment.file_size));
	}
	forget_sections(image, headers.header.is64);
	return image;
}

static struct module_file *open_group(const struct reader *reader, const struct group *group)
{
	_cleanup_free_ char *name = map_line_name(&group->first);
	struct stat status;
	int fd = open_mapped(reader, &group->first, name, &status);

	if (fd >= 0)
		return module_file_of_fd(fd, &status, path_in_root(reader, name));

	char *failure = open_failure(&group->first, name, errno);
	size_t size;
	uint8_t *image = image_from_memory(reader->space, group, &size);

	if (image)
		return module_file_of_image(image, size, path_in_root(reader, name), failure);
	return module_file_unreadable(path_in_root(reader, name), failure);
}

/* The vDSO is mapped whole, sections and all. */
static struct module_file *read_vdso(const struct space *space, const struct map_line *line)
{
	size_t size = line->end - line->start;
	uint8_t *image = memory_alloc(size);
	struct error *error = space_read(space, line->start, image, size);

	if (error) {
		error_destroy(error);
		free(image);
		return NULL;
	}
	return module_file_of_image(image, size, "[vdso]", NULL);
}

/* A file is a module where its segments are mapped as its program headers want them: a part of an ELF file that was
 * mapped as data is none, even where another part is executable. With READ_IMPLIES_EXEC (personality(2)) the first
 * mapping is executable whatever it holds. */
static bool is_loaded(const struct module_file *file, const struct group *group)
{
	uint64_t distance = group->code - group->first.start;

	return (group->first.offset & -(uint64_t)PAGE) == file->first_offset &&
	       (!distance || distance - file->code_address == group->code_offset - file->code_offset);
}

static bool is_start(const struct reader *reader, uint64_t start, const struct module_file *file)
{
	return file->entry && (start + file->entry == reader->auxv.entry || start == reader->auxv.base);
}

static void add_module(struct reader *reader, const struct group *group, struct module_file *file)
{
	if (!file)
		return;

	uint64_t end = group->end;

	if (file->memory_size) {
		if (!is_loaded(file, group)) {
			module_file_unref(file);
			return;
		}
		if (end - group->first.start > file->memory_size)
			end = group->first.start + file->memory_size;
	}
	vector_push(&reader->modules, (struct module){
					  .start = group->first.start,
					  .end = end,
					  .file = file,
					  .starts = is_start(reader, group->first.start, file),
					  .loader = reader->auxv.base && group->first.start == reader->auxv.base,
				      });
}

static void end_group(struct reader *reader, struct group *group)
{
	if (group->code)
		add_module(reader, group, open_group(reader, group));
	*group = (struct group){0};
}

static bool is_vdso(const struct reader *reader, const struct map_line *line)
{
	static const char name[] = "[vdso]";

	if (reader->auxv.vdso)
		return line->start == reader->auxv.vdso && !line->inode;
	return line->name && line->name_size == sizeof(name) - 1 && !memcmp(line->name, name, sizeof(name) - 1);
}

/* Mappings without a file (.bss, or text that was moved to huge pages) do not end a group. */
static void take_line(struct reader *reader, struct group *group, const struct map_line *line)
{
	if (is_vdso(reader, line)) {
		end_group(reader, group);
		add_module(reader, &(struct group){*line, line->end, line->start, line->offset},
			   read_vdso(reader->space, line));
		return;
	}
	if (!line->inode || !line->name)
		return;

	const struct map_line *first = &group->first;
	bool same = first->name && first->inode == line->inode && first->device == line->device;

	/* The file's start again, behind its code: it was loaded twice. */
	if (!same || (group->code && line->offset == first->offset && line->executable == first->executable)) {
		end_group(reader, group);
		group->first = *line;
	}
	group->end = line->end;
	if (line->executable && !group->code) {
		group->code = line->start;
		group->code_offset = line->offset;
	}
}

/* The executable decides the ABI; without its entry point, the first module does. */
static enum abi abi_of(const struct reader *reader)
{
	for (size_t i = 0; i < reader->modules.count; i++) {
		const struct module *module = &reader->modules.items[i];

		if (reader->auxv.entry >= module->start && reader->auxv.entry < module->end)
			return module->file->abi;
	}
	return reader->modules.count ? reader->modules.items[0].file->abi : ABI_UNKNOWN;
}

static unsigned long next_map_id(void)
{
	static unsigned long last_id;

	return ++last_id;
}

struct error *module_map_read(const struct space *space, struct module_map **map)
{
	struct reader reader = {.space = space};
	struct group group = {0};
	struct map_line line;
	struct buffer text = {0};
	struct error *error = read_proc(space->tid, "maps", &text);

	if (!error && !text.size)
		error = &error_gone; /* only a task that has no memory any more has no mappings */
	if (error) {
		buffer_deinit(&text);
		return error;
	}
	read_auxv(&reader);
	read_root(&reader);

	const char *at = text.data;
	size_t left = text.size;

	while (maps_next(&at, &left, &line))
		take_line(&reader, &group, &line);
	end_group(&reader, &group);
	buffer_deinit(&text);

	*map = memory_alloc(sizeof(**map));
	**map = (struct module_map){
	    .references = 1,
	    .id = next_map_id(),
	    .abi = abi_of(&reader),
	    .count = reader.modules.count,
	    .modules = reader.modules.items,
	};
	return NULL;
}

static struct module_file *place_file(const struct module_place *place)
{
	struct stat status;

	if (place->image)
		return module_file_of_image(place->image, place->image_size, place->path, NULL);
	if (place->fd >= 0 && !fstat(place->fd, &status))
		return module_file_of_fd(place->fd, &status, place->path);
	if (place->fd >= 0)
		close(place->fd);
	return module_file_unreadable(place->path, memory_strdup(place->reason ? place->reason : "no file is known"));
}

/* Inserts by ascending start; false where it would lie over another one. */
static bool insert_module(struct module_map *map, const struct module *module)
{
	size_t at = map->count;

	while (at && map->modules[at - 1].start > module->start)
		at--;
	if ((at && map->modules[at - 1].end > module->start) ||
	    (at < map->count && map->modules[at].start < module->end))
		return false;
	memmove(&map->modules[at + 1], &map->modules[at], (map->count - at) * sizeof(*module));
	map->modules[at] = *module;
	map->count++;
	return true;
}

struct module_map *module_map_build(enum abi abi, const struct module_place *places, size_t count)
{
	struct module_map *map = memory_alloc(sizeof(*map));

	map->references = 1;
	map->id = next_map_id();
	map->abi = abi;
	map->modules = memory_calloc(count + 1, sizeof(*map->modules));
	for (size_t i = 0; i < count; i++) {
		struct module_file *file = place_file(&places[i]);

		if (!file)
			continue;

		bool known = file->memory_size;
		uint64_t start = known ? places[i].bias + file->first_address : places[i].start;
		uint64_t named = places[i].size ? places[i].size : PAGE;
		struct module module = {start, start + (known ? file->memory_size : named), file, places[i].starts,
					false};

		if (!insert_module(map, &module))
			module_file_unref(file);
	}
	return map;
}

struct module_map *module_map_ref(struct module_map *map)
{
	map->references++;
	return map;
}

void module_map_unref(struct module_map *map)
{
	if (!map || --map->references)
		return;
	if (map->unwinding)
		map->unwinding_destroy(map->unwinding);
	for (size_t i = 0; i < map->count; i++)
		module_file_unref(map->modules[i].file);
	free(map->modules);
	free(map);
}
