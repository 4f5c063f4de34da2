/* Hands the files that target/ opened to libdwfl: internal to symbol/. */
#ifndef FORKTRACE_SYMBOL_ELF_FILE_H
#define FORKTRACE_SYMBOL_ELF_FILE_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

#include "target/space.h"

/* Who asks: the tracing thread, whose Dwfls share one Elf for each file; or whoever names, with an Elf for each Dwfl,
 * so that the two never meet in libelf, which no two threads may use at once. */
enum elf_user { ELF_USER_UNWINDING, ELF_USER_NAMES };

/* A new Dwfl without modules, in reporting mode; finish with dwfl_report_end. It opens no file by a name from the
 * process but for debug information, which is found by build id or checked by it. The network is never asked. */
Dwfl *elf_file_dwfl_create(enum elf_user user);

/* Reports that `file`, which must outlive the Dwfl, has its first byte at `start` and ends before `end`. */
Dwfl_Module *elf_file_report(Dwfl *dwfl, struct module_file *file, uint64_t start, uint64_t end);

#endif
