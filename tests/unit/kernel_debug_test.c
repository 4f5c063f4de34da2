/* symbol/kernel_debug.c and unwind/kernel_naming.c, over small files that are built like a kernel: at a kernel's
 * address, with _stext, and with inlined functions. What addr2line says of them is what must be said. */
#include "unwind/kernel_naming.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"

static const uint64_t start = 0xc1000000, bias = 0x02400000;

/* Two levels of inlined functions; and one without debug information, as assembler code has it. */
static const char source[] = "__asm__(\".text\\n.globl _stext\\n_stext:\\n.globl bare\\n.type bare, @function\\nbare: "
			     "nop\\n nop\\n ret\\n .size bare, .-bare\\n\");\n"
			     "extern volatile int sink;\n"
			     "static inline __attribute__((always_inline)) int innermost(int a)\n"
			     "{\n"
			     "	sink = a;\n"
			     "	return sink * 3;\n"
			     "}\n"
			     "static inline __attribute__((always_inline)) int middle(int a)\n"
			     "{\n"
			     "	int b = innermost(a + 1);\n"
			     "	sink = b;\n"
			     "	return innermost(b) + sink;\n"
			     "}\n"
			     "__attribute__((noinline)) int first(int a)\n"
			     "{\n"
			     "	return middle(a) - 1;\n"
			     "}\n"
			     "__attribute__((noinline)) int second(int a)\n"
			     "{\n"
			     "	sink = 1;\n"
			     "	int b = first(middle(a));\n"
			     "	return b + 2;\n"
			     "}\n"
			     "__attribute__((noinline)) int third(int a) { return second(a) + 3; }\n"
			     "__attribute__((noinline)) int fourth(int a) { return third(a) + 4; }\n"
			     "int last(int a) { return fourth(a) + 5; }\n";

static char scratch[] = "/tmp/kernel_debug_test.XXXXXX";

/* Runs a shell command in the scratch directory and returns what it printed. */
__attribute__((format(printf, 1, 2))) static char *shell(const char *format, ...)
{
	char command[1024];
	size_t used = (size_t)snprintf(command, sizeof(command), "cd %s && ", scratch);
	struct buffer text = {0};
	va_list arguments;
	size_t got;

	va_start(arguments, format);
	vsnprintf(command + used, sizeof(command) - used, format, arguments);
	va_end(arguments);

	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	while ((got = fread(buffer_reserve(&text, 4096), 1, 4096, pipe)))
		text.size += got;
	buffer_append_text(&text, "");
	assert_int_equal(pclose(pipe), 0);
	return text.data;
}

static void run(const char *command)
{
	free(shell("%s", command));
}

static char *path_of(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", scratch, name) > 0);
	return path;
}

/* What the kernel's own table would say: the file's symbols, moved, but for `moved`, which lies one byte further. */
static struct kernel_symbols *kallsyms_of(const char *name, const char *moved)
{
	_cleanup_free_ char *listing = shell("nm -n %s", name);
	_cleanup_(buffer_deinit) struct buffer text = {0};
	uint64_t address;
	char type, symbol[64];
	int length;

	for (const char *at = listing; sscanf(at, "%" SCNx64 " %c %63s\n%n", &address, &type, symbol, &length) == 3;
	     at += length)
		buffer_printf(&text, "%08" PRIx64 " %c %s\n", address + bias + !strcmp(symbol, moved), type, symbol);
	return kernel_symbols_create(text.data, text.size);
}

static struct kernel_debug *opened(const char *name)
{
	_cleanup_free_ char *path = path_of(name);
	struct kernel_debug *debug;
	struct error *error = kernel_debug_open(path, &debug);

	if (error)
		fail_msg("%s", error->message);
	return debug;
}

static struct kernel_debug *fitted(const char *name)
{
	struct kernel_debug *debug = opened(name);
	struct kernel_symbols *symbols = kallsyms_of(name, "");

	assert_null(kernel_debug_fit(debug, symbols, NULL, 0, "5.0"));
	kernel_symbols_destroy(symbols);
	return debug;
}

/* As hexadecimal digits. */
static char *symbol_of(const char *name)
{
	return shell("nm vmlinux | awk '$3 == \"%s\" {print $1}'", name);
}

/* In addr2line's words. */
static void describe(struct buffer *text, const struct name *name)
{
	const char *slash = name->file ? strrchr(name->file, '/') : NULL;

	buffer_printf(text, "%s %s:%d\n", name->symbol, slash ? slash + 1 : "??", name->line);
}

