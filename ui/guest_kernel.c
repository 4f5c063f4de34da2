/* The guest's kernel where the user gives none: see guest_kernel.h. */
#include "ui/guest_kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "parse/bzimage.h"
#include "ui/cache_directory.h"
#include "ui/debian_kernel.h"
#include "ui/options.h"
#include "ui/say.h"

/* What is being fetched lies in fetch.PID, of which nothing is used later. */
#define TEMPORARY_PREFIX "fetch."

static void tell(void *quiet, const char *message)
{
	if (!*(const bool *)quiet)
		say("", message);
}

/* "vmlinuz" for linux-image-686, "vmlinuz-pae" for linux-image-686-pae, "vmlinuz-NAME" for others. */
static char *link_name(const char *package)
{
	if (!strncmp(package, GUEST_KERNEL_PACKAGE, strlen(GUEST_KERNEL_PACKAGE)))
		return memory_printf("vmlinuz%s", package + strlen(GUEST_KERNEL_PACKAGE));
	return memory_printf("vmlinuz-%s", package);
}

char *guest_kernel_default(void)
{
	_cleanup_free_ char *cache = cache_directory();
	_cleanup_free_ char *path = cache ? memory_printf("%s/guest/vmlinuz", cache) : NULL;

	return path && !access(path, R_OK) ? no_cleanup_pointer(path) : NULL;
}

/* --- the directory --- */

static void remove_temporary(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

	/* There are files in it alone. */
	for (const struct dirent *entry; entries && (entry = readdir(entries));)
		unlinkat(fd, entry->d_name, 0);
	unlinkat(directory, name, AT_REMOVEDIR);
}

/* Removes what runs left that are no more. */
static void sweep(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

	for (const struct dirent *entry; entries && (entry = readdir(entries));) {
		if (strncmp(entry->d_name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) != 0)
			continue;

		int pid = atoi(entry->d_name + strlen(TEMPORARY_PREFIX));

		if (pid <= 0 || pid == getpid() || (kill(pid, 0) && errno == ESRCH))
			remove_temporary(directory, entry->d_name);
	}
}

/* Opens the cache's guest directory, made where it is missing. */
static struct error *open_directory(char **path, int *fd)
{
	_cleanup_free_ char *cache = cache_directory();
	struct stat status;

	if (!cache)
		return error_create(ERROR_SYSTEM, 0, NULL,
				    "there is no cache directory of this user's to keep a kernel in: set "
				    "XDG_CACHE_HOME to an absolute path");
	*path = memory_printf("%s/guest", cache);
	if (mkdir(*path, S_IRWXU) && errno != EEXIST)
		return error_system(errno, *path, "making the directory %s failed", *path);
	*fd = open(*path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &status))
		return error_system(errno, *path, "opening the directory %s failed", *path);
	if (status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH))
		return error_create(ERROR_DENIED, EPERM, *path, "%s can be changed by other users: remove it", *path);
	return NULL;
}

/* --- the image --- */

static struct error *check_image(int fd, const char *name)
{
	_cleanup_free_ unsigned char *head = NULL;
	enum { HEAD_SIZE = 64 * 1024 };
	struct bzimage image;
	struct stat status;

	head = memory_alloc(HEAD_SIZE);

	ssize_t size = pread(fd, head, HEAD_SIZE, 0);

	if (size < 0 || fstat(fd, &status))
		return error_system(errno, name, "reading the kernel of %s failed", name);
	if (!bzimage_parse(head, (size_t)size, &image) || (uint64_t)status.st_size < image.length)
		return error_create(ERROR_INPUT, 0, name, "the kernel of %s is not a whole bzImage", name);
	if (image.is64)
		return error_create(ERROR_INPUT, 0, name,
				    "the kernel of %s is a 64-bit one: the guest needs a 32-bit one", name);
	return NULL;
}

static bool is_current(int directory, const char *link, const char *name)
{
	char target[NAME_MAX + 1];
	ssize_t length = readlinkat(directory, link, target, sizeof(target) - 1);
	_cleanup_fd_ int fd = openat(directory, link, O_RDONLY | O_CLOEXEC);

	if (length < 0 || fd < 0)
		return false;
	target[length] = '\0';

	struct error *error = strcmp(target, name) ? &error_gone : check_image(fd, name);

	error_destroy(error);
	return !error;
}

/* Puts the file `temporary`/image in its place and has the link point there, in this order: whoever uses the link finds
 * the old kernel or the new one. */
static struct error *install(int directory, const char *temporary, const char *link, const char *name)
{
	_cleanup_free_ char *image = memory_printf("%s/image", temporary);
	_cleanup_free_ char *new_link = memory_printf("%s/link", temporary);
	char old[NAME_MAX + 1];
	ssize_t length = readlinkat(directory, link, old, sizeof(old) - 1);

