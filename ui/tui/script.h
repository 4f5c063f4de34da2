/* A script of keys: what a user would type, replayed, with waits for what happens instead of times. */
#ifndef FORKTRACE_UI_TUI_SCRIPT_H
#define FORKTRACE_UI_TUI_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct tui;

enum wait_kind_of_script {
	SCRIPT_READY,
	SCRIPT_WAIT_STOP,
	SCRIPT_WAIT_TASK,
	SCRIPT_WAIT_FORK,
	SCRIPT_WAIT_END,
	SCRIPT_WAIT_OUTPUT
};

struct script {
	const char *path; /* NULL: there is none */
	char **lines;
	size_t count, next;
	enum wait_kind_of_script wait;
	unsigned wait_number; /* of a task; how many fork records */
	const char *wait_text;
	unsigned timeout_s;   /* of each wait */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: nothing is waited for */
};

/* Reads it. Errors name the file, and the line of a key that does not exist. */
struct error *script_read(struct script *script, const char *path);
void script_deinit(struct script *script);

/* Types what can be typed now. False: it is at its end. *error: a wait took too long, or a command failed; a sentence
 * with file and line. */
bool script_go_on(struct script *script, struct tui *tui, struct error **error);

/* One key at `*text`: a character, or <Tab>, <Enter>, <Esc>, <Up>, <Down>, <PgUp>, <PgDn>, <C-X>; moves on behind it.
 * -1: there is no such key. */
int script_key(const char **text);

#endif
