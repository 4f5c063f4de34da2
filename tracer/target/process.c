/* What /proc tells of a process: see process.h. */
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads at most `size` - 1 bytes of /proc/TID/NAME in one call and ends them with a zero; *got is their number. */
static struct error *read_file(pid_t tid, const char *name, char *bytes, size_t size, size_t *got)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);

	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? &error_gone : error_system(errno, path, "opening %s failed", path);

	ssize_t length = read(fd, bytes, size - 1);

	if (length < 0)
		return error_system(errno, path, "reading %s failed", path);
	bytes[length] = '\0';
	*got = (size_t)length;
	return NULL;
}

struct error *process_check_proc(void)
{
	char target[16];
	ssize_t length = readlink("/proc/self", target, sizeof(target) - 1);

	if (length < 0)
		return error_create(ERROR_UNSUPPORTED, errno, "/proc",
				    "/proc is not mounted here, and nothing can be traced without it");
	target[length] = '\0';
	if (strtol(target, NULL, 10) != getpid())
		return error_create(ERROR_UNSUPPORTED, 0, "/proc",
				    "/proc shows another pid namespace: mount this one's (unshare --mount-proc does)");
	return NULL;
}

struct error *process_status(pid_t tid, struct proc_status *status)
{
	char text[4096];
	size_t size = 0;
	struct error *error = read_file(tid, "status", text, sizeof(text), &size);

	if (error)
		return error;
	if (!proc_status_parse(text, size, status))
		return error_create(ERROR_INPUT, 0, NULL, "/proc/%d/status has no Pid line", tid);
	return NULL;
}

struct error *process_comm(pid_t tid, char comm[16])
{
	char text[64];
	size_t size = 0;
	struct error *error = read_file(tid, "comm", text, sizeof(text), &size);

	if (error)
		return error;
	if (size && text[size - 1] == '\n')
		size--;
	if (size > 15)
		size = 15;
	memset(comm, 0, 16);
	memcpy(comm, text, size);
	return NULL;
}

struct error *process_exe(pid_t pid, char **path)
{
	char link[64];
	char target[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);

	ssize_t length = readlink(link, target, sizeof(target));

	if (length < 0)
		return errno == ENOENT ? &error_gone : error_system(errno, link, "reading %s failed", link);
	*path = memory_strndup(target, (size_t)length);
	return NULL;
}

static struct error *read_namespace(pid_t tid, const char *name, unsigned long *number)
{
	char link[64];
	char target[64];

	snprintf(link, sizeof(link), "/proc/%d/ns/%s", tid, name);

	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length < 0)
		return errno == ENOENT ? &error_gone : error_system(errno, link, "reading %s failed", link);
	target[length] = '\0';
	if (sscanf(target, "pid:[%lu]", number) != 1)
		return error_create(ERROR_INPUT, 0, link, "%s does not name a pid namespace", link);
	return NULL;
}

struct error *process_pid_namespaces(pid_t tid, unsigned long *own, unsigned long *children)
{
	struct error *error = read_namespace(tid, "pid", own);

	return error ? error : read_namespace(tid, "pid_for_children", children);
}

struct error *process_threads(pid_t pid, pid_vector *tids)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);

	_cleanup_dir_ DIR *directory = opendir(path);

	if (!directory)
		return errno == ENOENT ? &error_gone : error_system(errno, path, "opening %s failed", path);
	for (struct dirent *entry; (entry = readdir(directory));) {
		long tid = strtol(entry->d_name, NULL, 10);

		if (tid > 0)
			vector_push(tids, (pid_t)tid);
	}
	return NULL;
}
