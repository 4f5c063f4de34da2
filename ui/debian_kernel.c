/* Debian's kernels for i386: see debian_kernel.h. */
#include "ui/debian_kernel.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/child.h"
#include "ui/find_program.h"

#define COMMANDS "dpkg --add-architecture i386 && apt-get update"

/* Real ones have 6 MB. */
enum { MAX_IMAGE = 256 << 20 };

void debian_kernel_deinit(struct debian_kernel *kernel)
{
	free(kernel->package);
	free(kernel->version);
	*kernel = (struct debian_kernel){0};
}

/* --- what apt knows --- */

static struct error *check_tools(void)
{
	static const char *const tools[] = {"apt-get", "apt-cache", "dpkg", "dpkg-deb"};

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		_cleanup_free_ char *path = NULL;
		struct error *error = find_program(tools[i], getenv("PATH"), &path);

		if (!error)
			continue;
		error_destroy(error);
		return error_create(ERROR_UNSUPPORTED, ENOENT, tools[i],
				    "%s is not on PATH, so no kernel can be fetched: give an i386 one (a bzImage with "
				    "CONFIG_KALLSYMS, such as vmlinuz of Debian 12's linux-image-686) with "
				    "--guest-kernel",
				    tools[i]);
	}
	return NULL;
}

/* What follows "NAME: " in the first paragraph; NULL: nothing. */
static char *field_of(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; *line && *line != '\n';) {
		size_t end = strcspn(line, "\n");

		if (!strncmp(line, name, length) && line[length] == ':')
			return memory_strndup(line + length + 1 + strspn(line + length + 1, " "),
					      end - length - 1 - strspn(line + length + 1, " "));
		line += end + (line[end] == '\n');
	}
	return NULL;
}

/* The first run of characters that a name or a version may have. */
static char *word_of(const char *text)
{
	return memory_strndup(text,
			      strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.~:"));
}

/* "linux-image-6.1.0-50-686 (= 6.1.176-1), …" of a package that stands for the newest one. */
static void follow_dependency(const char *depends, struct debian_kernel *kernel)
{
	const char *image = depends ? strstr(depends, "linux-image-") : NULL;

	if (!image)
		return;
	free(kernel->package);
	kernel->package = word_of(image);
	image += strlen(kernel->package);
	if (!strncmp(image, " (= ", strlen(" (= "))) {
		free(kernel->version);
		kernel->version = word_of(image + strlen(" (= "));
	}
}

/* False: the lists do not have it. */
static bool look_up(const char *package, struct debian_kernel *kernel)
{
	_cleanup_(buffer_deinit) struct buffer name = {0}, text = {0};

	buffer_printf(&name, "%s:i386", package);

	const char *const arguments[] = {"apt-cache", "show", "--no-all-versions", name.data, NULL};
	struct error *error = child_run(arguments, NULL, &text);
	bool known = !error && text.size;

	error_destroy(error);
	if (!known)
		return false;

	_cleanup_free_ char *depends = field_of(text.data, "Depends");
	_cleanup_free_ char *version = field_of(text.data, "Version");

	if (!version)
		return false;
	*kernel = (struct debian_kernel){.package = memory_strdup(package), .version = word_of(version)};
	follow_dependency(depends, kernel);
	return true;
}

/* --- making it known --- */

/* Whether dpkg takes packages of i386; where it cannot say, it is tried. */
static bool knows_i386(void)
{
	static const char *const own[] = {"dpkg", "--print-architecture", NULL};
	static const char *const foreign[] = {"dpkg", "--print-foreign-architectures", NULL};
	_cleanup_(buffer_deinit) struct buffer text = {0};

	buffer_append_text(&text, "\n");
	error_destroy(child_run(own, NULL, &text));
	error_destroy(child_run(foreign, NULL, &text));
	return strstr(text.data, "\ni386\n") != NULL;
}

bool debian_kernel_refresh(void (*tell)(void *context, const char *message), void *context)
{
	static const char *const update[] = {"apt-get", "-q", "update", NULL};

	if (geteuid() != 0)
		return false;
	tell(context, "fetching the package lists (apt-get update)");
	/* Some source without a list for i386 makes it fail; what was fetched serves. */
	error_destroy(child_run(update, NULL, NULL));
	return true;
}

static struct error *make_known(const char *package, void (*tell)(void *, const char *), void *context)
{
	static const char *const add[] = {"dpkg", "--add-architecture", "i386", NULL};

	if (geteuid() != 0)
		return error_create(ERROR_DENIED, EPERM, package,
				    "apt does not know %s for i386; run as root: " COMMANDS, package);
	if (!knows_i386()) {
		tell(context, "making i386 packages known (dpkg --add-architecture i386)");

		struct error *error = child_run(add, NULL, NULL);

		if (error)
			return error;
	}
	debian_kernel_refresh(tell, context);
	return NULL;
}

struct error *debian_kernel_find(const char *package, void (*tell)(void *context, const char *message), void *context,
				 struct debian_kernel *kernel)
{
	struct error *error = check_tools();

	if (error || look_up(package, kernel))
		return error;
	error = make_known(package, tell, context);
	if (error || look_up(package, kernel))
		return error;
	return error_create(ERROR_NOT_FOUND, ENOENT, package,
			    "no package source of this machine has %s for i386 (Debian 12 is the last release with "
			    "one): add one that has, or give a kernel with --guest-kernel",
			    package);
}

/* --- getting it --- */

static char *find_package(const char *directory)
{
	_cleanup_dir_ DIR *entries = opendir(directory);
	struct buffer path = {0};

	for (const struct dirent *entry; entries && (entry = readdir(entries));) {
		const char *end = strrchr(entry->d_name, '.');

		if (end && !strcmp(end, ".deb")) {
			buffer_printf(&path, "%s/%s", directory, entry->d_name);
			break;
		}
	}
	return path.data;
}

static bool is_image(struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);

	if (path && !strncmp(path, "./", 2))
		path += 2;
	return path && !strncmp(path, "boot/vmlinuz-", strlen("boot/vmlinuz-")) &&
	       archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
	       archive_entry_size(entry) > 0 && archive_entry_size(entry) <= MAX_IMAGE;
}

