/* What --inject asks for: every form that is allowed, what each mistake is, and which entries are meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse/injection.h"

enum {
	FORK = 1 << FORK_SYSCALL_FORK,
	VFORK = 1 << FORK_SYSCALL_VFORK,
	CLONE = 1 << FORK_SYSCALL_CLONE,
	CLONE3 = 1 << FORK_SYSCALL_CLONE3,
	FAMILY = FORK | VFORK | CLONE | CLONE3,
};

static const uint64_t ever = UINT64_MAX;

static const struct {
	const char *text;
	struct injection wanted;
} valid[] = {
    {"clone:error=EAGAIN:when=3", {NULL, CLONE, EAGAIN, 0, 3, 3, 1}},
    {"%fork:error=ENOSYS", {NULL, FAMILY, ENOSYS, 0, 1, ever, 1}},
    {"fork,vfork:error=12", {NULL, FORK | VFORK, ENOMEM, 0, 1, ever, 1}},
    {"clone3,clone3,%fork:error=511", {NULL, FAMILY, 511, 0, 1, ever, 1}},
    {"vfork:when=2+:error=EAGAIN", {NULL, VFORK, EAGAIN, 0, 2, ever, 1}},
    {"clone:error=1:when=4+3", {NULL, CLONE, EPERM, 0, 4, ever, 3}},
    {"clone:error=1:when=4..9", {NULL, CLONE, EPERM, 0, 4, 9, 1}},
    {"clone:error=1:when=4..9+", {NULL, CLONE, EPERM, 0, 4, 9, 1}},
    {"clone:error=1:when=4..9+2", {NULL, CLONE, EPERM, 0, 4, 9, 2}},
    {"clone:error=1:when=4..4", {NULL, CLONE, EPERM, 0, 4, 4, 1}},
    {"clone:error=1:when=1000000000", {NULL, CLONE, EPERM, 0, 1000000000, 1000000000, 1}},
    {"clone:delay=250", {NULL, CLONE, 0, 250000, 1, ever, 1}},
    {"clone:delay_enter=250us", {NULL, CLONE, 0, 250000, 1, ever, 1}},
    {"clone:delay=7ns", {NULL, CLONE, 0, 7, 1, ever, 1}},
    {"clone:delay=30ms", {NULL, CLONE, 0, 30 * 1000000, 1, ever, 1}},
    {"clone:delay=1.5s", {NULL, CLONE, 0, UINT64_C(1500000000), 1, ever, 1}},
    {"clone:delay=0.0015", {NULL, CLONE, 0, 1, 1, ever, 1}},
    {"clone:delay=2.ms", {NULL, CLONE, 0, 2000000, 1, ever, 1}},
    {"clone:delay=3600s", {NULL, CLONE, 0, UINT64_C(3600000000000), 1, ever, 1}},
    {"clone:when=5:delay=1ms:error=EINVAL", {NULL, CLONE, EINVAL, 1000000, 5, 5, 1}},
};

static void test_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct injection got;
		struct injection_mistake mistake;
		const struct injection *wanted = &valid[i].wanted;

		if (!injection_parse(valid[i].text, &got, &mistake))
			fail_msg("%s: refused at %zu: %s", valid[i].text, mistake.position, mistake.allowed);
		if (got.calls != wanted->calls || got.error_number != wanted->error_number ||
		    got.delay_ns != wanted->delay_ns || got.first != wanted->first || got.last != wanted->last ||
		    got.step != wanted->step)
			fail_msg("%s: calls %x error %d delay %llu when %llu..%llu+%llu", valid[i].text, got.calls,
				 got.error_number, (unsigned long long)got.delay_ns, (unsigned long long)got.first,
				 (unsigned long long)got.last, (unsigned long long)got.step);
		assert_ptr_equal(got.text, valid[i].text);
	}
}

/* The wrong part, and how what is allowed begins. */
static const struct {
	const char *text, *wrong, *allowed;
	size_t position;
} invalid[] = {
    {"", "", "fork, vfork", 0},
    {"open:error=1", "open", "fork, vfork", 0},
    {"clone,:error=1", "", "fork, vfork", 6},
    {"clone,%clone:error=1", "%clone", "fork, vfork", 6},
    {"Clone:error=1", "Clone", "fork, vfork", 0},
    {"none:error=1", "none", "fork, vfork", 0},
    {" clone:error=1", " clone", "fork, vfork", 0},
    {"clone", "", "':error=", 5},
    {"clone:when=3", "", "':error=", 12},
    {"clone:", "", "error=ERRNO", 6},
    {"clone:error", "error", "error=ERRNO", 6},
    {"clone:eror=EAGAIN", "eror=EAGAIN", "error=ERRNO", 6},
    {"clone:retval=7", "retval=7", "error=ERRNO", 6},
    {"clone:signal=SIGSEGV:error=1", "signal=SIGSEGV", "error=ERRNO", 6},
    {"clone:error=1:error=2", "error=2", "error=ERRNO", 14},
    {"clone:error=1:delay=1:delay_enter=2", "delay_enter=2", "error=ERRNO", 22},
    {"clone:error=1:when=1:when=2", "when=2", "error=ERRNO", 21},
    {"clone:error=1:", "", "error=ERRNO", 14},
    {"clone:error=", "", "the name of an error", 12},
    {"clone:error=EFOO", "EFOO", "the name of an error", 12},
    {"clone:error=eagain", "eagain", "the name of an error", 12},
    {"clone:error=ERESTARTSYS", "ERESTARTSYS", "the name of an error", 12},
    {"clone:error=0", "0", "the name of an error", 12},
    {"clone:error=512", "512", "the name of an error", 12},
    {"clone:error=-1", "-1", "the name of an error", 12},
    {"clone:error=11x", "11x", "the name of an error", 12},
    {"clone:error=99999999999999999999999", "99999999999999999999999", "the name of an error", 12},
    {"clone:delay=", "", "a decimal number", 12},
    {"clone:delay=0", "0", "a decimal number", 12},
    {"clone:delay=0.5ns", "0.5ns", "a decimal number", 12},
    {"clone:delay=.5", ".5", "a decimal number", 12},
    {"clone:delay=-5", "-5", "a decimal number", 12},
    {"clone:delay=1e3", "1e3", "a decimal number", 12},
    {"clone:delay=5min", "5min", "a decimal number", 12},
    {"clone:delay=1.2.3", "1.2.3", "a decimal number", 12},
    {"clone:delay=3600.1s", "3600.1s", "a decimal number", 12},
    {"clone:delay=999999999999999999s", "999999999999999999s", "a decimal number", 12},
    {"clone:error=1:when=", "", "N, N+", 19},
    {"clone:error=1:when=0", "0", "N, N+", 19},
    {"clone:error=1:when=+", "+", "N, N+", 19},
    {"clone:error=1:when=1+0", "1+0", "N, N+", 19},
    {"clone:error=1:when=1..", "1..", "N, N+", 19},
    {"clone:error=1:when=1.5", "1.5", "N, N+", 19},
    {"clone:error=1:when=1...5", "1...5", "N, N+", 19},
    {"clone:error=1:when=1+2+", "1+2+", "N, N+", 19},
    {"clone:error=1:when=1000000001", "1000000001", "N, N+", 19},
    {"clone:error=1:when=5..4", "5..4", "a last entry", 19},
};

