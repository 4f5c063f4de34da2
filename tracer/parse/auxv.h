/* The auxiliary vector that the kernel gives a program at exec: /proc/PID/auxv (getauxval(3); fs/binfmt_elf.c,
 * create_elf_tables, 6.1). */
#ifndef FORKTRACE_PARSE_AUXV_H
#define FORKTRACE_PARSE_AUXV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses; 0: the vector has no such entry. */
struct auxv {
	unsigned word_size; /* 4 or 8: the program's, found out from the bytes */
	uint64_t entry;     /* AT_ENTRY: the executable's entry point */
	uint64_t phdr;      /* AT_PHDR: its program headers */
	uint64_t base;      /* AT_BASE: the dynamic loader */
	uint64_t vdso;      /* AT_SYSINFO_EHDR: the vDSO's ELF header */
	uint64_t path;      /* AT_EXECFN: the name that was given to execve */
};

/* Returns false where the bytes are no auxiliary vector of either word size. */
bool auxv_parse(const void *bytes, size_t size, struct auxv *auxv);

#endif
