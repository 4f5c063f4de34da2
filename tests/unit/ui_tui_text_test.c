/* What the stepper shows of texts: the program's output, source files, and the screen written as text. */
#include "ui_fixture.h"

#include <sys/stat.h>

#include "ui/tui/screen.h"
#include "ui/tui/source.h"
#include "ui/tui/text_ring.h"

/* --- output --- */

static struct text_ring ring;

static int clear_ring(void **state)
{
	(void)state;
	text_ring_deinit(&ring);
	return 0;
}

static void print(const char *text)
{
	text_ring_bytes(&ring, text, strlen(text));
}

static void expect_line(size_t index, const char *expected)
{
	assert_true(index < text_ring_count(&ring));
	assert_string_equal(text_ring_at(&ring, index), expected);
}

static void test_lines(void **state)
{
	(void)state;
	require_utf8();
	print("one\ntw");
	assert_int_equal(text_ring_count(&ring), 1);
	print("o\n\nfour");
	assert_int_equal(text_ring_count(&ring), 3);
	expect_line(0, "one");
	expect_line(1, "two");
	expect_line(2, "");
	assert_int_equal(ring.open_size, 4);
}

/* As a terminal takes them; nothing of them reaches ours. */
static void test_sequences_are_left_out(void **state)
{
	(void)state;
	require_utf8();
	print("\033[1;31mred\033[0m\033[2J\n");
	print("\033]0;a title\agone\033]8;;x\033\\link\n");
	print("\033(Bplain\033P+q\033\\!\n");
	expect_line(0, "red");
	expect_line(1, "gonelink");
	expect_line(2, "plain!");
	print("cut\033[3");
	print("1mhere\n"); /* the sequence came in two parts */
	expect_line(3, "cuthere");
}

static void test_controls(void **state)
{
	(void)state;
	require_utf8();
	print("10%\r20%\r100%\n");
	print("dos\r\n");
	print("ab\bc\n");
	print("a\tb\n");
	print("\x01\xff\u202e\\\n");
	expect_line(0, "100%");
	expect_line(1, "dos");
	expect_line(2, "ac");
	expect_line(3, "a       b");
	expect_line(4, "\\x01\\xff\\u{202e}\\\\");
}

static void test_bounds(void **state)
{
	char digits[16];

	(void)state;
	require_utf8();
	for (int i = 0; i < 3 * TEXT_RING_LINES; i++) {
		snprintf(digits, sizeof(digits), "%d\n", i);
		print(digits);
	}
	assert_int_equal(text_ring_count(&ring), TEXT_RING_LINES);
	snprintf(digits, sizeof(digits), "%d", 2 * TEXT_RING_LINES);
	expect_line(0, digits);
	snprintf(digits, sizeof(digits), "%d", 3 * TEXT_RING_LINES - 1);
	expect_line(TEXT_RING_LINES - 1, digits);
	/* One endless line is cut into many. */
	for (int i = 0; i < 10 * TEXT_RING_LINE_BYTES; i++)
		print("x");
	assert_true(ring.open_size < TEXT_RING_LINE_BYTES);
	assert_true(strlen(text_ring_at(&ring, TEXT_RING_LINES - 1)) <= TEXT_RING_LINE_BYTES);
}

/* --- the screen --- */

static char *written(void)
{
	static char text[8192];
	char path[] = "/tmp/forktrace-screen-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_null(screen_write(path));

	ssize_t size = read(fd, text, sizeof(text) - 1);

	close(fd);
	unlink(path);
	assert_true(size >= 0);
	text[size] = '\0';
	return text;
}

static void open_screen(const char *locale)
{
	assert_non_null(setlocale(LC_ALL, locale));
	setenv("LINES", "6", 1);
	setenv("COLUMNS", "20", 1);
	assert_null(screen_open(false, true));
}

static const struct area everything = {0, 0, 6, 20};

