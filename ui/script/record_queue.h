/* Records on their way from the session's writer, on its thread, to the script, on the first. */
#ifndef FORKTRACE_UI_SCRIPT_RECORD_QUEUE_H
#define FORKTRACE_UI_SCRIPT_RECORD_QUEUE_H

#include <jansson.h>
#include <pthread.h>

#include "base/vector.h"
#include "forktrace.h"

typedef VECTOR(json_t *) record_vector;

struct record_queue {
	pthread_mutex_t lock;
	int wake; /* an eventfd: readable when there are some */
	record_vector records;
	const struct event_sink *also; /* a report that is written besides; NULL: none */
};

struct error *record_queue_init(struct record_queue *queue, const struct event_sink *also);
void record_queue_deinit(struct record_queue *queue);
struct event_sink record_queue_sink(struct record_queue *queue);

/* Moves all that wait into `records`, which must be empty; each is the caller's then. */
void record_queue_take(struct record_queue *queue, record_vector *records);

#endif
