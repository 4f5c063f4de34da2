/* forktrace -i: the stepper's loop. */
#ifndef FORKTRACE_UI_TUI_RUN_H
#define FORKTRACE_UI_TUI_RUN_H

#include "ui/face_request.h"

/* Runs until the user quits. Returns the program's exit status, 0 where the user ended it, or EXIT_FORKTRACE and its
 * kin, an error having been told on standard error. */
int tui_run(const struct face_request *request);

#endif
