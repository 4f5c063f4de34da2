/* Turns the stops of a guest's virtual CPU into what they mean: see guest_session.h. */
#include "session/guest_session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/guest_protocol.h"
#include "session/guest_internal.h"

/* --- the machine --- */

uint64_t guest_cr3(struct guest_follow *follow)
{
	uint64_t cr3 = 0;

	session_report(follow->session, NULL, gdbstub_register(follow->stub, "cr3", &cr3));
	return cr3;
}

bool guest_now(struct guest_follow *follow, uint64_t *ns)
{
	struct buffer answer = {0};
	struct error *error;
	bool known;

	error = gdbstub_monitor(follow->stub, GUEST_CLOCK_COMMAND, &answer);
	known = !error && guest_clock_answer(&follow->clock, answer.data, ns);
	error_destroy(error);
	buffer_deinit(&answer);
	return known;
}

void guest_breakpoint(struct guest_follow *follow, uint64_t address, bool on)
{
	struct error *error;

	if (!follow->stub)
		return;
	error = on ? control_guest_stand(follow->session->control) : NULL;
	if (!error)
		error = on ? gdbstub_breakpoint_add(follow->stub, address)
			   : gdbstub_breakpoint_remove(follow->stub, address);
	session_report(follow->session, NULL, error);
}

static void set_place(struct guest_follow *follow, struct guest_place *place, bool on)
{
	if (place->set == on)
		return;
	place->set = on;
	guest_breakpoint(follow, place->address, on);
	if (on)
		gdbstub_breakpoint_same_code(follow->stub, place->address);
}

/* The program alone, without a child: PID 1 will tell how it ended. */
static bool is_root_alone(const struct guest_follow *follow)
{
	struct guest_task *task;
	size_t i = 0;

	return !follow->foreign && follow->tasks.count == 1 && (task = map_next(&follow->tasks, &i)) && task->root;
}

void guest_set_places(struct guest_follow *follow)
{
	bool running = follow->foreign || follow->tasks.count, exits = running && !is_root_alone(follow);

	for (size_t i = 0; i < follow->places.count; i++) {
		struct guest_place *place = &follow->places.items[i];

		set_place(follow, place,
			  place->kind == PLACE_DO_EXIT ? exits : running || place->kind == PLACE_START_THREAD);
	}
}

/* --- stops --- */

static void on_place(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers)
{
	switch (place->kind) {
	case PLACE_HANDLER:
		guest_fork_enter(follow, place, registers);
		break;
	case PLACE_WORKER:
		guest_fork_step(follow, place, registers);
		break;
	case PLACE_COPY:
		guest_fork_copy(follow, place, registers);
		break;
	case PLACE_WAKE:
		guest_fork_wake(follow, place, registers);
		break;
	case PLACE_CHILD_FIRST:
		guest_fork_child_first(follow, place, registers);
		break;
	case PLACE_START_THREAD:
		guest_task_exec(follow, registers);
		break;
	case PLACE_DO_EXIT:
		guest_task_exit(follow, registers);
		break;
	}
}

static void on_registers(struct guest_follow *follow, const struct registers *registers)
{
	enum { PRIVILEGE_MASK = 3 };
	uint64_t pc = registers_pc(registers);

	if (registers->cs & PRIVILEGE_MASK) {
		guest_fork_user(follow, registers);
		return;
	}
	for (size_t i = 0; i < follow->places.count; i++) {
		if (follow->places.items[i].address == pc)
			on_place(follow, &follow->places.items[i], registers);
	}
}

static struct error *on_stop(struct guest_follow *follow, const struct gdbstub_stop *stop)
{
	struct registers registers;
	struct error *error;

	if (stop->kind == GDBSTUB_STOP_EXITED || stop->kind == GDBSTUB_STOP_KILLED)
		return error_create(ERROR_GONE, 0, NULL, "QEMU ended");
	error = gdbstub_registers(follow->stub, &registers);
	if (error)
		return error;
	on_registers(follow, &registers);
	guest_set_places(follow);
	return control_guest_stopped(follow->session->control, stop, &registers) ? NULL : gdbstub_resume(follow->stub);
}

/* --- what PID 1 says --- */

static void root_ended(struct guest_follow *follow, uint32_t status)
{
	struct wait_status decoded = wait_status_decode((int)status);

	follow->session->exit_status = decoded.kind == WAIT_KILLED ? 128 + decoded.value : decoded.value;
	guest_task_root_ended(follow, status);
}

static void not_executed(struct guest_follow *follow, uint32_t number)
{
	session_report(follow->session, NULL,
		       error_create(ERROR_NOT_EXEC, (int)number, follow->request.program,
				    "%s could not be executed in the guest: %s", follow->request.program,
				    strerror((int)number)));
	follow->session->exit_status = number == ENOENT ? 127 : 126;
}

static void on_message(struct guest_follow *follow, const struct guest_message *message)
{
	const struct guest_request *request = &follow->request;

	switch (message->type) {
	case GUEST_STARTED:
		follow->root_pid = (pid_t)message->number;
		follow->root_expected = true;
		break;
	case GUEST_OUTPUT:
		request->output(request->context, STDOUT_FILENO, message->bytes, message->size);
		break;
	case GUEST_ERROR:
		request->output(request->context, STDERR_FILENO, message->bytes, message->size);
		break;
	case GUEST_CREDIT:
		follow->input_credit += message->number;
		break;
	case GUEST_NOEXEC:
		not_executed(follow, message->number);
		break;
	case GUEST_EXIT:
		root_ended(follow, message->number);
		break;
	case GUEST_DONE:
		follow->done = true;
		break;
	default:
		break;
	}
}

static struct error *take_messages(struct guest_follow *follow, bool *any)
{
	struct guest_message message;
	bool more = follow->guest; /* nobody speaks in a machine that is not ours */

