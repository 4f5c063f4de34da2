/* kernel/guest.c and the guest's process 1: a program's run. */
#include "tests/unit/guest_fixture.h"

#include <sched.h>
#include <sys/ioctl.h>

static void passes_input_on(void **state)
{
	enum { LINES = 2000 };
	struct guest_options options = options_with(cache);
	char argument[] = "last word";
	_cleanup_fd_ int payload = payload_of(echo, argument);
	_cleanup_(outcome_deinit) struct outcome outcome = {0};
	_cleanup_(buffer_deinit) struct buffer input = {0};

	(void)state;
	need_kernel();
	for (int i = 0; i < LINES; i++)
		buffer_printf(&input, "line %d\n", i);

	struct guest *guest = start(&options, payload);

	run_well(guest, input.data, input.size, &outcome);
	assert_int_equal(outcome.out.size, input.size);
	assert_memory_equal(outcome.out.data, input.data, input.size);
	assert_string_equal(outcome.error.data, "last word value made\n");
	assert_int_equal(outcome.status, 23 << 8);
	guest_destroy(guest);
}

static void tells_why_a_program_cannot_run(void **state)
{
	struct guest_options options = options_with(cache);
	struct guest_files files = {0};
	char name[] = "x", *arguments[] = {name, NULL}, *environment[] = {NULL};
	_cleanup_(outcome_deinit) struct outcome outcome = {0};
	int payload = -1;

	(void)state;
	need_kernel();
	assert_null(payload_create(&files, "/no/such", "/", arguments, environment, &payload));

	struct guest *guest = start(&options, payload);

	run_well(guest, NULL, 0, &outcome);
	assert_int_equal(outcome.exec_errno, ENOENT);
	assert_int_equal(outcome.status, 127 << 8);
	guest_destroy(guest);
	close(payload);
}

static void refuses_what_is_no_payload(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = open("/proc/self/exe", O_RDONLY);
	_cleanup_(outcome_deinit) struct outcome outcome = {0};

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);
	struct error *error = run(guest, NULL, 0, &outcome);

	assert_non_null(error);
	assert_string_equal(error->message,
			    "the guest's process 1 cannot go on: the payload does not begin with FTGUEST1");
	error_destroy(error);
	guest_destroy(guest);
}

/* The fixture's program, from its start to its end. */
static void run_echo(char *argument, struct outcome *outcome)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(echo, argument);

	need_kernel();

	struct guest *guest = start(&options, payload);

	run_well(guest, NULL, 0, outcome);
	guest_destroy(guest);
}

static void waits_for_descendants(void **state)
{
	char argument[] = "daemon";
	_cleanup_(outcome_deinit) struct outcome outcome = {.input_waits = true};

	(void)state;
	run_echo(argument, &outcome);
	assert_int_equal(outcome.status, 23 << 8);
	assert_int_equal(outcome.out_at_exit, 0);
	assert_string_equal(outcome.out.data, "late\n");
}

enum { LINE = 64, LINES = 1 << 15 }; /* of "much" */

static void assert_much(const struct buffer *out)
{
	char line[LINE + 1];

	assert_int_equal(out->size, LINE * LINES);
	for (int i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "%063d\n", i);
		assert_memory_equal(out->data + (size_t)i * LINE, line, LINE);
	}
}

static void passes_much_output_on(void **state)
{
	char argument[] = "much";
	_cleanup_(outcome_deinit) struct outcome outcome = {0};

	(void)state;
	run_echo(argument, &outcome);
	assert_much(&outcome.out);
}

static void wait_full(int pipe)
{
	int64_t deadline = microseconds() + (int64_t)RUN_MS * 1000;
	int held = 0;

	while (held < fcntl(pipe, F_GETPIPE_SZ)) {
		assert_true(microseconds() < deadline);
		assert_int_equal(ioctl(pipe, FIONREAD, &held), 0);
		sched_yield();
	}
}

/* The machine stands still until somebody reads, and nothing is lost. */
static void waits_for_whoever_reads(void **state)
{
	struct guest_options options = options_with(cache);
	char argument[] = "much";
	_cleanup_fd_ int payload = payload_of(echo, argument);
	_cleanup_(outcome_deinit) struct outcome outcome = {0};

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);

	go(guest);
	wait_full(guest->qemu.output);
	assert_null(run_on(guest, NULL, 0, &outcome));
	assert_much(&outcome.out);
	assert_int_equal(outcome.status, 23 << 8);
	guest_destroy(guest);
}

/* Input that nobody reads is no trouble, nor is a program that ends before all of it was sent. */
static void outlives_unread_input(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	_cleanup_(outcome_deinit) struct outcome outcome = {0};
	_cleanup_free_ char *input = memory_alloc(1 << 16);

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);

	run_well(guest, input, 1 << 16, &outcome);
	assert_int_equal(outcome.status, 0);
	guest_destroy(guest);
}

/* A kernel that has no driver for the second serial port: process 1 looks at the port by itself. */
static void does_without_the_second_serial_port(void **state)
{
	struct guest_options options = options_with(NULL);
	char argument[] = "-", input[] = "one\ntwo\n";
	_cleanup_fd_ int payload = payload_of(echo, argument);
	_cleanup_(outcome_deinit) struct outcome outcome = {0};

	(void)state;
	need_kernel();
	options.append = "8250.nr_uarts=1";

	struct guest *guest = start(&options, payload);

	run_well(guest, input, strlen(input), &outcome);
	assert_string_equal(outcome.out.data, input);
	assert_int_equal(outcome.status, 23 << 8);
	guest_destroy(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_input_on),
	    cmocka_unit_test(tells_why_a_program_cannot_run),
	    cmocka_unit_test(refuses_what_is_no_payload),
	    cmocka_unit_test(waits_for_descendants),
	    cmocka_unit_test(passes_much_output_on),
	    cmocka_unit_test(waits_for_whoever_reads),
	    cmocka_unit_test(outlives_unread_input),
	    cmocka_unit_test(does_without_the_second_serial_port),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
