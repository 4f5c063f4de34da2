/* forktrace: the command. Wires options, a session and a report together, and owns the loop. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/foreign_kernel.h"
#include "session/guest_session.h"
#include "session/session.h"
#include "ui/cache_directory.h"
#include "ui/find_program.h"
#include "ui/guest_kernel.h"
#include "ui/guest_run.h"
#include "ui/open_report.h"
#include "ui/options.h"
#include "ui/replay.h"
#include "ui/report/report.h"
#include "ui/say.h"
#include "ui/script/lua_state.h"
#include "ui/script/run.h"
#include "ui/signals.h"
#include "ui/spin.h"
#include "ui/tui/run.h"

struct run {
	struct options options;
	struct output output;
	struct report *report;             /* NULL: none is asked for */
	struct output complaints;          /* with --expect: standard error */
	struct expectations *expectations; /* NULL: none */
	struct session *session;
	sigset_t original_mask;         /* what a started program gets */
	sighandler_t original_sigchld;  /* likewise: forktrace cannot use an ignored one */
	char **environment;             /* likewise */
	int signals;                    /* signalfd */
	int interrupts;                 /* how often the user asked to end */
	struct guest_streams streams;   /* a guest's */
	struct kernel_symbols *symbols; /* --kallsyms, until the session has them; else NULL */
};

/* A guest that somebody else runs. */
static bool is_foreign(const struct run *run)
{
	return run->options.guest.stub;
}

static bool is_attached(const struct run *run)
{
	return !run->options.command;
}

/* --- what goes to standard error besides the report --- */

static void on_log(void *context, enum log_level level, const char *message)
{
	const struct run *run = context;

	say_log(run->options.verbosity, level, message);
}

/* --- setting up --- */

/* The program gets the original mask and disposition back. */
static struct error *block_signals(struct run *run)
{
	static const int wanted[] = {SIGCHLD, SIGIO, SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0};

	run->original_sigchld = signal(SIGCHLD, SIG_DFL);
	return signals_watch(wanted, &run->signals, &run->original_mask);
}

static void create_session(struct run *run)
{
	_cleanup_free_ char *cache = cache_directory();

	struct session_options options = {
	    .follow = run->options.follow,
	    .threads = run->options.threads,
	    .seccomp = run->options.seccomp,
	    .signals = !run->options.format->terse || run->options.verbosity > 0,
	    .kernel_half =
		(run->options.kernel == KERNEL_AUTO || run->options.kernel == KERNEL_LIVE) && !is_foreign(run),
	    .cache = cache,
	    .unwinder = run->options.unwinder,
	    .max_frames = run->options.max_frames,
	    .injections = run->options.injections.items,
	    .injection_count = run->options.injections.count,
	};
	struct log log = {.write = on_log, .context = run};
	struct event_sink sink = {0};

	if (run->report)
		sink = run->report->sink;
	if (run->expectations)
		sink = expectations_sink(run->expectations, &sink);
	run->session = session_create(&options, &sink, &log);
}

static struct error *attach_all(struct run *run)
{
	for (size_t i = 0; i < run->options.attach.count; i++) {
		struct error *error = session_attach(run->session, run->options.attach.items[i]);

		if (error)
			return error;
	}
	return NULL;
}

static struct error *start(struct run *run)
{
	char **command = run->options.command;
	_cleanup_free_ char *path = NULL;

	if (is_foreign(run)) {
		struct kernel_symbols *symbols = run->symbols;

		run->symbols = NULL;
		return guest_run_attach(run->session, &run->options, symbols);
	}
	if (!command)
		return attach_all(run);

	struct error *error = find_program(command[0], getenv("PATH"), &path);

	if (error)
		return error;
	if (run->options.kernel == KERNEL_GUEST) {
		run->streams = (struct guest_streams){.signals = run->signals, .input = STDIN_FILENO};
		return guest_run_start(run->session, &run->options, path, run->environment, &run->streams);
	}

	struct start_request request = {
	    .path = path,
	    .arguments = command,
	    .environment = run->environment,
	    .signal_mask = &run->original_mask,
	    .ignore_sigchld = run->original_sigchld == SIG_IGN,
	};

	return session_start(run->session, &request);
}

/* libdw would ask the network for debug information where DEBUGINFOD_URLS is set. The program keeps its own
 * environment: the pointers are copied before forktrace's is changed. */
static void separate_environment(struct run *run)
{
	size_t count = 0;

	while (environ[count])
		count++;
	run->environment = memory_calloc(count + 1, sizeof(*run->environment));
	memcpy(run->environment, environ, count * sizeof(*environ));
	unsetenv("DEBUGINFOD_URLS");
}

/* --- the loop --- */

/* An attached program is let go. A started one has had what came from the terminal, whose whole foreground group gets
 * it; what was sent to forktrace alone (SI_USER and its like, never positive: sigaction(2)) is meant for the program.
 */
static void on_interrupt(void *context, const struct signalfd_siginfo *info)
{
	struct run *run = context;

	run->interrupts++;
	lua_state_interrupt();
	if (run->options.kernel == KERNEL_GUEST || is_foreign(run))
		session_stop_guest(run->session, "forktrace was asked to end");
	else if (is_attached(run))
		session_release(run->session, "forktrace was asked to end");
	else if (info->ssi_code <= 0)
		session_forward_signal(run->session, (int)info->ssi_signo);
	/* A call that waits would take notice of the signal at the end of its delay. */
	session_end_delays(run->session);
}

static bool dispatch(void *session)
{
	return session_dispatch(session);
}

