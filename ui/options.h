/* The command line as plain data. */
#ifndef FORKTRACE_UI_OPTIONS_H
#define FORKTRACE_UI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/vector.h"
#include "session/session.h"
#include "ui/guest_options.h"
#include "ui/say.h"
#include "ui/script/expectations.h"

enum {
	MAX_FRAMES_DEFAULT = 256,
	MAX_FRAMES_LIMIT = 65536,
};

enum kernel_choice { KERNEL_AUTO, KERNEL_LIVE, KERNEL_GUEST, KERNEL_NONE };

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct options {
	enum kernel_choice kernel;
	const struct report_format *format; /* one of report.h's registry */
	const char *output;                 /* path; NULL: standard error, of a saved record standard output */
	const char *from;                   /* a saved record, "-": standard input; NULL: something is traced */
	VECTOR(pid_t) attach;               /* empty: a program is started */
	enum unwinder_kind unwinder;
	bool threads;
	enum follow follow;
	bool seccomp; /* false: --no-seccomp */
	VECTOR(struct injection) injections;
	size_t max_frames; /* 1 to MAX_FRAMES_LIMIT */
	bool tracing;      /* an option was given that is about how programs are traced */
	enum color_choice color;
	bool interactive;
	const char *keys;                      /* a script of keys for it; NULL: none */
	const char *source_path;               /* directories, separated by colons; NULL: none */
	expectation_words_vector expectations; /* --expect, each with its --on */
	bool allow_none;
	const char *script; /* path; NULL: none */
	const char *tap;    /* path for the script's results; NULL: standard output */
	struct guest_choices guest;
	int verbosity;  /* -1: --quiet; 0; one for each --verbose */
	char **command; /* NULL-terminated, points into argv; NULL with attach */
};

/* Parses the command line. Does not return where it is wrong: one sentence on standard error and exit status
 * EXIT_FORKTRACE; nor for --help, --usage, --stages and --version: exit status 0. Strings point into argv. */
void options_parse(int argc, char **argv, struct options *options);
void options_deinit(struct options *options);

#endif
