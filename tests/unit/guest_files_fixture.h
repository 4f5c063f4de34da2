/* Programs and libraries for tests of the guest's files, compiled for i386 in a directory of the test's. */
#ifndef FORKTRACE_TESTS_GUEST_FILES_FIXTURE_H
#define FORKTRACE_TESTS_GUEST_FILES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/guest_files.h"

static char root[64];

/* The path of `name` below the fixtures; of several static texts in turn. */
__attribute__((format(printf, 1, 2))) static const char *at(const char *format, ...)
{
	static char texts[8][PATH_MAX];
	static unsigned next;
	char *text = texts[next++ % 8];
	int length = snprintf(text, PATH_MAX, "%s/", root);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, PATH_MAX - (size_t)length, format, arguments);
	va_end(arguments);
	return text;
}

static void run(const char *const *arguments)
{
	char *copy[32];
	size_t count = 0;
	pid_t pid;
	int status;

	for (; arguments[count]; count++) {
		assert_true(count < 31);
		copy[count] = memory_strdup(arguments[count]);
	}
	copy[count] = NULL;
	assert_int_equal(posix_spawnp(&pid, copy[0], NULL, NULL, copy, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < count; i++)
		free(copy[i]);
}

static void make_file(const char *path, const char *content, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_return_code(fchmod(fd, mode), errno);
	close(fd);
}

/* Compiles an empty library; `options` end with NULL. What it needs must name it in full: symbols bind nothing. */
static void make_library(const char *path, const char *const *options)
{
	const char *arguments[24] = {"gcc", "-m32", "-nostdlib", "-shared",     "-Wl,--no-as-needed",
				     "-o",  path,   "-xc",       at("empty.c"), "-xnone"};
	size_t count = 10;

	for (; *options; options++)
		arguments[count++] = *options;
	run(arguments);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
static int make_fixtures(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/forktrace-files.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	make_file(at("empty.c"), "", 0600);
	make_file(at("start.c"), "void _start(void);\nvoid _start(void)\n{\n\tfor (;;)\n\t\t;\n}\n", 0600);
	mkdir(at("one"), 0700);
	mkdir(at("two"), 0700);
	mkdir(at("wrong"), 0700);
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

/* --- what is there --- */

static bool has(const struct guest_files *files, enum guest_file_kind kind, const char *path)
{
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i].kind == kind && !strcmp(files->items[i].guest_path, path))
			return true;
	}
	return false;
}

static const char *target_of(const struct guest_files *files, const char *path)
{
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i].kind == GUEST_LINK && !strcmp(files->items[i].guest_path, path))
			return files->items[i].target;
	}
	return "(no link)";
}

static void check_error(struct error *error, enum error_code code, const char *message)
{
	assert_non_null(error);
	assert_string_equal(error->message, message);
	assert_int_equal(error->code, code);
	error_destroy(error);
}

static void write_whole(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

#define FIXED(test) cmocka_unit_test_setup_teardown(test, make_fixtures, remove_fixtures)

#endif
