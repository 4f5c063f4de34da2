/* The options that are about a guest, as plain data. */
#ifndef FORKTRACE_UI_GUEST_OPTIONS_H
#define FORKTRACE_UI_GUEST_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/vector.h"

enum { GUEST_MEMORY_MIN = 32, GUEST_MEMORY_MAX = 2048 }; /* MiB; what a 32-bit machine and its kernel can use */

/* Strings point into argv. */
struct guest_choices {
	const char *kernel; /* NULL: the one in the cache directory */
	const char *cpu, *append;
	const char *debug_info; /* a vmlinux; NULL: none */
	unsigned memory_mib;    /* 0: the default */
	VECTOR(const char *) files;
	bool cold;
	bool given;           /* any of the above, but for files */
	const char *stub;     /* --gdb; NULL: the guest is ours */
	const char *kallsyms; /* --kallsyms */
	bool fetch;           /* --guest-fetch: of `package` (NULL: the default one) */
	const char *package;
};

/* A child of the command line's parser; its input is a struct guest_choices. */
extern const struct argp guest_argp;

void guest_choices_deinit(struct guest_choices *choices);

#endif
