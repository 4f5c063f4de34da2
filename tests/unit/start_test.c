/* What a started program gets as its standard input, output and error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/start.h"

/* Lets the program run to its end, all its signals delivered; returns its wait status. */
static int run_to_end(pid_t pid)
{
	int status;

	for (;;) {
		assert_int_equal(waitpid(pid, &status, __WALL), pid);
		if (!WIFSTOPPED(status))
			return status;
		/* An event of ptrace's is no signal. */
		ptrace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
}

static void start_shell(const char *script, const int standard[3])
{
	char shell[] = "sh", option[] = "-c", text[200];
	char *arguments[] = {shell, option, text, NULL};
	sigset_t none;
	pid_t pid;
	bool no_new_privs;
	struct start_request request = {.path = "/bin/sh",
					.arguments = arguments,
					.environment = environ,
					.signal_mask = &none,
					.redirect = true,
					.standard = {standard[0], standard[1], standard[2]}};

	strcpy(text, script);
	sigemptyset(&none);
	assert_null(start_program(&request, &pid, &no_new_privs));
	assert_int_equal(run_to_end(pid), 0);
}

static void expect_text(int fd, const char *expected)
{
	char text[200];
	ssize_t size = read(fd, text, sizeof(text) - 1);

	assert_true(size >= 0);
	text[size] = '\0';
	assert_string_equal(text, expected);
}

static void test_each_of_the_three(void **state)
{
	int input[2], output[2], error[2];

	(void)state;
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	assert_int_equal(pipe2(error, O_CLOEXEC), 0);
	assert_int_equal(write(input[1], "word\n", 5), 5);
	start_shell("read word; echo out $word; echo err >&2", (int[]){input[0], output[1], error[1]});
	expect_text(output[0], "out word\n");
	expect_text(error[0], "err\n");
	for (int i = 0; i < 2; i++) {
		close(input[i]);
		close(output[i]);
		close(error[i]);
	}
}

/* One terminal for all three, which is not the program's controlling one: it stays in its session. */
static void test_a_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	(void)state;
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	/* No command that forks: nobody would let the child go on. */
	start_shell("test -t 0 && test -t 1 && test -t 2 && read -r _ _ _ _ _ session _ </proc/$$/stat && "
		    "test $session != $$ && echo ours",
		    (int[]){slave, slave, slave});
	expect_text(master, "ours\r\n");
	close(slave);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_of_the_three),
	    cmocka_unit_test(test_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
