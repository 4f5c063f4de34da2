/* kernel/library_search: tokens, search paths and /etc/ld.so.conf. */
#include "kernel/library_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

static const struct library_tokens tokens = {.origin = "/opt/x/bin", .lib = "lib32"};

static void expect_expanded(const char *text, const char *expanded)
{
	_cleanup_free_ char *got = library_search_expand(text, &tokens);

	assert_string_equal(got, expanded);
}

static void expands_tokens(void **state)
{
	(void)state;
	expect_expanded("", "");
	expect_expanded("/usr/lib", "/usr/lib");
	expect_expanded("$ORIGIN/../$LIB/${PLATFORM}", "/opt/x/bin/../lib32/i686");
	expect_expanded("${ORIGIN}s", "/opt/x/bins");
	expect_expanded("$HOME/$/${ORIGIN/$", "$HOME/$/${ORIGIN/$");
}

static char *join(const struct path_list *list)
{
	struct buffer text = {0};

	buffer_append_text(&text, "");
	for (size_t i = 0; i < list->count; i++)
		buffer_printf(&text, "%s\n", list->items[i]);
	return text.data;
}

static void splits_search_paths(void **state)
{
	_cleanup_(path_list_deinit) struct path_list list = {0};
	_cleanup_free_ char *directory = getcwd(NULL, 0);
	struct buffer expected = {0};

	(void)state;
	library_search_split("/a;b:$ORIGIN:", ":;", &tokens, &list);
	library_search_split("/c;d", ":", &tokens, &list);

	_cleanup_free_ char *got = join(&list);

	buffer_printf(&expected, "/a\n%s/b\n/opt/x/bin\n%s/\n/c;d\n", directory, directory);
	assert_string_equal(got, expected.data);
	buffer_deinit(&expected);
}

/* --- ld.so.conf --- */

static const char *const file_names[] = {"ld.so.conf", "conf.d/a.conf", "conf.d/b.conf", "conf.d/c.other"};

static char root[64];

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);

	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_directory(void **state)
{
	char path[128];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/forktrace-search.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/conf.d", root);
	return mkdir(path, 0700);
}

static int remove_directory(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, file_names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/conf.d", root);
	rmdir(path);
	return rmdir(root);
}

static char *read_configuration(void)
{
	_cleanup_(path_list_deinit) struct path_list list = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/ld.so.conf", root);
	library_search_configuration(path, &list);
	return join(&list);
}

static void reads_the_configuration(void **state)
{
	(void)state;
	write_file("ld.so.conf", "# comment\n/first # more\n include\tconf.d/*.conf missing/*\nrelative\n"
				 "hwcap 1 nosegneg\n/old=libc6\n\n  /last\t");
	write_file("conf.d/b.conf", "/b\n");
	write_file("conf.d/a.conf", "/a/1\n/a/2\n");
	write_file("conf.d/c.other", "/c\n");

	_cleanup_free_ char *got = read_configuration();

	assert_string_equal(got, "/first\n/a/1\n/a/2\n/b\n/old\n/last\n");
}

static void reads_what_includes_itself(void **state)
{
	(void)state;
	write_file("ld.so.conf", "/x\ninclude ld.so.conf ld.so.conf\n");

	_cleanup_free_ char *got = read_configuration();

	assert_in_range(strlen(got), 3, 3 * 256);
}

static void does_without_a_configuration(void **state)
{
	_cleanup_free_ char *got = NULL;

	(void)state;
	got = read_configuration();
	assert_string_equal(got, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expands_tokens),
	    cmocka_unit_test(splits_search_paths),
	    cmocka_unit_test_setup_teardown(reads_the_configuration, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(reads_what_includes_itself, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(does_without_a_configuration, make_directory, remove_directory),
	};

	return cmocka_run_group_tests_name("library_search", tests, NULL, NULL);
}
