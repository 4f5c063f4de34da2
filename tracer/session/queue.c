/* Events on their way to the sink. They wait here while stops are being handled: the traced program goes on first,
 * names and formatting come when it runs, and no time of a record holds forktrace's own work. */
#include "session/internal.h"

/* More than this is written at once, whoever has to wait: memory stays bounded. */
enum { QUEUE_LIMIT = 16 * 1024 };

uint64_t session_next_seq(struct session *session)
{
	return ++session->last_seq;
}

void session_emit_stacks(struct session *session, const struct event *event, struct unwound *parent,
			 struct unwound *child)
{
	struct queued queued = {.event = *event, .parent = parent, .child = child};

	if (!queued.event.seq)
		queued.event.seq = session_next_seq(session);
	if (!queued.event.time_ns && queued.event.kind != EVENT_START)
		queued.event.time_ns = session_now(session);
	vector_push(&session->queue, queued);
	if (session->queue.count >= QUEUE_LIMIT)
		session_flush(session, true);
}

void session_emit(struct session *session, const struct event *event)
{
	session_emit_stacks(session, event, NULL, NULL);
}

static void release(struct queued *queued, bool with_event)
{
	unwound_unref(queued->parent);
	unwound_unref(queued->child);
	if (with_event)
		event_release(&queued->event);
}

static struct stack *name(struct session *session, struct unwound *unwound)
{
	return unwound ? capture_name(session->capture, unwound) : NULL;
}

/* What could not be told at the stop: names, and what the kernel's names tell. */
static void complete(struct session *session, const struct queued *queued)
{
	struct fork_record *record;

	if (queued->event.kind == EVENT_FORK_FAILED)
		queued->event.fork_failed->frames = name(session, queued->parent);
	if (queued->event.kind != EVENT_FORK)
		return;
	record = queued->event.fork;
	record->parent.frames = name(session, queued->parent);
	record->child.frames = name(session, queued->child);

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
		struct queued *queued = &session->queue.items[i];

		complete(session, queued);
		session->sink.event(session->sink.context, &queued->event);
		release(queued, !session->sink.keeps);
	}
	session->queue.count = 0;
}

void session_drop_queue(struct session *session)
{
	for (size_t i = 0; i < session->queue.count; i++)
		release(&session->queue.items[i], true);
	vector_deinit(&session->queue);
}
