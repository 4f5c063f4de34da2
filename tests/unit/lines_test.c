/* symbol/lines.h over built programs of both ABIs, beside readelf, addr2line and gdb, which read the same files. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "skipping.h"
#include "symbol/lines.h"
#include "symbol/symbols.h"
#include "target/module_file.h"

static const char *const programs[] = {
    "build/tests/x86_64/step_target.o0",
    "build/tests/x86_64/step_target.o2",
    "build/tests/x86_64/step_target.fp",
    "build/tests/x86_64/step_target.nopie",
    "build/tests/x86_64/libstep.so",
    "build/targets/x86_64/test_deep",
    "build/targets/x86_64/test_threads",
    "build/tests/i386/step_target.o0",
    "build/tests/i386/step_target.o2",
    "build/tests/i386/step_target.nopie",
    "build/targets/i386/test_deep",
    "build/targets/i386/test_threads",
    "build/targets/x86_64/variants/test_deep.nopie",
};

static struct module_file *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		fail_msg("%s was not built", path);
	assert_int_equal(fstat(fd, &status), 0);

	struct module_file *file = module_file_of_fd(fd, &status, path);

	assert_non_null(file);
	return file;
}

/* A command's output, line by line. */
static FILE *run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static FILE *run(const char *format, ...)
{
	char command[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);

	FILE *output = popen(command, "r");

	assert_non_null(output);
	return output;
}

/* --- rows, as readelf decodes them ------------------------------------------------------------------------------- */

/* What counts of the rows of one address. */
struct row {
	uint64_t address;
	int line;
	bool statement;
};

struct rows {
	VECTOR(struct row) list;
};

/* "file.c  21  0x12e0  [view]  [x]" */
static bool parse_row(char *text, struct row *row)
{
	char *words[8], *rest = text;
	size_t count = 0;

	while (count < 8 && (words[count] = strtok_r(rest, " \t\n", &rest)))
		count++;
	if (count < 3 || strncmp(words[2], "0x", 2) != 0)
		return false;
	row->line = atoi(words[1]);
	row->address = strtoull(words[2], NULL, 16);
	row->statement = !strcmp(words[count - 1], "x");
	return strcmp(words[1], "-") != 0;
}

static struct rows read_rows(const char *program)
{
	struct rows rows = {0};
	char text[512];
	FILE *output = run("readelf -W --debug-dump=decodedline %s 2>/dev/null", program);

	while (fgets(text, sizeof(text), output)) {
		struct row row;
		struct row *last = rows.list.count ? &rows.list.items[rows.list.count - 1] : NULL;

		if (!parse_row(text, &row))
			continue;
		if (row.line == 0 && last) {
			row.line = last->line; /* it has no line of its own: it belongs to the one before it */
			row.statement = false;
		}
		if (!last || last->address != row.address)
			vector_push(&rows.list, row);
		else if (row.statement || !last->statement)
			*last = row;
	}
	pclose(output);
	return rows;
}

static void compare_row(const char *program, struct module_file *file, const struct row *row, bool last)
{
	uint64_t address = row->address - file->first_address;
	struct line_place place, within;

	if (!lines_at(file, address, &place))
		fail_msg("%s: no line at %lx", program, row->address);
	if (place.line != row->line || place.statement != row->statement)
		fail_msg("%s, %lx: line %d (%d), readelf says %d (%d)", program, row->address, place.line,
			 place.statement, row->line, row->statement);
	assert_true(place.start <= address && address < place.end);
	assert_true(place.function <= place.body);

	/* Behind its begin a row is the same line, and no begin. */
	if (place.end == address + 1)
		return;
	assert_true(lines_at(file, address + 1, &within));
	assert_int_equal(within.end, place.end);
	if (last || row[1].address != row->address + 1) {
		assert_int_equal(within.line, row->line);
		assert_false(within.statement);
		assert_int_equal(within.within_statement, row->statement);
	}
}

static void rows_are_those_of_readelf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		struct module_file *file = open_file(programs[i]);
		struct rows rows = read_rows(programs[i]);

		assert_true(rows.list.count > 4);
		for (size_t j = 0; j < rows.list.count; j++)
			compare_row(programs[i], file, &rows.list.items[j], j + 1 == rows.list.count);
		vector_deinit(&rows.list);
		module_file_unref(file);
	}
}

/* --- inlined bodies, as addr2line shows them --------------------------------------------------------------------- */

/* Compares with the levels that addr2line printed for one address: innermost first, "file:line" each. */
static void compare_levels(const char *program, struct module_file *file, uint64_t address, const int *lines,
			   size_t count)
{
	struct line_place place;

	assert_true(lines_at(file, address - file->first_address, &place));
	if (place.inlined_count + 1 != count)
		fail_msg("%s, %lx: in %u inlined bodies, addr2line says %zu", program, address, place.inlined_count,
			 count - 1);
	for (size_t i = 1; i < count; i++) {
		const struct line_inlined *inlined = &place.inlined[place.inlined_count - i];

		if (inlined->call_line != lines[i])
			fail_msg("%s, %lx, body %zu: called in line %d, addr2line says %d", program, address, i,
				 inlined->call_line, lines[i]);
		assert_non_null(inlined->call_file);
		assert_int_not_equal(inlined->body, 0);
	}
}

