/* The terminal that the program gets: what it writes is shown, what the user types for it is sent. */
#ifndef FORKTRACE_UI_TUI_TERMINAL_H
#define FORKTRACE_UI_TUI_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"
#include "ui/tui/text_ring.h"

struct terminal {
	int master, slave; /* -1: closed. The slave is the program's three standard descriptors */
	bool readable;     /* its output comes from `master`, too */
	struct text_ring text;
};

struct error *terminal_open(struct terminal *terminal);
/* In place of a terminal, for a program whose output comes otherwise: a pipe that it reads, whose end *input is the
 * caller's. */
struct error *terminal_open_pipe(struct terminal *terminal, int *input);
void terminal_close(struct terminal *terminal);
/* After the program was started: its end is then seen. */
void terminal_started(struct terminal *terminal);
/* Takes what has arrived, a bounded part of it; true: there was something. */
bool terminal_read(struct terminal *terminal);
/* Ends what the program reads. */
void terminal_end_input(struct terminal *terminal);
/* Sends a line, its end included; what does not fit is lost, as with a terminal whose program does not read. */
void terminal_send(const struct terminal *terminal, const char *line);
void terminal_size(const struct terminal *terminal, int rows, int columns);

#endif
