/* The kernel's tracefs: see tracefs.h. */
#include "kernel/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/memory.h"

/* Whether tracefs is there: the directory alone exists without it. On false errno says why not. */
static bool open_mounted(const char *path, int *fd)
{
	_cleanup_fd_ int opened = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (opened < 0 || faccessat(opened, "events", X_OK, AT_EACCESS) < 0)
		return false;
	*fd = opened;
	opened = -1; /* NOLINT(clang-analyzer-deadcode.DeadStores): the cleanup reads it */
	return true;
}

/* A mount that is attached nowhere. Returns its descriptor, or -1 with errno. */
static int mount_detached(void)
{
	_cleanup_fd_ int context = fsopen("tracefs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

struct error *tracefs_open(int *fd)
{
	static const char *const paths[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	bool mounted = false;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (open_mounted(paths[i], fd))
			return NULL;
		/* The second is not searchable for others, mounted or not: the first one tells. */
		mounted = mounted || (i == 0 && errno == EACCES);
	}
	*fd = mount_detached();
	if (*fd >= 0)
		return NULL;
	if (mounted)
		return error_create(ERROR_DENIED, EACCES, paths[0],
				    "tracefs (%s) is readable by root alone: run as root, or let others read it",
				    paths[0]);
	if (errno == EPERM)
		return error_create(ERROR_DENIED, errno, paths[0],
				    "tracefs is not mounted, and mounting it needs CAP_SYS_ADMIN: run as root");
	if (errno == ENODEV)
		return error_create(ERROR_UNSUPPORTED, errno, NULL, "this kernel has no tracefs (CONFIG_TRACING)");
	return error_system(errno, paths[0], "tracefs is not mounted, and mounting it failed");
}

struct error *tracefs_read_format(int tracefs, const char *name, struct buffer *text)
{
	char path[NAME_MAX];

	snprintf(path, sizeof(path), "events/%s/format", name);

	_cleanup_fd_ int fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return error_create(ERROR_NOT_FOUND, errno, name, "this kernel has no tracepoint %s", name);
	if (fd < 0 && errno == EACCES)
		return error_create(ERROR_DENIED, errno, name,
				    "tracefs is readable by root alone: run as root, or let others read it");
	if (fd < 0)
		return error_system(errno, name, "opening the tracepoint %s in tracefs failed", name);
	return buffer_read_fd(text, fd);
}