/* Copies the first image in a tar archive; *found stays false where there is none. */
static bool copy_image(struct archive *archive, int from, int to, bool *found)
{
	struct archive_entry *entry;
	int status;

	archive_read_support_format_tar(archive);
	if (archive_read_open_fd(archive, from, 1 << 16) != ARCHIVE_OK)
		return false;
	while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
		if (is_image(entry)) {
			*found = true;
			return archive_read_data_into_fd(archive, to) == ARCHIVE_OK;
		}
	}
	return status == ARCHIVE_EOF;
}

static struct error *unpack(const char *package, int fd)
{
	const char *const arguments[] = {"dpkg-deb", "--fsys-tarfile", package, NULL};
	struct archive *archive = archive_read_new();
	bool found = false;
	struct child child;

	if (!archive)
		return error_system(ENOMEM, package, "reading %s failed", package);

	struct error *error = child_start(&child, arguments, NULL);

	if (!error) {
		bool whole = copy_image(archive, child.output, fd, &found);

		error = child_finish(&child, found);
		if (!error && !whole)
			error = error_create(ERROR_INPUT, archive_errno(archive), package,
					     "unpacking the kernel of %s failed: %s", package,
					     archive_error_string(archive));
		else if (!error && !found)
			error = error_create(ERROR_INPUT, 0, package, "%s has no boot/vmlinuz-*", package);
	}
	archive_read_free(archive);
	return error;
}

struct error *debian_kernel_download(const struct debian_kernel *kernel, const char *directory, int fd)
{
	_cleanup_(buffer_deinit) struct buffer name = {0};

	buffer_printf(&name, "%s:i386=%s", kernel->package, kernel->version);

	/* apt's own user could not enter the directory: apt would warn and do it as root anyhow. */
	const char *const arguments[] = {"apt-get",  "-q=2",    "-o", "APT::Sandbox::User=root",
					 "download", name.data, NULL};
	struct error *error = child_run(arguments, directory, NULL);

	if (error)
		return error;

	_cleanup_free_ char *package = find_package(directory);

	return package ? unpack(package, fd)
		       : error_create(ERROR_SYSTEM, 0, name.data, "apt-get downloaded no file for %s", name.data);
}