static void test_invalid(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct injection got;
		struct injection_mistake mistake;

		if (injection_parse(invalid[i].text, &got, &mistake))
			fail_msg("%s was accepted", invalid[i].text);
		if (mistake.position != invalid[i].position || mistake.size != strlen(invalid[i].wrong) ||
		    memcmp(invalid[i].text + mistake.position, invalid[i].wrong, mistake.size) != 0 ||
		    strncmp(mistake.allowed, invalid[i].allowed, strlen(invalid[i].allowed)) != 0)
			fail_msg("%s: at %zu, %zu bytes: %s", invalid[i].text, mistake.position, mistake.size,
				 mistake.allowed);
	}
}

/* Which of the first twelve entries are meant, as a string of 0 and 1. */
static void check_entries(const char *when, const char *wanted)
{
	struct injection injection;
	struct injection_mistake mistake;
	char text[64], got[13] = "";

	snprintf(text, sizeof(text), "clone:error=1:when=%s", when);
	assert_true(injection_parse(text, &injection, &mistake));
	for (uint64_t entry = 1; entry <= 12; entry++)
		got[entry - 1] = injection_applies(&injection, entry) ? '1' : '0';
	assert_string_equal(got, wanted);
	assert_false(injection_applies(&injection, 0));
}

static void test_entries(void **state)
{
	(void)state;
	check_entries("1", "100000000000");
	check_entries("3", "001000000000");
	check_entries("3+", "001111111111");
	check_entries("1+1", "111111111111");
	check_entries("2+3", "010010010010");
	check_entries("2+1000000000", "010000000000");
	check_entries("4..7", "000111100000");
	check_entries("4..7+", "000111100000");
	check_entries("4..9+2", "000101010000");
	check_entries("12..12", "000000000001");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
