/* The command line: what comes out of it, and what each mistake says. */
#include "ui_fixture.h"

#include <sys/wait.h>

#include "ui/options.h"

enum { ARGUMENTS_MAX = 32 };

/* Splits `line` at blanks, as argv. */
static int split(char *line, char *argv[ARGUMENTS_MAX])
{
	int argc = 0;

	for (char *word = strtok(line, " "); word && argc < ARGUMENTS_MAX - 1; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

struct parsed {
	char line[256];
	char *argv[ARGUMENTS_MAX];
	struct options options;
};

static void parse(struct parsed *parsed, const char *line)
{
	snprintf(parsed->line, sizeof(parsed->line), "forktrace %s", line);

	int argc = split(parsed->line, parsed->argv);

	options_parse(argc, parsed->argv, &parsed->options);
}

static void test_defaults(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "ls -l --threads");
	assert_int_equal(parsed.options.kernel, KERNEL_AUTO);
	assert_string_equal(parsed.options.format->name, "text");
	assert_null(parsed.options.output);
	assert_int_equal(parsed.options.attach.count, 0);
	assert_int_equal(parsed.options.unwinder, UNWINDER_AUTO);
	assert_false(parsed.options.threads); /* it stands behind PROGRAM */
	assert_int_equal(parsed.options.follow, FOLLOW_ALL);
	assert_true(parsed.options.seccomp);
	assert_int_equal(parsed.options.max_frames, MAX_FRAMES_DEFAULT);
	assert_int_equal(parsed.options.color, COLOR_AUTO);
	assert_int_equal(parsed.options.verbosity, 0);
	assert_string_equal(parsed.options.command[0], "ls");
	assert_string_equal(parsed.options.command[1], "-l");
	assert_string_equal(parsed.options.command[2], "--threads");
	assert_null(parsed.options.command[3]);
	options_deinit(&parsed.options);
}

static void test_all(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "-k none -f json -o out --unwinder=frame-pointer --threads --follow=first --no-seccomp "
		       "--max-frames=65536 --color=never --inject=clone:error=1 --inject=%fork:delay=2 -vv -- -x");
	assert_int_equal(parsed.options.kernel, KERNEL_NONE);
	assert_string_equal(parsed.options.format->name, "json");
	assert_string_equal(parsed.options.output, "out");
	assert_int_equal(parsed.options.unwinder, UNWINDER_FRAME_POINTER);
	assert_true(parsed.options.threads);
	assert_int_equal(parsed.options.follow, FOLLOW_FIRST);
	assert_false(parsed.options.seccomp);
	assert_int_equal(parsed.options.max_frames, 65536);
	assert_int_equal(parsed.options.color, COLOR_NEVER);
	assert_int_equal(parsed.options.injections.count, 2);
	assert_int_equal(parsed.options.injections.items[0].error_number, 1);
	assert_int_equal(parsed.options.injections.items[1].delay_ns, 2000);
	assert_int_equal(parsed.options.verbosity, 2);
	assert_string_equal(parsed.options.command[0], "-x");
	options_deinit(&parsed.options);
}

static void test_interactive(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "-i --keys=script --source-path=/a:/b prog -i");
	assert_true(parsed.options.interactive);
	assert_string_equal(parsed.options.keys, "script");
	assert_string_equal(parsed.options.source_path, "/a:/b");
	assert_string_equal(parsed.options.command[1], "-i");
	options_deinit(&parsed.options);
	parse(&parsed, "-i -g prog");
	assert_true(parsed.options.interactive);
	assert_int_equal(parsed.options.kernel, KERNEL_GUEST);
	options_deinit(&parsed.options);
	parse(&parsed, "prog -i");
	assert_false(parsed.options.interactive);
	options_deinit(&parsed.options);
}

static void test_from(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "--from=- -f json -o out -vv --color=never");
	assert_string_equal(parsed.options.from, "-");
	assert_null(parsed.options.command);
	assert_int_equal(parsed.options.verbosity, 2);
	options_deinit(&parsed.options);
}

