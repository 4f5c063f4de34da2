/* parse/maps: the lines of /proc/PID/maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "parse/maps.h"

static struct map_line only_line(const char *text)
{
	size_t size = strlen(text);
	struct map_line line = {0};

	assert_true(maps_next(&text, &size, &line));
	assert_int_equal(size, 0);
	return line;
}

static void file_mapping(void **state)
{
	(void)state;
	struct map_line line =
	    only_line("7f1c2a000000-7f1c2a028000 r-xp 00028000 08:02 1183520      /usr/lib/libc.so.6\n");
	_cleanup_free_ char *name = map_line_name(&line);

	assert_int_equal(line.start, 0x7f1c2a000000);
	assert_int_equal(line.end, 0x7f1c2a028000);
	assert_true(line.readable && !line.writable && line.executable && !line.shared);
	assert_int_equal(line.offset, 0x28000);
	assert_int_equal(line.device, makedev(8, 2));
	assert_int_equal(line.inode, 1183520);
	assert_false(line.deleted);
	assert_string_equal(name, "/usr/lib/libc.so.6");
}

static void special_mappings(void **state)
{
	(void)state;
	struct map_line vdso = only_line("f7f5c000-f7f5e000 r-xp 00000000 00:00 0            [vdso]");
	struct map_line anonymous = only_line("56600000-56621000 rw-s 00000000 00:00 0 \n");
	_cleanup_free_ char *name = map_line_name(&vdso);

	assert_string_equal(name, "[vdso]");
	assert_null(anonymous.name);
	assert_null(map_line_name(&anonymous));
	assert_true(anonymous.shared && anonymous.writable);
}

static void deleted_file(void **state)
{
	(void)state;
	struct map_line line = only_line("00400000-00401000 r--p 00000000 fe:01 7 /tmp/a b (deleted)\n");
	_cleanup_free_ char *name = map_line_name(&line);

	assert_true(line.deleted);
	assert_string_equal(name, "/tmp/a b");
}

static void names_are_unescaped(void **state)
{
	(void)state;
	struct map_line line = only_line("00400000-00401000 r--p 00000000 fe:01 7 /tmp/a\\012b\\134c  d\\01\n");
	_cleanup_free_ char *name = map_line_name(&line);

	/* The kernel escapes a newline and nothing else: a backslash is a backslash. */
	assert_string_equal(name, "/tmp/a\nb\\134c  d\\01");
}

static void malformed_lines_are_skipped(void **state)
{
	(void)state;
	const char *text = "garbage\n"
			   "\n"
			   "00401000-00400000 r--p 00000000 fe:01 7 /upside/down\n"
			   "ffffffffffffffffff-1 r--p 0 0:0 0\n"
			   "00400000-00401000 r-\n"
			   "00400000-00401000 r--p 00000000 fe01 7 /no/colon\n"
			   "00400000-00401000 r--p 00000000 fe:01 7 /good\n"
			   "00400000-";
	size_t size = strlen(text);
	struct map_line line;

	assert_true(maps_next(&text, &size, &line));
	assert_memory_equal(line.name, "/good", line.name_size);
	assert_false(maps_next(&text, &size, &line));
	assert_false(maps_next(&text, &size, &line));
}

/* Every prefix of a real file is taken without reading past its end (the sanitizers watch). */
static void truncated_anywhere(void **state)
{
	static const char whole[] = "7f1c2a000000-7f1c2a028000 r-xp 00028000 08:02 1183520 /a\\012 (deleted)\n";

	(void)state;
	for (size_t length = 0; length < sizeof(whole); length++) {
		_cleanup_free_ char *copy = malloc(length ? length : 1);

		assert_non_null(copy);
		memcpy(copy, whole, length);

		const char *text = copy;
		size_t size = length;
		struct map_line line;

		while (maps_next(&text, &size, &line))
			free(map_line_name(&line));
		assert_int_equal(size, 0);
	}
}

static void own_process(void **state)
{
	(void)state;
	_cleanup_file_ FILE *file = fopen("/proc/self/maps", "re");
	struct buffer text = {0};
	struct map_line line;
	struct stat status;
	uint64_t last = 0;
	bool found = false;

	assert_non_null(file);
	assert_null(buffer_read_fd(&text, fileno(file)));
	assert_int_equal(stat("/proc/self/exe", &status), 0);

	const char *at = text.data;
	size_t size = text.size;

	while (maps_next(&at, &size, &line)) {
		assert_true(line.start >= last && line.end > line.start);
		last = line.end;
		if (line.start <= (uintptr_t)own_process && (uintptr_t)own_process < line.end) {
			assert_true(line.executable);
			assert_int_equal(line.inode, status.st_ino);
			found = true;
		}
	}
	assert_true(found);
	buffer_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(file_mapping),
	    cmocka_unit_test(special_mappings),
	    cmocka_unit_test(deleted_file),
	    cmocka_unit_test(names_are_unescaped),
	    cmocka_unit_test(malformed_lines_are_skipped),
	    cmocka_unit_test(truncated_anywhere),
	    cmocka_unit_test(own_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
