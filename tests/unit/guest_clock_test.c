/* kernel/guest_clock.c: the answers of QEMU's monitor, and what is none. */
#include "kernel/guest_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void counts_over_the_wrap(void **state)
{
	struct guest_clock clock = {0};
	uint64_t ns = 1;

	(void)state;
	assert_true(guest_clock_answer(&clock, "portl[0x0608] = 0x00fffff0\r\n", &ns));
	assert_int_equal(ns, 0);
	assert_true(guest_clock_answer(&clock, "portl[0x0608] = 0x00000010\r\n", &ns));
	assert_int_equal(ns, 32 * UINT64_C(1000000000) / 3579545);
}

static void refuses_what_is_no_timer(void **state)
{
	static const char *const answers[] = {"", "unknown command: 'i'\r\n", "portl[0x0608] = 0xffffffff\r\n",
					      "portl[0x0608] = 0x01000000\r\n"};
	struct guest_clock clock = {0};
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		assert_false(guest_clock_answer(&clock, answers[i], &ns));
	assert_false(clock.known);
	assert_int_equal(ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_over_the_wrap),
	    cmocka_unit_test(refuses_what_is_no_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
