/* symbol/kernel_symbols.c */
#include "symbol/kernel_symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static const char text[] = "ffffffff81000000 T first\n"
			   "ffffffff81000100 t second\n"
			   "ffffffff81000200 D data\n"
			   "ffffffffc0001000 t in_module\t[nf_tables]\n"
			   "ffffffffc0002000 t last\t[nf_tables]\n";

static void cleanup_symbols(struct kernel_symbols **symbols)
{
	kernel_symbols_destroy(*symbols);
}

static void finds_function_and_offset(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = kernel_symbols_create(text, strlen(text));
	struct kernel_symbol symbol;

	(void)state;
	assert_true(kernel_symbols_find(symbols, 0xffffffff81000000, &symbol));
	assert_string_equal(symbol.name, "first");
	assert_int_equal(symbol.offset, 0);
	assert_null(symbol.module);
	assert_true(kernel_symbols_find(symbols, 0xffffffff810000ff, &symbol));
	assert_string_equal(symbol.name, "first");
	assert_int_equal(symbol.offset, 0xff);
	assert_true(kernel_symbols_find(symbols, 0xffffffffc0001042, &symbol));
	assert_string_equal(symbol.name, "in_module");
	assert_string_equal(symbol.module, "nf_tables");
}

static void knows_the_bounds(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = kernel_symbols_create(text, strlen(text));
	struct kernel_symbol symbol;

	(void)state;
	assert_false(kernel_symbols_find(symbols, 0, &symbol));
	assert_false(kernel_symbols_find(symbols, 0xffffffff80ffffff, &symbol));
	assert_true(kernel_symbols_find(symbols, 0xffffffff810001ff, &symbol));
	assert_false(kernel_symbols_find(symbols, 0xffffffff81000200, &symbol));
	assert_false(kernel_symbols_find(symbols, 0xffffffffc0000fff, &symbol));
	assert_false(kernel_symbols_find(symbols, 0xffffffffc0002000, &symbol));
	assert_false(kernel_symbols_find(symbols, UINT64_MAX, &symbol));
}

/* A call that does not return may be a function's last instruction. */
static void a_return_address_belongs_to_its_call(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = kernel_symbols_create(text, strlen(text));
	struct kernel_symbol symbol;

	(void)state;
	assert_true(kernel_symbols_find_caller(symbols, 0xffffffff81000100, &symbol));
	assert_string_equal(symbol.name, "first");
	assert_int_equal(symbol.offset, 0x100);
	assert_true(kernel_symbols_find_caller(symbols, 0xffffffff81000105, &symbol));
	assert_string_equal(symbol.name, "second");
	assert_int_equal(symbol.offset, 5);
	assert_true(kernel_symbols_find_caller(symbols, 0xffffffff81000200, &symbol));
	assert_string_equal(symbol.name, "second");
	assert_false(kernel_symbols_find_caller(symbols, 0xffffffff81000000, &symbol));
	assert_false(kernel_symbols_find_caller(symbols, 0, &symbol));
}

static void says_that_addresses_are_hidden(void **state)
{
	static const char zeros[] = "0000000000000000 T _text\n0000000000000000 t first\n";
	_cleanup_(cleanup_symbols) struct kernel_symbols *hidden = kernel_symbols_create(zeros, strlen(zeros));
	_cleanup_(cleanup_symbols) struct kernel_symbols *empty = kernel_symbols_create(NULL, 0);
	struct kernel_symbol symbol;

	(void)state;
	assert_true(kernel_symbols_hidden(hidden));
	assert_false(kernel_symbols_find(hidden, 0xffffffff81000000, &symbol));
	assert_false(kernel_symbols_hidden(empty));
	assert_false(kernel_symbols_find(empty, 0xffffffff81000000, &symbol));
}

static void finds_by_name_and_by_suffix(void **state)
{
	static const char kernel[] = "c1000000 T _text\n"
				     "c1000100 t copy_process.cold\n"
				     "c1000200 t copy_process.part.3\n"
				     "c1000300 t do_fork.isra.0.constprop.1\n"
				     "c1000400 T sys_fork\n"
				     "c1000400 T __ia32_sys_fork\n"
				     "c1000500 t worker.part.0\n"
				     "c1000600 T worker\n"
				     "c1000700 t odd.llvm.7\n"
				     "c1000800 D data\n";
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = kernel_symbols_create(kernel, strlen(kernel));
	uint64_t address = 0, start, end;
	const char *found = NULL;

	(void)state;
	assert_true(kernel_symbols_by_name(symbols, "copy_process", &address, &found));
	assert_int_equal(address, 0xc1000200);
	assert_string_equal(found, "copy_process.part.3");
	assert_true(kernel_symbols_by_name(symbols, "do_fork", &address, &found));
	assert_string_equal(found, "do_fork.isra.0.constprop.1");
	assert_true(kernel_symbols_by_name(symbols, "worker", &address, NULL));
	assert_int_equal(address, 0xc1000600);
	/* Both names of one place. */
	assert_true(kernel_symbols_by_name(symbols, "sys_fork", &address, &found));
	assert_true(kernel_symbols_by_name(symbols, "__ia32_sys_fork", &address, &found));
	assert_string_equal(found, "__ia32_sys_fork");
	assert_int_equal(address, 0xc1000400);
	assert_false(kernel_symbols_by_name(symbols, "odd", &address, &found));
	assert_false(kernel_symbols_by_name(symbols, "data", &address, &found));
	assert_false(kernel_symbols_by_name(symbols, "copy", &address, &found));
	assert_true(kernel_symbols_bounds(symbols, 0xc1000210, &start, &end));
	assert_int_equal(start, 0xc1000200);
	assert_int_equal(end, 0xc1000300);
	assert_false(kernel_symbols_bounds(symbols, 0xc0000000, &start, &end));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_function_and_offset),
	    cmocka_unit_test(knows_the_bounds),
	    cmocka_unit_test(a_return_address_belongs_to_its_call),
	    cmocka_unit_test(says_that_addresses_are_hidden),
	    cmocka_unit_test(finds_by_name_and_by_suffix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
