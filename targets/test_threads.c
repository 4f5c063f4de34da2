/* Threads, busy and blocked; one of several forks while the others run. The child is a process of one thread. */
#include <pthread.h>

#include "expect.h"

enum { BUSY_THREADS = 2, BLOCKED_THREADS = 3, FORKS = 3 };

/* What a thread is told, and what it tells. */
struct worker {
	pthread_t thread;
	struct seen *seen;
	int pipe_end;
};

static atomic_bool finished;

static void *busy_thread(void *argument)
{
	const struct worker *worker = argument;
	seen_tell(worker->seen, 0);
	while (!atomic_load(&finished))
		;
	return NULL;
}

/* Blocked in read(2) until main closes the other end. */
static void *blocked_thread(void *argument)
{
	const struct worker *worker = argument;
	char byte;
	seen_tell(worker->seen, 0);
	CHECK(read(worker->pipe_end, &byte, 1) == 0);
	return NULL;
}

static KEEP_FRAME pid_t fork_in_thread(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

static KEEP_FRAME void *forking_thread(void *argument)
{
	const struct worker *worker = argument;
	struct seen *seen = seen_new(FORKS);
	seen_tell(worker->seen, 0);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork_in_thread(&seen[i]);
		if (!CHECK(pid > 0))
			break;
		EXPECT_FORK(.syscall = LIBC_FORK_SYSCALL, .parent_tid = worker->seen->tid, .ret = pid,
			    .seen = seen_wait(&seen[i]), .flags = LIBC_FORK_FLAGS,
			    .stack = "fork_in_thread,forking_thread");
		expect_reap(pid);
	}
	return NULL;
}

static KEEP_FRAME void create_thread(struct worker *worker, void *(*function)(void *))
{
	int error = pthread_create(&worker->thread, NULL, function, worker);
	if (!CHECK(error == 0))
		_exit(EXIT_FAILURE);
	EXPECT_FORK(.kind = "clone", .ret = seen_wait(worker->seen)->tid, .seen = worker->seen,
		    .flags = LIBC_THREAD_FLAGS, .exit_signal = "none", .thread = true, .stack = "create_thread,main",
		    .fresh_stack = true);
}

int main(void)
{
	enum { THREADS = BUSY_THREADS + BLOCKED_THREADS + 1 };
	static struct worker workers[THREADS];
	int ends[2];
	expect_begin();
	CHECK(pipe(ends) == 0);
	struct seen *seen = seen_new(THREADS);
	for (int i = 0; i < THREADS; i++) {
		workers[i].seen = &seen[i];
		workers[i].pipe_end = ends[0];
		create_thread(&workers[i], i < BUSY_THREADS                     ? busy_thread
					   : i < BUSY_THREADS + BLOCKED_THREADS ? blocked_thread
										: forking_thread);
	}
	CHECK(pthread_join(workers[THREADS - 1].thread, NULL) == 0);
	atomic_store(&finished, true);
	close(ends[1]);
	for (int i = 0; i < THREADS - 1; i++)
		CHECK(pthread_join(workers[i].thread, NULL) == 0);
	return expect_end();
}
