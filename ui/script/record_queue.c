/* Records on their way to the script: see record_queue.h. How many wait is bounded by what the session lets happen in
 * one session_dispatch, after which they are taken. */
#include "ui/script/record_queue.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ui/report/json_event.h"

static void on_event(void *context, const struct event *event)
{
	struct record_queue *queue = context;
	json_t *record = json_event(event);
	uint64_t one = 1;

	pthread_mutex_lock(&queue->lock);
	vector_push(&queue->records, record);
	pthread_mutex_unlock(&queue->lock);
	if (queue->also)
		queue->also->event(queue->also->context, event);
	if (write(queue->wake, &one, sizeof(one)) < 0)
		return; /* full: the reader knows already */
}

static void on_flush(void *context)
{
	struct record_queue *queue = context;

	if (queue->also && queue->also->flush)
		queue->also->flush(queue->also->context);
}

struct error *record_queue_init(struct record_queue *queue, const struct event_sink *also)
{
	*queue = (struct record_queue){.also = also};
	pthread_mutex_init(&queue->lock, NULL);
	queue->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return queue->wake < 0 ? error_system(errno, NULL, "eventfd failed") : NULL;
}

void record_queue_deinit(struct record_queue *queue)
{
	for (size_t i = 0; i < queue->records.count; i++)
		json_decref(queue->records.items[i]);
	vector_deinit(&queue->records);
	if (queue->wake >= 0)
		close(queue->wake);
	pthread_mutex_destroy(&queue->lock);
}

struct event_sink record_queue_sink(struct record_queue *queue)
{
	return (struct event_sink){.event = on_event, .flush = on_flush, .context = queue};
}

void record_queue_take(struct record_queue *queue, record_vector *records)
{
	uint64_t count;

	if (read(queue->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&queue->lock);
	*records = queue->records;
	queue->records = (record_vector){0};
	pthread_mutex_unlock(&queue->lock);
}
