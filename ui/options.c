/* The command line: see options.h. */
#include "ui/options.h"

#include <argp.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <jansson.h>
#include <libunwind.h>
#include <limits.h>
#include <lua.h>
#include <seccomp.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/report/report.h"
#include "ui/stages.h"

enum {
	KEY_UNWINDER = 0x100, /* beyond every character: long options alone */
	KEY_THREADS,
	KEY_FOLLOW,
	KEY_NO_SECCOMP,
	KEY_MAX_FRAMES,
	KEY_COLOR,
	KEY_STAGES,
	KEY_KEYS,
	KEY_SOURCE_PATH,
	KEY_FROM,
	KEY_ON,
	KEY_ALLOW_NONE,
	KEY_INJECT,
	KEY_TAP,
};

static const struct argp_option option_table[] = {
    {"attach", 'p', "PID[,PID...]", 0, "Attach to running processes instead of starting PROGRAM (repeatable)", 1},
    {"kernel", 'k', "SOURCE", 0,
     "Where the kernel half comes from: auto (default: live where permitted), live, guest or none", 1},
    {"guest", 'g', NULL, 0, "The same as --kernel=guest", 1},
    {"follow", KEY_FOLLOW, "WHOM", 0,
     "Which children are traced on: all (default), first (the program's own, not theirs) or none", 1},
    {"threads", KEY_THREADS, NULL, 0, "Record the creation of threads too (default: they are counted)", 1},
    {"no-seccomp", KEY_NO_SECCOMP, NULL, 0, "Stop on every system call instead of installing a seccomp filter", 1},
    {"inject", KEY_INJECT, "CALLS:WHAT[:when=N]", 0,
     "Let calls of the fork family fail or wait: clone:error=EAGAIN:when=3, %fork:delay=10ms (repeatable)", 1},
    {"unwinder", KEY_UNWINDER, "METHOD", 0,
     "How user stacks are unwound: auto (default), libdw, libunwind or frame-pointer", 2},
    {"max-frames", KEY_MAX_FRAMES, "N", 0, "Frames a stack at most (default: 256)", 2},
    {"interactive", 'i', NULL, 0, "Step through PROGRAM and what it forks, on the whole terminal", 4},
    {"keys", KEY_KEYS, "FILE", 0, "With --interactive: type the keys of FILE first", 4},
    {"source-path", KEY_SOURCE_PATH, "DIR[:DIR...]", 0, "With --interactive: look for source files there too", 4},
    {NULL, 0, NULL, 0, "Checking: the exit status tells whether what is expected holds:", 6},
    {"expect", 'e', "EXPRESSION", 0, "This must hold for every fork: a Lua expression over its record (repeatable)", 6},
    {"on", KEY_ON, "WHICH", 0,
     "Limits the --expect before it: fork#N, failed, KEY=VALUE (comm=sh), separated by commas", 6},
    {"allow-none", KEY_ALLOW_NONE, NULL, 0, "An --expect that no fork matched is no failure", 6},
    {"script", 's', "FILE", 0, "Test with a Lua script, which is trusted; its results (TAP) go to standard output", 6},
    {"tap", KEY_TAP, "FILE", 0, "With --script: write its results to FILE, and leave the program's output alone", 6},
    {"format", 'f', "FORMAT", 0,
     "Format of the report: text (default), json (JSON Lines), tree (of the processes), dot (for Graphviz), html (a "
     "page "
     "for a browser) or perfetto (a timeline for viewers)",
     3},
    {"output", 'o', "FILE", 0, "Write the report to FILE (default: standard error; with --from standard output)", 3},
    {"from", KEY_FROM, "FILE", 0,
     "Report what FILE, written with --format=json, holds (-: standard input) instead of tracing anything", 3},
    {"color", KEY_COLOR, "WHEN", 0, "Colours: auto (default: on a terminal), always or never", 3},
    {"quiet", 'q', NULL, 0, "Report errors, failed forks and the totals alone", 3},
    {"verbose", 'v', NULL, 0, "Report every event; twice: addresses and methods of all frames too", 3},
    {"stages", KEY_STAGES, NULL, 0, "Explain the stages of a fork in the kernel, and stop", -1},
    {0},
};
_Static_assert(MAX_FRAMES_DEFAULT == 256, "the help text names the default");

