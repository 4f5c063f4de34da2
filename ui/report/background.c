/* A report that a thread of its own writes: see background.h. */
#include "ui/report/background.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/vector.h"

enum {
	EVENTS_MAX = 16 * 1024,         /* more than that wait: the session waits too, and memory stays bounded */
	EVENTS_ENOUGH = 64,             /* worth waking the thread at once */
	GATHERING_NS = 5 * 1000 * 1000, /* else it waits so long for more: a wake-up costs as much as a record */
};

struct background {
	struct event_sink target;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;   /* of all below */
	pthread_cond_t changed; /* there are events, there are enough of them, or it is over */
	pthread_cond_t taken;   /* there is room again */
	VECTOR(struct event) waiting;
	bool over;
};

static void hand_on(struct background *background, const struct event *event)
{
	background->target.event(background->target.context, event);
	event_release(event);
}

/* With the lock held: waits for events, and a little for more of them. Returns false when it is over and none are left.
 */
static bool gather(struct background *background)
{
	struct timespec deadline;

	while (!background->waiting.count && !background->over)
		pthread_cond_wait(&background->changed, &background->lock);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += GATHERING_NS;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	while (background->waiting.count < EVENTS_ENOUGH && !background->over) {
		if (pthread_cond_timedwait(&background->changed, &background->lock, &deadline))
			break;
	}
	return background->waiting.count;
}

static void *run(void *context)
{
	struct background *background = context;
	VECTOR(struct event) taken = {0};

	pthread_mutex_lock(&background->lock);
	while (gather(background)) {
		/* The two arrays change places, so that neither is ever allocated again. */
		__auto_type swapped = background->waiting;

		memcpy(&background->waiting, &taken, sizeof(taken));
		memcpy(&taken, &swapped, sizeof(taken));
		pthread_cond_signal(&background->taken);
		pthread_mutex_unlock(&background->lock);
		for (size_t i = 0; i < taken.count; i++)
			hand_on(background, &taken.items[i]);
		taken.count = 0;
		pthread_mutex_lock(&background->lock);
	}
	pthread_mutex_unlock(&background->lock);
	vector_deinit(&taken);
	return NULL;
}

static void take_event(void *context, const struct event *event)
{
	struct background *background = context;

	if (!background->running) {
		hand_on(background, event);
		return;
	}
	pthread_mutex_lock(&background->lock);
	while (background->waiting.count >= EVENTS_MAX)
		pthread_cond_wait(&background->taken, &background->lock);
	vector_push(&background->waiting, *event);

	size_t count = background->waiting.count;

	pthread_mutex_unlock(&background->lock);
	if (count == 1 || count == EVENTS_ENOUGH)
		pthread_cond_signal(&background->changed);
}

struct background *background_create(const struct event_sink *target)
{
	struct background *background = memory_alloc(sizeof(*background));
	pthread_condattr_t monotonic;
	sigset_t all, old;

	background->target = *target;
	pthread_mutex_init(&background->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&background->changed, &monotonic);
	pthread_cond_init(&background->taken, NULL);
	pthread_condattr_destroy(&monotonic);
	/* Signals are for the thread that traces. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	background->running = pthread_create(&background->thread, NULL, run, background) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return background;
}

struct event_sink background_sink(struct background *background)
{
	return (struct event_sink){.event = take_event, .context = background, .keeps = true};
}

void background_destroy(struct background *background)
{
	if (!background)
		return;
	pthread_mutex_lock(&background->lock);
	background->over = true;
	pthread_cond_signal(&background->changed);
	pthread_mutex_unlock(&background->lock);
	if (background->running)
		pthread_join(background->thread, NULL);
	pthread_cond_destroy(&background->changed);
	pthread_cond_destroy(&background->taken);
	pthread_mutex_destroy(&background->lock);
	vector_deinit(&background->waiting);
	free(background);
}
