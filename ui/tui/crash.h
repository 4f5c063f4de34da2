/* What happens to the terminal where forktrace itself crashes. */
#ifndef FORKTRACE_UI_TUI_CRASH_H
#define FORKTRACE_UI_TUI_CRASH_H

/* From now on a fatal signal gives the terminal back before it ends forktrace as ever, core file included. */
void crash_watch(void);

#endif
