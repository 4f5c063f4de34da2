/* ui/guest_kernel: fetching a kernel, with stand-ins for Debian's tools, in a cache directory of the test's. */
#include "ui/guest_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

/* --- the stand-ins: shell scripts, the only programs on PATH beside /bin --- */

static char root[64];

__attribute__((format(printf, 1, 2))) static const char *at(const char *pattern, ...)
{
	static char texts[4][PATH_MAX];
	static unsigned next;
	char *text = texts[next++ % 4];
	int length = snprintf(text, PATH_MAX, "%s/", root);
	va_list arguments;

	va_start(arguments, pattern);
	vsnprintf(text + length, PATH_MAX - (size_t)length, pattern, arguments);
	va_end(arguments);
	return text;
}

static void write_file(const char *path, const void *bytes, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	assert_return_code(fchmod(fd, mode), errno);
	close(fd);
}

static void write_text(const char *path, const char *text, mode_t mode)
{
	write_file(path, text, strlen(text), mode);
}

/* Each appends its arguments to log; $ROOT is the test's directory. */
static void make_tool(const char *name, const char *body)
{
	char text[2048];

	snprintf(text, sizeof(text), "#!/bin/sh\necho %s \"$@\" >>%s/log\nROOT=%s\n%s", name, root, root, body);
	write_text(at("bin/%s", name), text, 0700);
}

enum { IMAGE_SIZE = 4096 };

static void make_image(unsigned char image[IMAGE_SIZE])
{
	memset(image, 0, IMAGE_SIZE);
	image[0x1f1] = 1;
	image[0x1f4] = (IMAGE_SIZE - 1024) / 16;
	memcpy(image + 0x1fe, "\x55\xaa", 2);
	memcpy(image + 0x202, "HdrS\017\002", 6);
	image[0x211] = 1;
}

static void add(struct archive *archive, const char *path, unsigned type, const void *bytes, size_t size)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, type | 0755);
	archive_entry_set_size(entry, (int64_t)size);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	if (size)
		assert_int_equal(archive_write_data(archive, bytes, size), (la_ssize_t)size);
	archive_entry_free(entry);
}