static const char documentation[] =
    "Shows every fork of PROGRAM as one record: both processes' stacks, the kernel's stack beneath them, and the "
    "value that the call returned in each."
    "\vforktrace exits with PROGRAM's exit status (128 + N where signal N killed it; 0 with --attach and --gdb), 125 "
    "when "
    "forktrace itself fails or is misused, 126 when PROGRAM cannot be run, 127 when it is not found.";

static const char *const kernel_words[] = {
    [KERNEL_AUTO] = "auto", [KERNEL_LIVE] = "live", [KERNEL_GUEST] = "guest", [KERNEL_NONE] = "none", NULL};
static const char *const follow_words[] = {
    [FOLLOW_ALL] = "all", [FOLLOW_FIRST] = "first", [FOLLOW_NONE] = "none", NULL};
static const char *const color_words[] = {
    [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL};
static const char *const unwinder_words[] = {[UNWINDER_AUTO] = "auto",
					     [UNWINDER_LIBDW] = "libdw",
					     [UNWINDER_LIBUNWIND] = "libunwind",
					     [UNWINDER_FRAME_POINTER] = "frame-pointer",
					     NULL};

/* Ends forktrace with the sentence that every wrong value gets. */
static _Noreturn void value_refuse(const struct argp_state *state, const char *option, const char *value,
				   const char *allowed)
{
	_cleanup_(buffer_deinit) struct buffer safe = {0};

	buffer_append_text(&safe, "");
	escape_append(&safe, value);
	argp_failure(state, EXIT_FORKTRACE, 0, "--%s: '%s' is not valid; allowed: %s", option, safe.data, allowed);
	abort(); /* argp_failure does not return for a status other than 0 */
}

/* The index of `value` in `words`. */
static int word_parse(const struct argp_state *state, const char *option, const char *value, const char *const *words)
{
	_cleanup_(buffer_deinit) struct buffer allowed = {0};

	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], value))
			return i;
		buffer_printf(&allowed, "%s%s", i ? ", " : "", words[i]);
	}
	value_refuse(state, option, value, allowed.data);
}

/* A number of decimal digits alone, of `size` bytes, from 1 to `limit`; 0 where it is none. */
static unsigned long number_parse(const char *text, size_t size, unsigned long limit)
{
	unsigned long number = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		number = number * 10 + (unsigned long)(text[i] - '0');
		if (number > limit)
			return 0;
	}
	return number;
}

static void attach_parse(const struct argp_state *state, struct options *options, const char *list)
{
	for (const char *item = list;; item++) {
		size_t size = strcspn(item, ",");
		pid_t pid = (pid_t)number_parse(item, size, INT_MAX);
		_cleanup_free_ char *text = memory_strndup(item, size);

		if (pid == 0)
			value_refuse(state, "attach", text, "process ids greater than 0, separated by commas");
		for (size_t i = 0; i < options->attach.count; i++) {
			if (options->attach.items[i] == pid)
				argp_failure(state, EXIT_FORKTRACE, 0, "--attach: process %d is named twice", pid);
		}
		vector_push(&options->attach, pid);
		item += size;
		if (*item == '\0')
			return;
	}
}

