/* The lines of /proc/PID/maps (proc_pid_maps(5); fs/proc/task_mmu.c, show_map_vma, 6.1). */
#ifndef FORKTRACE_PARSE_MAPS_H
#define FORKTRACE_PARSE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct map_line {
	uint64_t start, end; /* first byte, and first byte behind it */
	bool readable, writable, executable, shared;
	uint64_t offset;  /* in the file, bytes */
	dev_t device;     /* as stat(2) has it: makedev of the line's numbers */
	uint64_t inode;   /* 0: no file behind it */
	bool deleted;     /* the name ended in " (deleted)", which was taken off */
	const char *name; /* not zero-terminated, still escaped; see map_line_name. NULL: anonymous */
	size_t name_size;
};

/* Takes the next line off *text (of *size bytes) into `line`, skipping lines that are malformed; returns false at the
 * end. line->name points into the text. */
bool maps_next(const char **text, size_t *size, struct map_line *line);

/* The line's name with the kernel's one escape, \012 for a newline, undone. Owned by the caller; NULL: anonymous. */
char *map_line_name(const struct map_line *line);

#endif
