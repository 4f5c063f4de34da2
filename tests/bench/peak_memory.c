/* For `make bench`: prints the peak resident size of a program, in KiB.
 *
 * usage: peak_memory PROGRAM [ARG...]
 *
 * A process's peak counts what it was before exec too (fs/exec.c, exec_mmap): a small parent keeps that part small. The
 * program's output is thrown away, and its exit status is passed on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EXIT_FAILED = 125,
	EXIT_SIGNAL_BASE = 128, /* a shell's convention for a program that a signal ended */
};

_Noreturn static void run(char **arguments)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	execv(arguments[0], arguments);
	fprintf(stderr, "peak_memory: %s: %s\n", arguments[0], strerror(errno));
	_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;

	if (argc < 2) {
		fputs("usage: peak_memory PROGRAM [ARG...]\n", stderr);
		return EXIT_FAILED;
	}

	pid_t pid = fork();

	if (pid == 0)
		run(argv + 1);
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		fprintf(stderr, "peak_memory: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	printf("%ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status);
}