static void inject_parse(const struct argp_state *state, struct options *options, const char *text)
{
	_cleanup_(buffer_deinit) struct buffer whole = {0}, wrong = {0};
	struct injection_mistake mistake;
	struct injection injection;

	if (injection_parse(text, &injection, &mistake)) {
		vector_push(&options->injections, injection);
		return;
	}

	_cleanup_free_ char *part = memory_strndup(text + mistake.position, mistake.size);

	buffer_append_text(&whole, "");
	escape_append(&whole, text);
	buffer_append_text(&wrong, "");
	escape_append(&wrong, part);
	argp_failure(state, EXIT_FORKTRACE, 0, "--inject: '%s' is not valid at character %zu%s%s%s; allowed there: %s",
		     whole.data, mistake.position + 1, mistake.size ? ", '" : "", wrong.data, mistake.size ? "'" : "",
		     mistake.allowed);
}

static void format_parse(const struct argp_state *state, struct options *options, const char *name)
{
	_cleanup_(buffer_deinit) struct buffer allowed = {0};

	options->format = report_format_find(name);
	if (options->format)
		return;
	for (size_t i = 0; report_formats[i].name; i++)
		buffer_printf(&allowed, "%s%s", i ? ", " : "", report_formats[i].name);
	value_refuse(state, "format", name, allowed.data);
}

static void max_frames_parse(const struct argp_state *state, struct options *options, const char *text)
{
	options->max_frames = number_parse(text, strlen(text), MAX_FRAMES_LIMIT);
	if (options->max_frames == 0)
		value_refuse(state, "max-frames", text, "a number from 1 to 65536");
}
_Static_assert(MAX_FRAMES_LIMIT == 65536, "the error names the limit");

static void verbosity_change(const struct argp_state *state, struct options *options, int change)
{
	if (options->verbosity * change < 0)
		argp_failure(state, EXIT_FORKTRACE, 0, "--quiet and --verbose exclude one another");
	options->verbosity = change < 0 ? change : options->verbosity + change;
}

/* A guest of somebody else's: what there is to choose is chosen already. */
static void stub_check(const struct argp_state *state, const struct options *options)
{
	if (!options->guest.kallsyms)
		argp_failure(
		    state, EXIT_FORKTRACE, 0,
		    "--gdb needs the kernel's symbols, --kallsyms=FILE: save them in the guest, as root, with: "
		    "cat /proc/kallsyms >FILE");
	if (options->command)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--gdb and PROGRAM exclude one another: every fork in the guest is recorded");
	if (options->attach.count > 0)
		argp_failure(state, EXIT_FORKTRACE, 0, "--gdb and --attach exclude one another");
	if (options->kernel != KERNEL_AUTO || options->guest.given)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--gdb goes without --kernel (-k, -g) and the --guest- options, but for --guest-file: the "
			     "guest runs already");
	if (options->follow != FOLLOW_ALL)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--gdb and --follow exclude one another: every fork in the guest is recorded");
}

/* A saved record: nothing is traced, so nothing is to be said of how. */
static void from_check(const struct argp_state *state, const struct options *options)
{
	if (options->command || options->attach.count > 0 || options->guest.stub)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--from traces nothing: it goes without PROGRAM, --attach and --gdb");
	if (options->interactive || options->keys || options->source_path)
		argp_failure(state, EXIT_FORKTRACE, 0, "--from traces nothing: there is nothing to step through (-i)");
	if (options->script)
		argp_failure(state, EXIT_FORKTRACE, 0, "--from traces nothing: it goes without --script (-s)");
	if (options->tracing || options->guest.given || options->guest.files.count > 0 || options->guest.kallsyms)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--from traces nothing: it goes without the options that say how (--kernel, --guest..., "
			     "--follow, --threads, --no-seccomp, --unwinder, --max-frames, --kallsyms, --inject)");
}

static void on_parse(const struct argp_state *state, struct options *options, const char *which)
{
	if (!options->expectations.count)
		argp_failure(state, EXIT_FORKTRACE, 0, "--on stands behind the --expect (-e) that it limits");
	else
		vector_push(&options->expectations.items[options->expectations.count - 1].on, which);
}

