/* The files of the host's that the guest gets: a part of the host's tree, with its symbolic links, so that every path
 * leads to the same file in both. */
#ifndef FORKTRACE_KERNEL_GUEST_FILES_H
#define FORKTRACE_KERNEL_GUEST_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/map.h"

enum guest_file_kind {
	GUEST_REGULAR,
	GUEST_LINK,
	GUEST_DIRECTORY,
};

struct guest_file {
	enum guest_file_kind kind;
	char *guest_path; /* absolute, without ".", ".." and doubled slashes */
	char *host_path;  /* GUEST_REGULAR: the host's file, behind all symbolic links; else NULL */
	char *target;     /* GUEST_LINK: as readlink(2) gives it; else NULL */
};

/* Starts as {0}; one entry a guest path, in the order of adding. */
struct guest_files {
	struct guest_file *items;
	size_t count, capacity;
	struct map by_path;      /* hash of guest_path -> index + 1 */
	char *library_path;      /* for what is added after the program; NULL: none */
	char *library_directory; /* where the program's loader really lies: it looks there without being told; NULL: the
				    program has none */
};
void guest_files_deinit(struct guest_files *files);

/* The program, its interpreter (PT_INTERP; for a script the one that its first line names, with its own closure; linux
 * fs/exec.c follows four) and their DT_NEEDED closure, found as ld.so(8) would: DT_RPATH of the object that needs it
 * and of those that brought it, `library_path` (LD_LIBRARY_PATH's value, may be NULL), DT_RUNPATH, the directories of
 * /etc/ld.so.conf, the default ones; with $ORIGIN, $LIB and $PLATFORM; libraries of another machine are passed over.
 * What lies where the guest's loader, which has no /etc/ld.so.cache, would not look gets a link beside the loader.
 * libgcc_s.so.1, which libc loads to end a thread, comes along where there is one.
 * `program` is an absolute path. Errors, each a sentence: not found (ERROR_NOT_FOUND), not executable, not ELF, a
 * 64-bit program (the guest is 32-bit; all ERROR_NOT_EXEC), a library that is missing (ERROR_NOT_FOUND, named, with who
 * needs it) or is none (ERROR_INPUT). */
struct error *guest_files_of_program(const char *program, const char *library_path, struct guest_files *files);

/* Adds one more file, "HOSTPATH" or "HOSTPATH:GUESTPATH" (an existing file whose name has a colon is taken as it is),
 * with its own closure where it is an i386 ELF file, at the closure's host paths. A directory is added with all regular
 * files, links and directories in it; there a library that is missing is no error. Relative paths are taken from the
 * current directory. To be called after guest_files_of_program. Errors: ERROR_NOT_FOUND, ERROR_DENIED, ERROR_SYSTEM,
 * and those of guest_files_of_program. */
struct error *guest_files_add(struct guest_files *files, const char *argument);

/* The host's file at an absolute path of the guest's, through the links recorded here; NULL: none. */
const char *guest_files_host_path(const struct guest_files *files, const char *guest_path);

/* --- for kernel/ alone --- */

/* Where an absolute path leads inside the guest: no links left but, with `keep_last`, the last component. Returns NULL
 * where links go in circles; the caller frees. */
char *guest_files_resolve(const struct guest_files *files, const char *path, bool keep_last);

/* Follows a path of the host's, absolute, and records the links and directories on the way. Returns the path without
 * links (the caller frees), where there may be nothing, or NULL where links go in circles. */
char *guest_files_follow(struct guest_files *files, const char *path);

/* Adds an entry; copies the strings. Nothing happens where `guest_path` is there already. */
void guest_files_put(struct guest_files *files, enum guest_file_kind kind, const char *guest_path, const char *content);

#endif
