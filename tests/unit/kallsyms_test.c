/* parse/kallsyms.c */
#include "parse/kallsyms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

/* The lines are those of Linux 6.18 on x86_64, Debian's 6.1 and a module. */
static const char sorted_text[] = "0000000000000000 A fixed_percpu_data\n"
				  "0000000000001000 A cpu_debug_store\n"
				  "ffffffff81000000 T srso_alias_untrain_ret\n"
				  "ffffffff81000000 T _stext\n"
				  "ffffffff81000000 T _text\n"
				  "ffffffff8135d6c0 T __pfx_copy_process\n"
				  "ffffffff8135d6d0 T copy_process\n"
				  "ffffffff8135fd10 t __pfx___do_sys_fork\n"
				  "ffffffff8135fd20 t __do_sys_fork\n"
				  "ffffffff8135fd20 T __ia32_sys_fork\n"
				  "ffffffff8135fd20 T __x64_sys_fork\n"
				  "ffffffff81400000 t local_first\n"
				  "ffffffff81400000 W weak_second\n"
				  "ffffffff81400000 T global_third\n"
				  "ffffffff81400000 T global_fourth\n"
				  "ffffffff82000000 T last_function\n"
				  "ffffffff82400000 D jiffies\n"
				  "ffffffff82400008 d other_data\n"
				  "ffffffffc0a01000 t nf_hook_slow\t[nf_tables]\n"
				  "ffffffffc0a01100 t nft_do_chain\t[nf_tables]\n"
				  "ffffffffc0b01000 t ext4_open\t[ext4]\n";

static const char *name_at(const struct kallsyms *kallsyms, uint64_t address)
{
	for (size_t i = 0; i < kallsyms->count; i++) {
		if (kallsyms->symbols[i].address == address)
			return kallsyms->names + kallsyms->symbols[i].name;
	}
	return NULL;
}

static const char *module_at(const struct kallsyms *kallsyms, uint64_t address)
{
	for (size_t i = 0; i < kallsyms->count; i++) {
		if (kallsyms->symbols[i].address == address)
			return kallsyms->names + kallsyms->symbols[i].module;
	}
	return NULL;
}

static void parse(const char *text, struct kallsyms *kallsyms)
{
	kallsyms_parse(text, strlen(text), kallsyms);
}

static void keeps_functions(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse(sorted_text, &kallsyms);
	assert_true(kallsyms.sorted);
	assert_false(kallsyms.zeroed);
	assert_int_equal(kallsyms.count, 9);
	assert_string_equal(name_at(&kallsyms, 0xffffffff8135d6d0), "copy_process");
	assert_string_equal(name_at(&kallsyms, 0xffffffff82000000), "last_function");
	assert_null(name_at(&kallsyms, 0));
	assert_null(name_at(&kallsyms, 0x1000));
	assert_null(name_at(&kallsyms, 0xffffffff8135d6c0));
	assert_null(name_at(&kallsyms, 0xffffffff82400008));
}

static void data_ends_a_function(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse(sorted_text, &kallsyms);
	assert_int_equal(kallsyms.symbols[5].address, 0xffffffff82400000);
	assert_int_equal(kallsyms.symbols[5].name, 0);
}

static void chooses_among_aliases(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse(sorted_text, &kallsyms);
	assert_string_equal(name_at(&kallsyms, 0xffffffff81000000), "srso_alias_untrain_ret");
	assert_string_equal(name_at(&kallsyms, 0xffffffff8135fd20), "__do_sys_fork");
	assert_string_equal(name_at(&kallsyms, 0xffffffff81400000), "global_third");
}

static void keeps_module_names(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse(sorted_text, &kallsyms);
	assert_string_equal(module_at(&kallsyms, 0xffffffffc0a01000), "nf_tables");
	assert_string_equal(module_at(&kallsyms, 0xffffffffc0a01100), "nf_tables");
	assert_string_equal(module_at(&kallsyms, 0xffffffffc0b01000), "ext4");
	assert_string_equal(module_at(&kallsyms, 0xffffffff8135d6d0), "");
}

static void sorts_where_needed(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse("c0003000 T third\nc0001000 T first\nc0002000 t second\nc0002000 t alias\n", &kallsyms);
	assert_false(kallsyms.sorted);
	assert_int_equal(kallsyms.count, 3);
	assert_string_equal(kallsyms.names + kallsyms.symbols[0].name, "first");
	assert_string_equal(kallsyms.names + kallsyms.symbols[1].name, "second");
	assert_string_equal(kallsyms.names + kallsyms.symbols[2].name, "third");
}

static void recognises_hidden_addresses(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms hidden, absolute, mixed;

	(void)state;
	parse("0000000000000000 T _text\n0000000000000000 t first\n0000000000000000 D data\n", &hidden);
	assert_true(hidden.zeroed);
	assert_int_equal(hidden.count, 0);
	parse("0000000000000000 A fixed_percpu_data\n", &absolute);
	assert_false(absolute.zeroed);
	parse("0000000000000000 T zero\nffffffff81000000 T one\n", &mixed);
	assert_false(mixed.zeroed);
	assert_int_equal(mixed.count, 1);
}

static void skips_malformed_lines(void **state)
{
	_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

	(void)state;
	parse("\n \nxyz T no_address\n81000000\n81000000 \n81000000 T\n81000000 T \n81000000Tname\n"
	      "11223344556677889 T too_long_an_address\n81000000 T \t[module]\n81000010 T good\t[]\n81000020 T cut_off",
	      &kallsyms);
	assert_int_equal(kallsyms.count, 1);
	assert_string_equal(name_at(&kallsyms, 0x81000010), "good");
	assert_string_equal(module_at(&kallsyms, 0x81000010), "");
}

/* Each prefix in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_being_cut(void **state)
{
	(void)state;
	for (size_t size = 0; size <= strlen(sorted_text); size++) {
		_cleanup_free_ char *copy = memory_alloc(size);
		_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

		memcpy(copy, sorted_text, size);
		kallsyms_parse(copy, size, &kallsyms);
		assert_in_range(kallsyms.count, 0, 9);
	}
}

static void survives_noise(void **state)
{
	static const char alphabet[] = "0f8 Tt\t[]\n\0A_";
	unsigned random = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t size = 1 + (size_t)round % 97;
		_cleanup_free_ char *text = memory_alloc(size);
		_cleanup_(kallsyms_deinit) struct kallsyms kallsyms;

		for (size_t i = 0; i < size; i++) {
			random = random * 1103515245 + 12345;
			text[i] = alphabet[(random >> 16) % sizeof(alphabet)];
		}
		kallsyms_parse(text, size, &kallsyms);
		for (size_t i = 1; i < kallsyms.count; i++)
			assert_true(kallsyms.symbols[i - 1].address < kallsyms.symbols[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_functions),       cmocka_unit_test(data_ends_a_function),
	    cmocka_unit_test(chooses_among_aliases), cmocka_unit_test(keeps_module_names),
	    cmocka_unit_test(sorts_where_needed),    cmocka_unit_test(recognises_hidden_addresses),
	    cmocka_unit_test(skips_malformed_lines), cmocka_unit_test(survives_being_cut),
	    cmocka_unit_test(survives_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
