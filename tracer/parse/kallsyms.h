/* The text symbols of a kernel, as /proc/kallsyms lists them (s_show in kernel/kallsyms.c, Linux 6.18). */
#ifndef FORKTRACE_PARSE_KALLSYMS_H
#define FORKTRACE_PARSE_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kallsyms_symbol {
	uint64_t address;
	uint32_t name;   /* offset in kallsyms.names; 0: no function, data begins here */
	uint32_t module; /* offset in kallsyms.names; 0: the kernel proper */
};

/* One symbol an address, by ascending address. Of several names at one address the best known is kept: global before
 * weak before local, names that are true for every caller before those of one ABI's table (__ia32_sys_fork, which may
 * be __x64_sys_fork as well), section bounds last; the first of equals. Padding (__pfx_NAME) and compiler's labels have
 * no entry. */
struct kallsyms {
	struct kallsyms_symbol *symbols;
	size_t count;
	struct kallsyms_symbol *aliases; /* the names that were not kept, in no order */
	size_t alias_count;
	char *names; /* zero-terminated strings */
	bool zeroed; /* there are functions, and all of their addresses are 0: kernel.kptr_restrict hides them */
	bool sorted; /* the text was in ascending order (modules' symbols are not) */
};

/* Parses `size` bytes (of 0 `text` may be NULL; beyond 4 GiB nothing is looked at). Lines that are not well-formed, a
 * last line without newline and absolute symbols are skipped. The caller frees with kallsyms_deinit. */
void kallsyms_parse(const char *text, size_t size, struct kallsyms *kallsyms);
void kallsyms_deinit(struct kallsyms *kallsyms);

#endif