/* Every address of the functions that have debug information. */
static void agrees_with_addr2line(void **state)
{
	struct kernel_debug *debug = fitted("vmlinux");
	_cleanup_free_ char *begin = symbol_of("first"), *end = symbol_of("last");
	size_t inlined = 0;

	(void)state;
	for (uint64_t address = strtoull(begin, NULL, 16); address < strtoull(end, NULL, 16); address++) {
		_cleanup_free_ char *expected = shell(
		    "addr2line -i -f -s -e vmlinux 0x%" PRIx64 " | paste -d' ' - - | sed 's/ (disc.*//'", address);
		const struct name_list *names = kernel_debug_lookup(debug, address + bias);
		_cleanup_(buffer_deinit) struct buffer text = {0};
		struct line_place place;
		uint64_t origin;

		assert_non_null(names);
		assert_true(kernel_debug_line(debug, address + bias, &place, &origin));
		assert_int_equal(place.line, names->names[0].line);
		assert_in_range(address + bias, origin + place.start, origin + place.end - 1);
		for (size_t i = 0; i < names->count; i++) {
			describe(&text, &names->names[i]);
			assert_int_equal(names->names[i].inlined, i + 1 < names->count);
		}
		assert_string_equal(text.data, expected);
		inlined += names->count == 3;
	}
	assert_true(inlined > 4);
	kernel_debug_destroy(debug);
}

static void knows_code_without_lines(void **state)
{
	struct kernel_debug *debug = fitted("vmlinux");
	const struct name_list *names = kernel_debug_lookup(debug, start + bias + 1);

	(void)state;
	assert_non_null(names);
	assert_int_equal(names->count, 1);
	assert_string_equal(names->names[0].symbol, "bare");
	assert_null(names->names[0].file);
	assert_false(kernel_debug_line(debug, start + bias + 1, &(struct line_place){0}, &(uint64_t){0}));
	kernel_debug_destroy(debug);
}

static void knows_only_the_kernel(void **state)
{
	struct kernel_debug *debug = fitted("vmlinux");

	(void)state;
	assert_null(kernel_debug_lookup(debug, start + bias - 1));
	assert_null(kernel_debug_lookup(debug, 0x08048000));
	assert_null(kernel_debug_lookup(debug, 0xf8000000));
	assert_false(kernel_debug_line(debug, 0xf8000000, &(struct line_place){0}, &(uint64_t){0}));
	assert_int_equal(kernel_debug_address(debug, 0x10), start + bias + 0x10);
	kernel_debug_destroy(debug);
}

/* A stopped function, a call in the middle of inlined ones, and a kernel module that called it. */
static void names_a_stack(void **state)
{
	struct kernel_debug *debug = fitted("vmlinux");
	struct string_pool *pool = string_pool_create();
	_cleanup_free_ char *first = symbol_of("first");
	_cleanup_free_ char *call = shell("objdump -d vmlinux | awk '/<second>:/ {on=1} on && done {print $1; exit} "
					  "/call.*<first>/ {done=on}'");
	uint64_t entry = strtoull(first, NULL, 16) + bias, returns = strtoull(call, NULL, 16) + bias;
	struct stack *stack = stack_create(3);

	(void)state;
	stack->reason = "cut";
	stack->frames[0] = (struct frame){.pc = entry, .symbol = "first.isra.0", .method = METHOD_PT_REGS};
	stack->frames[1] = (struct frame){.pc = returns, .offset = 7, .symbol = "second", .method = METHOD_PROLOGUE};
	stack->frames[2] = (struct frame){.pc = returns, .symbol = "other", .module = "mod", .method = METHOD_SCAN};

	struct stack *named = kernel_naming_stack(stack, debug, pool);
	const struct frame *frame = named->frames;

	assert_string_equal(named->reason, "cut");
	for (; frame->inlined; frame++)
		assert_int_equal(frame->pc, entry);
	assert_string_equal(frame->symbol, "first.isra.0");
	assert_non_null(strstr(frame->file, "source.c"));
	frame++;
	assert_string_equal(frame->symbol, "second");
	assert_int_equal(frame->offset, 7);
	assert_int_equal(frame->line, 21);
	assert_int_equal(frame->method, METHOD_PROLOGUE);
	frame++;
	assert_string_equal(frame->module, "mod");
	assert_null(frame->file);
	assert_ptr_equal(frame + 1, named->frames + named->count);

	const char *file;
	int line;

	kernel_naming_line(debug, returns, true, pool, &file, &line);
	assert_int_equal(line, 21);
	kernel_naming_line(debug, 0x08048000, true, pool, &file, &line);
	assert_null(file);
	assert_int_equal(line, 0);
	stack_unref(named);
	stack_unref(stack);
	string_pool_destroy(pool);
	kernel_debug_destroy(debug);
}

static void misfits(const char *name, const char *moved, const char *build_id, size_t size, const char *why)
{
	struct kernel_debug *debug = opened(name);
	struct kernel_symbols *symbols = kallsyms_of(name, moved);
	struct error *error = kernel_debug_fit(debug, symbols, (const uint8_t *)build_id, size, "5.0");
	char expected[256];

	snprintf(expected, sizeof(expected), "%s/%s is not of the guest's kernel, Linux 5.0: %s", scratch, name, why);
	if (!*why)
		assert_null(error);
	else
		assert_string_equal(error ? error->message : "", expected);
	error_destroy(error);
	kernel_symbols_destroy(symbols);
	kernel_debug_destroy(debug);
}

