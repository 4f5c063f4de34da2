/* forktrace -s: see run.h. Everything of Lua happens on this thread. */
#include "ui/script/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "forktrace_control.h"
#include "session/guest_session.h"
#include "ui/find_program.h"
#include "ui/guest_run.h"
#include "ui/say.h"
#include "ui/script/lua_state.h"
#include "ui/script/program_output.h"
#include "ui/script/record_queue.h"
#include "ui/script/script.h"

enum { STANDARD_OUTPUT, STANDARD_ERROR, OUTPUTS };

struct run {
	const struct script_request *request;
	const struct options *options;
	struct output tap_output;
	struct tap tap;
	struct script script;
	struct record_queue queue;
	struct session *session;
	struct control *control; /* NULL: its tasks cannot be held */
	struct program_output outputs[OUTPUTS];
	bool taken[OUTPUTS];          /* it comes to us */
	bool comments[OUTPUTS];       /* and becomes comments, as it would go where the results go */
	struct guest_streams streams; /* a guest's */
	int signals;
	int interrupts;
	struct error *failure; /* of the script: ends the run */
};

static bool is_guest(const struct run *run)
{
	return run->options->kernel == KERNEL_GUEST || run->options->guest.stub;
}

/* --- what comes from the engine and the program --- */

static void on_log(void *context, enum log_level level, const char *message)
{
	const struct run *run = context;

	if (level == LOG_LEVEL_WARNING ? run->options->verbosity >= 0 : run->options->verbosity > 0)
		say(level == LOG_LEVEL_WARNING ? "warning: " : "", message);
}

static void fail(struct run *run, struct error *error)
{
	if (run->failure)
		error_destroy(error);
	else
		run->failure = error;
}

static void on_line(void *context, int number, const char *line, size_t size)
{
	struct run *run = context;

	if (run->comments[number - 1])
		tap_comment(&run->tap, 0, line, size);
	if (!run->failure)
		fail(run, script_line(&run->script, number, line, size));
}

/* A guest's program: what it writes comes here, and not through a pipe. */
static void on_guest_output(void *context, int number, const void *bytes, size_t size)
{
	struct run *run = context;

	if (run->taken[number - 1])
		program_output_take(&run->outputs[number - 1], bytes, size);
	else
		program_output_pass_on(number, bytes, size);
}

/* --- setting up --- */

static struct error *open_tap(struct run *run)
{
	struct output *output = &run->tap_output;

	if (run->options->tap)
		return output_open(output, run->options->tap, STDOUT_FILENO);
	*output = (struct output){.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
	if (output->fd < 0)
		return error_system(errno, NULL, "there is no standard output for the results");
	output->path = memory_strdup("standard output");
	return NULL;
}

/* What the program could write among the results is taken; so is all of it where the script wants to see it. */
static struct error *take_outputs(struct run *run)
{
	struct error *error = NULL;

	keep_from_programs(run->tap_output.fd);
	for (int i = 0; i < OUTPUTS && !error; i++) {
		run->comments[i] = is_same_file(i + 1, run->tap_output.fd);
		run->taken[i] = run->comments[i] || run->script.wants_output;
		run->outputs[i].pass_on = !run->comments[i];
		if (run->taken[i] && !is_guest(run))
			error = program_output_open(&run->outputs[i]);
	}
	return error;
}

static struct error *watch_signals(struct run *run)
{
	/* SIGQUIT is not among them: it ends forktrace, whatever the script is about. */
	static const int wanted[] = {SIGCHLD, SIGIO, SIGINT, SIGTERM, SIGHUP};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&mask, wanted[i]);
	run->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&mask, SIGPIPE);
	sigaddset(&mask, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return run->signals < 0 ? error_system(errno, NULL, "signalfd failed") : NULL;
}

static struct error *create_session(struct run *run)
{
	const struct options *options = run->options;
	struct session_options wanted = {
	    .follow = options->follow,
	    .threads = options->threads,
	    .seccomp = options->seccomp,
	    .signals = true,
	    .kernel_half = !is_guest(run) && options->kernel != KERNEL_NONE,
	    .control = !is_guest(run) && tasks_wanted(run->script.tasks),
	    .cache = run->request->cache,
	    .unwinder = options->unwinder,
	    .max_frames = options->max_frames,
	};
	struct event_sink sink = record_queue_sink(&run->queue);
	struct log log = {.write = on_log, .context = run};

	run->session = session_create(&wanted, &sink, &log);
	run->control = session_control(run->session);
	return tasks_begin(run->script.tasks, run->control, is_guest(run));
}

static struct error *attach(struct run *run)
{
	struct error *error = NULL;

	for (size_t i = 0; i < run->options->attach.count && !error; i++)
		error = session_attach(run->session, run->options->attach.items[i]);
	return error;
}

static int standard_for(const struct run *run, int i)
{
	return run->taken[i] ? run->outputs[i].write : i + 1;
}

static struct error *start_program_here(struct run *run, const char *path)
{
	struct start_request request = {
	    .path = path,
	    .arguments = run->options->command,
	    .environment = run->request->environment,
	    .signal_mask = run->request->signal_mask,
	    .ignore_sigchld = run->request->ignore_sigchld,
	    .redirect = true,
	    .standard = {STDIN_FILENO, standard_for(run, STANDARD_OUTPUT), standard_for(run, STANDARD_ERROR)},
	};
	struct error *error = session_start(run->session, &request);

