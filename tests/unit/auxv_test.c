/* parse/auxv: the auxiliary vector of both word sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "parse/auxv.h"

static void vector_of_64_bits(void **state)
{
	static const uint64_t words[] = {AT_SYSINFO_EHDR, 0x7fff12340000, AT_PHDR,        0x555555554040, AT_BASE,
					 0x7ffff7fc5000,  AT_ENTRY,       0x555555555080, AT_NULL,        0};
	struct auxv auxv;

	(void)state;
	assert_true(auxv_parse(words, sizeof(words), &auxv));
	assert_int_equal(auxv.word_size, 8);
	assert_int_equal(auxv.vdso, 0x7fff12340000);
	assert_int_equal(auxv.phdr, 0x555555554040);
	assert_int_equal(auxv.base, 0x7ffff7fc5000);
	assert_int_equal(auxv.entry, 0x555555555080);
}

static void vector_of_32_bits(void **state)
{
	static const uint32_t words[] = {AT_SYSINFO, 0xf7fc5570, AT_SYSINFO_EHDR, 0xf7fc5000, AT_PHDR,
					 0x56555034, AT_ENTRY,   0x56556080,      AT_NULL,    0};
	struct auxv auxv;

	(void)state;
	assert_true(auxv_parse(words, sizeof(words), &auxv));
	assert_int_equal(auxv.word_size, 4);
	assert_int_equal(auxv.vdso, 0xf7fc5000);
	assert_int_equal(auxv.entry, 0x56556080);
	assert_int_equal(auxv.base, 0);
}

static void not_a_vector(void **state)
{
	static const uint64_t unterminated[] = {AT_ENTRY, 0x555555555080};
	static const uint64_t without_entry[] = {AT_PAGESZ, 4096, AT_NULL, 0};
	static const uint8_t text[64] = "this is no auxiliary vector, whatever its word size may be";
	struct auxv auxv;

	(void)state;
	assert_false(auxv_parse(NULL, 0, &auxv));
	assert_false(auxv_parse(unterminated, sizeof(unterminated), &auxv));
	assert_false(auxv_parse(without_entry, sizeof(without_entry), &auxv));
	assert_false(auxv_parse(text, sizeof(text), &auxv));
}

static void own_vector(void **state)
{
	(void)state;
	_cleanup_file_ FILE *file = fopen("/proc/self/auxv", "re");
	struct buffer bytes = {0};
	struct auxv auxv;

	assert_non_null(file);
	assert_null(buffer_read_fd(&bytes, fileno(file)));
	assert_true(auxv_parse(bytes.data, bytes.size, &auxv));
	assert_int_equal(auxv.word_size, sizeof(void *));
	assert_int_equal(auxv.entry, getauxval(AT_ENTRY));
	assert_int_equal(auxv.phdr, getauxval(AT_PHDR));
	assert_int_equal(auxv.base, getauxval(AT_BASE));
	assert_int_equal(auxv.vdso, getauxval(AT_SYSINFO_EHDR));
	buffer_deinit(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vector_of_64_bits),
	    cmocka_unit_test(vector_of_32_bits),
	    cmocka_unit_test(not_a_vector),
	    cmocka_unit_test(own_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