static void compares_build_ids(void **state)
{
	(void)state;
	misfits("vmlinux.id", "", "\x12\x34\xab", 3, "");
	misfits("vmlinux.id", "third", "\x12\x34\xab", 3, "");
	misfits("vmlinux.id", "", "\x12\x34\xac", 3, "its build id is 1234ab, the kernel's is 1234ac");
	misfits("vmlinux.id", "", "\x12\x34", 2, "its build id is 1234ab, the kernel's is 1234");
	misfits("vmlinux.id", "third", NULL, 0, "its functions lie at other distances from one another");
}

static void compares_functions(void **state)
{
	(void)state;
	misfits("vmlinux", "", "\x12\x34\xab", 3, "");
	misfits("vmlinux", "third", "\x12\x34\xab", 3, "its functions lie at other distances from one another");
	misfits("vmlinux", "_stext", NULL, 0, "its functions lie at other distances from one another");
	misfits("few", "", NULL, 0, "it has too few functions to tell");
}

static void refuses_other_files(void **state)
{
	static const struct {
		const char *name, *sentence;
	} cases[] = {
	    {"none", "the debug information of the guest's kernel, %s, cannot be read: No such file or directory"},
	    {".", "the debug information of the guest's kernel, %s, cannot be read: it is not a regular file"},
	    {"source.c", "%s is not an ELF file; a kernel's debug information is in its vmlinux, not in the image that "
			 "boots"},
	    {"wide", "%s is a 64-bit ELF file; the guest's kernel is a 32-bit one (i386)"},
	    {"x32", "%s is a 64-bit ELF file; the guest's kernel is a 32-bit one (i386)"},
	    {"object.o", "%s is not a whole kernel (vmlinux), but a module, an object file or a core dump"},
	    {"stripped", "%s has no symbol table: it was stripped"},
	    {"plain", "%s has no debug information: the kernel was built without CONFIG_DEBUG_INFO, or it was stripped "
		      "off"},
	    {"program", "%s is not a kernel: it has neither of the symbols _stext and _text"},
	    {"half", "%s is damaged: its sections cannot be read"},
	    {"empty", "%s is not an ELF file; a kernel's debug information is in its vmlinux, not in the image that "
		      "boots"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *path = path_of(cases[i].name);
		_cleanup_(buffer_deinit) struct buffer expected = {0};
		const char *place = strstr(cases[i].sentence, "%s");
		struct kernel_debug *debug = (struct kernel_debug *)path;
		struct error *error = kernel_debug_open(path, &debug);

		buffer_append(&expected, cases[i].sentence, (size_t)(place - cases[i].sentence));
		buffer_printf(&expected, "%s%s", path, place + 2);
		assert_non_null(error);
		assert_null(debug);
		assert_string_equal(error->message, expected.data);
		error_destroy(error);
	}
}

static int set_up(void **state)
{
	static const char build[] =
	    "cc -m32 -O1 -g -fno-pie -no-pie -static -nostdlib -fcf-protection=none "
	    "-fno-asynchronous-unwind-tables -Wl,-Ttext=0xc1000000 -Wl,-e,last -Wl,-n -Wl,--defsym=sink=0xc2000000";

	(void)state;
	if (!mkdtemp(scratch))
		return -1;

	_cleanup_free_ char *path = path_of("source.c");
	FILE *file = fopen(path, "w");

	if (!file || fputs(source, file) < 0 || fclose(file))
		return -1;
	free(shell("%s -Wl,--build-id=none -o vmlinux source.c", build));
	free(shell("%s -Wl,--build-id=0x1234ab -o vmlinux.id source.c", build));
	run("echo '__asm__(\".globl _text; _text:\"); int last(void) { return 1; }' >few.c");
	free(shell("%s -Wl,--build-id=none -o few few.c", build));
	run("cc -m32 -g -c -o object.o source.c && cc -m64 -g -c -o wide source.c && cp wide x32");
	run("printf '\\001' | dd of=x32 bs=1 seek=4 conv=notrunc status=none"); /* EI_CLASS: ELFCLASS32, as for x32 */
	run("strip -o stripped vmlinux && strip -g -o plain vmlinux && : >empty");
	run("objcopy -N _stext vmlinux program && head -c $(($(stat -c %s vmlinux) / 2)) vmlinux >half");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	run("rm -r \"$PWD\"");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_addr2line), cmocka_unit_test(knows_code_without_lines),
	    cmocka_unit_test(knows_only_the_kernel), cmocka_unit_test(names_a_stack),
	    cmocka_unit_test(compares_build_ids),    cmocka_unit_test(compares_functions),
	    cmocka_unit_test(refuses_other_files),
	};

	return cmocka_run_group_tests_name("kernel_debug", tests, set_up, tear_down);
}
