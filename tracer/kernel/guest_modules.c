/* The modules of a guest's process: see guest_modules.h. Everything here is read from an untrusted program's memory. */
#include "kernel/guest_modules.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/vector.h"
#include "parse/elf_header.h"

enum {
	PAGE = 4096,
	STACK_WORDS_MAX = 8192, /* arguments and environment strings that are believed */
	AUXV_MAX = 64,          /* entries */
	SEGMENTS_MAX = 64,
};

typedef VECTOR(struct module_place) places;

static bool read_words(const struct space *space, uint64_t address, uint32_t *words, size_t count)
{
	struct error *error = space_read(space, address, words, count * sizeof(*words));

	error_destroy(error);
	return !error;
}

static bool read_word(const struct space *space, uint64_t address, uint32_t *word)
{
	return read_words(space, address, word, 1);
}

/* --- the auxiliary vector --- */

/* Passes a list of pointers that ends in 0; false where there is no such list. */
static bool skip_list(const struct space *space, uint64_t *address)
{
	for (size_t i = 0; i < STACK_WORDS_MAX; i++) {
		uint32_t word;

		if (!read_word(space, *address, &word))
			return false;
		*address += sizeof(word);
		if (!word)
			return true;
	}
	return false;
}

static size_t read_auxv(const struct space *space, uint64_t address, uint32_t words[2 * AUXV_MAX])
{
	for (size_t i = 0; i < AUXV_MAX; i++) {
		if (!read_words(space, address + i * 2 * sizeof(*words), words + 2 * i, 2))
			return 0;
		if (words[2 * i] == AT_NULL)
			return (i + 1) * 2 * sizeof(*words);
	}
	return 0;
}

struct guest_image *guest_image_read(const struct space *space, uint32_t sp)
{
	uint32_t words[2 * AUXV_MAX];
	uint64_t address = (uint64_t)sp + sizeof(uint32_t); /* behind argc */

	for (int lists = 0; lists < 2; lists++) { /* the arguments, the environment */
		if (!skip_list(space, &address))
			return NULL;
	}

	size_t size = read_auxv(space, address, words);

	return size ? guest_image_of_auxv(space, words, size) : NULL;
}

struct guest_image *guest_image_of_auxv(const struct space *space, const void *auxv, size_t size)
{
	struct guest_image *image = memory_alloc(sizeof(*image));

	image->references = 1;
	if (!auxv_parse(auxv, size, &image->auxv)) {
		free(image);
		return NULL;
	}
	if (image->auxv.path)
		guest_string_read(space, image->auxv.path, image->path, sizeof(image->path));
	return image;
}

struct guest_image *guest_image_ref(struct guest_image *image)
{
	if (image)
		image->references++;
	return image;
}

void guest_image_unref(struct guest_image *image)
{
	if (image && --image->references == 0)
		free(image);
}

/* --- files --- */

static int open_host(const struct guest_files *files, const char *guest_path)
{
	const char *host = guest_files_host_path(files, guest_path);

	return host ? open(host, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
}

/* The executable. Its headers are read from the file: a process that was just forked has few of its pages. */
struct executable {
	int fd;
	const char *path;
	struct elf_header header;
	uint8_t table[SEGMENTS_MAX * sizeof(Elf32_Phdr)];
	uint64_t bias;
};

static bool find_segment(const struct executable *executable, uint32_t type, struct elf_segment *segment)
{
	size_t size = (size_t)executable->header.segment_count * executable->header.segment_size;

	for (unsigned i = 0; elf_segment_parse(&executable->header, executable->table, size, i, segment); i++) {
		if (segment->type == type)
			return true;
	}
	return false;
}

static bool read_headers(struct executable *executable)
{
	uint8_t bytes[ELF_HEADER_SIZE];
	struct elf_header *header = &executable->header;
	size_t size;

	if (pread(executable->fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    !elf_header_parse(bytes, sizeof(bytes), header) || header->is64)
		return false;
	size = (size_t)header->segment_count * header->segment_size;
	return size && size <= sizeof(executable->table) &&
	       pread(executable->fd, executable->table, size, (off_t)header->segment_table) == (ssize_t)size;
}

/* Is it what the auxiliary vector tells of? AT_PHDR gives the bias, and AT_ENTRY must agree. */
static bool is_executed(struct executable *executable, const struct auxv *auxv)
{
	struct elf_segment segment;
	uint64_t table;

	if (!read_headers(executable))
		return false;
	if (find_segment(executable, PT_PHDR, &segment))
		table = segment.address;
	else if (find_segment(executable, PT_LOAD, &segment))
		table = segment.address - segment.offset + executable->header.segment_table;
	else
		return false;
	executable->bias = (auxv->phdr - table) & UINT32_MAX;
	return executable->bias % PAGE == 0 &&
	       ((executable->bias + executable->header.entry) & UINT32_MAX) == auxv->entry;
}

static bool try_executable(struct executable *executable, const struct guest_files *files, const char *path,
			   const struct auxv *auxv)
{
	executable->path = path;
	executable->fd = open_host(files, path);
	if (executable->fd >= 0 && is_executed(executable, auxv))
		return true;
	cleanup_fd_(&executable->fd);
	executable->fd = -1;
	return false;
}

/* What execve was told, or, for a script, an interpreter: whichever fits. */
static bool open_executable(struct executable *executable, const struct guest_files *files,
			    const struct guest_image *image)
{
	if (try_executable(executable, files, image->path, &image->auxv))
		return true;
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i].kind == GUEST_REGULAR &&
		    try_executable(executable, files, files->items[i].guest_path, &image->auxv))
			return true;
	}
	return false;
}

