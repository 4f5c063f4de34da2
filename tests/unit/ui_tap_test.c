/* The results of scripts: TAP and its escaping, and the program's output cut into lines. */
#include "ui_fixture.h"

#include <fcntl.h>

#include "ui/script/program_output.h"
#include "ui/script/tap.h"

/* --- TAP --- */

struct recorded {
	struct output output;
	struct tap tap;
	struct buffer text;
};

static void begin(struct recorded *recorded)
{
	*recorded = (struct recorded){.output = {.fd = memfd_create("tap", MFD_CLOEXEC)}};
	tap_open(&recorded->tap, &recorded->output);
}

/* All that was written, but for the first line. */
static void assert_lines(struct recorded *recorded, const char *wanted)
{
	const char *version = "TAP version 13\n";

	output_flush(&recorded->output);
	lseek(recorded->output.fd, 0, SEEK_SET);
	assert_null(buffer_read_fd(&recorded->text, recorded->output.fd));
	assert_int_equal(strncmp(recorded->text.data, version, strlen(version)), 0);
	assert_string_equal(recorded->text.data + strlen(version), wanted);
	close(recorded->output.fd);
	recorded->output.fd = -1;
	output_deinit(&recorded->output);
	buffer_deinit(&recorded->text);
}

static void test_results(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	tap_result(&recorded.tap, true, "one", NULL);
	tap_result(&recorded.tap, true, NULL, NULL);
	tap_result(&recorded.tap, true, NULL, "not here");
	assert_true(tap_finish(&recorded.tap));
	assert_lines(&recorded, "ok 1 - one\nok 2\nok 3 # SKIP not here\n1..3\n");
}

static void test_failures(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	assert_true(tap_plan(&recorded.tap, 3, NULL));
	assert_false(tap_plan(&recorded.tap, 3, NULL));
	tap_result(&recorded.tap, false, "one", NULL);
	tap_comment(&recorded.tap, 0, "a\nb\n", 4);
	tap_subresult(&recorded.tap, 4, false, 1, "inner # not a directive");
	tap_subplan(&recorded.tap, 4, 1);
	assert_false(tap_finish(&recorded.tap));
	assert_lines(&recorded, "1..3\nnot ok 1 - one\n# a\n# b\n    not ok 1 - inner \\# not a directive\n    1..1\n"
				"# planned were 3, 1 were run\n# 1 of 1 failed\n");
}

static void test_nothing(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	assert_false(tap_finish(&recorded.tap));
	assert_lines(&recorded, "1..0\n# nothing was tested\n");
	begin(&recorded);
	tap_plan(&recorded.tap, 0, "not\n1..9 on # this machine");
	assert_true(tap_finish(&recorded.tap));
	assert_lines(&recorded, "1..0 # SKIP not\\x0a1..9 on \\# this machine\n");
}

static void test_late_plan(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	tap_result(&recorded.tap, true, NULL, NULL);
	tap_plan(&recorded.tap, 1, NULL);
	assert_true(tap_finish(&recorded.tap));
	assert_lines(&recorded, "ok 1\n1..1\n");
}

static void test_bail_out(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	tap_bail(&recorded.tap, "a\nok 1");
	tap_result(&recorded.tap, true, NULL, NULL);
	tap_finish(&recorded.tap);
	assert_lines(&recorded, "Bail out! a\\x0aok 1\n");
}

/* Whatever a text holds, it is one line, and a directive nowhere. */
static void test_nasty_texts(void **state)
{
	static const struct {
		const char *text, *safe, *comment;
	} nasties[] = {
	    {"a\nok 2", "a\\x0aok 2", "a\n# ok 2"},
	    {"a\rok 2", "a\\x0dok 2", "a\\x0dok 2"},
	    {"a # TODO", "a \\# TODO", "a # TODO"},
	    {"a \\# SKIP", "a \\\\\\# SKIP", "a \\\\# SKIP"},
	    {"\033[2J\177", "\\x1b[2J\\x7f", "\\x1b[2J\\x7f"},
	    {"\xff\xc0\xaf", "\\xff\\xc0\\xaf", "\\xff\\xc0\\xaf"},
	    {"\xe2\x80\xa8\xe2\x80\xae", "\\u{2028}\\u{202e}", "\\u{2028}\\u{202e}"},
	    {"a\tb", "a\tb", "a\tb"},
	    {"\xc3\xa4", "\xc3\xa4", "\xc3\xa4"},
	};

	(void)state;
	require_utf8();
	for (size_t i = 0; i < sizeof(nasties) / sizeof(nasties[0]); i++) {
		struct recorded recorded;
		char wanted[256];

		begin(&recorded);
		tap_result(&recorded.tap, true, nasties[i].text, nasties[i].text);
		tap_comment(&recorded.tap, 0, nasties[i].text, strlen(nasties[i].text));
		snprintf(wanted, sizeof(wanted), "ok 1 - %s # SKIP %s\n# %s\n", nasties[i].safe, nasties[i].safe,
			 nasties[i].comment);
		assert_lines(&recorded, wanted);
	}
}

