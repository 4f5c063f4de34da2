/* kernel/initramfs: archives are read back with libarchive. */
#include "kernel/initramfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kernel/guest_protocol.h"

/* --- what an archive holds: a line a member, "MODE PATH CONTENT" --- */

static void append_content(struct archive *archive, struct archive_entry *entry, struct buffer *listing)
{
	char block[256];
	la_ssize_t got;

	if (archive_entry_filetype(entry) == AE_IFLNK)
		buffer_printf(listing, " -> %s", archive_entry_symlink(entry));
	if (archive_entry_filetype(entry) == AE_IFREG)
		buffer_append_text(listing, " ");
	while ((got = archive_read_data(archive, block, sizeof(block))) > 0)
		buffer_append(listing, block, (size_t)got);
	assert_int_equal(got, 0);
	buffer_append_text(listing, "\n");
}

static char *list(const void *bytes, size_t size)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	struct buffer listing = {0};
	int status;

	archive_read_support_format_cpio(archive);
	assert_int_equal(archive_read_open_memory(archive, bytes, size), ARCHIVE_OK);
	while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
		buffer_printf(&listing, "%06o %s", (unsigned)archive_entry_mode(entry), archive_entry_pathname(entry));
		assert_int_equal(archive_entry_uid(entry), 0);
		assert_int_equal(archive_entry_gid(entry), 0);
		append_content(archive, entry, &listing);
	}
	assert_int_equal(status, ARCHIVE_EOF);
	assert_int_equal(archive_format(archive), ARCHIVE_FORMAT_CPIO_SVR4_NOCRC);
	archive_read_free(archive);
	return listing.data;
}

static void read_all(int fd, struct buffer *bytes)
{
	assert_true(fd >= 0);
	assert_null(buffer_read_fd(bytes, fd));
	close(fd);
}

/* --- the root --- */

static void the_root_has_process_1(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0}, again = {0};
	int fd;

	(void)state;
	assert_null(initramfs_create("program", 7, &fd));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	read_all(fd, &bytes);

	_cleanup_free_ char *listing = list(bytes.data, bytes.size);

	assert_string_equal(listing, "100755 init program\n"
				     "040755 dev\n"
				     "040755 proc\n"
				     "040700 root\n"
				     "040755 sys\n"
				     "041777 tmp\n");
	assert_null(initramfs_create("program", 7, &fd));
	read_all(fd, &again);
	assert_int_equal(again.size, bytes.size);
	assert_memory_equal(again.data, bytes.data, bytes.size);
}

static void process_1_is_built_in(void **state)
{
	(void)state;
	assert_true(guest_init_image_end - guest_init_image > 4);
	assert_memory_equal(guest_init_image, "\177ELF", 4);
}

/* --- the payload --- */

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/forktrace-payload.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", directory);
	unlink(path);
	return rmdir(directory);
}