static void test_expectations(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "-e a --expect=b --on fork#2 --on=comm=sh --allow-none -e c prog -e d");
	assert_int_equal(parsed.options.expectations.count, 3);
	assert_string_equal(parsed.options.expectations.items[0].expression, "a");
	assert_int_equal(parsed.options.expectations.items[0].on.count, 0);
	assert_string_equal(parsed.options.expectations.items[1].expression, "b");
	assert_int_equal(parsed.options.expectations.items[1].on.count, 2);
	assert_string_equal(parsed.options.expectations.items[1].on.items[1], "comm=sh");
	assert_int_equal(parsed.options.expectations.items[2].on.count, 0);
	assert_true(parsed.options.allow_none);
	options_deinit(&parsed.options);
	parse(&parsed, "-s check.lua --tap=out prog -s");
	assert_string_equal(parsed.options.script, "check.lua");
	assert_string_equal(parsed.options.tap, "out");
	options_deinit(&parsed.options);
}

static void test_attach(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "-p 12,2147483647 --attach=7 -q --kernel=live");
	assert_int_equal(parsed.options.attach.count, 3);
	assert_int_equal(parsed.options.attach.items[0], 12);
	assert_int_equal(parsed.options.attach.items[1], INT32_MAX);
	assert_int_equal(parsed.options.attach.items[2], 7);
	assert_null(parsed.options.command);
	assert_int_equal(parsed.options.verbosity, -1);
	assert_int_equal(parsed.options.kernel, KERNEL_LIVE);
	options_deinit(&parsed.options);
}

