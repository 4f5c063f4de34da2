/* Processes that outlive their parents: an orphan whose parent exits first, and a daemon, forked twice, that outlives
 * the whole rest and ends soon after main. */
#include <fcntl.h>
#include <time.h>

#include "expect.h"

enum { MIDDLE_STATUS = 31, ORPHAN_STATUS = 32, DAEMON_STATUS = 33, LIFETIME_S = 10 };

/* Made by main, written by the process in the middle. */
struct family {
	struct seen middle, youngest;
	pid_t youngest_pid;
};

static KEEP_FRAME pid_t fork_child(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0)
		seen_tell(seen, pid);
	return pid;
}

/* Returns when process `parent` is gone and this one has another parent; SIGALRM ends a wait that is too long. */
static void await_adoption(pid_t parent)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	alarm(expect_patience(LIFETIME_S));
	while (getppid() == parent)
		nanosleep(&pause, NULL);
}

static KEEP_FRAME void make_orphan(struct family *family, int pipe_end)
{
	pid_t middle = getpid();
	pid_t pid = fork_child(&family->youngest);
	if (pid != 0) {
		family->youngest_pid = pid;
		_exit(MIDDLE_STATUS);
	}
	await_adoption(middle);
	CHECK(write(pipe_end, "", 1) == 1);
	_exit(ORPHAN_STATUS);
}

/* daemon(7): a session of its own, and no terminal. */
static KEEP_FRAME void make_daemon(struct family *family, int pipe_end)
{
	char byte;
	setsid();
	pid_t pid = fork_child(&family->youngest);
	if (pid != 0) {
		family->youngest_pid = pid;
		_exit(MIDDLE_STATUS);
	}
	alarm(expect_patience(LIFETIME_S));
	int null = open("/dev/null", O_RDWR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	while (read(pipe_end, &byte, 1) < 0)
		;
	_exit(DAEMON_STATUS);
}

/* The youngest is no child of ours: its status is what it will end with. */
static void expect_family(struct family *family, pid_t pid, const char *own_stack, const char *middle_stack, int status)
{
	expect_libc_fork(pid, &family->middle, own_stack);
	seen_wait(&family->youngest);
	int middle_status = expect_reap(pid);
	CHECK(WEXITSTATUS(middle_status) == MIDDLE_STATUS);
	EXPECT_FORK(.syscall = LIBC_FORK_SYSCALL, .parent = pid, .ret = family->youngest_pid, .seen = &family->youngest,
		    .flags = LIBC_FORK_FLAGS, .stack = middle_stack);
	CHECK(family->youngest_pid == family->youngest.pid);
	expect_line("expect exit pid=%d status=%d", family->youngest_pid, status);
}

int main(void)
{
	char byte;
	int ends[2];
	expect_begin();
	struct family *orphan = shared_memory(sizeof(*orphan)), *daemon = shared_memory(sizeof(*daemon));

	CHECK(pipe(ends) == 0);
	pid_t pid = fork_child(&orphan->middle);
	if (pid == 0)
		make_orphan(orphan, ends[1]);
	expect_family(orphan, pid, "fork_child,main", "fork_child,make_orphan,main", ORPHAN_STATUS);
	CHECK(read(ends[0], &byte, 1) == 1);

	/* The daemon reads the end of file when main is gone. */
	CHECK(pipe(ends) == 0);
	pid = fork_child(&daemon->middle);
	if (pid == 0) {
		close(ends[1]);
		make_daemon(daemon, ends[0]);
	}
	expect_family(daemon, pid, "fork_child,main", "fork_child,make_daemon,main", DAEMON_STATUS);
	return expect_end();
}
