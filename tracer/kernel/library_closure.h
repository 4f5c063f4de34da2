/* The libraries that a program's start brings with it: internal to kernel/. */
#ifndef FORKTRACE_KERNEL_LIBRARY_CLOSURE_H
#define FORKTRACE_KERNEL_LIBRARY_CLOSURE_H

#include "kernel/elf_needs.h"
#include "kernel/guest_files.h"

/* Adds to `files` what `needs`, read from the host's file at `path` (absolute), asks for: its interpreter and, with
 * theirs, its libraries. The file itself is not added. Takes what `needs` holds. files->library_path is
 * LD_LIBRARY_PATH; files->library_directory is set where it is not yet and there is an interpreter. `lenient`: what is
 * missing or no library is left out without an error. */
struct error *library_closure_add(struct guest_files *files, const char *path, struct elf_needs *needs, bool lenient);

#endif
