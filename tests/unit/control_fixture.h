/* A controlled session on a program of targets/, driven by a test. */
#ifndef FORKTRACE_TESTS_UNIT_CONTROL_FIXTURE_H
#define FORKTRACE_TESTS_UNIT_CONTROL_FIXTURE_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forktrace_control.h"
#include "session/session.h"
#include "tests/unit/slow_machine.h"

#define TARGETS "build/targets/x86_64/"

enum { PATIENCE_MS = 20000 };

static struct session *session;
static struct control *control;
static int child_signals = -1, silence = -1, real_output = -1;

static inline void ignore_event(void *context, const struct event *event)
{
	(void)context, (void)event;
}

static inline void print_log(void *context, enum log_level level, const char *message)
{
	(void)context;
	if (level == LOG_LEVEL_WARNING)
		fprintf(stderr, "# %s\n", message);
}

static inline void create_session(void)
{
	struct session_options options = {.follow = FOLLOW_ALL, .signals = true, .control = true, .max_frames = 256};
	struct event_sink sink = {.event = ignore_event};
	struct log log = {.write = print_log};
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	child_signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	session = session_create(&options, &sink, &log);
	control = session_control(session);
	assert_non_null(control);
}

/* Starts a program, its output thrown away. */
static inline void start(const char *path, const char *argument)
{
	char *arguments[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)argument, NULL};
	sigset_t none;

	sigemptyset(&none);
	create_session();

	struct start_request request = {
	    .path = path, .arguments = arguments, .environment = environ, .signal_mask = &none};

	fflush(stdout);
	real_output = dup(STDOUT_FILENO);
	silence = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(silence, STDOUT_FILENO);

	struct error *error = session_start(session, &request);

	dup2(real_output, STDOUT_FILENO);
	close(real_output);
	close(silence);
	if (error)
		fail_msg("%s", error->message);
}

/* Waits until something has happened. */
static inline void wait_for_stops(void)
{
	struct signalfd_siginfo info;
	struct pollfd source = {.fd = child_signals, .events = POLLIN};

	if (session_dispatch(session))
		return;
	assert_int_equal(poll(&source, 1, with_patience(PATIENCE_MS)), 1);
	while (read(child_signals, &info, sizeof(info)) > 0)
		;
	session_dispatch(session);
}

static inline const struct control_task *task(unsigned id)
{
	return control_task(control, id);
}

/* Until the task is there and does not run. */
static inline const struct control_task *wait_held(unsigned id)
{
	while (!task(id) || task(id)->state == CONTROL_RUNNING)
		wait_for_stops();
	return task(id);
}

static inline void wait_all_ended(void)
{
	while (!session_done(session))
		wait_for_stops();
}

static inline void no_error(struct error *error)
{
	if (error)
		fail_msg("%s", error->message);
}

static inline void go(unsigned id, enum control_step step)
{
	struct control_request request = {.step = step};

	no_error(control_go(control, id, &request));
}

static inline const struct stack *stack_of(unsigned id)
{
	const struct stack *stack;

	no_error(control_stack(control, id, &stack));
	return stack;
}

static inline const char *function_of(unsigned id)
{
	const struct stack *stack = stack_of(id);

	return stack->frames[0].symbol ? stack->frames[0].symbol : "";
}

static inline uint64_t pc_of(unsigned id)
{
	struct registers registers;

	no_error(control_registers(control, id, &registers));
	return registers_pc(&registers);
}

static inline int64_t result_of(unsigned id)
{
	struct registers registers;

	no_error(control_registers(control, id, &registers));
	return registers_result(&registers);
}

/* Gives up a session that is not at its end. */
static inline int tear_down(void **state)
{
	(void)state;
	if (!session)
		return 0;
	control_kill_all(control);
	wait_all_ended();
	session_end(session);
	session_destroy(session);
	session = NULL;
	close(child_signals);
	return 0;
}

#endif
