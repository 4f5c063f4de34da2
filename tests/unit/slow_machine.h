/* On a slow machine limits of waiting are multiplied by one factor, FORKTRACE_TEST_PATIENCE, as in
 * tests/e2e/support.py, and of a program that takes long only that test runs which is wanted. Include after cmocka.h.
 */
#ifndef FORKTRACE_TESTS_UNIT_SLOW_MACHINE_H
#define FORKTRACE_TESTS_UNIT_SLOW_MACHINE_H

#include <stdlib.h>

static inline int with_patience(int limit)
{
	const char *factor = getenv("FORKTRACE_TEST_PATIENCE");

	return factor ? limit * atoi(factor) : limit;
}

/* tests/check.py names it in FORKTRACE_TEST_FILTER where it wants one alone. */
static inline void only_wanted_tests(void)
{
	const char *name = getenv("FORKTRACE_TEST_FILTER");

	if (name)
		cmocka_set_test_filter(name);
}

#endif
