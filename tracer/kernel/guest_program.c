/* Which files a program needs, and what the user adds: see guest_files.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kernel/elf_needs.h"
#include "kernel/guest_files.h"
#include "kernel/library_closure.h"
#include "kernel/library_search.h"

/* fs/exec.c of linux 6.1, exec_binprm: "4 levels of binfmt rewrites before failing hard". */
enum { MAX_INTERPRETERS = 4 };

/* BINPRM_BUF_SIZE of linux 5.1 and later (include/uapi/linux/binfmts.h): no more of the first line is looked at. */
enum { FIRST_LINE_SIZE = 256 };

static void cleanup_needs(struct elf_needs *needs)
{
	elf_needs_deinit(needs);
}

/* --- a program --- */

static struct error *cannot_open(int sys_errno, const char *path, const char *script)
{
	if (sys_errno != ENOENT && sys_errno != ENOTDIR)
		return error_create(ERROR_NOT_EXEC, sys_errno, path, "%s cannot be executed: %s", path,
				    strerror(sys_errno));
	if (script)
		return error_create(ERROR_NOT_FOUND, sys_errno, path, "%s, the interpreter of %s, was not found", path,
				    script);
	return error_create(ERROR_NOT_FOUND, sys_errno, path, "%s: no such file", path);
}

/* `script`: whose interpreter the program is; NULL: nobody's. */
static struct error *open_program(const char *path, const char *script, int *fd)
{
	struct stat status;

	if (stat(path, &status))
		return cannot_open(errno, path, script);
	if (!S_ISREG(status.st_mode))
		return error_create(ERROR_NOT_EXEC, EACCES, path, "%s is not a program", path);
	if (access(path, X_OK))
		return cannot_open(errno, path, script);
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return *fd < 0
		   ? error_create(ERROR_NOT_EXEC, errno, path,
				  "%s cannot be read, and so not be brought into the guest: %s", path, strerror(errno))
		   : NULL;
}

/* What the first line names; NULL: it is no script. As load_script in fs/binfmt_script.c reads it. */
static char *script_interpreter(int fd)
{
	char line[FIRST_LINE_SIZE + 1];
	ssize_t size = pread(fd, line, FIRST_LINE_SIZE, 0);

	if (size < 2 || memcmp(line, "#!", 2) != 0)
		return NULL;
	line[size] = '\0';

	const char *start = line + 2 + strspn(line + 2, " \t");
	size_t length = strcspn(start, " \t\n");

	/* A name that may go on behind what the kernel looks at. */
	if (length == 0 || (!start[length] && size == FIRST_LINE_SIZE))
		return NULL;
	return memory_strndup(start, length);
}

static struct error *check_machine(const char *path, const struct elf_needs *needs)
{
	if (needs->kind == ELF_NONE)
		return error_create(ERROR_NOT_EXEC, ENOEXEC, path, "%s is neither an ELF program nor a script", path);
	if (needs->kind == ELF_X86_64)
		return error_create(ERROR_NOT_EXEC, ENOEXEC, path,
				    "%s is a 64-bit program: the guest is 32-bit; use -k live", path);
	if (needs->kind == ELF_FOREIGN)
		return error_create(ERROR_NOT_EXEC, ENOEXEC, path, "%s is a program for another machine than i386",
				    path);
	if (!needs->loadable)
		return error_create(ERROR_NOT_EXEC, ENOEXEC, path, "%s is an ELF file, but not a program", path);
	return NULL;
}

static struct error *add_program(struct guest_files *files, const char *path, const char *script, unsigned level)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_(cleanup_needs) struct elf_needs needs = {0};
	struct error *error = open_program(path, script, &fd);

	if (error)
		return error;

	_cleanup_free_ char *real = guest_files_follow(files, path);
	_cleanup_free_ char *interpreter = script_interpreter(fd);

	if (!real)
		return cannot_open(ELOOP, path, script);
	guest_files_put(files, GUEST_REGULAR, real, real);
	if (interpreter) {
		_cleanup_free_ char *absolute = library_search_absolute(interpreter);

		return level < MAX_INTERPRETERS ? add_program(files, absolute, path, level + 1)
						: cannot_open(ELOOP, path, script);
	}
	error = elf_needs_read(fd, path, &needs);
	if (!error)
		error = check_machine(path, &needs);
	/* The loader is the only one to look for libraries. /proc/self/exe, which gives $ORIGIN, is the real path. */
	return error || !needs.interpreter ? error : library_closure_add(files, real, &needs, false);
}

