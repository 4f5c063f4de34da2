/* What forktrace itself reads of an ELF file: its header, its segments and its build id (elf(5)). The rest is libelf's.
 */
#ifndef FORKTRACE_PARSE_ELF_HEADER_H
#define FORKTRACE_PARSE_ELF_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"

/* Bytes of the larger of the two headers. */
enum { ELF_HEADER_SIZE = 64 };

struct elf_header {
	enum abi abi;           /* ABI_UNKNOWN for other machines than x86 */
	bool is64;              /* ELFCLASS64 */
	uint16_t type;          /* ET_* */
	uint64_t entry;         /* address; 0: none */
	uint64_t segment_table; /* offset of the program headers */
	unsigned segment_count, segment_size;
};

struct elf_segment {
	uint32_t type;  /* PT_* */
	uint32_t flags; /* PF_* */
	uint64_t offset, address, file_size, memory_size, alignment;
};

/* Decodes the header at the start of `bytes`. Returns false where it is no little-endian ELF header of a known class or
 * size is too small. */
bool elf_header_parse(const void *bytes, size_t size, struct elf_header *header);

/* Decodes entry `index` of the program header table `table`. Returns false behind its end. */
bool elf_segment_parse(const struct elf_header *header, const void *table, size_t size, unsigned index,
		       struct elf_segment *segment);

/* Finds the build id (NT_GNU_BUILD_ID) in a PT_NOTE segment's bytes. */
bool elf_build_id_find(const void *notes, size_t size, uint64_t alignment, size_t *offset, size_t *length);

#endif
