/* What the tests of the guest share: a scratch directory with a cache and a program, and a way to run a guest.
 *
 * FORKTRACE_GUEST_KERNEL names a kernel (an i386 bzImage); without it the tests that need one are skipped. With
 * FORKTRACE_GUEST_TIMES set they tell how long things took. The machine is let run by the stub's own words: the stub's
 * client has tests of its own. */
#ifndef TESTS_UNIT_GUEST_FIXTURE_H
#define TESTS_UNIT_GUEST_FIXTURE_H

#include "kernel/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "skipping.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "kernel/guest_protocol.h"
#include "kernel/guest_state.h"
#include "kernel/initramfs.h"

enum { START_MS = 60000, RUN_MS = 30000 };

static const char qemu[] = "/usr/bin/qemu-system-i386";
static const char static_fork[] = "build/targets/i386/variants/test_fork.static";
static const char dynamic_fork[] = "build/targets/i386/test_fork";

static char scratch[] = "/tmp/guest_test.XXXXXX";
static char cache[64], echo[64];
static const char *kernel;

/* Answers each line of its input; tells its last argument, its environment, and whether it could make a file where it
 * is. "daemon": leaves a process that speaks when its input ends. "much": prints two megabytes. */
static const char echo_source[] =
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <unistd.h>\n"
    "int main(int argc, char **argv)\n"
    "{\n"
    "	char line[256];\n"
    "	FILE *here = fopen(\"here\", \"w\");\n"
    "	fprintf(stderr, \"%s %s %s\\n\", argv[argc - 1], getenv(\"KEY\"), here ? \"made\" : \"not\");\n"
    "	if (!strcmp(argv[argc - 1], \"daemon\") && !fork()) {\n"
    "		while (fgets(line, sizeof(line), stdin))\n"
    "			;\n"
    "		puts(\"late\");\n"
    "		return 0;\n"
    "	}\n"
    "	for (int i = 0; !strcmp(argv[argc - 1], \"much\") && i < 1 << 15; i++)\n"
    "		printf(\"%063d\\n\", i);\n"
    "	while (strcmp(argv[argc - 1], \"daemon\") && fgets(line, sizeof(line), stdin))\n"
    "		fputs(line, stdout);\n"
    "	return 23;\n"
    "}\n";

static inline void write_log(void *context, enum log_level level, const char *message)
{
	(void)level;
	buffer_append_text(context, message);
	buffer_append_text(context, "\n");
}

static inline struct guest_options options_with(const char *directory)
{
	return (struct guest_options){.qemu = qemu, .kernel = kernel, .cache = directory};
}

/* `files` starts as {0} and is the caller's. */
static inline int payload_with(struct guest_files *files, const char *program, char *argument)
{
	_cleanup_free_ char *path = realpath(program, NULL);
	char name[] = "program", key[] = "KEY=value";
	char *arguments[] = {name, argument, NULL}, *environment[] = {key, NULL};
	int fd = -1;

	assert_non_null(path);
	assert_null(guest_files_of_program(path, NULL, files));
	assert_null(payload_create(files, path, "/some/where", arguments, environment, &fd));
	return fd;
}

static inline int payload_of(const char *program, char *argument)
{
	_cleanup_(guest_files_deinit) struct guest_files files = {0};

	return payload_with(&files, program, argument);
}

static inline int64_t microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Prints how long something took; for whoever measures. */
static inline void tell(const char *what, int64_t begin)
{
	if (getenv("FORKTRACE_GUEST_TIMES"))
		fprintf(stderr, "# %s: %.1f ms\n", what, (double)(microseconds() - begin) / 1000);
}

static inline struct guest *start(const struct guest_options *options, int payload)
{
	struct buffer text = {0};
	struct log log = {write_log, &text};
	struct guest *guest = NULL;
	int64_t begin = microseconds();
	struct error *error = guest_start(options, payload, START_MS, NULL, NULL, &log, &guest);

	tell(guest && guest_from_snapshot(guest) ? "warm to READY" : "cold to READY", begin);
	if (error)
		fail_msg("%s\n%s", error->message, text.data ? text.data : "");
	buffer_deinit(&text);
	return guest;
}

/* What a run brought. */
struct outcome {
	struct buffer out, error;
	uint32_t pid, status, exec_errno, credit;
	size_t out_at_exit;
	bool exited, done;
	bool input_waits; /* set by the test: no input, nor its end, is given before the program has exited */
};

