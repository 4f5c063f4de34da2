/* The ground: buffer, vector, error, log and scope-exit cleanup (map_test.c has map and string pool). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/vector.h"

static void buffer_grows_and_ends_in_zero(void **state)
{
	struct buffer buffer = {0};

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		char byte = (char)('a' + i % 26);

		buffer_append(&buffer, &byte, 1);
		assert_int_equal(buffer.size, i + 1);
		assert_true(buffer.capacity > buffer.size);
		assert_int_equal(buffer.data[buffer.size], 0);
	}
	for (size_t i = 0; i < buffer.size; i++)
		assert_int_equal(buffer.data[i], 'a' + i % 26);

	size_t capacity = buffer.capacity;

	buffer_clear(&buffer);
	assert_int_equal(buffer.size, 0);
	assert_string_equal(buffer.data, "");
	assert_int_equal(buffer.capacity, capacity);
	buffer_deinit(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.size, 0);
	buffer_clear(&buffer);
	buffer_deinit(&buffer);
}

static void buffer_keeps_zero_bytes(void **state)
{
	struct buffer buffer = {0};

	(void)state;
	buffer_append(&buffer, "a\0b", 3);
	buffer_append_text(&buffer, "cd");
	assert_int_equal(buffer.size, 5);
	assert_memory_equal(buffer.data, "a\0bcd", 6);
	buffer_deinit(&buffer);
}

/* Around the length that buffer_printf tries first, and far beyond it. */
static void buffer_prints_any_length(void **state)
{
	(void)state;
	for (int width = 0; width < 2000; width++) {
		struct buffer buffer = {0};

		buffer_append_text(&buffer, "<");
		buffer_printf(&buffer, "%*d%s", width, 7, ">");
		assert_int_equal(buffer.size, (width ? width : 1) + 2);
		assert_int_equal(strlen(buffer.data), buffer.size);
		assert_string_equal(buffer.data + buffer.size - 2, "7>");
		buffer_deinit(&buffer);
	}
}

static void buffer_reads_a_file(void **state)
{
	enum { WORDS = 100000 };
	_cleanup_fd_ int fd = memfd_create("base_test", MFD_CLOEXEC);
	_cleanup_free_ uint32_t *words = memory_calloc(WORDS, sizeof(*words));
	struct buffer buffer = {0};

	(void)state;
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = i * 2654435761U;
	assert_int_equal(write(fd, words, WORDS * sizeof(*words)), WORDS * sizeof(*words));
	assert_int_equal(lseek(fd, 8, SEEK_SET), 8);
	buffer_append_text(&buffer, "before");
	assert_null(buffer_read_fd(&buffer, fd));
	assert_int_equal(buffer.size, 6 + WORDS * sizeof(*words) - 8);
	assert_memory_equal(buffer.data, "before", 6);
	assert_memory_equal(buffer.data + 6, words + 2, buffer.size - 6);
	assert_int_equal(buffer.data[buffer.size], 0);
	buffer_deinit(&buffer);
}

static void buffer_reports_a_failed_read(void **state)
{
	_cleanup_fd_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(error_cleanup) struct error *error = NULL;
	struct buffer buffer = {0};

	(void)state;
	assert_true(fd >= 0);
	error = buffer_read_fd(&buffer, fd);
	assert_non_null(error);
	assert_int_equal(error->code, ERROR_SYSTEM);
	assert_int_equal(error->sys_errno, EISDIR);
	assert_int_equal(buffer.size, 0);
	buffer_deinit(&buffer);
}

static void vector_keeps_order(void **state)
{
	VECTOR(int) numbers = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		vector_push(&numbers, i);
	assert_int_equal(numbers.count, 1000);
	assert_true(numbers.capacity >= 1000);
	/* Take out the odd ones, from the last to the second. */
	for (size_t i = 1000; i > 0; i -= 2)
		vector_remove(&numbers, i - 1);
	assert_int_equal(numbers.count, 500);
	for (size_t i = 0; i < numbers.count; i++)
		assert_int_equal(numbers.items[i], 2 * i);
	vector_remove(&numbers, 0);
	assert_int_equal(numbers.count, 499);
	assert_int_equal(numbers.items[0], 2);
	vector_deinit(&numbers);
	assert_null(numbers.items);
	assert_int_equal(numbers.count, 0);
	assert_int_equal(numbers.capacity, 0);
}

static void vector_of_structs(void **state)
{
	struct pair {
		int a, b;
	};
	VECTOR(struct pair) pairs = {0};

	(void)state;
	vector_reserve(&pairs, 100);
	assert_int_equal(pairs.capacity, 100);
	assert_int_equal(pairs.count, 0);

	const struct pair *items = pairs.items;

	for (int i = 0; i < 100; i++)
		vector_push(&pairs, (struct pair){.a = i, .b = -i});
	assert_ptr_equal(pairs.items, items);
	assert_int_equal(pairs.items[99].a, 99);
	assert_int_equal(pairs.items[99].b, -99);
	vector_deinit(&pairs);
}

