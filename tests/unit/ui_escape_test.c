/* Escaping, width and truncation of untrusted text. */
#include "ui_fixture.h"

#include "ui/escape.h"

static void expect_escape(const char *text, const char *expected, unsigned columns)
{
	struct buffer buffer = {0};

	buffer_append_text(&buffer, "");
	assert_int_equal(escape_append(&buffer, text), columns);
	assert_string_equal(buffer.data, expected);
	assert_int_equal(escape_width(text), columns);
	buffer_deinit(&buffer);
}

static void test_plain(void **state)
{
	(void)state;
	require_utf8();
	expect_escape("", "", 0);
	expect_escape("sh -c ~!", "sh -c ~!", 8);
	expect_escape("back\\slash", "back\\\\slash", 11);
	expect_escape("gr\u00fc\u00df", "gr\u00fc\u00df", 4);
	expect_escape("\u4e2d\u6587", "\u4e2d\u6587", 4);
}

static void test_controls(void **state)
{
	(void)state;
	require_utf8();
	expect_escape("\033[2J", "\\x1b[2J", 7);
	expect_escape("a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f", 20);
	expect_escape("\xc2\x9b"
		      "31m",
		      "\\u{9b}31m", 9);
}

static void test_invalid_utf8(void **state)
{
	(void)state;
	require_utf8();
	expect_escape("\xff", "\\xff", 4);
	expect_escape("a\xc3", "a\\xc3", 5);
	expect_escape("\xc0\xaf", "\\xc0\\xaf", 8);                    /* overlong '/' */
	expect_escape("\xed\xa0\x80", "\\xed\\xa0\\x80", 12);          /* a surrogate */
	expect_escape("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16); /* beyond U+10FFFF */
	expect_escape("\xe4\xb8z", "\\xe4\\xb8z", 9);
}

static void test_invisible(void **state)
{
	(void)state;
	require_utf8();
	expect_escape("a\u202eb\u202c", "a\\u{202e}b\\u{202c}", 18);
	expect_escape("a\u2066b\u2069", "a\\u{2066}b\\u{2069}", 18);
	expect_escape("a\u200bb", "a\\u{200b}b", 10);
	expect_escape("\ufeffa", "\\u{feff}a", 9);
}

static void test_combining_marks(void **state)
{
	(void)state;
	require_utf8();
	expect_escape("e\u0301te", "e\u0301te", 3);
	expect_escape("\u0301", "\\u{301}", 7); /* it would combine with what stands before the text */
	expect_escape("e\u0301\u0301\u0301", "e\u0301\u0301\\u{301}", 8);
}

static void test_without_utf8(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_ALL, "C"));
	expect_escape("\u00fc", "\\u{fc}", 6);
}

static void expect_fit(const char *text, unsigned columns, enum text_cut cut, const char *expected, unsigned used)
{
	struct buffer buffer = {0};

	buffer_append_text(&buffer, "");
	assert_int_equal(escape_fit(&buffer, text, columns, cut), used);
	assert_string_equal(buffer.data, expected);
	buffer_deinit(&buffer);
}

static void test_fit(void **state)
{
	(void)state;
	require_utf8();
	expect_fit("abcdef", 6, KEEP_HEAD, "abcdef", 6);
	expect_fit("abcdef", 5, KEEP_HEAD, "abcd\u2026", 5);
	expect_fit("abcdef", 5, KEEP_TAIL, "\u2026cdef", 5);
	expect_fit("abcdef", 1, KEEP_TAIL, "\u2026", 1);
	expect_fit("abcdef", 0, KEEP_HEAD, "", 0);
	/* Never half a glyph: one column stays free. */
	expect_fit("\u4e2d\u6587\u5b57", 4, KEEP_HEAD, "\u4e2d\u2026", 3);
	expect_fit("\u4e2d\u6587\u5b57", 4, KEEP_TAIL, "\u2026\u5b57", 3);
	expect_fit("ab\033cd", 5, KEEP_HEAD, "ab\u2026", 3);
}

static void test_fit_without_utf8(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_ALL, "C"));
	expect_fit("abcdef", 4, KEEP_HEAD, "abc~", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_controls),
	    cmocka_unit_test(test_invalid_utf8),
	    cmocka_unit_test(test_invisible),
	    cmocka_unit_test(test_combining_marks),
	    cmocka_unit_test(test_without_utf8),
	    cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_fit_without_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
