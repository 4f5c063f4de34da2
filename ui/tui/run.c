/* forktrace -i: see run.h. */
#include "ui/tui/run.h"

#include <errno.h>
#include <ncursesw/curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "ui/find_program.h"
#include "ui/guest_run.h"
#include "ui/say.h"
#include "ui/signals.h"
#include "ui/tui/crash.h"
#include "ui/tui/script.h"
#include "ui/tui/tui.h"

enum {
	DRAW_MS = 30,
	TYPEAHEAD_MS = 40, /* so long a key waits for what the key before has let run: most steps are over by then */
};

struct run {
	const struct face_request *request;
	struct tui tui;
	struct script script;
	int signals;
	int input; /* what the program in a guest reads; -1: none */
	bool virtual;
	char *path;                   /* of the program */
	struct guest_streams streams; /* a guest's */
	unsigned changed_task;
	uint64_t drawn_ms;
	uint64_t went_ms;      /* when a key let the selected process run */
	struct error *failure; /* ends the run */
};

/* --- what comes from the engine --- */

static void on_changed(void *context, unsigned id)
{
	struct run *run = context;

	run->changed_task = id;
	run->tui.changed = true;
}

static void on_log(void *context, enum log_level level, const char *message)
{
	struct run *run = context;

	if (level != LOG_LEVEL_WARNING)
		return;
	text_ring_line(&run->tui.log, message);
	tui_say(&run->tui, "%s", message);
}

static void take_line(void *context, const char *line)
{
	struct run *run = context;

	text_ring_line(&run->tui.log, line);
	run->tui.changed = true;
}

static void take_fork(void *context, const struct fork_note *note)
{
	struct run *run = context;

	tui_keep_fork(&run->tui, note);
}

/* What was held while the selected task runs is what the user wants to see; a child that is born where the parent has
 * to wait for it (vfork, or a guest's kernel) too. */
static void follow_selection(struct run *run)
{
	struct tui *tui = &run->tui;
	const struct control_task *task = tui_task(tui);
	const struct control_task *changed = control_task(tui->control, run->changed_task);

	run->changed_task = 0;
	if (changed && changed->state == CONTROL_HELD && task && task->state == CONTROL_RUNNING &&
	    (changed->stop != CONTROL_STOP_BORN || task->in_vfork || changed->in_kernel))
		tui_select(tui, changed->id);
	if (tui->asked_to_quit && session_done(tui->session))
		tui->over = true;
	tui_select_any(tui);
}

/* --- starting --- */

static struct error *watch_signals(struct run *run)
{
	static const int wanted[] = {SIGCHLD, SIGIO, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, 0};
	struct error *error = signals_watch(wanted, &run->signals, NULL);

	crash_watch();
	return error;
}

static void create_session(struct run *run)
{
	const struct options *options = run->request->options;
	struct session_options wanted = {
	    .follow = FOLLOW_ALL,
	    .threads = options->threads,
	    .signals = true,
	    .kernel_half = options->kernel == KERNEL_AUTO || options->kernel == KERNEL_LIVE,
	    .control = true,
	    .cache = run->request->cache,
	    .unwinder = options->unwinder,
	    .max_frames = options->max_frames,
	};
	struct event_sink sink = event_notes_sink(&run->tui.notes);
	struct log log = {.write = on_log, .context = run};

	run->tui.session = session_create(&wanted, &sink, &log);
	run->tui.control = session_control(run->tui.session);
	control_listen(run->tui.control, on_changed, run);
}

static struct error *start_program_in_terminal(struct run *run)
{
	struct terminal *terminal = &run->tui.terminal;
	struct error *error = find_program(run->request->options->command[0], getenv("PATH"), &run->path);

	if (!error)
		error = terminal_open(terminal);
	if (error)
		return error;
	terminal_size(terminal, 24, 80);

	struct start_request request = {
	    .path = run->path,
	    .arguments = run->request->options->command,
	    .environment = run->request->environment,
	    .signal_mask = run->request->signal_mask,
	    .ignore_sigchld = run->request->ignore_sigchld,
	    .redirect = true,
	    .standard = {terminal->slave, terminal->slave, terminal->slave},
	};