/* Parses in a process of its own, because a mistake ends it. Returns its exit status; `said` gets what it wrote. */
static int parse_apart(const char *line, struct buffer *said)
{
	int fd = memfd_create("said", MFD_CLOEXEC);
	int status;
	pid_t pid = fork();

	assert_true(fd >= 0 && pid >= 0);
	if (pid == 0) {
		struct parsed parsed;

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		parse(&parsed, line);
		options_deinit(&parsed.options);
		fflush(NULL);
		_exit(EXIT_SUCCESS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	buffer_clear(said);
	buffer_append_text(said, "");
	lseek(fd, 0, SEEK_SET);
	assert_null(buffer_read_fd(said, fd));
	close(fd);
	return WEXITSTATUS(status);
}

/* What each mistake says, as a whole. */
static const struct {
	const char *line, *said;
} mistakes[] = {
    {"", "nothing to trace: give a PROGRAM or --attach=PID (forktrace --help tells more)"},
    {"-v", "nothing to trace: give a PROGRAM or --attach=PID (forktrace --help tells more)"},
    {"-p 5 ls", "--attach and PROGRAM exclude one another"},
    {"-p 5 -k guest", "--attach and --kernel=guest exclude one another: the program is started in the guest"},
    {"-p 0", "--attach: '0' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p -4", "--attach: '-4' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p 12x", "--attach: '12x' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p 12,,13", "--attach: '' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p 12,", "--attach: '' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p 2147483648", "--attach: '2147483648' is not valid; allowed: process ids greater than 0, separated by commas"},
    {"-p 99999999999999999999999", "--attach: '99999999999999999999999' is not valid; allowed: process ids greater "
				   "than 0, separated by commas"},
    {"-p 7,8 -p 7", "--attach: process 7 is named twice"},
    {"-k host ls", "--kernel: 'host' is not valid; allowed: auto, live, guest, none"},
    {"-f xml ls", "--format: 'xml' is not valid; allowed: text, json, tree, dot, html, perfetto"},
    {"--output= ls", "--output: '' is not valid; allowed: the path of a file"},
    {"--unwinder=gdb ls", "--unwinder: 'gdb' is not valid; allowed: auto, libdw, libunwind, frame-pointer"},
    {"--follow=one ls", "--follow: 'one' is not valid; allowed: all, first, none"},
    {"--color=red ls", "--color: 'red' is not valid; allowed: auto, always, never"},
    {"--max-frames=0 ls", "--max-frames: '0' is not valid; allowed: a number from 1 to 65536"},
    {"--max-frames=65537 ls", "--max-frames: '65537' is not valid; allowed: a number from 1 to 65536"},
    {"--max-frames=-1 ls", "--max-frames: '-1' is not valid; allowed: a number from 1 to 65536"},
    {"--max-frames=\033[2J ls", "--max-frames: '\\x1b[2J' is not valid; allowed: a number from 1 to 65536"},
    {"--inject=clone:error=EFOO ls",
     "--inject: 'clone:error=EFOO' is not valid at character 13, 'EFOO'; allowed there: the "
     "name of an error, such as EAGAIN, or its number, 1 to 511"},
    {"--inject=\033[2J ls", "--inject: '\\x1b[2J' is not valid at character 1, '\\x1b[2J'; allowed there: fork, vfork, "
			    "clone, clone3 or %fork, separated by commas"},
    {"--inject=clone:error=1 -i ls", "--inject changes calls of programs that run on this machine, unstepped: it goes "
				     "without --interactive (-i), --kernel=guest (-g) and --gdb"},
    {"--keys=k ls", "--keys and --source-path go with --interactive (-i)"},
    {"--source-path=/src ls", "--keys and --source-path go with --interactive (-i)"},
    {"-i --gdb=localhost:1234 --kallsyms=f",
     "--interactive and --gdb exclude one another: programs are stepped here, and in a guest of forktrace's own (-g)"},
    {"-i", "nothing to trace: give a PROGRAM or --attach=PID (forktrace --help tells more)"},
    {"--from=", "--from: '' is not valid; allowed: the path of a file, or - for standard input"},
    {"--from=r ls", "--from traces nothing: it goes without PROGRAM, --attach and --gdb"},
    {"--from=r -p 5", "--from traces nothing: it goes without PROGRAM, --attach and --gdb"},
    {"--from=r -i", "--from traces nothing: there is nothing to step through (-i)"},
    {"--from=r --max-frames=3",
     "--from traces nothing: it goes without the options that say how (--kernel, --guest..., --follow, --threads, "
     "--no-seccomp, --unwinder, --max-frames, --kallsyms, --inject)"},
    {"-q -v ls", "--quiet and --verbose exclude one another"},
    {"-v -q ls", "--quiet and --verbose exclude one another"},
};

static void test_mistakes(void **state)
{
	struct buffer said = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		_cleanup_free_ char *expected = NULL;

		assert_true(asprintf(&expected, "forktrace: %s\n", mistakes[i].said) > 0);
		assert_int_equal(parse_apart(mistakes[i].line, &said), EXIT_FORKTRACE);
		assert_string_equal(said.data, expected);
	}
	buffer_deinit(&said);
}

static void test_unknown_option(void **state)
{
	struct buffer said = {0};

	(void)state;
	assert_int_equal(parse_apart("--frobnicate ls", &said), EXIT_FORKTRACE);
	assert_non_null(strstr(said.data, "--frobnicate"));
	assert_int_equal(parse_apart("-o", &said), EXIT_FORKTRACE);
	assert_non_null(strstr(said.data, "requires an argument"));
	buffer_deinit(&said);
}

static void test_information(void **state)
{
	static const char *const libraries[] = {
	    ("forktrace " FORKTRACE_VERSION), "libdw ", "libunwind ", "libseccomp ", "jansson ", "Lua "};
	static const char *const options[] = {
	    "--attach",     "--kernel", "--format",      "--output", "--unwinder",    "--threads", "--follow",
	    "--color",      "--quiet",  "--verbose",     "--usage",  "--no-seccomp",  "--help",    "--version",
	    "--max-frames", "--stages", "--interactive", "--keys",   "--source-path", "--expect",  "--on",
	    "--allow-none", "--from",   "--inject",      "--script", "--tap"};
	struct buffer said = {0};

	(void)state;
	assert_int_equal(parse_apart("--version", &said), 0);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		assert_non_null(strstr(said.data, libraries[i]));
	assert_int_equal(parse_apart("--help", &said), 0);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_non_null(strstr(said.data, options[i]));
	assert_int_equal(parse_apart("--usage", &said), 0);
	assert_int_equal(parse_apart("--stages", &said), 0);
	assert_non_null(strstr(said.data, "11  return-parent"));
	buffer_deinit(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),     cmocka_unit_test(test_all),
	    cmocka_unit_test(test_attach),       cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_interactive),  cmocka_unit_test(test_unknown_option),
	    cmocka_unit_test(test_information),  cmocka_unit_test(test_from),
	    cmocka_unit_test(test_expectations),
	};

	setlocale(LC_ALL, "C");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
