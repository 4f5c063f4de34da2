/* parse/gdb_target.c */
#include "parse/gdb_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

/* What a peer has: names and texts in turn, NULL at the end. Anything else is an error of its own. */
static struct error *read_annex(void *context, const char *annex, struct buffer *xml)
{
	for (const char *const *at = context; *at; at += 2) {
		if (!strcmp(at[0], annex)) {
			buffer_append_text(xml, at[1]);
			return NULL;
		}
	}
	return error_create(ERROR_NOT_FOUND, 0, annex, "no such annex");
}

static struct error *parse(const char *const *documents, struct gdb_target *target)
{
	return gdb_target_parse(read_annex, (void *)(uintptr_t)documents, target);
}

static void no_error(struct error *error)
{
	if (error)
		print_error("%s\n", error->message);
	assert_null(error);
}

static void assert_fails(const char *const *documents, enum error_code code)
{
	struct gdb_target target;
	struct error *error = parse(documents, &target);

	assert_non_null(error);
	assert_int_equal(error->code, code);
	assert_int_equal(target.registers.count, 0);
	error_destroy(error);
}

static void assert_register(const struct gdb_target *target, const char *name, unsigned number, unsigned size,
			    size_t offset)
{
	const struct gdb_register *found = gdb_target_find(target, name);

	assert_non_null(found);
	assert_int_equal(found->number, number);
	assert_int_equal(found->size, size);
	assert_int_equal(found->offset, offset);
}

#define REG(name, bits) "<reg name=\"" name "\" bitsize=\"" bits "\" type=\"int\"/>"

/* As QEMU has it: the registers in a document of their own. */
static void follows_inclusions(void **state)
{
	static const char *const documents[] = {
	    "target.xml",
	    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
	    "<architecture>i386</architecture><xi:include href=\"core.xml\"/><xi:include href=\"more.xml\"/></target>",
	    "core.xml",
	    "<?xml version=\"1.0\"?><!DOCTYPE feature SYSTEM \"gdb-target.dtd\"><feature name=\"core\">"
	    "<flags id=\"f\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/></flags>"
	    "<reg name=\"eax\" bitsize=\"32\" regnum=\"0\"/>" REG("ecx", "32") REG("eip", "32") "</feature>",
	    "more.xml",
	    "<feature name=\"more\">" REG("st0", "80") REG("cr3", "32") "</feature>",
	    NULL};
	_cleanup_(gdb_target_deinit) struct gdb_target target;

	(void)state;
	no_error(parse(documents, &target));
	assert_int_equal(target.abi, ABI_I386);
	assert_string_equal(target.architecture, "i386");
	assert_int_equal(target.registers.count, 5);
	assert_register(&target, "eax", 0, 4, 0);
	assert_register(&target, "ecx", 1, 4, 4);
	assert_register(&target, "eip", 2, 4, 8);
	assert_register(&target, "st0", 3, 10, 12);
	assert_register(&target, "cr3", 4, 4, 22);
	assert_null(gdb_target_find(&target, "rip"));
}

/* The order in g is that of the numbers, whatever the order of the text; a gap takes no place. */
static void orders_by_number(void **state)
{
	static const char *const documents[] = {
	    "target.xml",
	    "<target><feature><reg name=\"orig_rax\" bitsize=\"64\" regnum=\"40\"/>" REG(
		"fs_base", "64") "<reg name=\"rax\" bitsize=\"64\" regnum=\"0\"/>" REG("rip", "64")
		REG("eflags", "32") "<reg name=\"late\" bitsize=\"8\" regnum=\"1\"/></feature></target>",
	    NULL};
	_cleanup_(gdb_target_deinit) struct gdb_target target;

	(void)state;
	no_error(parse(documents, &target));
	assert_int_equal(target.abi, ABI_X86_64);
	assert_null(target.architecture);
	assert_register(&target, "rax", 0, 8, 0);
	assert_register(&target, "rip", 1, 8, 8);
	assert_null(gdb_target_find(&target, "late"));
	assert_register(&target, "eflags", 2, 4, 16);
	assert_register(&target, "orig_rax", 40, 8, 20);
	assert_register(&target, "fs_base", 41, 8, 28);
}

static void knows_other_machines(void **state)
{
	static const char *const documents[] = {
	    "target.xml", "<target><architecture>aarch64</architecture>" REG("x0", "64") REG("pc", "64") "</target>",
	    NULL};
	_cleanup_(gdb_target_deinit) struct gdb_target target;

	(void)state;
	no_error(parse(documents, &target));
	assert_int_equal(target.abi, ABI_UNKNOWN);
	assert_string_equal(target.architecture, "aarch64");
}

