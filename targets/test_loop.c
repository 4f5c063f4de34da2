/* For attaching: says `ready`, then forks for each byte that it reads and for each SIGUSR1, until the end of file or
 * SIGTERM. `test_loop threads`: three idle threads, made before `ready`, stand by. */
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

#include "expect.h"

enum { IDLE_THREADS = 3 };

static KEEP_FRAME pid_t fork_once(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

static KEEP_FRAME void serve_request(void)
{
	struct seen *seen = seen_new(1);
	pid_t pid = fork_once(seen);
	expect_libc_fork(pid, seen, "fork_once,serve_request,main");
	expect_reap(pid);
	munmap(seen, sizeof(*seen));
	alarm(expect_patience(EXPECT_LIFETIME_S));
}

static void *idle_thread(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return NULL;
}

/* SIGUSR1 and SIGTERM arrive as data; the threads inherit the mask. */
static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Returns false at the end. */
static bool serve_signal(int signals)
{
	struct signalfd_siginfo info;
	if (!CHECK(read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) || info.ssi_signo == SIGTERM)
		return false;
	serve_request();
	return true;
}

static bool serve_byte(void)
{
	char byte;
	if (read(STDIN_FILENO, &byte, 1) != 1)
		return false;
	serve_request();
	return true;
}

int main(int count, char **arguments)
{
	expect_begin();
	struct pollfd sources[] = {{.fd = open_signals(), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	if (count > 1 && strcmp(arguments[1], "threads") == 0)
		for (int i = 0; i < IDLE_THREADS; i++) {
			pthread_t thread;
			CHECK(pthread_create(&thread, NULL, idle_thread, NULL) == 0);
		}
	expect_line("ready");
	bool open = true;
	while (open) {
		if (poll(sources, LENGTH(sources), -1) < 0)
			continue;
		if (sources[0].revents != 0)
			open = serve_signal(sources[0].fd);
		else if (sources[1].revents != 0)
			open = serve_byte();
	}
	return expect_end();
}
