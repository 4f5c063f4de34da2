/* The debug information of a kernel: see kernel_debug.h. What names an address is symbols.c, as for any other file: a
 * relocated kernel, which is ET_EXEC, is taken by libdwfl for what it is, a file at another place than it says. */
#include "symbol/kernel_debug.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"
#include "target/module_file.h"

/* How many functions are compared, at most; with fewer than the least nothing is proven. A few may be missing in
 * kallsyms, which leaves some symbols out: scripts/kallsyms.c, is_ignored_symbol. */
enum { COMPARED_MAX = 256, COMPARED_MIN = 4, ONE_MISSING_IN = 16 };

/* Where the kernel's code begins: all versions have one of them, among kallsyms' symbols too. */
static const char *const anchors[] = {"_stext", "_text"};
enum { ANCHORS = sizeof(anchors) / sizeof(anchors[0]) };

struct kernel_debug {
	char *path;
	struct module_file *file;
	uint64_t anchor[ANCHORS]; /* address in the file; 0: it has no such symbol */
	VECTOR(uint64_t) functions;
	uint64_t bias; /* what was added to the file's addresses at run time */
};

/* --- what the file is --- */

/* What is read of the ELF file at once. */
struct sections {
	Elf_Data *symbols;
	size_t symbol_count, symbol_names; /* the latter: the section of their names */
	bool information, lines;           /* .debug_info, .debug_line */
};

static bool is_debug(const char *name, const char *what)
{
	size_t skipped = !strncmp(name, ".debug_", 7) ? 7 : !strncmp(name, ".zdebug_", 8) ? 8 : 0;

	return skipped && !strcmp(name + skipped, what);
}

/* False: the file is damaged. */
static bool find_sections(Elf *elf, struct sections *sections)
{
	size_t names, count;
	GElf_Ehdr file;
	GElf_Shdr header;

	/* Of a file that ends too early libelf says that it has none. */
	if (elf_getshdrstrndx(elf, &names) || elf_getshdrnum(elf, &count) || !gelf_getehdr(elf, &file) ||
	    (file.e_shoff && !count))
		return false;
	for (Elf_Scn *at = NULL; (at = elf_nextscn(elf, at));) {
		const char *name = gelf_getshdr(at, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (!name)
			return false;
		if (header.sh_type == SHT_SYMTAB && header.sh_entsize) {
			sections->symbols = elf_getdata(at, NULL);
			sections->symbol_count = header.sh_size / header.sh_entsize;
			sections->symbol_names = header.sh_link;
			if (!sections->symbols)
				return false;
		}
		sections->information |= is_debug(name, "info") && header.sh_type != SHT_NOBITS;
		sections->lines |= is_debug(name, "line") && header.sh_type != SHT_NOBITS;
	}
	return true;
}

static struct error *check_kind(Elf *elf, const char *path)
{
	GElf_Ehdr header;

	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return error_create(ERROR_INPUT, 0, path,
				    "%s is not an ELF file; a kernel's debug information is in its vmlinux, not in the "
				    "image that boots",
				    path);
	if (header.e_machine == EM_X86_64 || header.e_ident[EI_CLASS] == ELFCLASS64)
		return error_create(ERROR_INPUT, 0, path,
				    "%s is a 64-bit ELF file; the guest's kernel is a 32-bit one (i386)", path);
	if (header.e_machine != EM_386)
		return error_create(ERROR_INPUT, 0, path,
				    "%s is for another processor than that of the guest, which is i386", path);
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return error_create(ERROR_INPUT, 0, path,
				    "%s is not a whole kernel (vmlinux), but a module, an object file or a core dump",
				    path);
	return NULL;
}

/* --- its symbols --- */

static bool is_function(const GElf_Sym *symbol, uint16_t section)
{
	return symbol->st_shndx == section && GELF_ST_TYPE(symbol->st_info) == STT_FUNC &&
	       GELF_ST_BIND(symbol->st_info) == STB_GLOBAL;
}

/* Returns the section that the kernel's code begins in; SHN_UNDEF: there is no symbol that says so. */
static uint16_t find_anchors(struct kernel_debug *debug, Elf *elf, const struct sections *sections)
{
	uint16_t section = SHN_UNDEF;
	GElf_Sym symbol;

	for (size_t i = 0; i < sections->symbol_count && gelf_getsym(sections->symbols, (int)i, &symbol); i++) {
		const char *name = elf_strptr(elf, sections->symbol_names, symbol.st_name);

		for (size_t k = 0; name && k < ANCHORS; k++) {
			if (symbol.st_shndx == SHN_UNDEF || strcmp(name, anchors[k]) != 0)
				continue;
			debug->anchor[k] = symbol.st_value;
			section = symbol.st_shndx;
		}
	}
	return section;
}

/* Functions from all over the code that kallsyms has too: of the section that it begins in, and not local, since only
 * those are sure to be kept. */
static void choose_functions(struct kernel_debug *debug, const struct sections *sections, uint16_t section)
{
	size_t count = 0, step, at = 0;
	GElf_Sym symbol;

	for (size_t i = 0; i < sections->symbol_count && gelf_getsym(sections->symbols, (int)i, &symbol); i++)
		count += is_function(&symbol, section);
	step = count / COMPARED_MAX + 1;
	for (size_t i = 0; i < sections->symbol_count && gelf_getsym(sections->symbols, (int)i, &symbol); i++) {
		if (is_function(&symbol, section) && at++ % step == 0)
			vector_push(&debug->functions, symbol.st_value);
	}
}

static struct error *read_symbols(struct kernel_debug *debug, Elf *elf)
{
	struct sections sections = {0};
	const char *path = debug->path;
	uint16_t section;

	if (!find_sections(elf, &sections))
		return error_create(ERROR_INPUT, 0, path, "%s is damaged: its sections cannot be read", path);
	if (!sections.symbols || !sections.symbol_count)
		return error_create(ERROR_INPUT, 0, path, "%s has no symbol table: it was stripped", path);
	if (!sections.information || !sections.lines)
		return error_create(ERROR_INPUT, 0, path,
				    "%s has no debug information: the kernel was built without CONFIG_DEBUG_INFO, or "
				    "it was stripped off",
				    path);
	section = find_anchors(debug, elf, &sections);
	if (section == SHN_UNDEF)
		return error_create(ERROR_INPUT, 0, path, "%s is not a kernel: it has neither of the symbols %s and %s",
				    path, anchors[0], anchors[1]);
	choose_functions(debug, &sections, section);
	return NULL;
}

/* --- opening --- */

static struct error *open_file(const char *path, int *fd, struct stat *status)
{
	*fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, status))
		return error_create(errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno, path,
				    "the debug information of the guest's kernel, %s, cannot be read: %s", path,
				    strerror(errno));
	if (!S_ISREG(status->st_mode))
		return error_create(ERROR_INPUT, 0, path,
				    "the debug information of the guest's kernel, %s, cannot be read: it is not a "
				    "regular file",
				    path);
	return NULL;
}