static void expectations_check(const struct argp_state *state, const struct options *options)
{
	if (!options->expectations.count) {
		if (options->allow_none)
			argp_failure(state, EXIT_FORKTRACE, 0, "--allow-none goes with --expect (-e)");
		return;
	}
	if (options->interactive)
		argp_failure(state, EXIT_FORKTRACE, 0, "--interactive and --expect exclude one another");
	if (options->format != &report_formats[0] && !options->output)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "with --expect, --format needs --output=FILE: standard error tells what did not hold");
}

static void script_check(const struct argp_state *state, const struct options *options)
{
	if (!options->script) {
		if (options->tap)
			argp_failure(state, EXIT_FORKTRACE, 0, "--tap goes with --script (-s)");
		return;
	}
	if (options->interactive)
		argp_failure(state, EXIT_FORKTRACE, 0, "--interactive and --script exclude one another");
	if (options->expectations.count)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--expect and --script exclude one another: a script can test the same");
	if (options->follow != FOLLOW_ALL)
		argp_failure(state, EXIT_FORKTRACE, 0, "--script and --follow exclude one another: it sees all");
	if (options->format != &report_formats[0] && !options->output)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "with --script, --format needs --output=FILE: no report is written else");
}

/* After the last option: is there something to trace, and one thing alone? */
static void subject_check(const struct argp_state *state, const struct options *options)
{
	if (options->guest.fetch)
		return;
	expectations_check(state, options);
	script_check(state, options);
	if (options->from) {
		from_check(state, options);
		return;
	}
	if (options->interactive && options->guest.stub)
		argp_failure(
		    state, EXIT_FORKTRACE, 0,
		    "--interactive and --gdb exclude one another: programs are stepped here, and in a guest of "
		    "forktrace's own (-g)");
	if (options->injections.count > 0 &&
	    (options->interactive || options->guest.stub || options->kernel == KERNEL_GUEST))
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--inject changes calls of programs that run on this machine, unstepped: it goes without "
			     "--interactive (-i), --kernel=guest (-g) and --gdb");
	if (options->guest.stub) {
		stub_check(state, options);
		return;
	}
	if (options->guest.kallsyms)
		argp_failure(state, EXIT_FORKTRACE, 0, "--kallsyms goes with --gdb");
	if (options->kernel == KERNEL_GUEST && options->attach.count > 0)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "--attach and --kernel=guest exclude one another: the program is started in the guest");
	if ((options->keys || options->source_path) && !options->interactive)
		argp_failure(state, EXIT_FORKTRACE, 0, "--keys and --source-path go with --interactive (-i)");
	if ((options->guest.given || options->guest.files.count) && options->kernel != KERNEL_GUEST)
		argp_failure(state, EXIT_FORKTRACE, 0, "the --guest- options go with --kernel=guest (-g)");
	if (options->command && options->attach.count > 0)
		argp_failure(state, EXIT_FORKTRACE, 0, "--attach and PROGRAM exclude one another");
	if (!options->command && options->attach.count == 0)
		argp_failure(state, EXIT_FORKTRACE, 0,
			     "nothing to trace: give a PROGRAM or --attach=PID (forktrace --help tells more)");
}

static bool is_about_tracing(int key)
{
	return key == 'k' || key == 'g' || key == KEY_FOLLOW || key == KEY_THREADS || key == KEY_NO_SECCOMP ||
	       key == KEY_UNWINDER || key == KEY_MAX_FRAMES || key == KEY_INJECT;
}

