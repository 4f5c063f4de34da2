/* A task's kernel stack from /proc/TID/stack: see stack_file.h. */
#include "kernel/stack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/vector.h"
#include "kernel/stack_memo.h"
#include "parse/proc_stack.h"

/* The kernel shows at most 64 frames (MAX_STACK_TRACE_DEPTH, fs/proc/base.c) and cuts its text at a page. */
enum { MAX_TEXT = 8192 };

struct stack_file {
	struct string_pool *pool;
	struct stack_memo memo;
	char text[MAX_TEXT];
};

struct stack_file *stack_file_create(struct string_pool *pool)
{
	struct stack_file *file = memory_alloc(sizeof(*file));

	file->pool = pool;
	return file;
}

void stack_file_destroy(struct stack_file *file)
{
	if (!file)
		return;
	stack_memo_deinit(&file->memo);
	free(file);
}

/* The message becomes a reason, kept for the whole run: it is the same one for all tasks. */
static struct error *read_error(const char *path)
{
	if (errno == EACCES || errno == EPERM)
		return error_create(ERROR_DENIED, errno, path, "/proc/TID/stack needs CAP_SYS_ADMIN: run as root");
	return error_system(errno, path, "/proc/TID/stack cannot be read");
}

/* Reads once: the kernel writes the whole of it at the first read. */
static struct error *read_text(const char *path, char *text, size_t *size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, MAX_TEXT);

	if (got < 0)
		return read_error(path);
	*size = (size_t)got;
	return NULL;
}

struct error *stack_file_probe(void)
{
	static const char path[] = "/proc/self/stack";
	char text[MAX_TEXT];
	size_t size;
	struct error *error = read_text(path, text, &size);

	if (error && error->sys_errno == ENOENT) {
		error_destroy(error);
		return error_create(ERROR_UNSUPPORTED, ENOENT, path,
				    "/proc/TID/stack is not there (CONFIG_STACKTRACE, or /proc is not mounted)");
	}
	return error;
}

static const char *intern_span(struct string_pool *pool, const char *text, size_t length)
{
	_cleanup_free_ char *copy = length ? memory_strndup(text, length) : NULL;

	return string_intern(pool, copy);
}

static struct stack *parse(struct stack_file *file, const char *text, size_t size)
{
	VECTOR(struct frame) frames = {0};
	struct proc_stack_frame parsed;
	const char *at = text;

	while (proc_stack_next(&at, text + size, &parsed)) {
		if (frames.count == 0 && kernel_function_is_stop(parsed.symbol, parsed.symbol_length))
			continue;
		vector_push(&frames, (struct frame){
					 .symbol = intern_span(file->pool, parsed.symbol, parsed.symbol_length),
					 .offset = parsed.offset,
					 .module = intern_span(file->pool, parsed.module, parsed.module_length),
					 .certain = true,
					 .method = METHOD_PROC_STACK,
				     });
	}

	struct stack *stack = frames.count ? stack_create(frames.count) : NULL;

	if (stack)
		memcpy(stack->frames, frames.items, frames.count * sizeof(frames.items[0]));
	vector_deinit(&frames);
	return stack;
}

struct error *stack_file_read(struct stack_file *file, pid_t tid, struct stack **stack)
{
	char path[32];
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/stack", (int)tid);

	struct error *error = read_text(path, file->text, &size);

	if (error && error->sys_errno == ENOENT) {
		error_destroy(error);
		return &error_gone;
	}
	if (error)
		return error;
	*stack = stack_ref(stack_memo_find(&file->memo, file->text, size));
	if (*stack)
		return NULL;
	*stack = parse(file, file->text, size);
	if (!*stack)
		return error_create(ERROR_NOT_FOUND, 0, path, "the kernel shows no frame in /proc/TID/stack");
	stack_memo_add(&file->memo, file->text, size, *stack);
	return NULL;
}