/* While stops follow one another without a pause, signals are looked for once in so many of them. */
enum { STOPS_PER_LOOK = 64 };

static void loop(struct run *run)
{
	/* Of what is nobody's program, nobody waits for the end but the reader of the report. */
	struct pollfd sources[] = {{.fd = run->signals, .events = POLLIN},
				   {.fd = session_fd(run->session), .events = POLLIN},
				   {.fd = is_foreign(run) ? run->output.fd : -1}};
	struct spin spin = spin_create();
	unsigned stops = 0;

	for (;;) {
		bool stopped = session_is_writing(run->session) ? session_dispatch(run->session)
								: spin_until(&spin, dispatch, run->session);

		/* A second request ends an attachment at once: the kernel lets go of what is left. */
		if (session_done(run->session) || (is_attached(run) && run->interrupts > 1))
			return;
		if (stopped && ++stops % STOPS_PER_LOOK)
			continue;
		if (!stopped) {
			spin_asleep(&spin);
			poll(sources, sizeof(sources) / sizeof(sources[0]), -1);
			spin_awake(&spin);
			if (sources[2].revents & (POLLERR | POLLHUP))
				session_stop_guest(run->session, "nobody reads the report");
		}
		signals_take(run->signals, run->session, on_interrupt, run);
	}
}

static int finish(struct run *run)
{
	int status = session_exit_status(run->session);

	session_end(run->session);
	if (run->report)
		report_finish(run->report);
	output_close(&run->output);
	if (run->output.error) {
		say("", run->output.error->message);
		return EXIT_FORKTRACE;
	}
	if (run->expectations && status != SESSION_LOST)
		return expectations_finish(run->expectations) ? EXIT_SUCCESS : EXIT_NOT_HELD;
	return status < 0 ? EXIT_SUCCESS : status;
}

/* The status to exit with: `status`, unless the report could not be written. */
static int close_report(struct run *run, int status)
{
	if (run->report)
		report_finish(run->report);
	output_close(&run->output);
	if (!run->output.error)
		return status;
	say("", run->output.error->message);
	return EXIT_FORKTRACE;
}

/* A face that has the terminal, or standard output, for itself: a report is written to a file alone. */
static int face(struct run *run)
{
	_cleanup_free_ char *cache = cache_directory();
	struct error *error = run->options.output ? open_report(&run->options, &run->output, &run->report) : NULL;

	if (!error && is_foreign(run))
		error = foreign_kernel_load(run->options.guest.kallsyms, &run->symbols);
	if (error) {
		say_error(error);
		return EXIT_FORKTRACE;
	}
	sigprocmask(SIG_BLOCK, NULL, &run->original_mask);
	run->original_sigchld = signal(SIGCHLD, SIG_DFL);

	struct face_request request = {
	    .options = &run->options,
	    .environment = run->environment,
	    .signal_mask = &run->original_mask,
	    .ignore_sigchld = run->original_sigchld == SIG_IGN,
	    .cache = cache,
	    .also = run->report ? &run->report->sink : NULL,
	};

	return close_report(run, run->options.interactive ? tui_run(&request)
							  : script_trace(&request, no_cleanup_pointer(run->symbols)));
}

static int trace(struct run *run)
{
	if (run->options.interactive || run->options.script)
		return face(run);

	/* Before the signals are blocked: opening a FIFO waits for its reader, and may be interrupted. */
	struct error *error = open_expectations(&run->options, &run->complaints, &run->expectations);

	/* Where something is expected, standard error tells what did not hold: a report goes to a file alone. */
	if (!error && (!run->expectations || run->options.output))
		error = open_report(&run->options, &run->output, &run->report);

	if (!error && is_foreign(run))
		error = foreign_kernel_load(run->options.guest.kallsyms, &run->symbols);
	if (!error)
		error = block_signals(run);
	if (error) {
		say_error(error);
		return EXIT_FORKTRACE;
	}
	create_session(run);
	error = start(run);
	if (error) {
		int status = say_error(error);

		return is_attached(run) ? EXIT_FORKTRACE : status;
	}
	loop(run);
	return finish(run);
}

/* What forktrace opens must never get the number of a closed standard descriptor: messages would land in it. What is
 * put there cannot be used, so that reading and writing fail as before; the started program keeps its closed ones. */
static void fill_standard_descriptors(void)
{
	static const int useless[] = {
	    [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_RDONLY};

	/* In this order each open gets the lowest number: the one that was found closed. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", useless[fd] | O_CLOEXEC) != fd)
			return;
	}
}

int main(int argc, char **argv)
{
	struct run run = {.signals = -1, .output = {.fd = -1}, .complaints = {.fd = -1}};

	static char name[] = "forktrace";

	fill_standard_descriptors();
	setlocale(LC_ALL, "");
	/* getopt begins its sentences with argv[0]: one name for all of them. */
	if (argc > 0)
		argv[0] = name;
	options_parse(argc, argv, &run.options);
	if (run.options.guest.fetch) {
		int fetched = guest_fetch(run.options.guest.package, run.options.verbosity < 0);

		options_deinit(&run.options);
		return fetched;
	}

	if (run.options.from) {
		int replayed = replay_run(&run.options);

		options_deinit(&run.options);
		return replayed;
	}

	separate_environment(&run);

	int status = trace(&run);

	kernel_symbols_destroy(run.symbols);
	session_destroy(run.session);
	expectations_destroy(run.expectations);
	report_destroy(run.report);
	output_deinit(&run.output);
	output_deinit(&run.complaints);
	options_deinit(&run.options);
	free(run.environment);
	return status;
}