static unsigned compare_inlined(const char *program)
{
	enum { LEVELS_MAX = 32 };
	struct module_file *file = open_file(program);
	struct rows rows = read_rows(program);
	char text[512], list[] = "/tmp/forktrace-lines-XXXXXX";
	int lines[LEVELS_MAX], fd = mkstemp(list);
	size_t count = 0;
	unsigned inlined = 0;
	uint64_t address = 0;
	FILE *addresses = fdopen(fd, "w");

	assert_non_null(addresses);
	for (size_t i = 0; i < rows.list.count; i++)
		fprintf(addresses, "0x%lx\n", rows.list.items[i].address);
	fclose(addresses);

	FILE *output = run("addr2line -a -i -e %s @%s", program, list);

	while (fgets(text, sizeof(text), output)) {
		const char *colon = strrchr(text, ':');

		if (!strncmp(text, "0x", 2)) {
			if (count)
				compare_levels(program, file, address, lines, count);
			inlined += count > 1;
			address = strtoull(text, NULL, 16);
			count = 0;
		} else if (colon && count < LEVELS_MAX) {
			lines[count++] = atoi(colon + 1);
		}
	}
	pclose(output);
	unlink(list);
	vector_deinit(&rows.list);
	module_file_unref(file);
	return inlined;
}

static void inlined_bodies_are_those_of_addr2line(void **state)
{
	(void)state;
#if defined(__clang__)
	skip_because("addr2line of binutils 2.40 does not see the inlined bodies in clang's programs that have ranges");
#endif
	assert_true(compare_inlined("build/tests/x86_64/step_target.o2") > 10);
	assert_true(compare_inlined("build/tests/i386/step_target.o2") > 10);
	assert_true(compare_inlined("build/targets/x86_64/test_deep") > 5);
	assert_int_equal(compare_inlined("build/tests/x86_64/libstep.so"), 0);
}

/* --- prologues and lines, as gdb's break finds them --------------------------------------------------------------- */

static bool gdb_is_there(void)
{
	return system("gdb -nx -batch -ex 'python print(1)' >/dev/null 2>&1") == 0;
}

/* Where gdb's breakpoint at `where` would be: addresses as in the file, ascending. Returns how many. */
static size_t gdb_break(const char *program, const char *where, uint64_t *addresses, size_t size)
{
	FILE *output =
	    run("gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'break %s' -ex 'info breakpoints' %s 2>&1", where,
		program);
	char text[512];
	size_t count = 0;

	while (fgets(text, sizeof(text), output)) {
		const char *address = strstr(text, " 0x");

		if (address && (strstr(text, " keep ") || strstr(text, " y  ")) && count < size)
			addresses[count++] = strtoull(address, NULL, 16);
	}
	pclose(output);
	return count;
}

/* Without optimisation: elsewhere gdb's break and its step differ. */
static void prologues_end_where_gdb_breaks(void **state)
{
	static const char *const functions[] = {"leaf", "recurse",   "tail",    "with_inlined", "only_inlined",
						"copy", "fibonacci", "handler", "everything",   "main"};
	static const char *const plain[] = {"build/tests/x86_64/step_target.o0", "build/tests/i386/step_target.o0"};

	(void)state;
	if (!gdb_is_there())
		skip_because("there is no gdb with Python");
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		struct module_file *file = open_file(plain[i]);

		for (size_t j = 0; j < sizeof(functions) / sizeof(*functions); j++) {
			struct line_place place;
			uint64_t address, expected;

			assert_true(symbols_find(file, functions[j], &address));
			assert_true(lines_at(file, address, &place));
			assert_int_equal(place.function, address);
			assert_int_equal(gdb_break(plain[i], functions[j], &expected, 1), 1);
			if (place.body + file->first_address != expected)
				fail_msg("%s: the body of %s begins at %lx, gdb says %lx", plain[i], functions[j],
					 place.body + file->first_address, expected);
		}
		module_file_unref(file);
	}
}