static error_t option_parse(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	options->tracing |= is_about_tracing(key);
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->guest;
		return 0;
	case 'g':
		options->kernel = KERNEL_GUEST;
		return 0;
	case 'k':
		options->kernel = (enum kernel_choice)word_parse(state, "kernel", value, kernel_words);
		return 0;
	case 'f':
		format_parse(state, options, value);
		return 0;
	case 'o':
		if (*value == '\0')
			value_refuse(state, "output", value, "the path of a file");
		options->output = value;
		return 0;
	case KEY_FROM:
		if (*value == '\0')
			value_refuse(state, "from", value, "the path of a file, or - for standard input");
		options->from = value;
		return 0;
	case 'p':
		attach_parse(state, options, value);
		return 0;
	case 'q':
		verbosity_change(state, options, -1);
		return 0;
	case 'v':
		verbosity_change(state, options, 1);
		return 0;
	case KEY_UNWINDER:
		options->unwinder = (enum unwinder_kind)word_parse(state, "unwinder", value, unwinder_words);
		return 0;
	case KEY_THREADS:
		options->threads = true;
		return 0;
	case KEY_FOLLOW:
		options->follow = (enum follow)word_parse(state, "follow", value, follow_words);
		return 0;
	case KEY_NO_SECCOMP:
		options->seccomp = false;
		return 0;
	case KEY_MAX_FRAMES:
		max_frames_parse(state, options, value);
		return 0;
	case KEY_COLOR:
		options->color = (enum color_choice)word_parse(state, "color", value, color_words);
		return 0;
	case 'i':
		options->interactive = true;
		return 0;
	case KEY_KEYS:
		options->keys = value;
		return 0;
	case KEY_SOURCE_PATH:
		options->source_path = value;
		return 0;
	case 'e':
		vector_push(&options->expectations, (struct expectation_words){.expression = value});
		return 0;
	case KEY_ON:
		on_parse(state, options, value);
		return 0;
	case KEY_ALLOW_NONE:
		options->allow_none = true;
		return 0;
	case KEY_INJECT:
		inject_parse(state, options, value);
		return 0;
	case 's':
		options->script = value;
		return 0;
	case KEY_TAP:
		options->tap = value;
		return 0;
	case KEY_STAGES:
		if (!stages_print(state->out_stream))
			argp_failure(state, EXIT_FORKTRACE, errno, "the stages cannot be written");
		exit(EXIT_SUCCESS);
	case ARGP_KEY_ARG: /* PROGRAM: all that follows is its own */
		options->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_SUCCESS:
		subject_check(state, options);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void version_print(FILE *stream, struct argp_state *state)
{
	const struct scmp_version *seccomp = seccomp_version();

	(void)state;
	fprintf(stream, "forktrace %s\n", FORKTRACE_VERSION);
	fprintf(stream, "libdw %s, libunwind %d.%d, libseccomp %u.%u.%u, jansson %s, %s\n", dwfl_version(NULL),
		UNW_VERSION_MAJOR, UNW_VERSION_MINOR, seccomp->major, seccomp->minor, seccomp->micro,
		jansson_version_str(), LUA_RELEASE);
}

void options_parse(int argc, char **argv, struct options *options)
{
	static const struct argp_child children[] = {{.argp = &guest_argp}, {0}};
	static const struct argp parser = {
	    .children = children,
	    .options = option_table,
	    .parser = option_parse,
	    .args_doc =
		"[--] PROGRAM [ARG...]\n--attach=PID[,PID...]\n--gdb=SOCKET|HOST:PORT --kallsyms=FILE\n--from=FILE",
	    .doc = documentation,
	};

	*options = (struct options){.format = &report_formats[0], .seccomp = true, .max_frames = MAX_FRAMES_DEFAULT};
	argp_program_version_hook = version_print;
	argp_err_exit_status = EXIT_FORKTRACE;

	error_t failure = argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, options);

	if (failure != 0) {
		fprintf(stderr, "forktrace: the command line could not be parsed: %s\n", strerror(failure));
		exit(EXIT_FORKTRACE);
	}
}

void options_deinit(struct options *options)
{
	vector_deinit(&options->attach);
	expectation_words_deinit(&options->expectations);
	vector_deinit(&options->injections);
	guest_choices_deinit(&options->guest);
}
