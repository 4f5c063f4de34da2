/* ELF header, segments and build id: see elf_header.h. */
#include "parse/elf_header.h"

#include <elf.h>
#include <string.h>

static enum abi abi_of(uint16_t machine, bool is64)
{
	if (machine == EM_386)
		return is64 ? ABI_UNKNOWN : ABI_I386;
	if (machine == EM_X86_64)
		return is64 ? ABI_X86_64 : ABI_X32;
	return ABI_UNKNOWN;
}

bool elf_header_parse(const void *bytes, size_t size, struct elf_header *header)
{
	const unsigned char *ident = bytes;

	if (size < EI_NIDENT || memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != ELFDATA2LSB)
		return false;
	if (ident[EI_CLASS] == ELFCLASS64 && size >= sizeof(Elf64_Ehdr)) {
		Elf64_Ehdr elf;

		memcpy(&elf, bytes, sizeof(elf));
		*header = (struct elf_header){
		    .abi = abi_of(elf.e_machine, true),
		    .is64 = true,
		    .type = elf.e_type,
		    .entry = elf.e_entry,
		    .segment_table = elf.e_phoff,
		    .segment_count = elf.e_phnum,
		    .segment_size = elf.e_phentsize,
		};
		return elf.e_phentsize >= sizeof(Elf64_Phdr) || !elf.e_phnum;
	}
	if (ident[EI_CLASS] == ELFCLASS32 && size >= sizeof(Elf32_Ehdr)) {
		Elf32_Ehdr elf;

		memcpy(&elf, bytes, sizeof(elf));
		*header = (struct elf_header){
		    .abi = abi_of(elf.e_machine, false),
		    .is64 = false,
		    .type = elf.e_type,
		    .entry = elf.e_entry,
		    .segment_table = elf.e_phoff,
		    .segment_count = elf.e_phnum,
		    .segment_size = elf.e_phentsize,
		};
		return elf.e_phentsize >= sizeof(Elf32_Phdr) || !elf.e_phnum;
	}
	return false;
}

bool elf_segment_parse(const struct elf_header *header, const void *table, size_t size, unsigned index,
		       struct elf_segment *segment)
{
	size_t at = (size_t)index * header->segment_size;

	if (index >= header->segment_count || size < header->segment_size || at > size - header->segment_size)
		return false;
	if (header->is64) {
		Elf64_Phdr elf;

		memcpy(&elf, (const char *)table + at, sizeof(elf));
		*segment = (struct elf_segment){elf.p_type,   elf.p_flags, elf.p_offset, elf.p_vaddr,
						elf.p_filesz, elf.p_memsz, elf.p_align};
	} else {
		Elf32_Phdr elf;

		memcpy(&elf, (const char *)table + at, sizeof(elf));
		*segment = (struct elf_segment){elf.p_type,   elf.p_flags, elf.p_offset, elf.p_vaddr,
						elf.p_filesz, elf.p_memsz, elf.p_align};
	}
	return true;
}

bool elf_build_id_find(const void *notes, size_t size, uint64_t alignment, size_t *offset, size_t *length)
{
	static const char owner[] = "GNU";
	uint64_t mask = alignment == 8 ? 7 : 3;
	uint64_t at = 0;

	while (at <= size && size - at >= sizeof(Elf32_Nhdr)) {
		Elf32_Nhdr note; /* the same in both classes */

		memcpy(&note, (const char *)notes + at, sizeof(note));

		uint64_t name = at + sizeof(note);
		uint64_t content = (name + note.n_namesz + mask) & ~mask;
		uint64_t end = content + note.n_descsz;

		if (end > size)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(owner) && note.n_descsz &&
		    !memcmp((const char *)notes + name, owner, sizeof(owner))) {
			*offset = (size_t)content;
			*length = note.n_descsz;
			return true;
		}
		at = (end + mask) & ~mask;
	}
	return false;
}
