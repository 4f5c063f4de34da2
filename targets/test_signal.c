/* A fork inside a signal handler; then forks while a fast timer interrupts the process, so that the kernel now and then
 * restarts the call (ERESTARTNOINTR). `test_signal N`: N forks under the timer (100). */
#include <sys/time.h>

#include "expect.h"

/* More signals than this within one fork mean that a slow tracer never lets it through: the timer rests then. */
enum { DEFAULT_FORKS = 100, FORKS_MAX = 1000, INTERVAL_US = 50, SIGNALS_PER_FORK = 40 };

static struct seen *handler_seen;
static volatile pid_t handler_child;
static volatile sig_atomic_t alarms, alarms_left;

static KEEP_FRAME pid_t fork_in_handler(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

static KEEP_FRAME void on_signal(int number)
{
	(void)number;
	handler_child = fork_in_handler(handler_seen);
}

static KEEP_FRAME void raise_signal(void)
{
	raise(SIGUSR1);
}

static void set_timer(int interval_us)
{
	const struct itimerval timer = {{0, interval_us}, {0, interval_us}};
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_alarm(int number)
{
	(void)number;
	alarms++;
	if (--alarms_left <= 0)
		set_timer(0);
}

/* The bare system call: libc's fork() blocks all signals meanwhile. The child inherits no timer. */
static KEEP_FRAME pid_t fork_under_fire(struct seen *seen)
{
	long ret = syscall(SYS_fork);
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

int main(int count, char **arguments)
{
	long forks = count > 1 ? strtol(arguments[1], NULL, 10) : DEFAULT_FORKS;
	expect_begin();
	if (!CHECK(forks > 0 && forks <= FORKS_MAX))
		return expect_end();
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &action, NULL);
	handler_seen = seen_new(1);
	raise_signal();
	expect_libc_fork(handler_child, handler_seen, "fork_in_handler,on_signal,raise_signal,main");
	expect_reap(handler_child);

	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, NULL);
	struct seen *seen = seen_new((size_t)forks);
	for (long i = 0; i < forks; i++) {
		alarms_left = SIGNALS_PER_FORK;
		set_timer(INTERVAL_US);
		pid_t pid = fork_under_fire(&seen[i]);
		if (!CHECK(pid > 0))
			break;
		EXPECT_FORK(.syscall = "fork", .ret = pid, .seen = seen_wait(&seen[i]),
			    .stack = "fork_under_fire,main");
		expect_reap(pid);
	}
	set_timer(0);
	CHECK(alarms > 0);
	expect_line("expect restarts min=0");
	expect_line("note alarms=%d", (int)alarms);
	return expect_end();
}
