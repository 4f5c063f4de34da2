/* The modules of a process whose files nobody handed over: see foreign_modules.h. Everything here is read from an
 * untrusted program's memory, and the paths in it lead to nothing but regular files. */
#include "kernel/foreign_modules.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/vector.h"
#include "parse/elf_header.h"

enum {
	PAGE = 4096,
	SEGMENTS_MAX = 64,
	NOTES_MAX = 4096, /* bytes of a segment of notes */
	BUILD_ID_MAX = 64,
	VDSO_MAX = 16 * PAGE,
};

/* What is being put together. */
struct collection {
	const struct space *space;
	const struct guest_files *files;
	VECTOR(struct module_place) places;
	guest_links links;
	VECTOR(char *) reasons; /* of the places */
};

/* An ELF file, in memory or not: how its bytes are read, and what its header says. */
struct elf {
	bool (*read)(const struct elf *elf, uint64_t address, uint64_t offset, void *bytes, size_t size);
	const struct space *space; /* in memory: its header lies at `start` */
	uint64_t start, bias;
	int fd; /* a file */
	struct elf_header header;
	uint8_t table[SEGMENTS_MAX * sizeof(Elf32_Phdr)];
	size_t table_size;
	uint64_t memory_size; /* from the first segment to the end of the last, in whole pages */
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_size; /* 0: none */
};

static bool read_memory(const struct elf *elf, uint64_t address, uint64_t offset, void *bytes, size_t size)
{
	struct error *error = space_read(elf->space, (elf->bias + address) & UINT32_MAX, bytes, size);

	(void)offset;
	error_destroy(error);
	return !error;
}

