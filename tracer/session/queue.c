/* Events on their way to the sink. They wait here while stops are being handled: the traced program goes on first,
 * names and formatting come when it runs, and no time of a record holds forktrace's own work. */
#include <stdlib.h>

#include "session/internal.h"

/* More than this is written at once, whoever has to wait: memory stays bounded. */
enum { QUEUE_LIMIT = 1024 };

uint64_t session_next_seq(struct session *session)
{
	return ++session->last_seq;
}

void session_emit(struct session *session, const struct event *event)
{
	struct event queued = *event;

	if (!queued.seq)
		queued.seq = session_next_seq(session);
	if (!queued.time_ns && queued.kind != EVENT_START)
		queued.time_ns = session_now(session);
	vector_push(&session->queue, queued);
	if (session->queue.count >= QUEUE_LIMIT)
		session_flush(session, true);
}

static void release(struct event *event)
{
	switch (event->kind) {
	case EVENT_FORK:
		fork_record_destroy(event->fork);
		break;
	case EVENT_FORK_FAILED:
		stack_unref(event->fork_failed->frames);
		free(event->fork_failed);
		break;
	case EVENT_ERROR:
		error_destroy(event->error);
		break;
	default:
		break;
	}
}

/* What could not be told at the stop. */
static void complete(struct fork_record *record)
{
	struct entry_fact entry = {.kind = record->entry, .certain = record->entry_certain};

	entry_from_kernel(record->kernel.parent_frames, &entry);
	record->entry = entry.kind;
	record->entry_certain = entry.certain;
}

void session_flush(struct session *session, bool wait)
{
	if (session->live && !live_kernel_settle(session->live, wait))
		return;
	for (size_t i = 0; i < session->queue.count; i++) {
		struct event *event = &session->queue.items[i];

		if (event->kind == EVENT_FORK)
			complete(event->fork);
		session->sink.event(session->sink.context, event);
		release(event);
	}
	session->queue.count = 0;
}

void session_drop_queue(struct session *session)
{
	for (size_t i = 0; i < session->queue.count; i++)
		release(&session->queue.items[i]);
	vector_deinit(&session->queue);
}