static struct error *examine(struct kernel_debug *debug, int fd)
{
	Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	struct error *error = check_kind(elf, debug->path);

	error = error ? error : read_symbols(debug, elf);
	elf_end(elf);
	return error;
}

struct error *kernel_debug_open(const char *path, struct kernel_debug **debug)
{
	struct kernel_debug *opened = memory_alloc(sizeof(*opened));
	_cleanup_fd_ int fd = -1;
	struct stat status;
	struct error *error = open_file(path, &fd, &status);

	*debug = NULL;
	opened->path = memory_strdup(path);
	error = error ? error : examine(opened, fd);
	if (!error) {
		opened->file = module_file_of_fd(fd, &status, path);
		fd = -1;
		if (!opened->file)
			error = error_create(ERROR_INPUT, 0, path, "%s is not a kernel: it has nothing to load", path);
	}
	if (error)
		kernel_debug_destroy(opened);
	else
		*debug = opened;
	return error;
}

void kernel_debug_destroy(struct kernel_debug *debug)
{
	if (!debug)
		return;
	module_file_unref(debug->file);
	vector_deinit(&debug->functions);
	free(debug->path);
	free(debug);
}

/* --- is it this kernel? --- */

static struct error *other_kernel(const struct kernel_debug *debug, const char *release, const char *why)
{
	return error_create(ERROR_INPUT, 0, debug->path, "%s is not of the guest's kernel, Linux %s: %s", debug->path,
			    release, why);
}

static void append_hex(struct buffer *text, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer_printf(text, "%02x", bytes[i]);
}

static struct error *compare_build_ids(const struct kernel_debug *debug, const uint8_t *build_id, size_t size,
				       const char *release)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (size == debug->file->build_id_size && !memcmp(build_id, debug->file->build_id, size))
		return NULL;
	buffer_append_text(&text, "its build id is ");
	append_hex(&text, debug->file->build_id, debug->file->build_id_size);
	buffer_append_text(&text, ", the kernel's is ");
	append_hex(&text, build_id, size);
	return other_kernel(debug, release, text.data);
}

static struct error *compare_functions(const struct kernel_debug *debug, const struct kernel_symbols *symbols,
				       const char *release)
{
	size_t found = 0, count = debug->functions.count;

	for (size_t i = 0; i < count; i++) {
		struct kernel_symbol symbol;

		found += kernel_symbols_find(symbols, debug->functions.items[i] + debug->bias, &symbol) &&
			 symbol.offset == 0;
	}
	if (count < COMPARED_MIN)
		return other_kernel(debug, release, "it has too few functions to tell");
	if (found + count / ONE_MISSING_IN < count)
		return other_kernel(debug, release, "its functions lie at other distances from one another");
	return NULL;
}

static bool find_bias(struct kernel_debug *debug, struct kernel_symbols *symbols)
{
	for (size_t i = 0; i < ANCHORS; i++) {
		uint64_t address;

		if (!debug->anchor[i] || !kernel_symbols_by_name(symbols, anchors[i], &address, NULL))
			continue;
		debug->bias = address - debug->anchor[i];
		return true;
	}
	return false;
}

struct error *kernel_debug_fit(struct kernel_debug *debug, struct kernel_symbols *symbols, const uint8_t *build_id,
			       size_t size, const char *release)
{
	bool identified = size && debug->file->build_id_size;
	struct error *error = identified ? compare_build_ids(debug, build_id, size, release) : NULL;

	if (error)
		return error;
	if (!find_bias(debug, symbols))
		return other_kernel(debug, release, "it does not tell where its code begins");
	return identified ? NULL : compare_functions(debug, symbols, release);
}

/* --- names --- */

uint64_t kernel_debug_address(const struct kernel_debug *debug, uint64_t start)
{
	return debug->file->first_address + debug->bias + start;
}

const struct name_list *kernel_debug_lookup(const struct kernel_debug *debug, uint64_t address)
{
	uint64_t start = address - kernel_debug_address(debug, 0);

	return start < debug->file->memory_size ? symbols_lookup(debug->file, start) : NULL;
}

bool kernel_debug_line(const struct kernel_debug *debug, uint64_t address, struct line_place *place, uint64_t *start)
{
	*start = kernel_debug_address(debug, 0);
	return address - *start < debug->file->memory_size && lines_at(debug->file, address - *start, place);
}
