/* A fork's call in words, for all reports. Appended text is ASCII. */
#ifndef FORKTRACE_UI_REPORT_CALL_TEXT_H
#define FORKTRACE_UI_REPORT_CALL_TEXT_H

#include "base/buffer.h"
#include "forktrace.h"

/* "clone(CLONE_VM|SIGCHLD)": the call as the program made it. */
void fork_call_text(struct buffer *text, const struct fork_call *call);

/* "sysenter"; " (inferred)" is appended where the way in was not seen. */
void entry_text(struct buffer *text, enum entry_kind entry, bool certain);

/* "returned 4712", or "no return value". */
void ret_text(struct buffer *text, const struct fork_half *half);

/* "exited 0", "killed by SIGSEGV, core dumped". */
void exit_text(struct buffer *text, const struct event *event);

#endif
