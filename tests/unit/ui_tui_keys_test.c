/* The stepper's keys and words, its scripts of keys, and how lists scroll. */
#include "ui_fixture.h"

#include <ncursesw/curses.h>

#include "ui/tui/script.h"
#include "ui/tui/tui.h"

/* --- the table --- */

static void test_no_key_and_no_word_twice(void **state)
{
	(void)state;
	for (const struct command *one = tui_commands; one->word; one++) {
		for (const struct command *other = one + 1; other->word; other++) {
			assert_string_not_equal(one->word, other->word);
			if (one->key != KEY_NONE)
				assert_int_not_equal(one->key, other->key);
		}
		/* What tui_key takes before it looks into the table. */
		assert_false(one->key == ':' || one->key == KEY_ESCAPE || (one->key >= '1' && one->key <= '9'));
	}
}

static void test_all_are_told_of(void **state)
{
	(void)state;
	require_utf8();
	for (const struct command *command = tui_commands; command->word; command++) {
		char name[16];

		key_label(command->key, name);
		assert_true(strlen(name) <= 7);
		assert_true(strlen(command->word) <= 10);
		/* Beside key and word, on the narrowest screen. */
		assert_in_range(strlen(command->help), 5, 61);
		assert_non_null(command->run);
		assert_true(command->brief == NULL || command->when != 0);
	}
}

/* The debugger's own letters. */
static void test_letters(void **state)
{
	static const struct {
		int key;
		const char *word;
	} expected[] = {{'s', "step"},     {'n', "next"},    {'S', "stepi"}, {'N', "nexti"},    {'f', "finish"},
			{'c', "continue"}, {'C', "all"},     {'F', "fork"},  {'u', "up"},       {'d', "down"},
			{'b', "break"},    {'w', "display"}, {'W', "watch"}, {'\t', "process"}, {'k', "kernel"},
			{'r', "returns"},  {'/', "search"},  {'g', "goto"},  {'D', "detach"},   {'q', "quit"},
			{'i', "input"},    {'x', "syntax"},  {'m', "mode"},  {12, "redraw"},    {'?', "help"}};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct command *command = tui_commands;

		while (command->word && command->key != expected[i].key)
			command++;
		assert_non_null(command->word);
		assert_string_equal(command->word, expected[i].word);
	}
}

static void test_labels(void **state)
{
	char name[16];

	(void)state;
	key_label('s', name);
	assert_string_equal(name, "s");
	key_label('\t', name);
	assert_string_equal(name, "Tab");
	key_label(KEY_CONTROL('L'), name);
	assert_string_equal(name, "Ctrl-L");
	key_label(KEY_NONE, name);
	assert_string_equal(name, "");
}

/* --- scripts --- */

static void expect_keys(const char *text, const int *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(script_key(&text), keys[i]);
	assert_string_equal(text, "");
}

static void test_script_keys(void **state)
{
	const int plain[] = {'s', ' ', '>', 'N'}, named[] = {'\t', '\r', KEY_ESCAPE, KEY_CONTROL('L'), '<', KEY_HOME};
	const int open[] = {'<', 'a'}, wide[] = {0xfc | KEY_WIDE, 0x4e2d | KEY_WIDE};
	const char *unknown = "<Nokey>";

	(void)state;
	require_utf8();
	expect_keys("s >N", plain, 4);
	expect_keys("<Tab><enter><Esc><C-L><lt><Home>", named, 6);
	expect_keys("<a", open, 2);
	expect_keys("\u00fc\u4e2d", wide, 2);
	assert_int_equal(script_key(&unknown), -1);
}

/* What script_read says of a file of this text; NULL: nothing. */
static const char *complaint(const char *text, struct script *script)
{
	static char said[300];
	char path[] = "/tmp/forktrace-keys-XXXXXX";
	int fd = mkstemp(path);
	struct error *error;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	error = script_read(script, path);
	unlink(path);
	if (!error)
		return NULL;
	snprintf(said, sizeof(said), "%s",
		 error->message + (strstr(error->message, path) == error->message ? strlen(path) : 0));
	error_destroy(error);
	return said;
}

static void test_script_file(void **state)
{
	struct script script;

	(void)state;
	require_utf8();
	assert_null(complaint("# a script\ns\n:wait stop\n<C-L><Tab>\n:screen <no key here>\n", &script));
	assert_string_equal(script.lines[1], "s");
	assert_string_equal(script.lines[2], ":wait stop");
	script_deinit(&script);
	assert_string_equal(complaint("s\ns\nn<Tab><F99>\n", &script), ":3: there is no key called <F99>");
	script_deinit(&script);
	assert_string_equal(complaint("s\n\xff\n", &script), ":2: this is no text in this locale");
	script_deinit(&script);
}

static void test_script_that_is_not_there(void **state)
{
	struct script script;
	struct error *error = script_read(&script, "/no/such/keys");

	(void)state;
	assert_non_null(error);
	assert_non_null(strstr(error->message, "/no/such/keys"));
	error_destroy(error);
	script_deinit(&script);
}

/* --- lists --- */

static void test_scroll_from_begin(void **state)
{
	(void)state;
	assert_int_equal(scroll_moved(0, KEY_DOWN, 100, 10, false), 1);
	assert_int_equal(scroll_moved(0, KEY_UP, 100, 10, false), 0);
	assert_int_equal(scroll_moved(5, KEY_NPAGE, 100, 10, false), 14);
	assert_int_equal(scroll_moved(5, KEY_PPAGE, 100, 10, false), 0);
	assert_int_equal(scroll_moved(5, KEY_END, 100, 10, false), 90);
	assert_int_equal(scroll_moved(5, KEY_HOME, 100, 10, false), 0);
	assert_int_equal(scroll_moved(89, KEY_NPAGE, 100, 10, false), 90);
	assert_int_equal(scroll_moved(90, KEY_DOWN, 20, 10, false), 10); /* the list has become shorter */
	assert_int_equal(scroll_moved(0, KEY_DOWN, 3, 10, false), 0);
}

static void test_scroll_from_end(void **state)
{
	(void)state;
	assert_int_equal(scroll_moved(0, KEY_UP, 100, 10, true), 1);
	assert_int_equal(scroll_moved(1, KEY_DOWN, 100, 10, true), 0);
	assert_int_equal(scroll_moved(0, KEY_DOWN, 100, 10, true), 0);
	assert_int_equal(scroll_moved(0, KEY_HOME, 100, 10, true), 90);
	assert_int_equal(scroll_moved(50, KEY_END, 100, 10, true), 0);
	assert_int_equal(scroll_moved(0, KEY_PPAGE, 100, 10, true), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_key_and_no_word_twice),
	    cmocka_unit_test(test_all_are_told_of),
	    cmocka_unit_test(test_letters),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_script_keys),
	    cmocka_unit_test(test_script_file),
	    cmocka_unit_test(test_script_that_is_not_there),
	    cmocka_unit_test(test_scroll_from_begin),
	    cmocka_unit_test(test_scroll_from_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