static void error_owns_its_texts(void **state)
{
	char object[] = "/bin/sh";
	struct error *error = error_create(ERROR_NOT_EXEC, ENOEXEC, object, "%s is %d", "this", 5);

	(void)state;
	object[0] = 'x';
	assert_int_equal(error->code, ERROR_NOT_EXEC);
	assert_int_equal(error->sys_errno, ENOEXEC);
	assert_string_equal(error->object, "/bin/sh");
	assert_string_equal(error->message, "this is 5");
	error_destroy(error);

	error = error_create(ERROR_INPUT, 0, NULL, "nothing");
	assert_null(error->object);
	assert_int_equal(error->sys_errno, 0);
	error_destroy(error);
}

static void error_system_maps_errno(void **state)
{
	static const struct {
		int sys_errno;
		enum error_code code;
	} expected[] = {
	    {EPERM, ERROR_DENIED},  {EACCES, ERROR_DENIED}, {ENOENT, ERROR_SYSTEM},
	    {EINVAL, ERROR_SYSTEM}, {EIO, ERROR_SYSTEM},    {ENOMEM, ERROR_SYSTEM},
	    {EAGAIN, ERROR_SYSTEM}, {EINTR, ERROR_SYSTEM},  {ENOSYS, ERROR_SYSTEM},
	};

	(void)state;
	assert_ptr_equal(error_system(ESRCH, "4711", "reading %d", 1), &error_gone);
	assert_ptr_equal(error_system(EFAULT, "4711", "reading %d", 1), &error_fault);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct error *error = error_system(expected[i].sys_errno, "/x", "opening %s failed", "it");
		char message[128];

		snprintf(message, sizeof(message), "opening it failed: %s", strerror(expected[i].sys_errno));
		assert_int_equal(error->code, expected[i].code);
		assert_int_equal(error->sys_errno, expected[i].sys_errno);
		assert_string_equal(error->object, "/x");
		assert_string_equal(error->message, message);
		error_destroy(error);
	}
}

static void static_errors_live_on(void **state)
{
	(void)state;
	error_destroy(NULL);
	error_destroy(&error_gone);
	error_destroy(&error_fault);
	assert_int_equal(error_gone.code, ERROR_GONE);
	assert_int_equal(error_gone.sys_errno, ESRCH);
	assert_non_null(error_gone.message);
	assert_int_equal(error_fault.code, ERROR_FAULT);
	assert_int_equal(error_fault.sys_errno, EFAULT);
	assert_non_null(error_fault.message);
}

struct heard {
	enum log_level level;
	char message[1024];
	unsigned count;
};

static void hear(void *context, enum log_level level, const char *message)
{
	struct heard *heard = context;

	heard->level = level;
	heard->count++;
	snprintf(heard->message, sizeof(heard->message), "%s", message);
}

static void log_goes_to_the_callback(void **state)
{
	struct heard heard = {0};
	struct log log = {.write = hear, .context = &heard}, deaf = {0};
	char dots[2000];

	(void)state;
	log_write(NULL, LOG_LEVEL_WARNING, "nobody");
	log_write(&deaf, LOG_LEVEL_WARNING, "nobody");
	log_write(&log, LOG_LEVEL_DEBUG, "stop %d of %s", 3, "sh");
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.level, LOG_LEVEL_DEBUG);
	assert_string_equal(heard.message, "stop 3 of sh");

	/* What is too long is cut, not lost. */
	memset(dots, '.', sizeof(dots) - 1);
	dots[sizeof(dots) - 1] = '\0';
	log_write(&log, LOG_LEVEL_WARNING, "%s", dots);
	assert_int_equal(heard.count, 2);
	assert_memory_equal(heard.message, dots, strlen(heard.message));
	assert_true(strlen(heard.message) > 256);
}

static void memory_is_zeroed_and_never_null(void **state)
{
	_cleanup_free_ char *none = memory_calloc(0, 0), *some = memory_alloc(100);
	_cleanup_free_ char *copy = memory_strndup("abcdef", 3);

	(void)state;
	assert_non_null(none);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(some[i], 0);
	assert_string_equal(copy, "abc");

	char *taken = no_cleanup_pointer(copy);

	assert_null(copy);
	assert_string_equal(taken, "abc");
	taken = memory_resize(taken, 1000, 4);
	assert_string_equal(taken, "abc");
	free(taken);
}

static int open_in_a_scope(void)
{
	_cleanup_fd_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	return fd;
}

static void scopes_close_their_files(void **state)
{
	int fd = open_in_a_scope();

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(buffer_grows_and_ends_in_zero),
	    cmocka_unit_test(buffer_keeps_zero_bytes),
	    cmocka_unit_test(buffer_prints_any_length),
	    cmocka_unit_test(buffer_reads_a_file),
	    cmocka_unit_test(buffer_reports_a_failed_read),
	    cmocka_unit_test(vector_keeps_order),
	    cmocka_unit_test(vector_of_structs),
	    cmocka_unit_test(error_owns_its_texts),
	    cmocka_unit_test(error_system_maps_errno),
	    cmocka_unit_test(static_errors_live_on),
	    cmocka_unit_test(log_goes_to_the_callback),
	    cmocka_unit_test(memory_is_zeroed_and_never_null),
	    cmocka_unit_test(scopes_close_their_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
