/* kernel/guest_files: the set of files, and what the user adds to it. */
#include "kernel/guest_files.h"

#include "guest_files_fixture.h"

/* --- the set --- */

static void paths_lead_through_links(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	guest_files_put(&files, GUEST_LINK, "/lib", "usr/lib");
	guest_files_put(&files, GUEST_REGULAR, "/usr/lib/x-1.2", "/host/x-1.2");
	guest_files_put(&files, GUEST_LINK, "/usr/lib/x", "/lib/./x-1.2");
	guest_files_put(&files, GUEST_LINK, "/circle", "circle");
	assert_string_equal(guest_files_host_path(&files, "/lib/x"), "/host/x-1.2");
	assert_string_equal(guest_files_host_path(&files, "//usr/../lib/../../lib/x-1.2"), "/host/x-1.2");
	assert_null(guest_files_host_path(&files, "/lib"));
	assert_null(guest_files_host_path(&files, "/lib/y"));
	assert_null(guest_files_host_path(&files, "/circle/x"));
	assert_null(guest_files_host_path(&files, ""));

	_cleanup_free_ char *last = guest_files_resolve(&files, "/lib/x", true);
	_cleanup_free_ char *top = guest_files_resolve(&files, "/lib/../../..", true);

	assert_string_equal(last, "/usr/lib/x");
	assert_string_equal(top, "/");
}

/* --- what the user adds --- */

static void adds(struct guest_files *files, const char *argument)
{
	struct error *error = guest_files_add(files, argument);

	if (error)
		fail_msg("%s", error->message);
}

static void adds_files(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};
	_cleanup_free_ char *before = getcwd(NULL, 0);

	(void)state;
	make_file(at("words"), "words\n", 0600);
	make_file(at("co:lon"), "words\n", 0600);
	symlink("words", at("alias"));
	adds(&files, at("words"));
	adds(&files, at("co:lon"));
	adds(&files, at("alias"));
	adds(&files, at("alias:/etc/../etc/other"));
	assert_string_equal(guest_files_host_path(&files, at("words")), at("words"));
	assert_string_equal(guest_files_host_path(&files, at("co:lon")), at("co:lon"));
	assert_string_equal(guest_files_host_path(&files, at("alias")), at("words"));
	assert_string_equal(guest_files_host_path(&files, "/etc/other"), at("words"));

	assert_return_code(chdir(root), errno);
	make_file("relative", "", 0600);
	adds(&files, "./relative");
	adds(&files, "relative:there");
	assert_return_code(chdir(before), errno);
	assert_string_equal(guest_files_host_path(&files, at("relative")), at("relative"));
	assert_string_equal(guest_files_host_path(&files, at("there")), at("relative"));
}

static void adds_the_closure_of_a_library(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};
	char message[PATH_MAX];

	(void)state;
	make_library(at("two/libbase.so"), OPTIONS("-Wl,-soname,libbase.so"));
	make_library(at("one/libplugin.so"), OPTIONS(at("two/libbase.so")));
	files.library_path = memory_strdup(at("two"));
	adds(&files, at("one/libplugin.so"));
	assert_true(has(&files, GUEST_REGULAR, at("two/libbase.so")));
	unlink(at("two/libbase.so"));
	snprintf(message, sizeof(message),
		 "the 32-bit library libbase.so, which %s needs, was not found: install it, or name its directory in "
		 "LD_LIBRARY_PATH",
		 at("one/libplugin.so"));
	check_error(guest_files_add(&files, at("one/libplugin.so")), ERROR_NOT_FOUND, message);
	/* A 64-bit or damaged file is data. */
	make_library(at("wrong/libplugin.so"), OPTIONS("-m64"));
	adds(&files, at("wrong/libplugin.so"));
	write_whole(at("damaged"), "\177ELF\1\1\1", 7);
	adds(&files, at("damaged"));
}

static void adds_directories(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	mkdir(at("tree"), 0700);
	mkdir(at("tree/empty"), 0700);
	mkdir(at("tree/full"), 0700);
	make_file(at("tree/full/file"), "", 0600);
	symlink("../full", at("tree/full/up"));
	assert_return_code(mkfifo(at("tree/fifo"), 0600), errno);
	symlink("tree", at("branch"));
	/* What it needs is nowhere: no error here. */
	make_library(at("two/libgone.so"), OPTIONS("-Wl,-soname,libgone.so"));
	make_library(at("tree/libneedy.so"), OPTIONS(at("two/libgone.so")));
	unlink(at("two/libgone.so"));
	adds(&files, at("branch"));
	adds(&files, at("tree:/elsewhere"));
	assert_string_equal(target_of(&files, at("branch")), "tree");
	assert_true(has(&files, GUEST_DIRECTORY, at("tree/empty")));
	assert_string_equal(guest_files_host_path(&files, at("branch/full/up/file")), at("tree/full/file"));
	assert_string_equal(guest_files_host_path(&files, "/elsewhere/full/file"), at("tree/full/file"));
	assert_true(has(&files, GUEST_REGULAR, at("tree/libneedy.so")));
	assert_null(guest_files_host_path(&files, at("tree/fifo")));
}

static void refuses_to_add(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	check_error(guest_files_add(&files, "/nowhere/x"), ERROR_NOT_FOUND,
		    "/nowhere/x, which the guest should get: No such file or directory");
	check_error(guest_files_add(&files, "/nowhere/x:/y"), ERROR_NOT_FOUND,
		    "/nowhere/x, which the guest should get: No such file or directory");
	check_error(guest_files_add(&files, "/dev/null"), ERROR_INPUT, "/dev/null is neither a file nor a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_lead_through_links),
	    FIXED(adds_files),
	    FIXED(adds_the_closure_of_a_library),
	    FIXED(adds_directories),
	    FIXED(refuses_to_add),
	};

	return cmocka_run_group_tests_name("guest_files", tests, NULL, NULL);
}
