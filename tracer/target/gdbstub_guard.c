/* A process that lets a stub's machine go: see gdbstub_guard.h. What runs in it is async-signal-safe, since we may have
 * threads when it is forked (fork(2)). */
#include "target/gdbstub_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GUARD_LIMIT_MS = 30000, REPLY_WAIT_MS = 2000, TRIES_MAX = 5 };

static const char detach[] = "$D#44", done[] = "$OK#9a";

struct peer {
	struct sockaddr_storage address;
	socklen_t size;
};

/* Reads up to the reply that everything was let go; false: it was refused, or none came. */
static bool is_detached(int fd)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	size_t matched = 0;
	char byte;

	while (poll(&polled, 1, REPLY_WAIT_MS) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1) {
		if (byte == '-')
			return false;
		matched = byte == done[matched] ? matched + 1 : byte == done[0];
		if (matched == sizeof(done) - 1)
			return true;
	}
	return false;
}

/* A packet that we had begun to send may be the beginning of the first one that the stub sees now: it is then damaged,
 * and refused. */
static void let_go(const struct peer *peer)
{
	const struct timeval limit = {.tv_sec = GUARD_LIMIT_MS / 1000};
	int fd = socket(peer->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&peer->address, peer->size))
		return;
	for (int i = 0; i < TRIES_MAX; i++) {
		if (send(fd, detach, sizeof(detach) - 1, MSG_NOSIGNAL) < 0 || is_detached(fd))
			break;
	}
	close(fd);
}

static _Noreturn void stand_guard(int pipe, const struct peer *peer)
{
	char byte;
	ssize_t got;

	/* Nobody who waits for the end of what we write waits for the guard. */
	dup2(pipe, 0);
	close_range(1, ~0U, 0);
	setsid();
	prctl(PR_SET_NAME, "forktrace-guard");
	do
		got = read(0, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		let_go(peer);
	_exit(0);
}

struct error *gdbstub_guard_start(int fd, struct gdbstub_guard *guard)
{
	struct peer peer = {.size = sizeof(peer.address)};
	int ends[2];

	if (getpeername(fd, (struct sockaddr *)&peer.address, &peer.size) || pipe2(ends, O_CLOEXEC))
		return error_system(errno, NULL, "the GDB stub's machine cannot be guarded");
	guard->pid = fork();
	if (guard->pid == 0)
		stand_guard(ends[0], &peer);

	int reason = errno;

	close(ends[0]);
	guard->pipe = ends[1];
	if (guard->pid > 0)
		return NULL;
	close(ends[1]);
	*guard = (struct gdbstub_guard){0};
	return error_system(reason, NULL, "the process that guards the GDB stub's machine cannot be started");
}

void gdbstub_guard_end(struct gdbstub_guard *guard, bool let_go)
{
	int status;

	if (!guard->pid)
		return;
	while (let_go && write(guard->pipe, "", 1) < 0 && errno == EINTR)
		;
	close(guard->pipe);
	while (let_go && waitpid(guard->pid, &status, 0) < 0 && errno == EINTR)
		;
	*guard = (struct gdbstub_guard){0};
}