const char *guest_image_executable(const struct guest_image *image, const struct guest_files *files)
{
	struct executable executable;

	if (!open_executable(&executable, files, image))
		return NULL;
	close(executable.fd);
	return executable.path;
}

static void add_place(places *list, const struct guest_files *files, const char *path, uint64_t bias, bool starts)
{
	vector_push(list, (struct module_place){
			      .bias = bias,
			      .path = path,
			      .fd = open_host(files, path),
			      .start = bias,
			      .reason = "the file is none of those that the guest was given",
			      .starts = starts,
			  });
}

/* --- what is mapped --- */

static void add_vdso(places *list, const struct guest_sources *sources, uint64_t start)
{
	struct elf_header header;
	struct elf_segment load;

	if (!start || !sources->vdso_size || !elf_header_parse(sources->vdso, sources->vdso_size, &header) ||
	    header.segment_table >= sources->vdso_size ||
	    !elf_segment_parse(&header, (const char *)sources->vdso + header.segment_table,
			       sources->vdso_size - (size_t)header.segment_table, 0, &load))
		return;

	uint8_t *image = memory_alloc(sources->vdso_size);

	memcpy(image, sources->vdso, sources->vdso_size);
	vector_push(list, (struct module_place){
			      .bias = start - (load.address & -(uint64_t)PAGE),
			      .path = "[vdso]",
			      .fd = -1,
			      .image = image,
			      .image_size = sources->vdso_size,
			  });
}

/* The paths are those of `links`, which must outlive the list. */
static void add_libraries(places *list, const struct space *space, const struct guest_files *files,
			  const struct executable *executable, uint64_t loader, guest_links *links)
{
	struct elf_segment dynamic;

	if (!find_segment(executable, PT_DYNAMIC, &dynamic))
		return;
	guest_links_read(space, executable->bias + dynamic.address, links);
	for (size_t i = 0; i < links->count; i++) {
		uint64_t bias = links->items[i].bias;

		add_place(list, files, links->items[i].path, bias, loader && bias == loader);
	}
}

/* The dynamic loader, by the name in the executable's PT_INTERP: before it has made its list, and where it is not on
 * it. Places that lie over another are left out later. */
static void add_loader(places *list, const struct guest_files *files, const struct executable *executable,
		       uint64_t base, guest_links *names)
{
	struct elf_segment interpreter;
	char path[GUEST_PATH_MAX];

	if (!base || !find_segment(executable, PT_INTERP, &interpreter) || interpreter.file_size > sizeof(path) ||
	    !interpreter.file_size ||
	    pread(executable->fd, path, (size_t)interpreter.file_size, (off_t)interpreter.offset) !=
		(ssize_t)interpreter.file_size)
		return;
	path[interpreter.file_size - 1] = '\0';
	vector_push(names, (struct guest_link){.bias = base, .path = memory_strdup(path)});
	add_place(list, files, names->items[names->count - 1].path, base, true);
}

static void add_program(places *list, const struct space *space, const struct guest_image *image,
			const struct guest_files *files, guest_links *names)
{
	struct executable executable;

	if (!open_executable(&executable, files, image)) {
		vector_push(list, (struct module_place){
				      .path = image->path,
				      .fd = -1,
				      .start = image->auxv.phdr & -(uint64_t)PAGE,
				      .reason = "the executable is none of the files that the guest was given",
				      .starts = true,
				  });
		return;
	}
	vector_push(list, (struct module_place){
			      .bias = executable.bias, .path = executable.path, .fd = executable.fd, .starts = true});
	add_libraries(list, space, files, &executable, image->auxv.base, names);
	add_loader(list, files, &executable, image->auxv.base, names);
}

struct module_map *guest_modules_read(const struct space *space, const struct guest_image *image,
				      const struct guest_sources *sources)
{
	places list = {0};
	guest_links names = {0};

	if (image && image->auxv.phdr)
		add_program(&list, space, image, sources->files, &names);
	if (image)
		add_vdso(&list, sources, image->auxv.vdso);

	struct module_map *map = module_map_build(ABI_I386, list.items, list.count);

	guest_links_deinit(&names);
	vector_deinit(&list);
	return map;
}
