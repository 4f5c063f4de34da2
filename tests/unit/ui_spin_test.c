/* ui/spin.c: how long is tried before sleeping. */
#include "ui/spin.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

enum { LONG_SLEEP_NS = 1000 * 1000, HALVINGS = 10 };

static bool succeed_at_third(void *context)
{
	return ++*(int *)context == 3;
}

static bool never(void *context)
{
	++*(int *)context;
	return false;
}

static void sleep_for(struct spin *spin, long nanoseconds)
{
	struct timespec time = {.tv_nsec = nanoseconds};

	spin_asleep(spin);
	if (nanoseconds)
		nanosleep(&time, NULL);
	spin_awake(spin);
}

static void tries_again(void **state)
{
	struct spin spin = {.allowed = true, .limit_ns = INT32_MAX};
	int tries = 0;

	(void)state;
	assert_true(spin_until(&spin, succeed_at_third, &tries));
	assert_int_equal(tries, 3);
}

static void gives_up(void **state)
{
	struct spin spin = {.allowed = true, .limit_ns = LONG_SLEEP_NS};
	int tries = 0;

	(void)state;
	assert_false(spin_until(&spin, never, &tries));
	assert_true(tries > 1);
}

static void one_cpu_tries_once(void **state)
{
	cpu_set_t all, one;
	int tries = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; !CPU_COUNT(&one); cpu++) {
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);

	struct spin spin = spin_create();

	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_false(spin_until(&spin, never, &tries));
	assert_int_equal(tries, 1);
}

/* Long sleeps end the trying; a short one brings it back. */
static void adapts(void **state)
{
	struct spin spin = {.allowed = true, .limit_ns = 50 * 1000};
	int tries = 0;

	(void)state;
	for (int i = 0; i < HALVINGS; i++)
		sleep_for(&spin, LONG_SLEEP_NS);
	assert_false(spin_until(&spin, never, &tries));
	assert_int_equal(tries, 1);
	for (int i = 0; i < HALVINGS && !spin.limit_ns; i++)
		sleep_for(&spin, 0);
	assert_true(spin.limit_ns > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tries_again),
	    cmocka_unit_test(gives_up),
	    cmocka_unit_test(one_cpu_tries_once),
	    cmocka_unit_test(adapts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