	error = session_start(run->tui.session, &request);
	terminal_started(terminal);
	run->tui.program = run->path;
	return error;
}

static void take_output(void *context, int fd, const void *bytes, size_t size)
{
	struct run *run = context;

	(void)fd;
	text_ring_bytes(&run->tui.terminal.text, bytes, size);
	run->tui.changed = true;
}

/* The program has pipes there, and no terminal. */
static struct error *start_program_in_guest(struct run *run)
{
	const struct options *options = run->request->options;
	struct error *error = find_program(options->command[0], getenv("PATH"), &run->path);

	if (!error)
		error = terminal_open_pipe(&run->tui.terminal, &run->input);
	if (error)
		return error;
	run->streams =
	    (struct guest_streams){.signals = run->signals, .input = run->input, .output = take_output, .context = run};
	run->tui.program = run->path;
	return guest_run_start(run->tui.session, options, run->path, run->request->environment, &run->streams);
}

static struct error *attach(struct run *run)
{
	const struct options *options = run->request->options;
	struct error *error = NULL;

	for (size_t i = 0; i < options->attach.count && !error; i++)
		error = session_attach(run->tui.session, options->attach.items[i]);
	return error;
}

static struct error *start(struct run *run)
{
	struct tui *tui = &run->tui;
	const struct options *options = run->request->options;
	struct error *error = watch_signals(run);

	tui->terminal.master = tui->terminal.slave = -1;
	tui->options = options;
	if (!error)
		error = event_notes_init(&tui->notes, run->request->also);
	if (error)
		return error;
	create_session(run);
	if (!options->command)
		error = attach(run);
	else if (options->kernel == KERNEL_GUEST)
		error = start_program_in_guest(run);
	else
		error = start_program_in_terminal(run);
	tui->sources = source_files_create(options->source_path, tui->program);
	return error;
}

/* --- the loop --- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void quit_now(struct run *run)
{
	tui_command(&run->tui, run->request->options->command ? "quit kill" : "quit detach");
}

static void on_signal(void *context, const struct signalfd_siginfo *info)
{
	struct run *run = context;

	if (info->ssi_signo == SIGWINCH) {
		screen_resize();
		run->tui.changed = true;
	} else if (info->ssi_signo == SIGTSTP) {
		tui_command(&run->tui, "suspend");
	} else {
		quit_now(run);
	}
}

static bool runs(const struct run *run)
{
	const struct control_task *task = tui_task(&run->tui);

	return task && task->state == CONTROL_RUNNING;
}

/* Several steps that were typed at once are taken one after another. How many ms the next key waits yet; 0: none. */
static int ms_to_wait(const struct run *run)
{
	uint64_t since = run->went_ms ? now_ms() - run->went_ms : TYPEAHEAD_MS;

	return runs(run) && since < TYPEAHEAD_MS ? TYPEAHEAD_MS - (int)since : 0;
}

/* All keys that were typed, as far as they need not wait; a screen that went away reads as an end. */
static void read_keys(struct run *run, short events)
{
	bool any = false;

	for (wint_t key; !run->tui.over && !ms_to_wait(run);) {
		bool ran = runs(run);
		int kind = get_wch(&key);

		if (kind == ERR)
			break;
		any = true;
		if (kind == KEY_CODE_YES ? key != KEY_RESIZE : key < 0x80)
			tui_key(&run->tui, (int)key);
		else if (kind != KEY_CODE_YES)
			tui_key(&run->tui, (int)key | KEY_WIDE);
		run->went_ms = !ran && runs(run) ? now_ms() : 0;
	}
	if (!any && events & (POLLHUP | POLLERR))
		quit_now(run);
}

static void play(struct run *run)
{
	struct error *error;

	if (!run->script.path || run->tui.over)
		return;
	if (script_go_on(&run->script, &run->tui, &error) && !error)
		return;
	run->script.path = NULL;
	run->failure = error;
	if (error || run->virtual)
		quit_now(run);
}