static inline void outcome_deinit(struct outcome *outcome)
{
	buffer_deinit(&outcome->out);
	buffer_deinit(&outcome->error);
}

static inline void go(struct guest *guest)
{
	static const char resume[] = "+$c#63";

	assert_null(guest_go(guest));
	assert_int_equal(send(guest_stub_fd(guest), resume, strlen(resume), 0), strlen(resume));
}

static inline void take(struct outcome *outcome, const struct guest_message *message)
{
	switch (message->type) {
	case GUEST_STARTED:
		outcome->pid = message->number;
		break;
	case GUEST_OUTPUT:
		buffer_append(&outcome->out, message->bytes, message->size);
		break;
	case GUEST_ERROR:
		buffer_append(&outcome->error, message->bytes, message->size);
		break;
	case GUEST_NOEXEC:
		outcome->exec_errno = message->number;
		break;
	case GUEST_CREDIT:
		outcome->credit += message->number;
		break;
	case GUEST_EXIT:
		outcome->status = message->number;
		outcome->exited = true;
		outcome->out_at_exit = outcome->out.size;
		break;
	case GUEST_DONE:
		outcome->done = true;
		break;
	default:
		fail_msg("message %c", message->type);
	}
}

static inline void wait_readable(const struct guest *guest)
{
	struct pollfd polled[GUEST_POLL_MAX];
	int fds[GUEST_POLL_MAX];
	size_t count;

	guest_poll_fds(guest, fds, &count);
	for (size_t i = 0; i < count; i++)
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	assert_true(poll(polled, count, RUN_MS) > 0);
}

/* Takes all up to DONE, giving all the input there is as credit allows. */
static inline struct error *run_on(struct guest *guest, const char *input, size_t size, struct outcome *outcome)
{
	int64_t begin = microseconds();
	bool input_ended = false, started = false;

	while (!outcome->done) {
		struct guest_message message;
		bool any;
		struct error *error = guest_receive(guest, &message, &any);

		if (error)
			return error;
		if (any)
			take(outcome, &message);
		else
			wait_readable(guest);
		if (outcome->pid && !started)
			tell("GO to STARTED", begin);
		started = outcome->pid;

		size_t part = size < outcome->credit ? size : outcome->credit;

		if (outcome->input_waits && !outcome->exited)
			continue;
		if (part || (!size && outcome->credit && !input_ended)) {
			assert_null(guest_send_input(guest, input, part));
			input_ended = !part;
			input += part;
			size -= part;
			outcome->credit -= (uint32_t)part;
		}
	}
	tell("GO to DONE", begin);
	return NULL;
}

static inline struct error *run(struct guest *guest, const char *input, size_t size, struct outcome *outcome)
{
	go(guest);
	return run_on(guest, input, size, outcome);
}

static inline void run_well(struct guest *guest, const char *input, size_t size, struct outcome *outcome)
{
	struct error *error = run(guest, input, size, outcome);

	if (error)
		fail_msg("%s", error->message);
}

static inline void run_fork(struct guest *guest)
{
	_cleanup_(outcome_deinit) struct outcome outcome = {0};

	run_well(guest, NULL, 0, &outcome);
	assert_true(outcome.pid > 1);
	assert_true(outcome.exited);
	assert_int_equal(outcome.status, 0);
	assert_non_null(outcome.out.data);
	assert_non_null(strstr(outcome.out.data, "expect total forks=1 threads=0 failed=0\n"));
}

static inline void need_kernel(void)
{
	if (!kernel)
		skip_because("FORKTRACE_GUEST_KERNEL names no kernel");
}

static inline int set_up(void **state)
{
	char command[128];

	(void)state;
	kernel = getenv("FORKTRACE_GUEST_KERNEL");
	if (!mkdtemp(scratch))
		return -1;
	snprintf(cache, sizeof(cache), "%s/a/cache", scratch);
	snprintf(echo, sizeof(echo), "%s/echo", scratch);
	snprintf(command, sizeof(command), "cc -m32 -static -xc -o %s -", echo);

	FILE *compiler = popen(command, "w");

	return !compiler || fputs(echo_source, compiler) < 0 || pclose(compiler) ? -1 : 0;
}

static inline int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", scratch);

	FILE *shell = popen(command, "r");

	return shell ? pclose(shell) : -1;
}

#endif
