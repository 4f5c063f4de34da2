/* How a run of a script begins: see run_internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "forktrace_control.h"
#include "ui/find_program.h"
#include "ui/say.h"
#include "ui/script/run_internal.h"
#include "ui/signals.h"

/* --- what comes from the engine and the program --- */

static void on_log(void *context, enum log_level level, const char *message)
{
	const struct test_run *run = context;

	say_log(run->options->verbosity, level, message);
}

static void on_line(void *context, int number, const char *line, size_t size)
{
	struct test_run *run = context;

	if (run->comments[number - 1])
		tap_comment(&run->tap, 0, line, size);
	if (!run->failure)
		run_fail(run, script_line(&run->script, number, line, size));
}

/* A guest's program: what it writes comes here, and not through a pipe. */
static void on_guest_output(void *context, int number, const void *bytes, size_t size)
{
	struct test_run *run = context;

	if (run->taken[number - 1])
		program_output_take(&run->outputs[number - 1], bytes, size);
	else
		program_output_pass_on(number, bytes, size);
}

/* --- setting up --- */

static struct error *open_tap(struct test_run *run)
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
static struct error *take_outputs(struct test_run *run)
{
	struct error *error = NULL;

	keep_from_programs(run->tap_output.fd);
	for (int i = 0; i < OUTPUTS && !error; i++) {
		run->comments[i] = is_same_file(i + 1, run->tap_output.fd);
		run->taken[i] = run->comments[i] || run->script.wants_output;
		run->outputs[i].pass_on = !run->comments[i];
		if (run->taken[i] && !run_is_guest(run))
			error = program_output_open(&run->outputs[i]);
	}
	return error;
}

static struct error *watch_signals(struct test_run *run)
{
	/* SIGQUIT is not among them: it ends forktrace, whatever the script is about. */
	static const int wanted[] = {SIGCHLD, SIGIO, SIGINT, SIGTERM, SIGHUP, 0};

	return signals_watch(wanted, &run->signals, NULL);
}

static struct error *create_session(struct test_run *run)
{
	const struct options *options = run->options;

	if (options->injections.count && tasks_wanted(run->script.tasks))
		return error_create(
		    ERROR_UNSUPPORTED, 0, NULL,
		    "--inject changes calls of processes that are not held: it goes without at() in the script");

	struct session_options wanted = {
	    .follow = options->follow,
	    .threads = options->threads,
	    .seccomp = options->seccomp,
	    .signals = true,
	    .kernel_half = !run_is_guest(run) && options->kernel != KERNEL_NONE,
	    .control = !options->guest.stub && tasks_wanted(run->script.tasks),
	    .injections = options->injections.items,
	    .injection_count = options->injections.count,
	    .cache = run->request->cache,
	    .unwinder = options->unwinder,
	    .max_frames = options->max_frames,
	};
	struct event_sink sink = record_queue_sink(&run->queue);
	struct log log = {.write = on_log, .context = run};

	run->session = session_create(&wanted, &sink, &log);
	run->control = session_control(run->session);
	return tasks_begin(run->script.tasks, run->control);
}

static struct error *attach(struct test_run *run)
{
	struct error *error = NULL;

	for (size_t i = 0; i < run->options->attach.count && !error; i++)
		error = session_attach(run->session, run->options->attach.items[i]);
	return error;
}

static int standard_for(const struct test_run *run, int i)
{
	return run->taken[i] ? run->outputs[i].write : i + 1;
}

static struct error *start_program_here(struct test_run *run, const char *path)
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

static struct error *start_program_anywhere(struct test_run *run)
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

struct error *run_start(struct test_run *run)
{
	struct error *error = create_session(run);

	if (error)
		return error;
	if (run->options->guest.stub)
		return guest_run_attach(run->session, run->options, run->symbols);
	return run->options->command ? start_program_anywhere(run) : attach(run);
}

/* Up to where the script has said what it wants. */
struct error *run_prepare(struct test_run *run)
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

struct test_run *run_create(const struct face_request *request, struct kernel_symbols *symbols)
{
	struct test_run *run = memory_alloc(sizeof(*run));

	run->request = request;
	run->symbols = symbols;
	run->options = request->options;
	run->signals = run->queue.wake = run->tap_output.fd = -1;
	for (int i = 0; i < OUTPUTS; i++)
		run->outputs[i] =
		    (struct program_output){.number = i + 1, .read = -1, .write = -1, .line = on_line, .context = run};
	return run;
}