static void draw(struct run *run, bool idle)
{
	uint64_t now = now_ms();

	if (!run->tui.changed || (!idle && now - run->drawn_ms < DRAW_MS))
		return;
	tui_draw(&run->tui);
	run->drawn_ms = now_ms();
}

static void loop(struct run *run)
{
	struct tui *tui = &run->tui;
	enum { SIGNALS, KEYS, NOTES, OUTPUT, GUEST, SOURCES };

	while (!tui->over) {
		bool busy = session_dispatch(tui->session);

		busy = terminal_read(&tui->terminal) || busy;
		tui->changed = tui->changed || busy;
		follow_selection(run);
		play(run);
		draw(run, !busy);
		if (tui->over)
			break;

		int wait_ms = ms_to_wait(run);
		struct pollfd sources[SOURCES] = {
		    [SIGNALS] = {.fd = run->signals, .events = POLLIN},
		    [KEYS] = {.fd = run->virtual || wait_ms ? -1 : STDIN_FILENO, .events = POLLIN},
		    [NOTES] = {.fd = tui->notes.wake, .events = POLLIN},
		    [OUTPUT] = {.fd = tui->terminal.readable ? tui->terminal.master : -1, .events = POLLIN},
		    [GUEST] = {.fd = session_fd(tui->session), .events = POLLIN},
		};

		poll(sources, SOURCES, busy || tui->changed ? 0 : wait_ms ? wait_ms : run->script.path ? 1000 : -1);
		if (sources[SIGNALS].revents)
			signals_take(run->signals, tui->session, on_signal, run);
		if (sources[NOTES].revents)
			event_notes_take(&tui->notes, take_line, take_fork, run);
		if (sources[KEYS].revents)
			read_keys(run, sources[KEYS].revents);
	}
}

/* --- ending --- */

static void clean_up(struct run *run)
{
	struct tui *tui = &run->tui;

	session_destroy(tui->session);
	for (size_t i = 0; i < tui->forks.count; i++) {
		stack_unref(tui->forks.items[i].parent_kernel);
		stack_unref(tui->forks.items[i].child_kernel);
	}
	for (size_t i = 0; i < tui->displays.count; i++)
		free(tui->displays.items[i]);
	vector_deinit(&tui->forks);
	vector_deinit(&tui->registers);
	vector_deinit(&tui->displays);
	event_notes_deinit(&tui->notes);
	text_ring_deinit(&tui->log);
	terminal_close(&tui->terminal);
	source_files_destroy(tui->sources);
	script_deinit(&run->script);
	if (run->signals >= 0)
		close(run->signals);
	if (run->input >= 0)
		close(run->input);
	free(run->path);
}

static struct error *check_terminal(const struct run *run)
{
	if (run->virtual || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		return NULL;
	return error_create(ERROR_UNSUPPORTED, 0, NULL,
			    "--interactive needs a terminal on standard input and output (or a script: --keys=FILE)");
}

static bool want_color(const struct options *options)
{
	const char *no_color = getenv("NO_COLOR");

	return options->color == COLOR_AUTO ? !no_color || !*no_color : options->color == COLOR_ALWAYS;
}

/* The program's status where it came to its end by itself. */
static int exit_status(const struct run *run)
{
	int status = session_exit_status(run->tui.session);

	return status < 0 || (run->tui.asked_to_quit && run->tui.killed && status == 128 + SIGKILL) ? EXIT_SUCCESS
												    : status;
}

int tui_run(const struct face_request *request)
{
	struct run *run = memory_alloc(sizeof(*run));
	const struct options *options = request->options;
	struct error *error = NULL;
	int status;

	run->request = request;
	run->signals = run->input = run->tui.notes.wake = -1;
	run->virtual = options->keys && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	error = check_terminal(run);
	if (!error && options->keys)
		error = script_read(&run->script, options->keys);
	if (!error)
		error = start(run);
	if (!error)
		error = screen_open(want_color(options), run->virtual);
	if (!error) {
		loop(run);
		session_end(run->tui.session);
		screen_close();
		error = run->failure;
	}
	status = error ? say_error(error) : exit_status(run);
	clean_up(run);
	free(run);
	return status;
}