	if (renameat(directory, image, directory, name) || symlinkat(name, directory, new_link) ||
	    renameat(directory, new_link, directory, link))
		return error_system(errno, name, "putting %s in its place failed", name);
	old[length > 0 ? length : 0] = '\0';
	if (old[0] && !strchr(old, '/') && strcmp(old, name) != 0)
		unlinkat(directory, old, 0);
	return NULL;
}

/* --- fetching --- */

struct fetch {
	const char *package;
	bool quiet;
	char *path;    /* of the directory */
	int directory; /* the same, opened */
	char *link;
	char *temporary; /* name in the directory */
	struct debian_kernel kernel;
};

static void fetch_deinit(struct fetch *fetch)
{
	if (fetch->temporary)
		remove_temporary(fetch->directory, fetch->temporary);
	if (fetch->directory >= 0)
		close(fetch->directory);
	free(fetch->path);
	free(fetch->link);
	free(fetch->temporary);
	debian_kernel_deinit(&fetch->kernel);
}

/* The release is what the package's name has of it. */
static char *image_name(const struct debian_kernel *kernel)
{
	const char *release = kernel->package;

	if (!strncmp(release, "linux-image-", strlen("linux-image-")))
		release += strlen("linux-image-");
	return memory_printf("vmlinuz-%s_%s", release, kernel->version);
}

/* Into an empty directory that is ours alone. */
static struct error *download(struct fetch *fetch, const char *name)
{
	_cleanup_free_ char *temporary = memory_printf("%s/%s", fetch->path, fetch->temporary);
	_cleanup_free_ char *image = memory_printf("%s/image", fetch->temporary);
	_cleanup_free_ char *message =
	    memory_printf("fetching %s, version %s", fetch->kernel.package, fetch->kernel.version);

	remove_temporary(fetch->directory, fetch->temporary);
	if (mkdirat(fetch->directory, fetch->temporary, S_IRWXU))
		return error_system(errno, temporary, "making the directory %s failed", temporary);

	_cleanup_fd_ int fd = openat(fetch->directory, image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

	if (fd < 0)
		return error_system(errno, temporary, "making a file in %s failed", temporary);
	tell(&fetch->quiet, message);

	struct error *error = debian_kernel_download(&fetch->kernel, temporary, fd);

	if (!error)
		error = check_image(fd, name);
	if (!error && fsync(fd))
		error = error_system(errno, name, "writing %s failed", name);
	return error;
}

/* Finds what is newest and gets it, if it is not there. */
static struct error *fetch_newest(struct fetch *fetch)
{
	debian_kernel_deinit(&fetch->kernel);

	struct error *error = debian_kernel_find(fetch->package, tell, &fetch->quiet, &fetch->kernel);

	if (error)
		return error;

	_cleanup_free_ char *name = image_name(&fetch->kernel);

	if (is_current(fetch->directory, fetch->link, name)) {
		tell(&fetch->quiet, "the newest kernel is there already");
		return NULL;
	}
	error = download(fetch, name);
	return error ? error : install(fetch->directory, fetch->temporary, fetch->link, name);
}

struct error *guest_kernel_fetch(const char *package, bool quiet, char **path)
{
	_cleanup_(fetch_deinit) struct fetch fetch = {.package = package, .quiet = quiet, .directory = -1};
	struct error *error;

	if (strchr(package, '/') || package[0] == '-' || !*package)
		return error_create(ERROR_INPUT, 0, package, "%s is not the name of a package", package);
	error = open_directory(&fetch.path, &fetch.directory);
	if (error)
		return error;
	sweep(fetch.directory);
	fetch.link = link_name(package);
	fetch.temporary = memory_printf(TEMPORARY_PREFIX "%d", getpid());
	error = fetch_newest(&fetch);
	/* The lists may be older than what the server has. */
	if (error && error->code == ERROR_SYSTEM && debian_kernel_refresh(tell, &fetch.quiet)) {
		error_destroy(error);
		error = fetch_newest(&fetch);
	}
	if (!error)
		*path = memory_printf("%s/%s", fetch.path, fetch.link);
	return error;
}

int guest_fetch(const char *package, bool quiet)
{
	_cleanup_free_ char *path = NULL;

	/* Inherited as ignored, it would take the children's statuses away. */
	signal(SIGCHLD, SIG_DFL);

	struct error *error = guest_kernel_fetch(package ? package : GUEST_KERNEL_PACKAGE, quiet, &path);

	if (error) {
		say("", error->message);
		error_destroy(error);
		return EXIT_FORKTRACE;
	}

	_cleanup_free_ char *message = memory_printf("the guest's kernel is %s", path);

	tell(&quiet, message);
	return EXIT_SUCCESS;
}
