/* A command that forktrace runs for itself: see child.h. */
#include "ui/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

/* posix_spawnp does not write to the strings; its type says that it might. */
static int spawn(struct child *child, int output, const char *directory)
{
	posix_spawn_file_actions_t actions;
	char *const *arguments;
	int sys_errno;

	memcpy(&arguments, &child->arguments, sizeof(arguments));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, child->errors, STDERR_FILENO);
	if (directory)
		posix_spawn_file_actions_addchdir_np(&actions, directory);
	sys_errno = posix_spawnp(&child->pid, arguments[0], &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return sys_errno;
}

static void close_both(struct child *child)
{
	close(child->output);
	close(child->errors);
}

struct error *child_start(struct child *child, const char *const *arguments, const char *directory)
{
	int pipes[2];

	*child = (struct child){.arguments = arguments, .output = -1};
	child->errors = memfd_create("forktrace-errors", MFD_CLOEXEC);
	if (child->errors < 0 || pipe2(pipes, O_CLOEXEC)) {
		struct error *error = error_system(errno, NULL, "running %s failed", arguments[0]);

		close_both(child);
		return error;
	}
	child->output = pipes[0];

	int sys_errno = spawn(child, pipes[1], directory);

	close(pipes[1]);
	if (!sys_errno)
		return NULL;
	close_both(child);
	return error_create(ERROR_SYSTEM, sys_errno, arguments[0], "running %s failed: %s", arguments[0],
			    strerror(sys_errno));
}

/* The last line that is not empty; NULL: it said nothing. */
static char *last_line(int errors)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (lseek(errors, 0, SEEK_SET) < 0)
		return NULL;
	error_destroy(buffer_read_fd(&text, errors));
	while (text.size && strchr("\n ", text.data[text.size - 1]))
		text.data[--text.size] = '\0';
	if (!text.size)
		return NULL;

	const char *newline = strrchr(text.data, '\n');

	return memory_strdup(newline ? newline + 1 : text.data);
}

static struct error *describe(const struct child *child, int status)
{
	_cleanup_(buffer_deinit) struct buffer command = {0};
	_cleanup_free_ char *said = last_line(child->errors);

	for (size_t i = 0; child->arguments[i]; i++)
		buffer_printf(&command, "%s%s", i ? " " : "", child->arguments[i]);
	if (WIFSIGNALED(status))
		return error_create(ERROR_SYSTEM, 0, child->arguments[0], "\"%s\" was ended by signal %d", command.data,
				    WTERMSIG(status));
	return error_create(ERROR_SYSTEM, 0, child->arguments[0], "\"%s\" failed: %s", command.data,
			    said ? said : "it does not say why");
}

struct error *child_finish(struct child *child, bool stopped)
{
	struct error *error = NULL;
	int status;

	close(child->output);
	child->output = -1;
	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR) {
			error = error_system(errno, NULL, "waiting for %s failed", child->arguments[0]);
			break;
		}
	}
	if (!error && !stopped && status)
		error = describe(child, status);
	close(child->errors);
	return error;
}

struct error *child_run(const char *const *arguments, const char *directory, struct buffer *output)
{
	struct buffer unwanted = {0};
	struct child child;
	struct error *error = child_start(&child, arguments, directory);

	if (error)
		return error;

	struct error *unread = buffer_read_fd(output ? output : &unwanted, child.output);

	error = child_finish(&child, unread != NULL);
	buffer_deinit(&unwanted);
	if (!error)
		return unread;
	error_destroy(unread);
	return error;
}
