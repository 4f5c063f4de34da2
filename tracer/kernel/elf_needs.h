/* What an i386 ELF file asks of the loader: internal to kernel/. */
#ifndef FORKTRACE_KERNEL_ELF_NEEDS_H
#define FORKTRACE_KERNEL_ELF_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum elf_kind {
	ELF_NONE,    /* not an ELF file */
	ELF_X86_64,  /* x32 too */
	ELF_FOREIGN, /* another machine's */
	ELF_I386,    /* the only one with needs */
};

struct elf_needs {
	enum elf_kind kind;
	bool loadable;     /* ET_EXEC or ET_DYN: not an object file or a core */
	char *interpreter; /* PT_INTERP; NULL: none */
	char **libraries;  /* DT_NEEDED, in order */
	size_t library_count;
	char *soname;           /* DT_SONAME; NULL: none */
	char *rpath;            /* DT_RPATH where no DT_RUNPATH makes it void; NULL: none */
	char *runpath;          /* DT_RUNPATH; NULL: none */
	bool no_default_places; /* DF_1_NODEFLIB: neither the cache's nor the default directories */
};

/* Reads the file behind `fd`; `path` is for errors (ERROR_INPUT: damaged). By segments, as the loader does: sections
 * may be stripped. */
struct error *elf_needs_read(int fd, const char *path, struct elf_needs *needs);
void elf_needs_deinit(struct elf_needs *needs);

#endif