static void test_screen_as_text(void **state)
{
	const struct area right = {3, 12, 2, 8};

	(void)state;
	require_utf8();
	open_screen("C.UTF-8");
	screen_rule(&everything, 0, "title", ROLE_TITLE);
	screen_put(&everything, 1, 2, -1, ROLE_TEXT, "\u4e2d\u6587 wide");
	screen_put(&everything, 2, 0, 6, ROLE_TEXT, "too long");
	assert_int_equal(screen_put(&right, 0, 0, -1, ROLE_TEXT, "exactly8"), 8);
	assert_int_equal(screen_put(&right, 1, 0, -1, ROLE_TEXT, "more than 8"), 8);
	assert_int_equal(screen_put(&right, 2, 0, -1, ROLE_TEXT, "outside"), 0);
	screen_border(&everything, 5, "mid", ROLE_BORDER);
	assert_string_equal(
	    written(),
	    "\u2500\u2500 title \u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\n"
	    "  \u4e2d\u6587 wide\n"
	    "too l\u2026\n"
	    "            exactly8\n"
	    "            more th\u2026\n"
	    "\u2500\u2500\u2500\u2500\u2500\u2500\u2500 mid \u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\n");
	screen_close();
}

static void test_screen_without_utf8(void **state)
{
	(void)state;
	open_screen("C");
	screen_rule(&everything, 0, "title", ROLE_TITLE);
	screen_put(&everything, 1, 0, 6, ROLE_TEXT, "too long");
	assert_string_equal(written(), "-- title -----------\ntoo l~\n\n\n\n\n");
	screen_close();
}

static void test_columns(void **state)
{
	(void)state;
	require_utf8();
	assert_int_equal(screen_columns("abc"), 3);
	assert_int_equal(screen_columns("\u4e2d\u6587"), 4);
	assert_int_equal(screen_character("\u4e2d\u6587"), 3);
	assert_int_equal(screen_character("a"), 1);
}

/* --- source files --- */

static char folder[] = "/tmp/forktrace-source-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_source(void **state)
{
	struct control_place place = {.file = "prog.c", .directory = folder, .line = 1};
	struct control_place moved = {.file = "/gone/away/prog.c", .line = 1};
	struct control_place absent = {.file = "absent.c", .directory = folder, .line = 1};
	struct source_files *files = source_files_create(folder, NULL);
	const struct source_file *file;

	(void)state;
	require_utf8();
	write_file("prog.c", "int\tx;\r\nputs(\"\\n\"); \x1b[2J\nlast");
	file = source_file_of(files, &place);
	assert_int_equal(file->line_count, 3);
	assert_string_equal(file->lines[0], "int     x;");
	assert_string_equal(file->lines[1], "puts(\"\\n\"); \\x1b[2J");
	assert_string_equal(file->lines[2], "last");
	assert_ptr_equal(source_file_of(files, &place), file);
	/* By --source-path, where the file is not where it was compiled. */
	assert_int_equal(source_file_of(files, &moved)->line_count, 3);
	assert_int_equal(source_file_of(files, &absent)->line_count, 0);
	place.file = NULL;
	assert_null(source_file_of(files, &place));
	source_files_destroy(files);
}

/* A FIFO would have its reader wait for ever; what is too large is no source. */
static void test_source_that_is_refused(void **state)
{
	struct control_place fifo = {.file = "fifo.c", .directory = folder, .line = 1};
	struct control_place huge = {.file = "huge.c", .directory = folder, .line = 1};
	struct source_files *files = source_files_create(NULL, NULL);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo.c", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(source_file_of(files, &fifo)->line_count, 0);
	write_file("huge.c", "x");
	snprintf(path, sizeof(path), "%s/huge.c", folder);
	assert_int_equal(truncate(path, (16 << 20) + 1), 0);
	assert_int_equal(source_file_of(files, &huge)->line_count, 0);
	source_files_destroy(files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_lines, clear_ring),
	    cmocka_unit_test_teardown(test_sequences_are_left_out, clear_ring),
	    cmocka_unit_test_teardown(test_controls, clear_ring),
	    cmocka_unit_test_teardown(test_bounds, clear_ring),
	    cmocka_unit_test(test_screen_as_text),
	    cmocka_unit_test(test_screen_without_utf8),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_source_that_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
