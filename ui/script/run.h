/* forktrace -s: traces what the options say, and lets a script test it. */
#ifndef FORKTRACE_UI_SCRIPT_RUN_H
#define FORKTRACE_UI_SCRIPT_RUN_H

#include "ui/face_request.h"

struct kernel_symbols;

/* `symbols`: of --gdb, taken over; else NULL. Returns the exit status: EXIT_SUCCESS where all tests held, EXIT_NOT_HELD
 * where not, else what say_error tells of the error that it has said. */
int script_trace(const struct face_request *request, struct kernel_symbols *symbols);

#endif
