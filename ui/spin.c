/* Trying for a moment before sleeping: see spin.h. */
#include "ui/spin.h"

#include <sched.h>
#include <time.h>

enum {
	LIMIT_NS = 50 * 1000, /* halves from here; the longest way from one stop of a fork to the next is 40 us */
	LIMIT_MIN_NS = 5 * 1000,
	NS_PER_S = 1000 * 1000 * 1000,
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct spin spin_create(void)
{
	cpu_set_t mine;
	bool allowed = !sched_getaffinity(0, sizeof(mine), &mine) && CPU_COUNT(&mine) > 1;

	return (struct spin){.allowed = allowed, .limit_ns = LIMIT_NS};
}

bool spin_until(struct spin *spin, bool (*attempt)(void *context), void *context)
{
	int64_t start;

	if (attempt(context))
		return true;
	if (!spin->allowed || !spin->limit_ns)
		return false;
	start = now_ns();
	do {
		if (attempt(context))
			return true;
	} while (now_ns() - start < spin->limit_ns);
	return false;
}

void spin_asleep(struct spin *spin)
{
	spin->slept_since_ns = now_ns();
}

/* A sleep shorter than the limit would better have been awaited; after a longer one less is tried. */
void spin_awake(struct spin *spin)
{
	int64_t slept = now_ns() - spin->slept_since_ns;

	if (slept < LIMIT_NS)
		spin->limit_ns = LIMIT_NS;
	else
		spin->limit_ns = spin->limit_ns / 2 < LIMIT_MIN_NS ? 0 : spin->limit_ns / 2;
}
