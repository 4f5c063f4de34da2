/* How long to wait for the guest: see patience.h. */
#include "kernel/patience.h"

#include <errno.h>
#include <time.h>

/* Milliseconds after which whoever may interrupt is asked again. */
enum { SLICE = 50 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct patience patience_for(int timeout_ms, bool (*interrupted)(void *), void *context)
{
	int64_t now = now_ms();

	return (struct patience){now, now + timeout_ms, interrupted, context};
}

struct error *patience_poll(const struct patience *patience, struct pollfd *polled, size_t count)
{
	for (;;) {
		int64_t left = patience->end_ms - now_ms();
		int ready = poll(polled, count, left > SLICE ? SLICE : left < 0 ? 0 : (int)left);

		if (ready > 0)
			return NULL;
		if (ready < 0 && errno != EINTR)
			return error_system(errno, NULL, "poll failed");
		if (patience->interrupted && patience->interrupted(patience->context))
			return error_create(ERROR_GONE, 0, NULL, "interrupted");
		if (left <= 0)
			return error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "no answer within %g s",
					    (double)(patience->end_ms - patience->begin_ms) / 1000);
	}
}
