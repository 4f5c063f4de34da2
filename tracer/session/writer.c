/* Events on their way to the sink, on a thread of their own: it finds names, waits for the kernel's symbols, and calls
 * the sink, while the first thread goes on tracing. So no time of a record holds forktrace's own work, and what a
 * report costs is not the traced program's wait. */
#include "session/writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "session/guest_internal.h"

enum {
	EVENTS_MAX = 16 * 1024,         /* when so many wait the tracing thread waits too: memory stays bounded */
	EVENTS_ENOUGH = 64,             /* worth waking the thread at once */
	GATHERING_NS = 5 * 1000 * 1000, /* else it waits so long for more: a wake-up costs as much as a record */
	LESS_URGENT = 5,                /* by so much it is nicer than what it writes about */
	NS_PER_S = 1000 * 1000 * 1000,
};

typedef VECTOR(struct queued) queued_vector;

struct writer {
	struct session *session;
	queued_vector fresh; /* of the tracing thread, not handed over yet */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;   /* of all below */
	pthread_cond_t changed; /* there are events, there are enough of them, or it is over */
	pthread_cond_t taken;   /* there is room again */
	queued_vector waiting;
	queued_vector done; /* written; what they hold is given back by the tracing thread */
	bool over;
	atomic_bool busy; /* the thread works */
};

static void append(queued_vector *to, const queued_vector *from)
{
	if (!from->count)
		return;
	vector_reserve(to, to->count + from->count);
	memcpy(to->items + to->count, from->items, from->count * sizeof(*from->items));
	to->count += from->count;
}

static void swap(queued_vector *one, queued_vector *other)
{
	queued_vector kept = *one;

	*one = *other;
	*other = kept;
}

/* --- writing --- */

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
	if (record->kernel.source == KERNEL_SOURCE_GUEST) {
		guest_kernel_name(session->guest, &record->kernel);
		guest_walk_name(record->kernel.walk, record);
	}
	if (!session->live)
		return;
	if (record->kernel.parent_frames)
		live_kernel_name(session->live, record->kernel.parent_frames);
	if (record->kernel.child_frames)
		live_kernel_name(session->live, record->kernel.child_frames);

	struct entry_fact entry = {.kind = record->entry, .certain = record->entry_certain};

	entry_from_kernel(record->kernel.parent_frames, ABI_X86_64, &entry);
	record->entry = entry.kind;
	record->entry_certain = entry.certain;
}

static void write_all(struct session *session, const queued_vector *events)
{
	for (size_t i = 0; i < events->count; i++) {
		complete(session, &events->items[i]);
		session->sink.event(session->sink.context, &events->items[i].event);
	}
	if (session->sink.flush)
		session->sink.flush(session->sink.context);
}

/* With the lock held: waits for events, and a little for more of them. Returns false when it is over and none are left.
 */
static bool gather(struct writer *writer)
{
	struct timespec deadline;

	while (!writer->waiting.count && !writer->over)
		pthread_cond_wait(&writer->changed, &writer->lock);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += GATHERING_NS;
	deadline.tv_sec += deadline.tv_nsec / NS_PER_S;
	deadline.tv_nsec %= NS_PER_S;
	while (writer->waiting.count < EVENTS_ENOUGH && !writer->over) {
		if (pthread_cond_timedwait(&writer->changed, &writer->lock, &deadline))
			break;
	}
	return writer->waiting.count;
}

static void *run(void *context)
{
	struct writer *writer = context;
	queued_vector taken = {0};

	setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + LESS_URGENT);
	pthread_mutex_lock(&writer->lock);
	while (gather(writer)) {
		swap(&writer->waiting, &taken);
		pthread_cond_signal(&writer->taken);
		pthread_mutex_unlock(&writer->lock);
		atomic_store_explicit(&writer->busy, true, memory_order_relaxed);
		write_all(writer->session, &taken);
		atomic_store_explicit(&writer->busy, false, memory_order_relaxed);
		pthread_mutex_lock(&writer->lock);
		append(&writer->done, &taken);
		taken.count = 0;
	}
	pthread_mutex_unlock(&writer->lock);
	vector_deinit(&taken);
	return NULL;
}

/* --- the tracing thread's side --- */

static void release(queued_vector *events)
{
	for (size_t i = 0; i < events->count; i++) {
		const struct event *event = &events->items[i].event;

		unwound_unref(events->items[i].parent);
		unwound_unref(events->items[i].child);
		if (event->kind == EVENT_FORK) {
			fork_record_destroy(event->fork);
		} else if (event->kind == EVENT_FORK_FAILED) {
			stack_unref(event->fork_failed->frames);
			free(event->fork_failed);
		} else if (event->kind == EVENT_ERROR) {
			error_destroy(event->error);
		}
	}
	events->count = 0;
}

void writer_put(struct writer *writer, const struct queued *queued)
{
	vector_push(&writer->fresh, *queued);
	if (writer->fresh.count >= EVENTS_ENOUGH)
		writer_flush(writer);
}

void writer_flush(struct writer *writer)
{
	queued_vector done = {0};
	size_t before, after;

	if (!writer->fresh.count)
		return;
	if (!writer->running) {
		write_all(writer->session, &writer->fresh);
		release(&writer->fresh);
		return;
	}
	pthread_mutex_lock(&writer->lock);
	while (writer->waiting.count >= EVENTS_MAX)
		pthread_cond_wait(&writer->taken, &writer->lock);
	before = writer->waiting.count;
	append(&writer->waiting, &writer->fresh);
	after = writer->waiting.count;
	swap(&writer->done, &done);
	pthread_mutex_unlock(&writer->lock);
	if (!before || (before < EVENTS_ENOUGH && after >= EVENTS_ENOUGH))
		pthread_cond_signal(&writer->changed);
	writer->fresh.count = 0;
	release(&done);
	vector_deinit(&done);
}

struct writer *writer_create(struct session *session)
{
	struct writer *writer = memory_alloc(sizeof(*writer));
	pthread_condattr_t monotonic;
	sigset_t all, old;

	writer->session = session;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->changed, &monotonic);
	pthread_cond_init(&writer->taken, NULL);
	pthread_condattr_destroy(&monotonic);
	/* Signals are for the thread that traces. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	writer->running = pthread_create(&writer->thread, NULL, run, writer) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return writer;
}

bool writer_is_busy(const struct writer *writer)
{
	return atomic_load_explicit(&writer->busy, memory_order_relaxed);
}

void writer_finish(struct writer *writer)
{
	writer_flush(writer);
	pthread_mutex_lock(&writer->lock);
	writer->over = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->lock);
	if (writer->running)
		pthread_join(writer->thread, NULL);
	writer->running = false;
	release(&writer->done);
}

void writer_destroy(struct writer *writer)
{
	if (!writer)
		return;
	writer_finish(writer);
	pthread_cond_destroy(&writer->changed);
	pthread_cond_destroy(&writer->taken);
	pthread_mutex_destroy(&writer->lock);
	vector_deinit(&writer->fresh);
	vector_deinit(&writer->waiting);
	vector_deinit(&writer->done);
	free(writer);
}
