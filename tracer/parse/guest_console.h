/* The guest's console: keeps its last lines, and notices the kernel's panic and PID 1's last words. */
#ifndef FORKTRACE_PARSE_GUEST_CONSOLE_H
#define FORKTRACE_PARSE_GUEST_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

enum { GUEST_CONSOLE_LINES = 20, GUEST_CONSOLE_WIDTH = 160 };

struct guest_console {
	char lines[GUEST_CONSOLE_LINES][GUEST_CONSOLE_WIDTH + 1]; /* a ring, each cut at the width */
	size_t count;                                             /* lines that have begun so far, in all */
	bool in_line;                                             /* the newest one has not ended yet */
	char panic[GUEST_CONSOLE_WIDTH + 1];   /* the line, from "Kernel panic" on; "" while there was none */
	char failure[GUEST_CONSOLE_WIDTH + 1]; /* why PID 1 cannot go on (targets/guest_talk.c); "" as above */
};

/* Takes what was received. Control characters are dropped, bytes above ASCII become '?'. */
void guest_console_add(struct guest_console *console, const void *bytes, size_t size);

/* The line `back` lines before the newest (0); NULL where it is not kept. */
const char *guest_console_line(const struct guest_console *console, size_t back);

#endif