static void refuses_what_is_not_well_formed(void **state)
{
	static const char *const texts[] = {"",
					    "<target>",
					    "<target></feature>",
					    "noise",
					    "<target><reg name=\"eax\"/></target>",
					    "<target><reg bitsize=\"32\"/></target>",
					    "<target>" REG("", "32") "</target>",
					    "<target>" REG("eax", "0") "</target>",
					    "<target>" REG("eax", "-8") "</target>",
					    "<target>" REG("eax", "99999999999999999999") "</target>",
					    "<target>" REG("eax", "65537") "</target>",
					    "<target><reg name=\"a\" bitsize=\"8\" regnum=\"2147483648\"/></target>",
					    "<target><xi:include/></target>",
					    "<target><xi:include href=\"a:0,1\"/></target>",
					    "<!DOCTYPE t [<!ENTITY a \"aaaa\">]><t>&a;</t>"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *const documents[] = {"target.xml", texts[i], NULL};

		assert_fails(documents, ERROR_INPUT);
	}
}

static void passes_errors_on(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const half[] = {"target.xml",
					   "<target>" REG("eip", "32") "<xi:include href=\"b.xml\"/></target>", NULL};

	(void)state;
	assert_fails(none, ERROR_NOT_FOUND);
	assert_fails(half, ERROR_NOT_FOUND);
}

static void bounds_inclusion(void **state)
{
	static const char *const deep[] = {"target.xml", "<target><xi:include href=\"target.xml\"/></target>", NULL};
	static const char *const wide[] = {
	    "target.xml", "<t><xi:include href=\"a\"/><xi:include href=\"a\"/><xi:include href=\"a\"/></t>",
	    "a",          "<t><xi:include href=\"b\"/><xi:include href=\"b\"/><xi:include href=\"b\"/></t>",
	    "b",          "<t><xi:include href=\"c\"/><xi:include href=\"c\"/><xi:include href=\"c\"/></t>",
	    "c",          "<t><xi:include href=\"d\"/><xi:include href=\"d\"/><xi:include href=\"d\"/></t>",
	    "d",          "<t/>",
	    NULL};

	(void)state;
	assert_fails(deep, ERROR_INPUT);
	assert_fails(wide, ERROR_INPUT);
}

static void bounds_registers(void **state)
{
	_cleanup_(buffer_deinit) struct buffer xml = {0};

	(void)state;
	buffer_append_text(&xml, "<target>");
	for (int i = 0; i < 5000; i++)
		buffer_append_text(&xml, REG("r", "8"));
	buffer_append_text(&xml, "</target>");

	const char *const documents[] = {"target.xml", xml.data, NULL};

	assert_fails(documents, ERROR_INPUT);
}

/* A peer without a description: GDB's layouts, by length. */
static void assumes_by_length(void **state)
{
	static const struct {
		size_t size;
		enum abi abi;
		size_t pc, cs, original; /* offsets; original 0: none */
	} layouts[] = {{64, ABI_I386, 32, 40, 0},      {176, ABI_I386, 32, 40, 0},      {308, ABI_I386, 32, 40, 0},
		       {312, ABI_I386, 32, 40, 308},   {164, ABI_X86_64, 128, 140, 0},  {276, ABI_X86_64, 128, 140, 0},
		       {536, ABI_X86_64, 128, 140, 0}, {544, ABI_X86_64, 128, 140, 536}};

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		bool is_i386 = layouts[i].abi == ABI_I386;
		_cleanup_(gdb_target_deinit) struct gdb_target target;

		no_error(gdb_target_assume(layouts[i].size, &target));
		assert_int_equal(target.abi, layouts[i].abi);
		assert_register(&target, is_i386 ? "eip" : "rip", is_i386 ? 8 : 16, is_i386 ? 4 : 8, layouts[i].pc);
		assert_register(&target, "cs", is_i386 ? 10 : 18, 4, layouts[i].cs);
		if (layouts[i].original)
			assert_register(&target, is_i386 ? "orig_eax" : "orig_rax", is_i386 ? 41 : 57, is_i386 ? 4 : 8,
					layouts[i].original);
		else
			assert_null(gdb_target_find(&target, is_i386 ? "orig_eax" : "orig_rax"));
	}
}

static void assumes_nothing_else(void **state)
{
	static const size_t sizes[] = {0, 4, 63, 65, 307, 309, 400, 535, 1000, SIZE_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct gdb_target target;
		struct error *error = gdb_target_assume(sizes[i], &target);

		assert_non_null(error);
		assert_int_equal(error->code, ERROR_UNSUPPORTED);
		error_destroy(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(follows_inclusions),   cmocka_unit_test(orders_by_number),
	    cmocka_unit_test(knows_other_machines), cmocka_unit_test(refuses_what_is_not_well_formed),
	    cmocka_unit_test(passes_errors_on),     cmocka_unit_test(bounds_inclusion),
	    cmocka_unit_test(bounds_registers),     cmocka_unit_test(assumes_by_length),
	    cmocka_unit_test(assumes_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
