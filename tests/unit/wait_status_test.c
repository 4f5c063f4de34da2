/* Wait statuses: made by hand for every kind, and from real stops of a seized child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/syscall.h>

#include "parse/wait_status.h"
#include "tests/unit/tracee.h"

#define STOPPED(signal, event) ((event) << 16 | (signal) << 8 | 0x7f)

static void assert_status(int status, enum wait_kind kind, int value)
{
	struct wait_status decoded = wait_status_decode(status);

	assert_int_equal(decoded.kind, kind);
	assert_int_equal(decoded.value, value);
	assert_false(decoded.core_dumped);
}

static void made_exits(void **state)
{
	(void)state;
	for (int exit_status = 0; exit_status < 256; exit_status++)
		assert_status(exit_status << 8, WAIT_EXITED, exit_status);
}

static void made_deaths(void **state)
{
	(void)state;
	for (int signal = 1; signal <= 64; signal++) {
		assert_status(signal, WAIT_KILLED, signal);

		struct wait_status dumped = wait_status_decode(signal | 0x80);

		assert_int_equal(dumped.kind, WAIT_KILLED);
		assert_int_equal(dumped.value, signal);
		assert_true(dumped.core_dumped);
	}
}

static void made_signal_stops(void **state)
{
	(void)state;
	for (int signal = 1; signal <= 64; signal++)
		assert_status(STOPPED(signal, 0), WAIT_SIGNAL, signal);
}

static void made_system_call_stop(void **state)
{
	(void)state;
	assert_status(STOPPED(SIGTRAP | 0x80, 0), WAIT_SYSCALL, 0);
}

static void made_events(void **state)
{
	static const int events[] = {PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK,      PTRACE_EVENT_CLONE,  PTRACE_EVENT_EXEC,
				     PTRACE_EVENT_EXIT, PTRACE_EVENT_VFORK_DONE, PTRACE_EVENT_SECCOMP};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		assert_status(STOPPED(SIGTRAP, events[i]), WAIT_EVENT, events[i]);
}

static void made_event_stops(void **state)
{
	static const int stopping[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	(void)state;
	assert_status(STOPPED(SIGTRAP, PTRACE_EVENT_STOP), WAIT_TRACE_STOP, 0);
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++)
		assert_status(STOPPED(stopping[i], PTRACE_EVENT_STOP), WAIT_GROUP_STOP, stopping[i]);
}

static void made_continue(void **state)
{
	(void)state;
	assert_status(0xffff, WAIT_CONTINUED, 0);
}

static void made_nonsense(void **state)
{
	static const int statuses[] = {
	    STOPPED(0, 0),                              /* a stop without a signal */
	    STOPPED(65, 0),                             /* the kernel has 64 signals */
	    STOPPED(SIGTRAP | 0x80, PTRACE_EVENT_FORK), /* events come with SIGTRAP alone */
	    STOPPED(SIGUSR1, PTRACE_EVENT_EXEC),
	    STOPPED(SIGUSR1, PTRACE_EVENT_STOP), /* not a stopping signal */
	    INT_MIN | STOPPED(SIGTRAP, 0),       /* a negative event */
	    0xff,                                /* the end of no process */
	    0x10000,                             /* an exit has no bits there */
	    0x10000 | SIGKILL,
	    0x80, /* a core dump without a signal */
	    65,   /* the kernel has 64 signals */
	    -1,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		assert_status(statuses[i], WAIT_INVALID, 0);
}

static int run_exit(void)
{
	return 37;
}

static void real_exit(void **state)
{
	(void)state;
	assert_status(tracee_wait(tracee_start(run_exit, 0)), WAIT_EXITED, 37);
}

static int run_die(void)
{
	kill(getpid(), SIGKILL);
	return 0;
}

static void real_death(void **state)
{
	(void)state;
	assert_status(tracee_wait(tracee_start(run_die, 0)), WAIT_KILLED, SIGKILL);
}

static int run_raise(void)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGTRAP);
	return 0;
}

static void real_signals(void **state)
{
	(void)state;

	pid_t pid = tracee_start(run_raise, 0);

	/* An ignored signal stops a tracee too. A SIGTRAP that was sent is a signal like any other. */
	assert_status(tracee_wait(pid), WAIT_SIGNAL, SIGUSR1);
	assert_status(tracee_resume(PTRACE_CONT, pid, SIGUSR1), WAIT_SIGNAL, SIGTRAP);
	assert_status(tracee_resume(PTRACE_CONT, pid, SIGTRAP), WAIT_KILLED, SIGTRAP);
}

static int run_stop(void)
{
	raise(SIGSTOP);
	return 5;
}