	while (more) {
		struct error *error = guest_receive(follow->guest, &message, &more);

		if (error)
			return error;
		if (more)
			on_message(follow, &message);
		*any = *any || more;
	}
	return NULL;
}

/* --- its input --- */

/* Regular files are always readable, and epoll refuses them. */
static void watch_input(struct guest_follow *follow, bool on)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (on != follow->input_watched &&
	    !epoll_ctl(follow->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, follow->request.input, &event))
		follow->input_watched = on;
}

static bool input_ready(const struct guest_follow *follow)
{
	struct pollfd input = {.fd = follow->request.input, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static struct error *pass_input(struct guest_follow *follow)
{
	char bytes[4096];
	size_t wanted = follow->input_credit < sizeof(bytes) ? follow->input_credit : sizeof(bytes);
	ssize_t got = 0;

	if (follow->input_over || !wanted)
		return NULL;
	if (follow->request.input >= 0) {
		watch_input(follow, true);
		if (!input_ready(follow))
			return NULL;
		got = read(follow->request.input, bytes, wanted);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			return NULL;
	}
	follow->input_over = got <= 0;
	follow->input_credit -= got > 0 ? (size_t)got : 0;
	if (follow->input_over || !follow->input_credit)
		watch_input(follow, false);
	return guest_send_input(follow->guest, bytes, got > 0 ? (size_t)got : 0);
}

/* --- looking at it while it runs --- */

struct error *guest_await_stop(struct guest_follow *follow, struct gdbstub_stop *stop)
{
	enum { SLICE_MS = 5, SLICES = 2000 };
	struct error *error = NULL;

	/* With its output unread the machine stands still, and its stub with it. */
	for (int i = 0; i < SLICES; i++) {
		bool any = false;

		error_destroy(error);
		error = gdbstub_wait(follow->stub, SLICE_MS, stop);
		if (!error || error->sys_errno != ETIMEDOUT)
			return error;

		struct error *lost = take_messages(follow, &any);

		if (lost) {
			error_destroy(error);
			return lost;
		}
	}
	return error;
}

void guest_kick(struct guest_follow *follow)
{
	uint64_t one = 1;

	if (follow->kick >= 0 && write(follow->kick, &one, sizeof(one)) < 0)
		return; /* it is kicked already */
}

static void take_kick(const struct guest_follow *follow)
{
	uint64_t count;

	if (follow->kick >= 0 && read(follow->kick, &count, sizeof(count)) < 0)
		return; /* none */
}

/* --- the loop's step --- */

static struct error *step(struct guest_follow *follow, bool *any)
{
	struct gdbstub_stop stop;
	bool stopped = false;
	/* Before the stop: what PID 1 said came first. */
	struct error *error = take_messages(follow, any);

	if (!error)
		error = pass_input(follow);
	if (error || follow->done)
		return error;
	take_kick(follow);
	if (control_guest_queued(follow->session->control, &stop))
		return on_stop(follow, &stop);
	error = gdbstub_stopped(follow->stub, &stop, &stopped);
	if (error || !stopped)
		return error;
	*any = true;
	error = take_messages(follow, any);
	return error ? error : on_stop(follow, &stop);
}

static void end(struct guest_follow *follow)
{
	struct guest_task *task;

	follow->done = true;
	control_guest_over(follow->session->control);
	for (size_t i = 0; (task = map_next(&follow->tasks, &i));)
		guest_fork_lost(follow, task, follow->end_reason ? follow->end_reason : "its end was not seen");
	/* Nothing of ours may run on while the report is written, and all of somebody else's shall. */
	if (follow->foreign)
		guest_foreign_leave(follow);
	gdbstub_destroy(follow->stub);
	guest_destroy(follow->guest);
	follow->stub = NULL;
	follow->guest = NULL;
}

static struct error *lost(const struct guest_follow *follow, struct error *why)
{
	struct error *error =
	    follow->foreign ? error_create(ERROR_SYSTEM, 0, follow->foreign->address,
					   "the machine behind %s is gone: %s", follow->foreign->address, why->message)
			    : error_create(ERROR_SYSTEM, 0, NULL, "the guest ended before its program did");

	error_destroy(why);
	return error;
}

/* The stub's end of the line says less than the guest itself: it may have told of its regular end before, and then
 * nothing is wrong. */
static struct error *ask_guest(struct guest_follow *follow, struct error *error)
{
	bool more = false;
	struct error *better = take_messages(follow, &more);

	if (better || follow->done) {
		error_destroy(error);
		error = better;
	}
	return error && error->code == ERROR_GONE ? lost(follow, error) : error;
}

bool guest_follow_dispatch(struct guest_follow *follow)
{
	bool any = false;
	struct error *error;

	if (follow->done)
		return false;
	error = step(follow, &any);
	any = any || error;
	if (error && error->code == ERROR_GONE)
		error = ask_guest(follow, error);
	if (error) {
		follow->end_reason = "the guest ended";
		follow->session->exit_status = SESSION_LOST;
		session_report(follow->session, NULL, error);
		follow->done = true;
	}
	if (follow->done)
		end(follow);
	return any;
}

bool guest_follow_done(const struct guest_follow *follow)
{
	return follow->done;
}

int guest_follow_fd(const struct guest_follow *follow)
{
	return follow->epoll;
}

const char *guest_follow_stub(const struct guest_follow *follow)
{
	return follow && follow->foreign ? follow->foreign->address : NULL;
}

void session_stop_guest(struct session *session, const char *reason)
{
	struct guest_follow *follow = session->guest;

	if (!follow || follow->done)
		return;
	follow->end_reason = string_intern(session->pool, reason);
	end(follow);
}
