/* A client of the GDB remote protocol and a real peer, a child of the test. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_GDBSTUB_REAL_H
#define FORKTRACE_TESTS_UNIT_GDBSTUB_REAL_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/gdbstub.h"
#include "target/gdbstub_internal.h"
#include "tests/unit/skipping.h"
#include "tests/unit/slow_machine.h"

enum { TIMEOUT_MS = 30000 };

struct peer {
	pid_t pid;
	int fd;
	struct gdbstub *stub;
};

static inline bool is_installed(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return system(command) == 0;
}

static inline void start(struct peer *peer, char *const *arguments, int theirs)
{
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		int quiet = open("/dev/null", O_WRONLY);

		dup2(quiet, 2);
		if (!strcmp(arguments[0], "gdbserver")) {
			dup2(theirs, 0);
			dup2(theirs, 1);
		}
		execvp(arguments[0], arguments);
		_exit(127);
	}
	close(theirs);
}

static inline void no_error(struct error *error)
{
	if (error)
		print_error("%s\n", error->message);
	assert_null(error);
}

/* An i386 machine at its reset, standing. Ends the test where there is no QEMU. */
static inline void start_qemu(struct peer *peer)
{
	int pair[2];
	char chardev[64];
	char *arguments[] = {"qemu-system-i386", "-accel", "tcg",  "-display",  "none", "-nodefaults", "-S",
			     "-chardev",         chardev,  "-gdb", "chardev:g", NULL};

	if (!is_installed("qemu-system-i386"))
		skip_because("qemu-system-i386 is not installed");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFD, FD_CLOEXEC), 0);
	snprintf(chardev, sizeof(chardev), "socket,id=g,fd=%d", pair[1]);
	peer->fd = pair[0];
	start(peer, arguments, pair[1]);
	no_error(gdbstub_create(peer->fd, &(struct log){0}, &peer->stub));
}

/* Closing the connection ends gdbserver and its program; QEMU does not mind. */
static inline void end(struct peer *peer)
{
	int status;

	gdbstub_destroy(peer->stub);
	close(peer->fd);
	kill(peer->pid, SIGTERM);
	while (waitpid(peer->pid, &status, 0) != peer->pid)
		assert_int_equal(errno, EINTR);
}

static inline void wait_stop(struct peer *peer, struct gdbstub_stop *stop)
{
	no_error(gdbstub_wait(peer->stub, with_patience(TIMEOUT_MS), stop));
}

static inline void resume_to_stop(struct peer *peer, struct gdbstub_stop *stop)
{
	no_error(gdbstub_resume(peer->stub));
	wait_stop(peer, stop);
}

static inline uint64_t pc_of(struct peer *peer)
{
	struct registers registers;

	no_error(gdbstub_registers(peer->stub, &registers));
	return registers_pc(&registers);
}

#endif