static void real_group_stop(void **state)
{
	(void)state;

	pid_t pid = tracee_start(run_stop, 0);

	assert_status(tracee_wait(pid), WAIT_SIGNAL, SIGSTOP);
	assert_status(tracee_resume(PTRACE_CONT, pid, SIGSTOP), WAIT_GROUP_STOP, SIGSTOP);
	assert_int_equal(ptrace(PTRACE_LISTEN, pid, NULL, NULL), 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_status(tracee_wait(pid), WAIT_TRACE_STOP, 0);
	assert_status(tracee_resume(PTRACE_CONT, pid, 0), WAIT_SIGNAL, SIGCONT);
	assert_status(tracee_resume(PTRACE_CONT, pid, SIGCONT), WAIT_EXITED, 5);
}

static int run_pause(void)
{
	for (;;)
		pause();
	return 0;
}

static void real_interrupt(void **state)
{
	(void)state;

	pid_t pid = tracee_start(run_pause, PTRACE_O_TRACESYSGOOD);

	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	assert_status(tracee_wait(pid), WAIT_TRACE_STOP, 0);
	assert_status(tracee_resume(PTRACE_SYSCALL, pid, 0), WAIT_SYSCALL, 0);
	tracee_kill(pid);
}

static int run_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(11);
	waitpid(pid, NULL, 0);
	return 12;
}

static int run_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(11);
	/* The order of the child's end and of VFORK_DONE is not said: reap it by the tracer alone. */
	return 12;
}

static int run_clone(void)
{
	long pid = syscall(SYS_clone, 0, 0, 0, 0, 0);

	if (pid == 0)
		_exit(11);
	return 12;
}

/* The event, then the new child's first stop; leaves the parent in its event stop and returns the child, dead. */
static pid_t expect_fork_event(int (*run)(void), long options, int event)
{
	pid_t pid = tracee_start(run, options);
	unsigned long child = 0;

	assert_status(tracee_wait(pid), WAIT_EVENT, event);
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child), 0);
	assert_status(tracee_wait((pid_t)child), WAIT_TRACE_STOP, 0);
	assert_status(tracee_resume(PTRACE_CONT, (pid_t)child, 0), WAIT_EXITED, 11);
	return pid;
}

/* Passes on what signals come (SIGCHLD) until another kind of status does. */
static int resume_past_signals(pid_t pid)
{
	int status = tracee_resume(PTRACE_CONT, pid, 0);

	while (wait_status_decode(status).kind == WAIT_SIGNAL)
		status = tracee_resume(PTRACE_CONT, pid, wait_status_decode(status).value);
	return status;
}

static void real_fork(void **state)
{
	(void)state;

	pid_t pid = expect_fork_event(run_fork, PTRACE_O_TRACEFORK, PTRACE_EVENT_FORK);

	assert_status(resume_past_signals(pid), WAIT_EXITED, 12);
}

static void real_clone(void **state)
{
	(void)state;

	pid_t pid = expect_fork_event(run_clone, PTRACE_O_TRACECLONE, PTRACE_EVENT_CLONE);

	assert_status(resume_past_signals(pid), WAIT_EXITED, 12);
}

static void real_vfork(void **state)
{
	(void)state;

	pid_t pid = expect_fork_event(run_vfork, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE, PTRACE_EVENT_VFORK);

	assert_status(resume_past_signals(pid), WAIT_EVENT, PTRACE_EVENT_VFORK_DONE);
	assert_status(resume_past_signals(pid), WAIT_EXITED, 12);
}

static int run_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static void real_exec_and_exit(void **state)
{
	(void)state;

	pid_t pid = tracee_start(run_exec, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);

	assert_status(tracee_wait(pid), WAIT_EVENT, PTRACE_EVENT_EXEC);
	assert_status(tracee_resume(PTRACE_CONT, pid, 0), WAIT_EVENT, PTRACE_EVENT_EXIT);
	assert_status(tracee_resume(PTRACE_CONT, pid, 0), WAIT_EXITED, 0);
}

/* An ordinary child: tracers do not get to see WCONTINUED. */
static void real_continue(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(run_pause());
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_status(status, WAIT_SIGNAL, SIGSTOP);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
	assert_status(status, WAIT_CONTINUED, 0);
	tracee_kill(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(made_exits),         cmocka_unit_test(made_deaths),
	    cmocka_unit_test(made_signal_stops),  cmocka_unit_test(made_system_call_stop),
	    cmocka_unit_test(made_events),        cmocka_unit_test(made_event_stops),
	    cmocka_unit_test(made_continue),      cmocka_unit_test(made_nonsense),
	    cmocka_unit_test(real_exit),          cmocka_unit_test(real_death),
	    cmocka_unit_test(real_signals),       cmocka_unit_test(real_group_stop),
	    cmocka_unit_test(real_interrupt),     cmocka_unit_test(real_fork),
	    cmocka_unit_test(real_clone),         cmocka_unit_test(real_vfork),
	    cmocka_unit_test(real_exec_and_exit), cmocka_unit_test(real_continue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