	for (int i = 0; i < OUTPUTS; i++)
		program_output_started(&run->outputs[i]);
	return error;
}

static struct error *start_program_anywhere(struct run *run)
{
	_cleanup_free_ char *path = NULL;
	struct error *error = find_program(run->options->command[0], getenv("PATH"), &path);

	if (error)
		return error;
	if (run->options->kernel != KERNEL_GUEST)
		return start_program_here(run, path);
	run->streams = (struct guest_streams){
	    .signals = run->signals, .input = STDIN_FILENO, .output = on_guest_output, .context = run};
	return guest_run_start(run->session, run->options, path, run->request->environment, &run->streams);
}

static struct error *start(struct run *run)
{
	struct kernel_symbols *symbols = run->request->symbols;

	struct error *error = create_session(run);

	if (error)
		return error;
	if (run->options->guest.stub)
		return guest_run_attach(run->session, run->options, symbols);
	return run->options->command ? start_program_anywhere(run) : attach(run);
}

/* Up to where the script has said what it wants. */
static struct error *prepare(struct run *run)
{
	const struct options *options = run->options;
	struct error *error = script_open(&run->script, options->script, options->command, &run->tap);

	if (!error)
		error = open_tap(run);
	if (!error)
		error = watch_signals(run);
	if (!error)
		error = record_queue_init(&run->queue, run->request->also);
	if (error)
		return error;
	tap_open(&run->tap, &run->tap_output);
	error = script_run(&run->script);
	return error ? error : take_outputs(run);
}

/* --- the loop --- */

/* The programs do not outlive a run that is given up; attached ones are let go. */
static void give_up(struct run *run, const char *reason)
{
	if (is_guest(run))
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
static void on_interrupt(struct run *run, const struct signalfd_siginfo *info)
{
	if (++run->interrupts > 1)
		fail(run, error_create(ERROR_INPUT, 0, NULL, "%s", LUA_INTERRUPTED));
	else if (is_guest(run) || !run->options->command)
		give_up(run, "forktrace was asked to end");
	else if (info->ssi_code <= 0)
		session_forward_signal(run->session, (int)info->ssi_signo);
}

static void read_signals(struct run *run)
{
	struct signalfd_siginfo infos[8];
	ssize_t got = read(run->signals, infos, sizeof(infos));

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(infos[0]); i++) {
		if (infos[i].ssi_signo == SIGIO)
			session_drain(run->session);
		else if (infos[i].ssi_signo != SIGCHLD)
			on_interrupt(run, &infos[i]);
	}
}

static void take_records(struct run *run)
{
	record_vector records = {0};

	record_queue_take(&run->queue, &records);
	for (size_t i = 0; i < records.count; i++) {
		if (!run->failure)
			fail(run, script_record(&run->script, records.items[i]));
		json_decref(records.items[i]);
	}
	vector_deinit(&records);
}

static bool take_output(struct run *run)
{
	bool any = false;

	for (int i = 0; i < OUTPUTS; i++)
		any = program_output_read(&run->outputs[i]) || any;
	return any;
}

/* What stops mean to callbacks. */
static bool go_on(struct run *run)
{
	bool any = false;

	if (!run->failure)
		fail(run, tasks_go_on(run->script.tasks, &any));
	return any;
}

static void wait_for_news(struct run *run)
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

static void loop(struct run *run)
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
			if (run->options->command && !is_guest(run))
				return;
		}
		if (!busy)
			wait_for_news(run);
		read_signals(run);
	}
}

/* --- the end --- */

/* All that the program wrote comes before the last records. */
static void take_the_rest(struct run *run)
{
	while (take_output(run))
		;
	for (int i = 0; i < OUTPUTS; i++)
		program_output_end(&run->outputs[i]);
	session_end(run->session);
	take_records(run);
}

/* A script's error has its traceback on further lines. */
static int say_failure(struct run *run)
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
static void judge_places(struct run *run)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	const char *place;

	for (size_t i = 0; (place = tasks_unknown_place(run->script.tasks, i)); i++) {
		buffer_clear(&text);
		buffer_printf(&text, "at('%s'): no process had such a place", place);
		tap_result(&run->tap, false, text.data, NULL);
	}
}

static int finish(struct run *run)
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

static void clean_up(struct run *run)
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

static struct run *create(const struct script_request *request)
{
	struct run *run = memory_alloc(sizeof(*run));

	run->request = request;
	run->options = request->options;
	run->signals = run->queue.wake = run->tap_output.fd = -1;
	for (int i = 0; i < OUTPUTS; i++)
		run->outputs[i] =
		    (struct program_output){.number = i + 1, .read = -1, .write = -1, .line = on_line, .context = run};
	return run;
}

int script_trace(const struct script_request *request)
{
	struct run *run = create(request);
	struct error *error = prepare(run);
	int status;

	if (error) {
		run->failure = error;
		status = say_failure(run);
	} else if ((error = start(run))) {
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
