/* Finds an entry of .eh_frame without an index: see eh_frame.h. */
#include "symbol/eh_frame.h"

#include <elfutils/libdw.h>
#include <string.h>

#include "symbol/cfi.h"

/* How the entries of one CIE write addresses (Linux Standard Base, core, 10.5 and 10.6). */
enum {
	ENCODED_ABSOLUTE = 0x00,    /* DW_EH_PE_absptr: a word */
	ENCODED_PC_RELATIVE = 0x1b, /* DW_EH_PE_pcrel | DW_EH_PE_sdata4: what gcc and clang write */
	ENCODED_OTHER = 0xff,
};

struct section {
	Elf_Data *data;
	uint64_t address; /* as the file has it */
	const unsigned char *ident;
	unsigned word_size;
};

static bool find_section(Elf *elf, struct section *section)
{
	size_t names;
	GElf_Shdr header;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	for (Elf_Scn *at = NULL; (at = elf_nextscn(elf, at));) {
		const char *name = gelf_getshdr(at, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (!name || strcmp(name, ".eh_frame") != 0 || header.sh_type == SHT_NOBITS)
			continue;
		section->data = elf_rawdata(at, NULL);
		section->address = header.sh_addr;
		section->ident = (const unsigned char *)elf_getident(elf, NULL);
		section->word_size = section->ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
		return section->data != NULL;
	}
	return false;
}

/* The letters of the augmentation stand for what is in its data, in the same order: P and a byte are followed by an
 * address, whose size another encoding tells; compilers put R before or without it, as for C. */
static unsigned address_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;

	if (!cie->augmentation || cie->augmentation[0] != 'z')
		return ENCODED_ABSOLUTE;
	for (const char *letter = cie->augmentation + 1; *letter; letter++) {
		if (*letter == 'R')
			return *data;
		if (*letter == 'L')
			data++;
		else if (*letter == 'P' && (*data & 0x0f) == (ENCODED_PC_RELATIVE & 0x0f))
			data += 1 + sizeof(int32_t);
		else if (*letter != 'S' && *letter != 'B')
			return ENCODED_OTHER;
	}
	return ENCODED_ABSOLUTE;
}

/* The first address and the size of the code that `fde` describes. */
static bool code_range(const struct section *section, const Dwarf_FDE *fde, unsigned encoding, uint64_t *start,
		       uint64_t *size)
{
	const uint8_t *bytes = fde->start;
	size_t left = (size_t)(fde->end - fde->start);

	if (encoding == ENCODED_PC_RELATIVE && left >= 2 * sizeof(int32_t)) {
		int32_t distance;
		uint32_t count;

		memcpy(&distance, bytes, sizeof(distance));
		memcpy(&count, bytes + sizeof(distance), sizeof(count));
		*start = section->address + (uint64_t)(bytes - (const uint8_t *)section->data->d_buf) +
			 (uint64_t)(int64_t)distance;
		*size = count;
		return true;
	}
	if (encoding == ENCODED_ABSOLUTE && left >= 2 * (size_t)section->word_size) {
		*start = *size = 0;
		memcpy(start, bytes, section->word_size);
		memcpy(size, bytes + section->word_size, section->word_size);
		return true;
	}
	return false;
}

/* Looks for `address` (as the file has it). */
static bool search(const struct section *section, uint64_t address, struct eh_frame_entry *found)
{
	Dwarf_Off next = 0, cie_offset = (Dwarf_Off)-1;
	unsigned encoding = ENCODED_OTHER;

	for (;;) {
		Dwarf_CFI_Entry entry, cie;
		Dwarf_Off offset = next, unused;
		uint64_t start, size;

		int result = dwarf_next_cfi(section->ident, section->data, true, offset, &next, &entry);

		if (result > 0 || (result < 0 && next == offset))
			return false;
		if (result < 0 || dwarf_cfi_cie_p(&entry))
			continue;
		if (entry.fde.CIE_pointer != cie_offset) {
			cie_offset = entry.fde.CIE_pointer;
			encoding = dwarf_next_cfi(section->ident, section->data, true, cie_offset, &unused, &cie)
				       ? ENCODED_OTHER
				       : address_encoding(&cie.cie);
		}
		if (!code_range(section, &entry.fde, encoding, &start, &size) || address - start >= size)
			continue;
		*found = (struct eh_frame_entry){section->address + offset, start};
		return true;
	}
}

bool eh_frame_find(struct module_file *file, uint64_t address, struct eh_frame_entry *entry)
{
	const struct file_view *view = &cfi_rules_of(file)->view;
	struct section section;
	GElf_Addr bias;
	Elf *elf = view->module ? dwfl_module_getelf(view->module, &bias) : NULL;

	if (!elf || !find_section(elf, &section) || !search(&section, view->start + address - bias, entry))
		return false;
	entry->address += bias - view->start;
	entry->code_start += bias - view->start;
	return true;
}
