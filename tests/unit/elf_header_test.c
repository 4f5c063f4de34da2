/* parse/elf_header: headers, segments and build ids, whole and damaged. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "parse/elf_header.h"

static Elf32_Ehdr header_of_32_bits(void)
{
	Elf32_Ehdr elf = {.e_type = ET_DYN,
			  .e_machine = EM_386,
			  .e_phoff = sizeof(Elf32_Ehdr),
			  .e_phentsize = sizeof(Elf32_Phdr),
			  .e_phnum = 2};

	memcpy(elf.e_ident, ELFMAG, SELFMAG);
	elf.e_ident[EI_CLASS] = ELFCLASS32;
	elf.e_ident[EI_DATA] = ELFDATA2LSB;
	return elf;
}

static void both_classes(void **state)
{
	Elf32_Ehdr narrow = header_of_32_bits();
	Elf64_Ehdr wide = {
	    .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phoff = 64, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 9};
	struct elf_header header;

	(void)state;
	assert_true(elf_header_parse(&narrow, sizeof(narrow), &header));
	assert_int_equal(header.abi, ABI_I386);
	assert_int_equal(header.type, ET_DYN);
	assert_int_equal(header.segment_count, 2);
	narrow.e_machine = EM_X86_64;
	assert_true(elf_header_parse(&narrow, sizeof(narrow), &header));
	assert_int_equal(header.abi, ABI_X32);
	narrow.e_machine = EM_ARM;
	assert_true(elf_header_parse(&narrow, sizeof(narrow), &header));
	assert_int_equal(header.abi, ABI_UNKNOWN);

	memcpy(wide.e_ident, narrow.e_ident, EI_NIDENT);
	wide.e_ident[EI_CLASS] = ELFCLASS64;
	assert_true(elf_header_parse(&wide, sizeof(wide), &header));
	assert_int_equal(header.abi, ABI_X86_64);
	assert_int_equal(header.segment_table, 64);
	assert_int_equal(header.segment_count, 9);
}

static void refuses_what_is_no_header(void **state)
{
	Elf32_Ehdr elf = header_of_32_bits();
	struct elf_header header;

	(void)state;
	for (size_t size = 0; size < sizeof(elf); size++)
		assert_false(elf_header_parse(&elf, size, &header));
	elf.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_false(elf_header_parse(&elf, sizeof(elf), &header));
	elf = header_of_32_bits();
	elf.e_phentsize = sizeof(Elf32_Phdr) - 1; /* an entry would be read past its end */
	assert_false(elf_header_parse(&elf, sizeof(elf), &header));
	elf = header_of_32_bits();
	elf.e_ident[0] = 'e';
	assert_false(elf_header_parse(&elf, sizeof(elf), &header));
}

static void segments(void **state)
{
	Elf32_Ehdr elf = header_of_32_bits();
	Elf32_Phdr table[2] = {{.p_type = PT_PHDR},
			       {.p_type = PT_LOAD,
				.p_flags = PF_X,
				.p_offset = 0x1000,
				.p_vaddr = 0x8048000,
				.p_filesz = 5,
				.p_memsz = 6,
				.p_align = 0x1000}};
	struct elf_header header;
	struct elf_segment segment;

	(void)state;
	assert_true(elf_header_parse(&elf, sizeof(elf), &header));
	assert_true(elf_segment_parse(&header, table, sizeof(table), 1, &segment));
	assert_int_equal(segment.type, PT_LOAD);
	assert_int_equal(segment.flags, PF_X);
	assert_int_equal(segment.offset, 0x1000);
	assert_int_equal(segment.address, 0x8048000);
	assert_int_equal(segment.file_size, 5);
	assert_int_equal(segment.memory_size, 6);
	assert_int_equal(segment.alignment, 0x1000);
	assert_false(elf_segment_parse(&header, table, sizeof(table), 2, &segment));
	assert_false(elf_segment_parse(&header, table, sizeof(table) - 1, 1, &segment));
	assert_false(elf_segment_parse(&header, table, 0, 0, &segment));
}

static void build_id(void **state)
{
	static const uint8_t notes[] = {
	    4, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 'F', 'o', 'o', 0, 'x',  0,    0,    0, /* another owner's */
	    4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 0xab, 0xcd, 0xef, 0  /* with padding */
	};
	size_t offset, length;

	(void)state;
	assert_true(elf_build_id_find(notes, sizeof(notes), 4, &offset, &length));
	assert_int_equal(offset, 36);
	assert_int_equal(length, 3);

	/* Cut off anywhere, in a buffer of exactly that size. */
	for (size_t size = 0; size < 39; size++) {
		_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);

		assert_non_null(copy);
		memcpy(copy, notes, size);
		assert_false(elf_build_id_find(copy, size, 4, &offset, &length));
	}
}

static void huge_note_sizes(void **state)
{
	static const uint32_t notes[] = {UINT32_MAX, UINT32_MAX, 3, 0, 0, 0};
	static const uint32_t wraps[] = {UINT32_MAX - 11, 0, 3, 0, 0, 0};
	size_t offset, length;

	(void)state;
	assert_false(elf_build_id_find(notes, sizeof(notes), 4, &offset, &length));
	assert_false(elf_build_id_find(wraps, sizeof(wraps), 8, &offset, &length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_classes), cmocka_unit_test(refuses_what_is_no_header), cmocka_unit_test(segments),
	    cmocka_unit_test(build_id),     cmocka_unit_test(huge_note_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