static void lines_are_found_where_gdb_breaks(void **state)
{
	static const char *const plain[] = {"build/tests/x86_64/step_target.o0", "build/tests/i386/step_target.o0",
					    "build/tests/x86_64/step_target.o2", "build/tests/i386/step_target.o2"};
	static const int lines[] = {21, 22, 29, 36, 58, 114};

	(void)state;
	if (!gdb_is_there())
		skip_because("there is no gdb with Python");
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		struct module_file *file = open_file(plain[i]);

		for (size_t j = 0; j < sizeof(lines) / sizeof(*lines); j++) {
			uint64_t expected[16];
			char where[64];
			struct lines_found found;

			snprintf(where, sizeof(where), "step_target.c:%d", lines[j]);

			size_t count = gdb_break(plain[i], where, expected, 16);

			assert_true(lines_find(file, "step_target.c", lines[j], &found));
			assert_int_equal(found.line, lines[j]);
			if (found.addresses.count != count)
				fail_msg("%s %s: %zu places, gdb has %zu", plain[i], where, found.addresses.count,
					 count);
			for (size_t k = 0; k < count; k++) {
				if (found.addresses.items[k] + file->first_address != expected[k])
					fail_msg("%s %s: %lx, gdb says %lx", plain[i], where,
						 found.addresses.items[k] + file->first_address, expected[k]);
			}
			lines_found_deinit(&found);
		}
		module_file_unref(file);
	}
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void files_are_named_by_their_last_components(void **state)
{
	static const char *const good[] = {"step_target.c", "programs/step_target.c", "unit/programs/step_target.c"};
	static const char *const bad[] = {"target.c", "rograms/step_target.c", "other/step_target.c", "step_target.h",
					  ""};
	struct module_file *file = open_file("build/tests/x86_64/step_target.o0");
	struct lines_found found;
	struct line_place place;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(lines_find(file, good[i], 36, &found));
		assert_int_equal(found.addresses.count, 1);
		assert_true(lines_at(file, found.addresses.items[0], &place));
		assert_ptr_equal(place.file, found.file);
		assert_int_equal(place.line, 36);
		assert_true(place.statement);
		assert_non_null(place.directory);
		lines_found_deinit(&found);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(lines_find(file, bad[i], 36, &found));
		assert_int_equal(found.addresses.count, 0);
	}

	/* A line without code: the next that has some; behind the last one there is none. */
	assert_true(lines_find(file, "step_target.c", 1, &found));
	assert_true(found.line > 1);
	lines_found_deinit(&found);
	assert_false(lines_find(file, "step_target.c", 100000, &found));
	module_file_unref(file);
}

/* By nm's table, and where the table is gone. */
static void functions_are_found_by_name(void **state)
{
	static const char *const stripped[] = {"build/targets/x86_64/variants/test_fork.stripped",
					       "build/targets/i386/variants/test_fork.stripped"};
	static const char *const whole[] = {"build/tests/x86_64/step_target.o2", "build/tests/i386/step_target.nopie",
					    "build/targets/x86_64/variants/test_fork.static",
					    "build/targets/i386/variants/test_fork.static"};
	uint64_t address;

	(void)state;
	for (size_t i = 0; i < sizeof(stripped) / sizeof(*stripped); i++) {
		struct module_file *file = open_file(stripped[i]);

		assert_false(symbols_find(file, "main", &address));
		module_file_unref(file);
	}
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		struct module_file *file = open_file(whole[i]);
		FILE *output = run("nm %s | grep ' T main$'", whole[i]);
		unsigned long expected;

		assert_int_equal(fscanf(output, "%lx", &expected), 1);
		pclose(output);
		assert_true(symbols_find(file, "main", &address));
		assert_int_equal(address + file->first_address, expected);
		assert_false(symbols_find(file, "mai", &address));
		assert_false(symbols_find(file, "library_add", &address)); /* undefined, or not at all */
		module_file_unref(file);
	}
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static void *name_all(void *argument)
{
	struct module_file *file = argument;

	for (uint64_t address = 0x1000; address < 0x1600; address++)
		symbols_lookup(file, address);
	return NULL;
}

/* Names are looked up on another thread meanwhile. */
static void two_threads_ask(void **state)
{
	struct module_file *file = open_file("build/tests/x86_64/step_target.o2");
	pthread_t thread;
	unsigned lines = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, name_all, file), 0);
	for (uint64_t address = 0x1600; address-- > 0x1000;) {
		struct line_place place;

		lines += lines_at(file, address, &place);
	}
	pthread_join(thread, NULL);
	assert_true(lines > 100);
	for (uint64_t address = 0x1000; address < 0x1600; address++) {
		const struct name_list *names = symbols_lookup(file, address);
		struct line_place place;

		if (!lines_at(file, address, &place))
			continue;
		assert_ptr_equal(names->names[0].file, place.file);
		assert_int_equal(names->count, place.inlined_count + 1);
	}
	module_file_unref(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_those_of_readelf),
	    cmocka_unit_test(inlined_bodies_are_those_of_addr2line),
	    cmocka_unit_test(prologues_end_where_gdb_breaks),
	    cmocka_unit_test(lines_are_found_where_gdb_breaks),
	    cmocka_unit_test(files_are_named_by_their_last_components),
	    cmocka_unit_test(functions_are_found_by_name),
	    cmocka_unit_test(two_threads_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