static bool read_file(const struct elf *elf, uint64_t address, uint64_t offset, void *bytes, size_t size)
{
	(void)address;
	return pread(elf->fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool find_segment(const struct elf *elf, uint32_t type, struct elf_segment *segment)
{
	for (unsigned i = 0; elf_segment_parse(&elf->header, elf->table, elf->table_size, i, segment); i++) {
		if (segment->type == type)
			return true;
	}
	return false;
}

static void read_build_id(struct elf *elf)
{
	struct elf_segment segment;

	for (unsigned i = 0; elf_segment_parse(&elf->header, elf->table, elf->table_size, i, &segment); i++) {
		uint8_t notes[NOTES_MAX];
		size_t size = segment.file_size < sizeof(notes) ? (size_t)segment.file_size : sizeof(notes);
		size_t offset, length;

		if (segment.type != PT_NOTE || !elf->read(elf, segment.address, segment.offset, notes, size) ||
		    !elf_build_id_find(notes, size, segment.alignment, &offset, &length) ||
		    length > sizeof(elf->build_id))
			continue;
		memcpy(elf->build_id, notes + offset, length);
		elf->build_id_size = length;
		return;
	}
}

static void measure(struct elf *elf, uint64_t first)
{
	struct elf_segment segment;

	for (unsigned i = 0; elf_segment_parse(&elf->header, elf->table, elf->table_size, i, &segment); i++) {
		if (segment.type == PT_LOAD && segment.address + segment.memory_size > first)
			elf->memory_size = (segment.address + segment.memory_size - first + PAGE - 1) & -(uint64_t)PAGE;
	}
}

/* The header is at the start of the file, and of what is mapped of it. */
static bool read_elf(struct elf *elf)
{
	uint8_t bytes[sizeof(Elf32_Ehdr)];
	struct elf_segment load;
	uint64_t first;

	elf->bias = elf->start;
	if (!elf->read(elf, 0, 0, bytes, sizeof(bytes)) || !elf_header_parse(bytes, sizeof(bytes), &elf->header) ||
	    elf->header.is64)
		return false;
	elf->table_size = (size_t)elf->header.segment_count * elf->header.segment_size;
	if (!elf->table_size || elf->table_size > sizeof(elf->table) ||
	    !elf->read(elf, elf->header.segment_table, elf->header.segment_table, elf->table, elf->table_size) ||
	    !find_segment(elf, PT_LOAD, &load) || load.offset >= PAGE)
		return false;
	first = load.address & -(uint64_t)PAGE;
	elf->bias = (elf->start - first) & UINT32_MAX;
	measure(elf, first);
	read_build_id(elf);
	return true;
}

static bool read_mapped(const struct space *space, uint64_t start, struct elf *elf)
{
	*elf = (struct elf){.read = read_memory, .space = space, .start = start, .fd = -1};
	return start % PAGE == 0 && read_elf(elf);
}

/* --- files of this machine --- */

/* Nothing is opened for reading that is no regular file: the path is the guest's, and an open(2) of a device does
 * something. */
static int open_regular(const char *path)
{
	_cleanup_fd_ int place = open(path, O_PATH | O_CLOEXEC);
	struct stat status;
	char link[64];

	if (place < 0 || fstat(place, &status) || !S_ISREG(status.st_mode))
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	return open(link, O_RDONLY | O_CLOEXEC);
}

static bool is_same_build(int fd, const struct elf *mapped)
{
	struct elf file = {.read = read_file, .fd = fd};

	return read_elf(&file) && file.build_id_size && file.build_id_size == mapped->build_id_size &&
	       !memcmp(file.build_id, mapped->build_id, file.build_id_size);
}

/* Why there is no file for a module. */
enum lack { LACK_NONE, LACK_ID, LACK_FILE, LACK_BUILD };

static int open_same(const char *host, const struct elf *mapped, enum lack *lack)
{
	int fd = open_regular(host);

	*lack = fd < 0 ? LACK_FILE : LACK_NONE;
	if (fd < 0 || is_same_build(fd, mapped))
		return fd;
	close(fd);
	*lack = LACK_BUILD;
	return -1;
}

/* An executable's path may be relative, or a script's: any file that was named will do. */
static int find_file(const struct guest_files *files, const char *path, const struct elf *mapped, bool executable,
		     enum lack *lack)
{
	const char *host = guest_files_host_path(files, path);
	int fd = -1;

	*lack = mapped->build_id_size ? LACK_FILE : LACK_ID;
	if (*lack == LACK_ID)
		return -1;
	if (host || path[0] == '/')
		fd = open_same(host ? host : path, mapped, lack);
	for (size_t i = 0; i < files->count && executable && fd < 0; i++) {
		enum lack other;

		if (files->items[i].kind == GUEST_REGULAR)
			fd = open_same(files->items[i].host_path, mapped, &other);
	}
	return fd;
}

/* --- what is mapped --- */

static char *reason_text(enum lack lack, const char *path)
{
	const char *before = lack == LACK_ID ? "no file here can be taken for " : "";
	const char *behind = lack == LACK_ID ? ": its build id cannot be read in the guest"
			     : lack == LACK_FILE
				 ? " is not on this machine (--guest-file names it)"
				 : " is of another build on this machine (--guest-file names the right one)";

	return memory_printf("%s%s%s", before, path, behind);
}

static void add_place(struct collection *collection, const char *path, const struct elf *mapped, bool executable,
		      bool starts)
{
	enum lack lack;
	int fd = find_file(collection->files, path, mapped, executable, &lack);
	char *reason = fd < 0 ? reason_text(lack, *path ? path : "the executable") : NULL;

	vector_push(&collection->reasons, reason);
	vector_push(&collection->places, (struct module_place){
					     .bias = mapped->bias,
					     .path = path,
					     .fd = fd,
					     .start = mapped->start,
					     .size = mapped->memory_size,
					     .reason = reason,
					     .starts = starts,
					 });
}

/* Sections and all: their table stands at its end. */
static size_t vdso_size(const Elf32_Ehdr *header)
{
	size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	return size >= sizeof(*header) && size <= VDSO_MAX ? size : 0;
}

/* A page that the process has not used yet is not there: it stays empty. Without the table, nothing knows of sections:
 * what is needed has segments of its own. */
static uint8_t *read_vdso(const struct space *space, uint64_t start, size_t size)
{
	uint8_t *image = memory_alloc(size);
	bool last = false;

	for (size_t at = 0; at < size; at += PAGE) {
		struct error *error = space_read(space, start + at, image + at, size - at < PAGE ? size - at : PAGE);

		last = !error;
		error_destroy(error);
	}
	if (!last) {
		memset(image + offsetof(Elf32_Ehdr, e_shoff), 0, sizeof(Elf32_Off));
		memset(image + offsetof(Elf32_Ehdr, e_shnum), 0, 2 * sizeof(Elf32_Half));
	}
	return image;
}

static void add_vdso(struct collection *collection, uint64_t start)
{
	struct elf mapped;
	Elf32_Ehdr header;

	if (!start || !read_mapped(collection->space, start, &mapped) ||
	    !read_memory(&mapped, mapped.start - mapped.bias, 0, &header, sizeof(header)) || !vdso_size(&header))
		return;
	vector_push(&collection->places,
		    (struct module_place){.bias = mapped.bias,
					  .path = "[vdso]",
					  .fd = -1,
					  .image = read_vdso(collection->space, start, vdso_size(&header)),
					  .image_size = vdso_size(&header)});
}

/* The name of the loader, as the executable's PT_INTERP has it. */
static bool read_interpreter(const struct elf *executable, char path[GUEST_PATH_MAX])
{
	struct elf_segment interpreter;

	return find_segment(executable, PT_INTERP, &interpreter) &&
	       guest_string_read(executable->space, (executable->bias + interpreter.address) & UINT32_MAX, path,
				 GUEST_PATH_MAX);
}

static void add_libraries(struct collection *collection, uint64_t loader)
{
	struct elf mapped;

	for (size_t i = 0; i < collection->links.count; i++) {
		const struct guest_link *link = &collection->links.items[i];

		if (read_mapped(collection->space, link->bias, &mapped))
			add_place(collection, link->path, &mapped, false, loader && link->bias == loader);
	}
}

/* Its program headers are told, and its header stands in the same page (the first segment has both). */
static void add_program(struct collection *collection, const struct guest_image *image)
{
	struct elf executable;
	struct elf_segment dynamic;
	char path[GUEST_PATH_MAX];

	if (!read_mapped(collection->space, image->auxv.phdr & -(uint64_t)PAGE, &executable))
		return;
	add_place(collection, image->path, &executable, true, true);
	if (find_segment(&executable, PT_DYNAMIC, &dynamic))
		guest_links_read(collection->space, executable.bias + dynamic.address, &collection->links);
	/* Before the loader has made its list, and where it is not on it; what lies over another is left out later. */
	if (image->auxv.base && read_interpreter(&executable, path))
		vector_push(&collection->links,
			    (struct guest_link){.bias = image->auxv.base, .path = memory_strdup(path)});
	add_libraries(collection, image->auxv.base);
}

struct module_map *foreign_modules_read(const struct space *space, const struct guest_image *image,
					const struct guest_files *files)
{
	struct collection collection = {.space = space, .files = files};

	if (image && image->auxv.phdr)
		add_program(&collection, image);
	if (image)
		add_vdso(&collection, image->auxv.vdso);

	struct module_map *map = module_map_build(ABI_I386, collection.places.items, collection.places.count);

	for (size_t i = 0; i < collection.reasons.count; i++)
		free(collection.reasons.items[i]);
	vector_deinit(&collection.reasons);
	guest_links_deinit(&collection.links);
	vector_deinit(&collection.places);
	return map;
}