struct error *guest_files_of_program(const char *program, const char *library_path, struct guest_files *files)
{
	*files = (struct guest_files){.library_path = library_path ? memory_strdup(library_path) : NULL};

	struct error *error = add_program(files, program, NULL, 0);

	if (error)
		guest_files_deinit(files);
	return error;
}

/* --- what the user adds --- */

/* `real`: the host's file without links. */
static struct error *add_file(struct guest_files *files, const char *real, const char *guest_path, bool lenient)
{
	_cleanup_fd_ int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(cleanup_needs) struct elf_needs needs = {0};

	if (fd < 0)
		return error_system(errno, real, "opening %s failed", real);
	guest_files_put(files, GUEST_REGULAR, guest_path, real);

	struct error *error = elf_needs_read(fd, real, &needs);

	/* Damaged: some data. */
	if (error) {
		error_destroy(error);
		return NULL;
	}
	return needs.kind == ELF_I386 ? library_closure_add(files, real, &needs, lenient) : NULL;
}

static struct error *add_directory(struct guest_files *files, const char *real, const char *guest_path);

static struct error *add_link(struct guest_files *files, const char *real, const char *guest_path)
{
	char target[PATH_MAX];
	ssize_t length = readlink(real, target, sizeof(target) - 1);

	if (length < 0)
		return error_system(errno, real, "reading the link %s failed", real);
	target[length] = '\0';
	guest_files_put(files, GUEST_LINK, guest_path, target);
	return NULL;
}

/* An entry of a directory, however deep: a path's length has an end (ENAMETOOLONG). Sockets, FIFOs and
 * devices are left out. */
static struct error *add_entry(struct guest_files *files, const char *real, const char *guest_path)
{
	struct stat status;

	if (lstat(real, &status))
		return error_system(errno, real, "looking at %s failed", real);
	if (S_ISDIR(status.st_mode))
		return add_directory(files, real, guest_path);
	if (S_ISLNK(status.st_mode))
		return add_link(files, real, guest_path);
	return S_ISREG(status.st_mode) ? add_file(files, real, guest_path, true) : NULL;
}

static char *below(const char *directory, const char *name)
{
	struct buffer path = {0};

	buffer_printf(&path, "%s/%s", strcmp(directory, "/") ? directory : "", name);
	return path.data;
}

static struct error *add_directory(struct guest_files *files, const char *real, const char *guest_path)
{
	_cleanup_dir_ DIR *entries = opendir(real);
	struct error *error = NULL;

	if (!entries)
		return error_system(errno, real, "reading %s failed", real);
	guest_files_put(files, GUEST_DIRECTORY, guest_path, NULL);
	for (const struct dirent *entry; !error && (entry = readdir(entries));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;

		_cleanup_free_ char *host = below(real, entry->d_name);
		_cleanup_free_ char *guest = below(guest_path, entry->d_name);

		error = add_entry(files, host, guest);
	}
	return error;
}

/* Where the host's path ends and the guest's begins; NULL: it is the same path. */
static const char *guest_part(const char *argument)
{
	struct stat status;
	const char *colon = strrchr(argument, ':');

	return colon && colon[1] && stat(argument, &status) ? colon + 1 : NULL;
}

struct error *guest_files_add(struct guest_files *files, const char *argument)
{
	const char *other = guest_part(argument);
	_cleanup_free_ char *given =
	    memory_strndup(argument, other ? (size_t)(other - 1 - argument) : strlen(argument));
	_cleanup_free_ char *host = library_search_absolute(given);
	struct guest_files nothing = {0};
	struct stat status;

	if (stat(host, &status))
		return error_create(ERROR_NOT_FOUND, errno, host, "%s, which the guest should get: %s", host,
				    strerror(errno));
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return error_create(ERROR_INPUT, 0, host, "%s is neither a file nor a directory", host);

	_cleanup_free_ char *real = other ? realpath(host, NULL) : guest_files_follow(files, host);
	_cleanup_free_ char *absolute = other ? library_search_absolute(other) : NULL;
	_cleanup_free_ char *guest = other ? guest_files_resolve(&nothing, absolute, false) : NULL;

	if (!real)
		return error_create(ERROR_INPUT, ELOOP, host, "%s leads in circles", host);
	return S_ISDIR(status.st_mode) ? add_directory(files, real, guest ? guest : real)
				       : add_file(files, real, guest ? guest : real, false);
}
