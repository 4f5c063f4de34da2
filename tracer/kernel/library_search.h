/* Where the loader looks for libraries (ld.so(8), ldconfig(8)): internal to kernel/. */
#ifndef FORKTRACE_KERNEL_LIBRARY_SEARCH_H
#define FORKTRACE_KERNEL_LIBRARY_SEARCH_H

#include <stddef.h>

struct path_list {
	char **items;
	size_t count, capacity;
};
void path_list_deinit(struct path_list *list);

/* The directories of a file like /etc/ld.so.conf and of those that it includes, in order; none where it cannot be read.
 * Of files that include each other without end a limited number is read. */
void library_search_configuration(const char *path, struct path_list *directories);

/* The default ones of the loaders of today's distributions, ended by NULL. */
extern const char *const library_search_defaults[];

/* What the loader puts for $ORIGIN and $LIB; for $PLATFORM it puts "i686" on the CPUs that the guest has. */
struct library_tokens {
	const char *origin; /* the directory of the object that says it */
	const char *lib;    /* "lib/i386-linux-gnu", "lib32", "lib" */
};

/* Replaces the tokens ($NAME and ${NAME}) of `text`; others stay. The caller frees. */
char *library_search_expand(const char *text, const struct library_tokens *tokens);

/* Cuts a search path at each of `separators`, expands its elements and appends them as absolute paths, taken from the
 * current directory where they are empty or relative. */
void library_search_split(const char *path, const char *separators, const struct library_tokens *tokens,
			  struct path_list *directories);

/* `path` as it is where it is absolute, else from the current directory (as getcwd(3) has it); the caller frees. */
char *library_search_absolute(const char *path);

#endif
