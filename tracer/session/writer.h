/* Hands events to the sink, on a thread of its own. Internal to session/. */
#ifndef FORKTRACE_SESSION_WRITER_H
#define FORKTRACE_SESSION_WRITER_H

#include "forktrace.h"

struct session;
struct writer;
struct unwound;

/* An event that waits for the sink, and the stacks that are to be named before: of a fork's parent and child, or of the
 * caller of a failed one. */
struct queued {
	struct event event;
	struct unwound *parent, *child;
};

/* Starts the thread; where none can be had events are written by writer_flush itself. */
struct writer *writer_create(struct session *session);

/* Queues a copy, and takes over what it holds: stacks, record, failure, error. */
void writer_put(struct writer *writer, const struct queued *queued);

/* Hands over what was queued. For when no stop waits to be handled. */
void writer_flush(struct writer *writer);

/* Is the thread at work, and in need of a CPU? */
bool writer_is_busy(const struct writer *writer);

/* Waits until everything is written. Nothing may be queued after it. */
void writer_finish(struct writer *writer);
void writer_destroy(struct writer *writer); /* accepts NULL */

#endif
