/* kernel/kallsyms_cache: a copy is found again, and taken only from where nobody else could have put it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/kallsyms_cache.h"

static const char whole[] = "ffffffff81000000 T _text\nffffffff81000010 T first\nffffffff81000020 T second\n";
enum { BEGINNING = 25 }; /* the first line */

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/forktrace-cache.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

/* Calls `act` for each entry; returns how many there are. */
static unsigned for_each_entry(void (*act)(const char *path))
{
	DIR *entries = opendir(directory);
	unsigned count = 0;

	assert_non_null(entries);
	for (struct dirent *entry; (entry = readdir(entries));) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		count++;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (act)
			act(path);
	}
	closedir(entries);
	return count;
}

static void remove_entry(const char *path)
{
	assert_return_code(unlink(path), 0);
}

static int remove_directory(void **state)
{
	(void)state;
	for_each_entry(remove_entry);
	return rmdir(directory);
}

static void store(void)
{
	struct buffer text = {0};

	buffer_append_text(&text, whole);
	kallsyms_cache_store(directory, &text);
	buffer_deinit(&text);
}

/* Loads with the first line of `text` known; returns whether the copy was taken, and checks what is there then. */
static bool load(const char *text)
{
	struct buffer known = {0};

	buffer_append(&known, text, BEGINNING);

	bool taken = kallsyms_cache_load(directory, &known);

	if (taken)
		assert_string_equal(known.data, whole);
	else
		assert_int_equal(known.size, BEGINNING);
	buffer_deinit(&known);
	return taken;
}

static void finds_what_it_stored(void **state)
{
	(void)state;
	assert_false(load(whole));
	store();
	assert_int_equal(for_each_entry(NULL), 1);
	assert_true(load(whole));
	store(); /* again: in place of the first */
	assert_int_equal(for_each_entry(NULL), 1);
	assert_true(load(whole));
}

static void distrusts_another_kernel(void **state)
{
	(void)state;
	store();
	assert_false(load("ffffffff9a000000 T _text\n"));
}

static void let_others_read(const char *path)
{
	assert_return_code(chmod(path, 0644), 0);
}

static void distrusts_what_others_can_reach(void **state)
{
	(void)state;
	store();
	for_each_entry(let_others_read);
	assert_false(load(whole));
	store();
	assert_true(load(whole));
	assert_return_code(chmod(directory, 0755), 0);
	assert_false(load(whole));
	for_each_entry(remove_entry);
	store();
	assert_int_equal(for_each_entry(NULL), 0);
	assert_return_code(chmod(directory, 0700), 0);
}

static void replace_by_link(const char *path)
{
	char target[] = "/tmp/forktrace-elsewhere.XXXXXX";
	int fd = mkstemp(target);

	assert_return_code(fd, 0);
	assert_int_equal(write(fd, whole, strlen(whole)), (ssize_t)strlen(whole));
	close(fd);
	assert_return_code(unlink(path), 0);
	assert_return_code(symlink(target, path), 0);
	assert_false(load(whole));
	unlink(target);
}

static void follows_no_link(void **state)
{
	(void)state;
	store();
	assert_int_equal(for_each_entry(replace_by_link), 1);
}

static void sweeps_what_is_old(void **state)
{
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/kallsyms-0123456789abcdef.4711", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(fd, 0);
	close(fd);
	store();
	assert_int_equal(for_each_entry(NULL), 1);
	assert_true(load(whole));
}

static void does_without_a_directory(void **state)
{
	struct buffer text = {0};

	(void)state;
	buffer_append_text(&text, whole);
	kallsyms_cache_store(NULL, &text);
	assert_false(kallsyms_cache_load(NULL, &text));
	kallsyms_cache_store("/no/such/directory", &text);
	assert_false(kallsyms_cache_load("/no/such/directory", &text));
	assert_string_equal(text.data, whole);
	buffer_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(finds_what_it_stored, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(distrusts_another_kernel, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(distrusts_what_others_can_reach, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(follows_no_link, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(sweeps_what_is_old, make_directory, remove_directory),
	    cmocka_unit_test(does_without_a_directory),
	};

	return cmocka_run_group_tests_name("kallsyms_cache", tests, NULL, NULL);
}
