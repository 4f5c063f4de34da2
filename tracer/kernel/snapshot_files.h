/* The directory of snapshots: who may be in it, and how much. Internal to kernel/. */
#ifndef FORKTRACE_KERNEL_SNAPSHOT_FILES_H
#define FORKTRACE_KERNEL_SNAPSHOT_FILES_H

#include <stdbool.h>

#define SNAPSHOT_PREFIX "guest-"
#define SNAPSHOT_SUFFIX ".snapshot"

enum { SNAPSHOT_NAME_SIZE = 80 };

/* Opens a file of the directory, if it is a regular one that belongs to us and that nobody else may read or write: a
 * snapshot decides what forktrace shows. Returns -1 otherwise. *path is the caller's, NULL where -1 is returned. */
int snapshot_file_open(const char *directory, const char *name, char **path);

/* Makes the directory where it is missing (mode 0700), removes what dead processes left half-written, and begins a new
 * file under a name of its own, locked (flock(2)). Returns -1 where that cannot be done. */
int snapshot_file_create(const char *directory, char **path);

/* Gives the begun file its name, and removes those unused for longest beyond four, or beyond 512 MiB. */
bool snapshot_file_rename(const char *directory, const char *path, const char *name);

#endif
