/* Trying for a moment before sleeping.
 *
 * A traced task that was resumed in the middle of a fork stops again within microseconds. To sleep until then, and to
 * be woken on a CPU that has halted meanwhile, takes 20 to 30 microseconds a stop, more than all of forktrace's own
 * work; and a tracer that sleeps leaves an idle CPU behind, to which the scheduler then moves the program. The time is
 * bounded and adapts, as that of the kernel's own spinning (drivers/cpuidle/governors/haltpoll.c) does: a program that
 * runs long between its stops is soon waited for asleep. */
#ifndef FORKTRACE_UI_SPIN_H
#define FORKTRACE_UI_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spin {
	bool allowed; /* there is a CPU besides the traced program's */
	int64_t limit_ns;
	int64_t slept_since_ns; /* CLOCK_MONOTONIC; 0: not asleep */
};

/* Looks at the CPUs that the caller may run on. */
struct spin spin_create(void);

/* Calls `attempt` until it gives true, then gives true; false when that took too long: the caller should sleep, and say
 * so by spin_asleep before and spin_awake after. */
bool spin_until(struct spin *spin, bool (*attempt)(void *context), void *context);
void spin_asleep(struct spin *spin);
void spin_awake(struct spin *spin);

#endif
