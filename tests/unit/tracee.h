/* A seized child to take real stops from. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_TRACEE_H
#define FORKTRACE_TESTS_UNIT_TRACEE_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Forks a child that calls `run` once it is seized with `options` (PTRACE_O_*), and exits with what run returns. */
static inline pid_t tracee_start(int (*run)(void), long options)
{
	int gate[2];
	char byte = 0;

	assert_int_equal(pipe(gate), 0);

	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the tests, here too */
		close(gate[1]);
		if (read(gate[0], &byte, 1) != 1)
			_exit(99);
		close(gate[0]);
		_exit(run());
	}
	close(gate[0]);
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, (void *)(options | PTRACE_O_EXITKILL)), 0);
	assert_int_equal(write(gate[1], &byte, 1), 1);
	close(gate[1]);
	return pid;
}

/* Waits for the next stop or the end of `pid`. */
static inline int tracee_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) != pid)
		assert_int_equal(errno, EINTR);
	return status;
}

/* Resumes with PTRACE_CONT, PTRACE_SYSCALL or PTRACE_LISTEN, delivering `signal`, and waits. */
static inline int tracee_resume(int request, pid_t pid, int signal)
{
	assert_int_equal(ptrace(request, pid, NULL, (void *)(intptr_t)signal), 0);
	return tracee_wait(pid);
}

/* Ends a child that nothing more is wanted of. */
static inline void tracee_kill(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	do {
		status = tracee_wait(pid);
	} while (!WIFSIGNALED(status) && !WIFEXITED(status));
}

#endif
