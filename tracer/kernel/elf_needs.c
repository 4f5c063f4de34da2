/* What an i386 ELF file asks of the loader: see elf_needs.h. */
#include "kernel/elf_needs.h"

#include <elf.h>
#include <gelf.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Far beyond any real file's: what a damaged one makes us allocate has an end. */
enum { MAX_STRINGS = 64 << 20, MAX_DYNAMIC = 1 << 20 };

struct reader {
	Elf *elf;
	const char *strings; /* DT_STRTAB; libelf's */
	size_t strings_size;
	struct elf_needs *needs;
};

void elf_needs_deinit(struct elf_needs *needs)
{
	for (size_t i = 0; i < needs->library_count; i++)
		free(needs->libraries[i]);
	free(needs->libraries);
	free(needs->interpreter);
	free(needs->soname);
	free(needs->rpath);
	free(needs->runpath);
	*needs = (struct elf_needs){0};
}

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf);
}

/* The first segment of a type, or the PT_LOAD that has `address`; false: none. */
static bool find_segment(Elf *elf, uint32_t type, uint64_t address, GElf_Phdr *found)
{
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count && i <= INT_MAX && gelf_getphdr(elf, (int)i, found); i++) {
		if (found->p_type != type)
			continue;
		if (type != PT_LOAD || (address >= found->p_vaddr && address - found->p_vaddr < found->p_filesz))
			return true;
	}
	return false;
}

static bool read_interpreter(Elf *elf, char **interpreter)
{
	GElf_Phdr segment;

	if (!find_segment(elf, PT_INTERP, 0, &segment))
		return true;
	/* The kernel's own conditions: load_elf_binary in fs/binfmt_elf.c. */
	if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX)
		return false;

	const Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment.p_offset, segment.p_filesz, ELF_T_BYTE);

	if (!data || ((const char *)data->d_buf)[data->d_size - 1] != '\0')
		return false;
	*interpreter = memory_strdup(data->d_buf);
	return true;
}

/* The value of the last entry with `tag`, as the loader takes it. */
static bool find_value(Elf_Data *dynamic, size_t count, int64_t tag, uint64_t *value)
{
	bool found = false;
	GElf_Dyn entry;

	for (size_t i = 0; i < count && gelf_getdyn(dynamic, (int)i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == tag) {
			*value = entry.d_un.d_val;
			found = true;
		}
	}
	return found;
}

static bool find_strings(struct reader *reader, Elf_Data *dynamic, size_t count)
{
	uint64_t address, size;
	GElf_Phdr segment;

	if (!find_value(dynamic, count, DT_STRTAB, &address) || !find_value(dynamic, count, DT_STRSZ, &size) ||
	    !find_segment(reader->elf, PT_LOAD, address, &segment))
		return false;

	uint64_t skipped = address - segment.p_vaddr;

	if (size > segment.p_filesz - skipped || size > MAX_STRINGS)
		return false;

	const Elf_Data *data =
	    elf_getdata_rawchunk(reader->elf, (int64_t)(segment.p_offset + skipped), size, ELF_T_BYTE);

	if (!data)
		return false;
	reader->strings = data->d_buf;
	reader->strings_size = data->d_size;
	return true;
}

/* A copy of the string at `offset`, or NULL. */
static char *string_at(const struct reader *reader, uint64_t offset)
{
	if (offset >= reader->strings_size ||
	    !memchr(reader->strings + offset, '\0', reader->strings_size - (size_t)offset))
		return NULL;
	return memory_strdup(reader->strings + offset);
}

static bool take_string(const struct reader *reader, uint64_t offset, char **string)
{
	free(*string);
	*string = string_at(reader, offset);
	return *string != NULL;
}

static bool take_library(const struct reader *reader, uint64_t offset)
{
	struct elf_needs *needs = reader->needs;
	char *name = string_at(reader, offset);

	if (!name)
		return false;
	needs->libraries = memory_resize(needs->libraries, needs->library_count + 1, sizeof(*needs->libraries));
	needs->libraries[needs->library_count++] = name;
	return true;
}

static bool take_entry(const struct reader *reader, const GElf_Dyn *entry)
{
	switch (entry->d_tag) {
	case DT_NEEDED:
		return take_library(reader, entry->d_un.d_val);
	case DT_SONAME:
		return take_string(reader, entry->d_un.d_val, &reader->needs->soname);
	case DT_RPATH:
		return take_string(reader, entry->d_un.d_val, &reader->needs->rpath);
	case DT_RUNPATH:
		return take_string(reader, entry->d_un.d_val, &reader->needs->runpath);
	case DT_FLAGS_1:
		reader->needs->no_default_places = entry->d_un.d_val & DF_1_NODEFLIB;
		return true;
	default:
		return true;
	}
}

static bool read_dynamic(struct reader *reader)
{
	GElf_Phdr segment;

	if (!find_segment(reader->elf, PT_DYNAMIC, 0, &segment))
		return true;
	if (segment.p_filesz > MAX_DYNAMIC)
		return false;

	Elf_Data *dynamic = elf_getdata_rawchunk(reader->elf, (int64_t)segment.p_offset, segment.p_filesz, ELF_T_DYN);
	size_t count = segment.p_filesz / sizeof(Elf32_Dyn);
	GElf_Dyn entry;

	if (!dynamic)
		return false;
	if (!find_strings(reader, dynamic, count))
		return false;
	for (size_t i = 0; i < count && gelf_getdyn(dynamic, (int)i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (!take_entry(reader, &entry))
			return false;
	}
	/* ld.so(8): DT_RPATH is ignored where there is a DT_RUNPATH. */
	if (reader->needs->runpath) {
		free(reader->needs->rpath);
		reader->needs->rpath = NULL;
	}
	return true;
}

/* libelf says fewer segments than the header where they would lie behind the end of the file. */
static bool has_segments(Elf *elf, const GElf_Ehdr *header)
{
	GElf_Phdr last;
	size_t count;

	return !elf_getphdrnum(elf, &count) && count == header->e_phnum && count != 0 &&
	       gelf_getphdr(elf, (int)count - 1, &last);
}

static enum elf_kind kind_of(const GElf_Ehdr *header, int class)
{
	if (header->e_machine == EM_X86_64)
		return ELF_X86_64;
	if (header->e_machine == EM_386 && class == ELFCLASS32 && header->e_ident[EI_DATA] == ELFDATA2LSB)
		return ELF_I386;
	return ELF_FOREIGN;
}

struct error *elf_needs_read(int fd, const char *path, struct elf_needs *needs)
{
	*needs = (struct elf_needs){.kind = ELF_NONE};
	elf_version(EV_CURRENT);

	/* Never mapped: the file may be cut at any time. */
	_cleanup_(cleanup_elf) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	struct reader reader = {.elf = elf, .needs = needs};
	GElf_Ehdr header;

	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return NULL;
	if (!gelf_getehdr(elf, &header))
		return error_create(ERROR_INPUT, 0, path, "%s is a damaged ELF file", path);
	needs->kind = kind_of(&header, gelf_getclass(elf));
	needs->loadable = header.e_type == ET_EXEC || header.e_type == ET_DYN;
	if (needs->kind != ELF_I386 || !needs->loadable)
		return NULL;
	if (!has_segments(elf, &header) || !read_interpreter(elf, &needs->interpreter) || !read_dynamic(&reader)) {
		elf_needs_deinit(needs);
		return error_create(ERROR_INPUT, 0, path, "%s is a damaged ELF file", path);
	}
	return NULL;
}
