/* forktrace -s: see run.h. Everything of Lua happens on this thread. */
#include "ui/script/run.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forktrace_control.h"
#include "session/guest_session.h"
#include "ui/script/lua_state.h"
#include "ui/script/run_internal.h"
#include "ui/signals.h"

bool run_is_guest(const struct test_run *run)
{
	return run->options->kernel == KERNEL_GUEST || run->options->guest.stub;
}

void run_fail(struct test_run *run, struct error *error)
{
	if (run->failure)
		error_destroy(error);
	else
		run->failure = error;
}

/* --- the loop --- */

/* The programs do not outlive a run that is given up; attached ones are let go. */
static void give_up(struct test_run *run, const char *reason)
{
	if (run_is_guest(run))
		session_stop_guest(run->session, reason);
	else if (run->control && run->options->command)
		control_kill_all(run->control);
	else if (run->control)
		control_detach_all(run->control);
	else if (run->options->command)
		session_forward_signal(run->session, SIGKILL);
	else
		session_release(run->session, reason);
}

/* The terminal gives its Ctrl-C to the program too; what was sent to forktrace alone is passed on. Whoever asks twice
 * does not want to wait for the program. */
static void on_interrupt(void *context, const struct signalfd_siginfo *info)
{
	struct test_run *run = context;

	if (++run->interrupts > 1)
		run_fail(run, error_create(ERROR_INPUT, 0, NULL, "%s", LUA_INTERRUPTED));
	else if (run_is_guest(run) || !run->options->command)
		give_up(run, "forktrace was asked to end");
	else if (info->ssi_code <= 0)
		session_forward_signal(run->session, (int)info->ssi_signo);
}

static void take_records(struct test_run *run)
{
	record_vector records = {0};

	record_queue_take(&run->queue, &records);
	for (size_t i = 0; i < records.count; i++) {
		if (!run->failure)
			run_fail(run, script_record(&run->script, records.items[i]));
		json_decref(records.items[i]);
	}
	vector_deinit(&records);
}

static bool take_output(struct test_run *run)
{
	bool any = false;

	for (int i = 0; i < OUTPUTS; i++)
		any = program_output_read(&run->outputs[i]) || any;
	return any;
}

/* What stops mean to callbacks. */
static bool go_on(struct test_run *run)
{
	bool any = false;

	if (!run->failure)
		run_fail(run, tasks_go_on(run->script.tasks, &any));
	return any;
}

static void wait_for_news(struct test_run *run)
{
	enum { SIGNALS, SESSION, RECORDS, FIRST_OUTPUT, SOURCES = FIRST_OUTPUT + OUTPUTS };
	struct pollfd sources[SOURCES] = {
	    [SIGNALS] = {.fd = run->signals, .events = POLLIN},
	    [SESSION] = {.fd = session_fd(run->session), .events = POLLIN},
	    [RECORDS] = {.fd = run->queue.wake, .events = POLLIN},
	};

	for (int i = 0; i < OUTPUTS; i++)
		sources[FIRST_OUTPUT + i] = (struct pollfd){.fd = run->outputs[i].read, .events = POLLIN};
	poll(sources, SOURCES, -1);
}

static void loop(struct test_run *run)
{
	bool gave_up = false;

	while (!session_done(run->session)) {
		bool busy = session_dispatch(run->session);

		busy = go_on(run) || busy;
		take_records(run);
		busy = take_output(run) || busy;
		output_flush(&run->tap_output);
		if (run->failure && !gave_up) {
			give_up(run, "the script failed");
			gave_up = true;
			/* What is left of a started program ends with forktrace. */
			if (run->options->command && !run_is_guest(run))
				return;
		}
		if (!busy)
			wait_for_news(run);
		signals_take(run->signals, run->session, on_interrupt, run);
	}
}

/* --- the end --- */

/* All that the program wrote comes before the last records. */
static void take_the_rest(struct test_run *run)
{
	while (take_output(run))
		;
	for (int i = 0; i < OUTPUTS; i++)
		program_output_end(&run->outputs[i]);
	session_end(run->session);
	take_records(run);
}

/* A script's error has its traceback on further lines. */
static int say_failure(struct test_run *run)
{
	const char *message = run->failure->message;
	size_t first = strcspn(message, "\n");
	_cleanup_free_ char *sentence = memory_strndup(message, first);

	if (run->tap_output.fd >= 0) {
		tap_bail(&run->tap, sentence);
		output_flush(&run->tap_output);
	}
	say("", sentence);
	while (message[first]) {
		message += first + 1;
		first = strcspn(message, "\n");

		_cleanup_free_ char *line = memory_strndup(message, first);

		say_more(line);
	}
	return EXIT_FORKTRACE;
}

/* A place that no process had: what is tested there was not. */
static void judge_places(struct test_run *run)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	const char *place;

	for (size_t i = 0; (place = tasks_unknown_place(run->script.tasks, i)); i++) {
		buffer_clear(&text);
		buffer_printf(&text, "at('%s'): no process had such a place", place);
		tap_result(&run->tap, false, text.data, NULL);
	}
}

static int finish(struct test_run *run)
{
	bool held;

	if (run->failure)
		return say_failure(run);
	judge_places(run);
	held = tap_finish(&run->tap);
	output_close(&run->tap_output);
	if (run->tap_output.error) {
		say("", run->tap_output.error->message);
		return EXIT_FORKTRACE;
	}
	if (session_exit_status(run->session) == SESSION_LOST)
		return EXIT_FORKTRACE;
	return held ? EXIT_SUCCESS : EXIT_NOT_HELD;
}

static void clean_up(struct test_run *run)
{
	session_destroy(run->session);
	script_close(&run->script);
	for (int i = 0; i < OUTPUTS; i++)
		program_output_deinit(&run->outputs[i]);
	record_queue_deinit(&run->queue);
	output_deinit(&run->tap_output);
	error_destroy(run->failure);
	if (run->signals >= 0)
		close(run->signals);
	free(run);
}

int script_trace(const struct face_request *request, struct kernel_symbols *symbols)
{
	struct test_run *run = run_create(request, symbols);
	struct error *error = run_prepare(run);
	int status;

	if (error) {
		run->failure = error;
		status = say_failure(run);
	} else if ((error = run_start(run))) {
		if (!run->tap.over)
			tap_bail(&run->tap, error->message);
		output_flush(&run->tap_output);
		status = say_error(error);
		status = run->options->command ? status : EXIT_FORKTRACE;
	} else {
		loop(run);
		take_the_rest(run);
		status = finish(run);
	}
	clean_up(run);
	return status;
}