static char *make_file(const char *content, mode_t mode)
{
	char *path;
	int fd;

	assert_true(asprintf(&path, "%s/file", directory) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_return_code(fd, 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_return_code(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static char *const no_strings[] = {NULL};

/* The archive alone, of a program without arguments; `variable`: its environment. */
static char *list_payload_with(const struct guest_files *files, const char *working, char *variable)
{
	char *const environment[] = {variable, NULL};

	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	int fd;

	assert_null(payload_create(files, "/p", working, no_strings, environment, &fd));
	read_all(fd, &bytes);

	size_t head = GUEST_PAYLOAD_MAGIC_SIZE + 8 + strlen("/p") + 1 + strlen(working) + 1;

	head += variable ? strlen(variable) + 1 : 0;

	head = (head + 3) & ~(size_t)3;
	assert_true(bytes.size > head);
	return list(bytes.data + head, bytes.size - head);
}

static char *list_payload(const struct guest_files *files, const char *working)
{
	return list_payload_with(files, working, NULL);
}

#define ETC "100644 etc/group root:x:0:\n\n100644 etc/passwd root:x:0:0:root:/root:/bin/sh\n\n"

static void the_head_has_the_strings(void **state)
{
	static const char head[] = "FTGUEST1\3\0\0\0\1\0\0\0/bin/p\0/work\0p\0-x\0\0HOME=/\0\0\0";
	char *const arguments[] = {(char[]){"p"}, (char[]){"-x"}, (char[]){""}, NULL};
	char *const environment[] = {(char[]){"HOME=/"}, NULL};
	struct guest_files files = {0};
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	int fd;

	(void)state;
	assert_null(payload_create(&files, "/bin/p", "/work", arguments, environment, &fd));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	read_all(fd, &bytes);
	assert_int_equal((sizeof(head) - 1) % 4, 0);
	assert_true(bytes.size > sizeof(head) - 1 + 6);
	assert_memory_equal(bytes.data, head, sizeof(head) - 1);
	assert_memory_equal(bytes.data + sizeof(head) - 1, "070701", 6);
}

static void parents_come_first(void **state)
{
	_cleanup_free_ char *path = make_file("content", 04751);
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	guest_files_put(&files, GUEST_REGULAR, "/nowhere/b/c/file", path);
	guest_files_put(&files, GUEST_REGULAR, "/nowhere/b-d", path);
	guest_files_put(&files, GUEST_REGULAR, "/nowhere/b/c/file", "/not/added/twice");
	guest_files_put(&files, GUEST_DIRECTORY, "/nowhere/b", NULL);

	_cleanup_free_ char *listing = list_payload(&files, "/nowhere/at/all");

	assert_string_equal(listing, "040755 etc\n" ETC "040755 nowhere\n"
				     "040755 nowhere/at\n"
				     "040755 nowhere/at/all\n"
				     "040755 nowhere/b\n"
				     "104751 nowhere/b-d content\n"
				     "040755 nowhere/b/c\n"
				     "104751 nowhere/b/c/file content\n");
}

static void files_lie_behind_the_links(void **state)
{
	_cleanup_free_ char *path = make_file("", 0644);
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	guest_files_put(&files, GUEST_REGULAR, "/zero/a/file", path);
	guest_files_put(&files, GUEST_LINK, "/zero/a", "../one/b");
	guest_files_put(&files, GUEST_LINK, "/zero/last", "missing");

	_cleanup_free_ char *listing = list_payload(&files, "/zero/a");

	assert_string_equal(listing, "040755 etc\n" ETC "040755 one\n"
				     "040755 one/b\n"
				     "100644 one/b/file \n"
				     "040755 zero\n"
				     "120777 zero/a -> ../one/b\n"
				     "120777 zero/last -> missing\n");
}

static void given_accounts_stay(void **state)
{
	_cleanup_free_ char *path = make_file("me:x:1:1::/:\n", 0644);
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	guest_files_put(&files, GUEST_REGULAR, "/etc/passwd", path);

	_cleanup_free_ char *listing = list_payload(&files, "/");

	assert_string_equal(listing, "040755 etc\n100644 etc/group root:x:0:\n\n100644 etc/passwd me:x:1:1::/:\n\n");
}

/* Where a program may count on being able to write. */
static void directories_of_the_environment_are_there(void **state)
{
	struct guest_files files = {0};
	static const char *const others[] = {"TMPDIR=relative", "TMPDIR=/dev/null", "HOME=/no/such/directory",
					     "XHOME=/usr"};
	_cleanup_free_ char *variable = NULL, *listing = NULL, *member = NULL;

	(void)state;
	assert_return_code(chmod(directory, 01771), 0);
	assert_true(asprintf(&variable, "TMPDIR=%s", directory) > 0);
	assert_true(asprintf(&member, "041771 %s\n", directory + 1) > 0);
	listing = list_payload_with(&files, "/", variable);
	assert_non_null(strstr(listing, member));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		_cleanup_free_ char *other = memory_strdup(others[i]);
		_cleanup_free_ char *nothing = list_payload_with(&files, "/", other);

		assert_string_equal(nothing, "040755 etc\n" ETC);
	}
}

static void names_are_bytes(void **state)
{
	_cleanup_free_ char *path = make_file("x", 0644);
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	(void)state;
	guest_files_put(&files, GUEST_REGULAR, "/nowhere/\303\244\377 b\n", path);

	_cleanup_free_ char *listing = list_payload(&files, "/");

	assert_non_null(strstr(listing, "100644 nowhere/\303\244\377 b\n x\n"));
}

static void fails(const struct guest_files *files, enum error_code code, const char *message)
{
	int fd;
	struct error *error = payload_create(files, "/p", "/", no_strings, no_strings, &fd);

	assert_non_null(error);
	assert_int_equal(fd, -1);
	assert_int_equal(error->code, code);
	assert_string_equal(error->message, message);
	error_destroy(error);
}

static void says_what_cannot_be_packed(void **state)
{
	_cleanup_free_ char *path = make_file("x", 0644);
	_cleanup_(guest_files_deinit) struct guest_files missing = {0}, below = {0}, circle = {0}, special = {0};

	(void)state;
	guest_files_put(&missing, GUEST_REGULAR, "/a", "/nowhere/a");
	fails(&missing, ERROR_SYSTEM, "opening /nowhere/a failed: No such file or directory");
	guest_files_put(&below, GUEST_REGULAR, "/a/b/c", path);
	guest_files_put(&below, GUEST_REGULAR, "/a/b", path);
	fails(&below, ERROR_INPUT, "/a/b would be a file and a directory in the guest");
	guest_files_put(&circle, GUEST_LINK, "/a", "b");
	guest_files_put(&circle, GUEST_LINK, "/b", "/a");
	guest_files_put(&circle, GUEST_REGULAR, "/a/c", path);
	fails(&circle, ERROR_INPUT, "/a/c leads in circles in the guest");
	guest_files_put(&special, GUEST_REGULAR, "/a", "/dev/null");
	fails(&special, ERROR_INPUT, "/dev/null is not a regular file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_root_has_process_1),
	    cmocka_unit_test(process_1_is_built_in),
	    cmocka_unit_test_setup_teardown(the_head_has_the_strings, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(parents_come_first, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(files_lie_behind_the_links, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(given_accounts_stay, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(directories_of_the_environment_are_there, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(names_are_bytes, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(says_what_cannot_be_packed, make_directory, remove_directory),
	};

	return cmocka_run_group_tests_name("initramfs", tests, NULL, NULL);
}