static void test_comment_with_zeros(void **state)
{
	struct recorded recorded;

	(void)state;
	begin(&recorded);
	tap_comment(&recorded.tap, 2, "a\0ok 1\n\nb", 9);
	tap_comment(&recorded.tap, 0, "", 0);
	assert_lines(&recorded, "  # a\\x00ok 1\n  # \n  # b\n# \n");
}

/* --- lines --- */

struct lines {
	struct buffer text; /* each line between brackets */
};

static void take_line(void *context, int number, const char *line, size_t size)
{
	struct lines *lines = context;

	assert_int_equal(number, STDERR_FILENO);
	buffer_append_text(&lines->text, "[");
	buffer_append(&lines->text, line, size);
	buffer_append_text(&lines->text, "]");
}

static struct program_output output_into(struct lines *lines)
{
	return (struct program_output){
	    .number = STDERR_FILENO, .read = -1, .write = -1, .line = take_line, .context = lines};
}

static void test_lines(void **state)
{
	static const char *const pieces[] = {"a\nb", "c\n\nd", "", "\n", "e"};
	struct lines lines = {0};
	struct program_output output = output_into(&lines);

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		program_output_take(&output, pieces[i], strlen(pieces[i]));
	assert_string_equal(lines.text.data, "[a][bc][][d]");
	program_output_end(&output);
	program_output_end(&output);
	assert_string_equal(lines.text.data, "[a][bc][][d][e]");
	program_output_deinit(&output);
	buffer_deinit(&lines.text);
}

/* A line is kept in bounds: it comes in pieces, none of which is lost, and no empty one is made up. */
static void test_long_lines(void **state)
{
	struct lines lines = {0};
	struct program_output output = output_into(&lines);
	char *text = memory_alloc(2 * LINE_MAX_BYTES + 1);

	(void)state;
	memset(text, 'x', 2 * LINE_MAX_BYTES);
	text[2 * LINE_MAX_BYTES] = '\n';
	program_output_take(&output, text, LINE_MAX_BYTES - 1);
	program_output_take(&output, text + LINE_MAX_BYTES - 1, LINE_MAX_BYTES + 2);
	program_output_take(&output, "y\n", 2);
	program_output_end(&output);
	assert_int_equal(lines.text.size, 2 * LINE_MAX_BYTES + 2 * 2 + 3);
	assert_string_equal(lines.text.data + 2 * LINE_MAX_BYTES + 3, "][y]");
	free(text);
	program_output_deinit(&output);
	buffer_deinit(&lines.text);
}

static void test_pipe(void **state)
{
	struct lines lines = {0};
	struct program_output output = output_into(&lines);

	(void)state;
	assert_null(program_output_open(&output));
	assert_false(program_output_read(&output)); /* nothing yet: it does not block */
	assert_int_equal(write(output.write, "x\ny", 3), 3);
	assert_true(program_output_read(&output));
	program_output_started(&output);
	assert_false(program_output_read(&output));
	assert_int_equal(output.read, -1); /* the end */
	program_output_end(&output);
	assert_string_equal(lines.text.data, "[x][y]");
	program_output_deinit(&output);
	buffer_deinit(&lines.text);
}

static void test_same_file(void **state)
{
	int one = memfd_create("one", MFD_CLOEXEC), other = memfd_create("other", 0), again = dup(one),
	    kept = dup(other);

	(void)state;
	assert_true(is_same_file(one, again));
	assert_false(is_same_file(one, other));
	assert_false(is_same_file(one, -1));
	keep_from_programs(again);
	assert_true(fcntl(again, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(kept, F_GETFD) & FD_CLOEXEC);
	close(one);
	close(other);
	close(again);
	close(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_results),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_late_plan),
	    cmocka_unit_test(test_bail_out),
	    cmocka_unit_test(test_nasty_texts),
	    cmocka_unit_test(test_comment_with_zeros),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_pipe),
	    cmocka_unit_test(test_same_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
