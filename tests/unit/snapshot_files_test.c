/* kernel/snapshot_files.c: what is in the directory of snapshots, what stays and what goes. */
#include "kernel/snapshot_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "skipping.h"

enum { MIB = 1 << 20, PATH_SIZE = 160 };

static char directory[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/snapshot_files_test.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);

	FILE *shell = popen(command, "re");

	return shell ? pclose(shell) : -1;
}

static const char *path_of(const char *name)
{
	static char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static bool exists(const char *name)
{
	return !access(path_of(name), F_OK);
}

static void make_file(const char *name)
{
	int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A snapshot of `mib`, used at `time`, as a run makes one. False: there is no room for it on the disk. */
static bool add(const char *name, int mib, time_t time)
{
	const struct timespec times[2] = {{time, 0}, {time, 0}};
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = snapshot_file_create(directory, &path);

	assert_true(fd >= 0);
	if (mib && posix_fallocate(fd, 0, (off_t)mib * MIB))
		return false;
	assert_int_equal(futimens(fd, times), 0);
	assert_true(snapshot_file_rename(directory, path, name));
	return true;
}

/* --- bounds --- */

static void keeps_the_newest_four(void **state)
{
	(void)state;
	for (int i = 1; i <= 6; i++) {
		char name[SNAPSHOT_NAME_SIZE];

		/* Not in the order of their names. */
		snprintf(name, sizeof(name), SNAPSHOT_PREFIX "%d" SNAPSHOT_SUFFIX, 9 - i);
		add(name, 0, 1000 + i);
	}
	for (int i = 1; i <= 6; i++) {
		char name[SNAPSHOT_NAME_SIZE];

		snprintf(name, sizeof(name), SNAPSHOT_PREFIX "%d" SNAPSHOT_SUFFIX, 9 - i);
		assert_int_equal(exists(name), i > 2);
	}
}

/* Their names play no part, nor do those of other files. */
static void leaves_other_files_alone(void **state)
{
	static const char *const others[] = {"vmlinuz", "guest-x", "x.snapshot", "x-guest-1.snapshot"};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		make_file(others[i]);
	keeps_the_newest_four(state);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_true(exists(others[i]));
}

/* What lies on the disk counts, 512 MiB of it. */
static void keeps_what_fits_in_the_bound(void **state)
{
	(void)state;
	if (!add("guest-1.snapshot", 200, 1001) || !add("guest-2.snapshot", 200, 1002) ||
	    !add("guest-3.snapshot", 100, 1003))
		skip_because("there is no room for 700 MiB in /tmp");
	assert_true(exists("guest-1.snapshot"));
	if (!add("guest-4.snapshot", 200, 1004))
		skip_because("there is no room for 700 MiB in /tmp");
	assert_false(exists("guest-1.snapshot"));
	assert_true(exists("guest-2.snapshot"));
	assert_true(exists("guest-3.snapshot"));
	assert_true(exists("guest-4.snapshot"));
}

static void keeps_the_newest_however_large(void **state)
{
	(void)state;
	add("guest-1.snapshot", 1, 1001);
	if (!add("guest-2.snapshot", 513, 1002))
		skip_because("there is no room for 700 MiB in /tmp");
	assert_false(exists("guest-1.snapshot"));
	assert_true(exists("guest-2.snapshot"));
}

/* --- what dead processes left --- */

/* In another process, which ends with its file half-written. */
static void leave_temporary(char name[PATH_SIZE])
{
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);

	pid_t pid = fork();

	if (pid == 0) {
		char *path = NULL;
		int fd = snapshot_file_create(directory, &path);

		_exit(fd < 0 || write(ends[1], path, strlen(path) + 1) < 0);
	}
	assert_true(read(ends[0], name, PATH_SIZE) > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

static void sweeps_what_dead_processes_left(void **state)
{
	char left[PATH_SIZE];
	_cleanup_free_ char *own = NULL, *other = NULL;

	(void)state;
	leave_temporary(left);
	assert_int_equal(access(left, F_OK), 0);

	_cleanup_fd_ int fd = snapshot_file_create(directory, &own);

	assert_true(fd >= 0);
	assert_int_equal(access(left, F_OK), -1);

	/* One that lives and has its file locked is spared. */
	_cleanup_fd_ int second = snapshot_file_create(directory, &other);

	assert_true(second >= 0);
	assert_int_equal(access(own, F_OK), 0);
	assert_string_not_equal(own, other);
	assert_true(snapshot_file_rename(directory, own, "guest-1.snapshot"));
	assert_true(exists("guest-1.snapshot"));
}

/* --- whose they are --- */

static void makes_the_directory(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct stat status;
	char below[96];

	(void)state;
	snprintf(below, sizeof(below), "%s/a/b", directory);

	_cleanup_fd_ int fd = snapshot_file_create(below, &path);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(stat(below, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
}

static void refuses_a_directory_that_others_enter(void **state)
{
	_cleanup_free_ char *path = NULL;

	(void)state;
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(snapshot_file_create(directory, &path), -1);
	assert_null(path);
}

static void opens_what_is_ours_alone(void **state)
{
	_cleanup_free_ char *path = NULL, *none = NULL;

	(void)state;
	make_file("guest-1.snapshot");

	_cleanup_fd_ int fd = snapshot_file_open(directory, "guest-1.snapshot", &path);

	assert_true(fd >= 0);
	assert_string_equal(path, path_of("guest-1.snapshot"));
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(snapshot_file_open(directory, "guest-1.snapshot", &none), -1);
	assert_null(none);
	assert_int_equal(symlink("guest-1.snapshot", path_of("guest-2.snapshot")), 0);
	assert_int_equal(snapshot_file_open(directory, "guest-2.snapshot", &none), -1);
	assert_int_equal(mkfifo(path_of("guest-3.snapshot"), 0600), 0);
	assert_int_equal(snapshot_file_open(directory, "guest-3.snapshot", &none), -1);
	assert_int_equal(snapshot_file_open(directory, "guest-4.snapshot", &none), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(keeps_the_newest_four, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(leaves_other_files_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(keeps_what_fits_in_the_bound, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(keeps_the_newest_however_large, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(sweeps_what_dead_processes_left, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(makes_the_directory, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(refuses_a_directory_that_others_enter, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(opens_what_is_ours_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