/* What the package of the stand-ins holds. */
static void make_package(const char *path, const void *image, size_t size)
{
	struct archive *archive = archive_write_new();

	archive_write_set_format_ustar(archive);
	assert_int_equal(archive_write_open_filename(archive, at("package.tar")), ARCHIVE_OK);
	add(archive, "./", AE_IFDIR, NULL, 0);
	add(archive, "./boot/", AE_IFDIR, NULL, 0);
	add(archive, "./boot/config-6.1", AE_IFREG, "CONFIG", 6);
	add(archive, path, AE_IFREG, image, size);
	add(archive, "./lib/", AE_IFDIR, NULL, 0);
	assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

static int make_fixtures(void **state)
{
	unsigned char image[IMAGE_SIZE];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/forktrace-kernel.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	mkdir(at("bin"), 0700);
	setenv("PATH", at("bin"), 1);
	setenv("XDG_CACHE_HOME", at("cache"), 1);
	mkdir(at("cache"), 0700);
	make_image(image);
	make_package("./boot/vmlinuz-6.1.0-7-686", image, sizeof(image));
	write_text(at("version"), "6.1.1-1\n", 0600);
	write_text(at("show"), "Package: linux-image-686\nDepends: linux-image-6.1.0-7-686 (= VERSION)\n", 0600);
	make_tool("apt-cache", "[ -e $ROOT/show ] || exit 100\nread version <$ROOT/version\n"
			       "while read line; do echo \"${line%VERSION)}$version)\"; done <$ROOT/show\n"
			       "echo \"Version: $version\"\n");
	make_tool("apt-get", "case \"$*\" in *download*) echo deb >kernel_i386.deb;; esac\n");
	make_tool("dpkg", "case \"$*\" in --print-arch*) echo amd64;; esac\n");
	make_tool("dpkg-deb", "exec /bin/cat $ROOT/package.tar\n");
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status, (void)type, (void)where;
	return remove(path);
}

static int remove_fixtures(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- what is to be seen of it --- */

static void fetches(const char *package, const char *link, const char *name)
{
	_cleanup_free_ char *path = NULL;
	char target[NAME_MAX + 1] = "";
	struct error *error = guest_kernel_fetch(package, true, &path);
	struct stat status;

	if (error)
		fail_msg("%s", error->message);
	assert_string_equal(path, at("cache/forktrace/guest/%s", link));
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, name);
	assert_return_code(stat(path, &status), errno);
	assert_int_equal(status.st_size, IMAGE_SIZE);
}

static void fails(const char *package, enum error_code code, const char *message)
{
	char *path = NULL;
	struct error *error = guest_kernel_fetch(package, true, &path);

	assert_non_null(error);
	assert_non_null(strstr(error->message, message));
	assert_int_equal(error->code, code);
	assert_null(path);
	error_destroy(error);
}

/* How many entries the directory has. */
static size_t count_entries(void)
{
	struct dirent **entries;
	int count = scandir(at("cache/forktrace/guest"), &entries, NULL, NULL);

	assert_true(count >= 2);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return (size_t)count - 2;
}

static bool was_run(const char *command)
{
	char line[1024];
	bool found = false;
	_cleanup_file_ FILE *log = fopen(at("log"), "re");

	while (log && !found && fgets(line, sizeof(line), log))
		found = strstr(line, command);
	return found;
}

/* --- tests --- */

static void fetches_once(void **state)
{
	(void)state;
	assert_null(guest_kernel_default());
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	assert_true(was_run("download linux-image-6.1.0-7-686:i386=6.1.1-1"));
	assert_false(was_run("update"));
	assert_int_equal(count_entries(), 2);

	_cleanup_free_ char *path = guest_kernel_default();

	assert_string_equal(path, at("cache/forktrace/guest/vmlinuz"));
	unlink(at("log"));
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	assert_false(was_run("download"));
}

static void a_newer_one_takes_its_place(void **state)
{
	(void)state;
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	write_text(at("version"), "6.1.2-1\n", 0600);
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.2-1");
	assert_int_equal(count_entries(), 2);
}

static void packages_have_links_of_their_own(void **state)
{
	(void)state;
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	write_text(at("show"), "Depends: linux-image-6.1.0-7-686-pae (= VERSION)\n", 0600);
	fetches("linux-image-686-pae", "vmlinuz-pae", "vmlinuz-6.1.0-7-686-pae_6.1.1-1");
	/* A kernel's own package depends on no other. */
	write_text(at("show"), "Depends: kmod, linux-base (>= 4.3~)\n", 0600);
	fetches("linux-image-6.1.0-7-686-pae", "vmlinuz-linux-image-6.1.0-7-686-pae",
		"vmlinuz-6.1.0-7-686-pae_6.1.1-1");
	assert_int_equal(count_entries(), 5);
}

static void a_damaged_one_is_fetched_again(void **state)
{
	(void)state;
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	assert_return_code(truncate(at("cache/forktrace/guest/vmlinuz"), 100), errno);
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
}

static void leftovers_are_swept(void **state)
{
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	mkdir(at("cache/forktrace"), 0700);
	mkdir(at("cache/forktrace/guest"), 0700);
	mkdir(at("cache/forktrace/guest/fetch.%d", gone), 0700);
	write_text(at("cache/forktrace/guest/fetch.%d/image", gone), "half", 0600);
	/* Of one that is running: our parent. */
	mkdir(at("cache/forktrace/guest/fetch.%d", getppid()), 0700);
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	assert_int_equal(access(at("cache/forktrace/guest/fetch.%d", gone), F_OK), -1);
	assert_int_equal(access(at("cache/forktrace/guest/fetch.%d", getppid()), F_OK), 0);
	assert_int_equal(count_entries(), 3);
}

static void what_failed_leaves_nothing(void **state)
{
	unsigned char image[IMAGE_SIZE];

	(void)state;
	make_image(image);
	make_package("./boot/vmlinuz-6.1.0-7-686", image, IMAGE_SIZE / 2);
	fails("linux-image-686", ERROR_INPUT, "is not a whole bzImage");
	image[0x236] = 1;
	make_package("./boot/vmlinuz-6.1.0-7-686", image, IMAGE_SIZE);
	fails("linux-image-686", ERROR_INPUT, "is a 64-bit one");
	make_package("./usr/vmlinuz-6.1.0-7-686", image, IMAGE_SIZE);
	fails("linux-image-686", ERROR_INPUT, "has no boot/vmlinuz-*");
	write_text(at("package.tar"), "noise that is no archive", 0600);
	fails("linux-image-686", ERROR_INPUT, "unpacking the kernel of");
	make_tool("dpkg-deb", "echo 'not a package' >&2; exit 2\n");
	fails("linux-image-686", ERROR_SYSTEM, "kernel_i386.deb\" failed: not a package");
	make_tool("apt-get", "echo 'E: no network' >&2; exit 100\n");
	fails("linux-image-686", ERROR_SYSTEM, "failed: E: no network");
	assert_int_equal(count_entries(), 0);
	fails("../x", ERROR_INPUT, "is not the name of a package");
}

static void the_lists_are_made_to_know_it(void **state)
{
	(void)state;
	assert_return_code(rename(at("show"), at("later")), errno);
	if (geteuid() != 0) {
		fails("linux-image-686", ERROR_DENIED, "dpkg --add-architecture i386 && apt-get update");
		return;
	}
	fails("linux-image-686", ERROR_NOT_FOUND, "no package source of this machine has linux-image-686");
	/* An update that reports an error has fetched what there is. */
	make_tool("apt-get", "case \"$*\" in *download*) echo deb >kernel_i386.deb;;\n"
			     "*) /bin/mv $ROOT/later $ROOT/show; exit 100;; esac\n");
	fetches("linux-image-686", "vmlinuz", "vmlinuz-6.1.0-7-686_6.1.1-1");
	assert_true(was_run("dpkg --add-architecture i386"));
}

static void says_what_is_missing(void **state)
{
	(void)state;
	unlink(at("bin/apt-cache"));
	fails("linux-image-686", ERROR_UNSUPPORTED, "apt-cache is not on PATH");
	setenv("XDG_CACHE_HOME", "relative", 1);
	unsetenv("HOME");
	fails("linux-image-686", ERROR_SYSTEM, "set XDG_CACHE_HOME to an absolute path");
	assert_null(guest_kernel_default());
	assert_int_equal(guest_fetch(NULL, true), 125);
}

#define FIXED(test) cmocka_unit_test_setup_teardown(test, make_fixtures, remove_fixtures)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXED(fetches_once),
	    FIXED(a_newer_one_takes_its_place),
	    FIXED(packages_have_links_of_their_own),
	    FIXED(a_damaged_one_is_fetched_again),
	    FIXED(leftovers_are_swept),
	    FIXED(what_failed_leaves_nothing),
	    FIXED(the_lists_are_made_to_know_it),
	    FIXED(says_what_is_missing),
	};

	return cmocka_run_group_tests_name("guest_kernel", tests, NULL, NULL);
}
