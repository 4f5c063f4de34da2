/* The session's events, brought from its writer's thread to the face's. */
#ifndef FORKTRACE_UI_TUI_EVENTS_H
#define FORKTRACE_UI_TUI_EVENTS_H

#include <pthread.h>

#include "base/vector.h"
#include "forktrace.h"

/* What stays of a fork. */
struct fork_note {
	pid_t parent, child; /* tids */
	bool parent_known, child_known;
	int64_t parent_ret, child_ret;
	struct stack *parent_kernel, *child_kernel; /* a reference each; may be NULL */
	const char *kernel_reason;
	enum entry_kind entry;
	char text[320]; /* one line, untrusted */
};

/* More than these are dropped, oldest first: a face shows, a report keeps. */
enum { EVENT_NOTES_MAX = 4096 };

struct event_notes {
	pthread_mutex_t lock;
	int wake;             /* an eventfd */
	VECTOR(char *) lines; /* untrusted */
	VECTOR(struct fork_note) forks;
	const struct event_sink *also; /* a report that is written besides; NULL: none */
};

struct error *event_notes_init(struct event_notes *notes, const struct event_sink *also);
void event_notes_deinit(struct event_notes *notes);
struct event_sink event_notes_sink(struct event_notes *notes);
/* Moves what has come into the caller's. */
void event_notes_take(struct event_notes *notes, void (*line)(void *context, const char *line),
		      void (*fork)(void *context, const struct fork_note *note), void *context);

#endif
