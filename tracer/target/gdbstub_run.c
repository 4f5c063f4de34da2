/* Letting the machine behind a GDB stub run, and taking its stops; see gdbstub.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "parse/gdb_packet.h"
#include "target/gdbstub_internal.h"

/* GDB's numbers, the same on every system (include/gdb/signals.def). */
enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5 };

enum { STOP_TIMEOUT_MS = 10000 };

/* QEMU 7.2 ends a step before its instruction where its CPU's thread is asked to look up just then (cpu_tb_exec in
 * accel/tcg/cpu-exec.c raises the debug exception also where the block was left at its start). What still changes
 * nothing after so many is an instruction that does nothing, as a jump to itself. */
enum { STEPS_IN_VAIN_MAX = 8 };

/* What is known of this stop is no longer true. */
static struct error *set_off(struct gdbstub *stub, enum gdbstub_phase phase, const char *request)
{
	struct error *error = gdb_transport_send(&stub->transport, request, strlen(request));

	if (error)
		return error;
	stub->phase = phase;
	stub->stops++;
	stub->have_registers = false;
	stub->signal = 0;
	return NULL;
}

/* What the step's end is compared with, where that tells something. */
static struct error *remember_registers(struct gdbstub *stub)
{
	struct error *error = NULL;

	buffer_clear(&stub->before);
	if (stub->is_machine || stub->probing)
		error = gdbstub_load_registers(stub);
	if (!error && (stub->is_machine || stub->probing))
		buffer_append(&stub->before, stub->registers.data, stub->registers.size);
	return error;
}

/* Steps the thread that stopped, the others standing still. Where a breakpoint lies under the pc, it is left in for a
 * peer that passes it, which saves two round trips; the first such step finds out. */
static struct error *send_step(struct gdbstub *stub, enum gdbstub_phase phase)
{
	char request[64] = "s";
	bool inserted = false;
	uint64_t pc;
	struct error *error = NULL;

	if (gdbstub_any_inserted(stub)) {
		error = gdbstub_pc(stub, &pc);
		inserted = !error && gdbstub_inserted_at(stub, pc);
	}
	if (inserted && stub->passing == GDBSTUB_PASSING_NO)
		error = gdbstub_lift_breakpoint(stub, pc);
	if (error)
		return error;
	stub->probing = inserted && stub->passing == GDBSTUB_PASSING_UNKNOWN;
	error = remember_registers(stub);
	if (error)
		return error;
	if (stub->vcont)
		snprintf(request, sizeof(request), "vCont;s%s%s", *stub->thread ? ":" : "", stub->thread);
	return set_off(stub, phase, request);
}

static struct error *send_continue(struct gdbstub *stub)
{
	char request[96] = "c";
	struct error *error = gdbstub_sync_breakpoints(stub);

	if (error)
		return error;
	if (stub->vcont && stub->signal)
		snprintf(request, sizeof(request), "vCont;C%02x%s%s;c", (unsigned)stub->signal,
			 *stub->thread ? ":" : "", stub->thread);
	else if (stub->vcont)
		snprintf(request, sizeof(request), "vCont;c");
	else if (stub->signal)
		snprintf(request, sizeof(request), "C%02x", (unsigned)stub->signal);
	return set_off(stub, GDBSTUB_PHASE_RUNNING, request);
}

static struct error *check_stopped(const struct gdbstub *stub)
{
	if (stub->phase == GDBSTUB_PHASE_ENDED)
		return error_create(ERROR_GONE, 0, NULL, "the program behind the GDB stub has ended");
	if (stub->phase != GDBSTUB_PHASE_STOPPED)
		return error_create(ERROR_INPUT, 0, NULL, "the machine behind the GDB stub runs already");
	return NULL;
}

struct error *gdbstub_resume(struct gdbstub *stub)
{
	uint64_t pc = 0;
	struct error *error = check_stopped(stub);

	if (error)
		return error;
	stub->interrupted = false;
	/* A signal to be delivered leads elsewhere: what lies under the pc comes later, and then it is a hit. */
	if (stub->signal || !stub->breakpoints.count)
		return send_continue(stub);
	error = gdbstub_pc(stub, &pc);
	if (error)
		return error;
	if (!gdbstub_breakpoint_at(stub, pc))
		return send_continue(stub);

	bool passed;

	error = gdbstub_pass_by_hand(stub, pc, &passed);
	if (error)
		return error;
	return passed ? send_continue(stub) : send_step(stub, GDBSTUB_PHASE_OVER);
}

struct error *gdbstub_step_begin(struct gdbstub *stub)
{
	struct error *error = check_stopped(stub);

	if (error)
		return error;
	stub->interrupted = false;
	return send_step(stub, GDBSTUB_PHASE_STEPPING);
}

struct error *gdbstub_step(struct gdbstub *stub, struct gdbstub_stop *stop)
{
	struct error *error = gdbstub_step_begin(stub);

	return error ? error : gdbstub_wait(stub, STOP_TIMEOUT_MS, stop);
}

/* QEMU 7.2, gdbstub.c, handle_set_qemu_sstep: 1 is to step at all, 2 without interrupts, 4 without timers. */
struct error *gdbstub_step_undisturbed(struct gdbstub *stub)
{
	enum gdb_reply kind;

	return gdbstub_ask(stub, &kind, "Qqemu.sstep=7");
}

struct error *gdbstub_interrupt(struct gdbstub *stub)
{
	if (!gdbstub_running(stub))
		return NULL;
	stub->interrupted = true;
	return gdb_transport_interrupt(&stub->transport);
}

bool gdbstub_running(const struct gdbstub *stub)
{
	return stub->phase != GDBSTUB_PHASE_STOPPED && stub->phase != GDBSTUB_PHASE_ENDED;
}

static void log_console(const struct gdbstub *stub)
{
	const struct buffer *reply = gdbstub_reply(stub);
	size_t size = (reply->size - 1) / 2;
	_cleanup_free_ char *text = memory_alloc(size + 1);

	if (gdb_hex_bytes(reply->data + 1, text, size))
		log_write(stub->log, LOG_LEVEL_DEBUG, "the program behind the GDB stub writes: %s", text);
}

/* The next stop reply that has arrived, or arrives within the time; output on the way to it goes to the log. */
static struct error *receive_stop(struct gdbstub *stub, int timeout_ms, struct gdb_stop *stop, bool *received)
{
	for (;;) {
		const struct buffer *reply = gdbstub_reply(stub);
		struct error *error = gdb_transport_receive(&stub->transport, timeout_ms, received);

		if (error || !*received)
			return error;
		if (!gdb_stop_parse(reply->data, reply->size, stop)) {
			stub->transport.failed = true;
			return gdbstub_bad_reply(stub, "a resume");
		}
		if (stop->kind != GDB_STOP_CONSOLE)
			return NULL;
		log_console(stub);
		error = gdb_transport_flush_ack(&stub->transport);
		if (error)
			return error;
	}
}

static bool has_ended(const struct gdb_stop *stop)
{
	return stop->kind == GDB_STOP_EXITED || stop->kind == GDB_STOP_KILLED;
}

/* A step that did what it should, and no more. */
static bool is_step_end(const struct gdb_stop *stop)
{
	return stop->kind == GDB_STOP_SIGNAL && stop->number == SIGNAL_TRAP;
}

/* Has the step changed a register? Not where the breakpoint was hit again instead, nor where nothing was executed. */
static struct error *has_changed(struct gdbstub *stub, bool *changed)
{
	struct error *error = NULL;

	*changed = true;
	if (!stub->before.size)
		return NULL;
	error = gdbstub_load_registers(stub);
	if (!error)
		*changed = stub->before.size != stub->registers.size ||
			   memcmp(stub->before.data, stub->registers.data, stub->before.size) != 0;
	return error;
}

/* A step has ended. *passed: what lay under the pc is behind it. */
static struct error *take_step(struct gdbstub *stub, bool *passed, bool *again)
{
	bool changed;
	struct error *error = has_changed(stub, &changed);

	if (error)
		return error;
	*again = !changed && stub->is_machine && stub->steps_in_vain < STEPS_IN_VAIN_MAX;
	stub->steps_in_vain = *again ? stub->steps_in_vain + 1 : 0;
	*passed = changed || !stub->probing;
	if (stub->probing && !*again)
		stub->passing = changed ? GDBSTUB_PASSING_YES : GDBSTUB_PASSING_NO;
	return NULL;
}

/* What a stop means for what was under way; *told: it is for the caller. */
static struct error *go_on(struct gdbstub *stub, enum gdbstub_phase phase, struct gdb_stop *stop, bool *told)
{
	bool passed, again;
	struct error *error;

	*told = true;
	if (phase == GDBSTUB_PHASE_RUNNING || !is_step_end(stop)) {
		stub->steps_in_vain = 0;
		return NULL;
	}
	error = take_step(stub, &passed, &again);
	if (error)
		return error;
	*told = !again;
	if (again)
		return send_step(stub, phase);
	if (passed && phase == GDBSTUB_PHASE_STEPPING)
		return NULL;
	/* The interrupt may have come when nothing ran any more: it would be lost. */
	if (stub->interrupted) {
		stop->number = SIGNAL_INT;
		return NULL;
	}
	*told = false;
	return passed ? send_continue(stub) : send_step(stub, phase);
}

static void tell(struct gdbstub *stub, const struct gdb_stop *from, struct gdbstub_stop *stop)
{
	static const enum gdbstub_stop_kind kinds[] = {
	    [GDB_STOP_SIGNAL] = GDBSTUB_STOP_SIGNAL,
	    [GDB_STOP_WATCH] = GDBSTUB_STOP_WATCH,
	    [GDB_STOP_EXITED] = GDBSTUB_STOP_EXITED,
	    [GDB_STOP_KILLED] = GDBSTUB_STOP_KILLED,
	};

	*stop = (struct gdbstub_stop){.kind = kinds[from->kind], .number = from->number, .address = from->address};
	memcpy(stop->thread, from->thread, sizeof(stop->thread));

	/* Our own interrupt is no signal of the program's, and a trap is never delivered. */
	bool ours = from->number == SIGNAL_TRAP || (stub->interrupted && from->number == SIGNAL_INT);

	if (from->kind == GDB_STOP_SIGNAL && !ours)
		stub->signal = from->number;
}

static void note_stop(struct gdbstub *stub, const struct gdb_stop *stop)
{
	stub->phase = has_ended(stop) ? GDBSTUB_PHASE_ENDED : GDBSTUB_PHASE_STOPPED;
	memcpy(stub->thread, stop->thread, sizeof(stub->thread));
}

/* Takes stops until one is for the caller, or none comes. */
static struct error *take_stop(struct gdbstub *stub, int timeout_ms, struct gdbstub_stop *stop, bool *stopped)
{
	struct error *error = NULL;

	*stopped = false;
	while (!error && !*stopped && gdbstub_running(stub)) {
		enum gdbstub_phase phase = stub->phase;
		struct gdb_stop from;
		bool received;

		error = receive_stop(stub, timeout_ms, &from, &received);
		if (error || !received)
			return error;
		note_stop(stub, &from);
		error = go_on(stub, phase, &from, stopped);
		if (!error && *stopped)
			tell(stub, &from, stop);
	}
	return error;
}

struct error *gdbstub_stopped(struct gdbstub *stub, struct gdbstub_stop *stop, bool *stopped)
{
	return take_stop(stub, 0, stop, stopped);
}

struct error *gdbstub_wait(struct gdbstub *stub, int timeout_ms, struct gdbstub_stop *stop)
{
	bool stopped;
	struct error *error = NULL;

	if (!gdbstub_running(stub))
		return error_create(ERROR_INPUT, 0, NULL, "the machine behind the GDB stub does not run");
	error = take_stop(stub, timeout_ms, stop, &stopped);
	if (!error && !stopped)
		error = error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "the machine behind the GDB stub runs on");
	return error;
}

struct error *gdbstub_take_first_stop(struct gdbstub *stub)
{
	enum gdb_reply kind;
	struct gdb_stop stop;
	struct error *error = gdbstub_ask(stub, &kind, "?");

	if (error)
		return error;
	if (!gdb_stop_parse(gdbstub_reply(stub)->data, gdbstub_reply(stub)->size, &stop) ||
	    stop.kind == GDB_STOP_CONSOLE)
		return gdbstub_bad_reply(stub, "?");
	if (has_ended(&stop))
		return error_create(ERROR_GONE, 0, NULL, "the program behind the GDB stub has ended");
	note_stop(stub, &stop);
	return NULL;
}

struct error *gdbstub_detach(struct gdbstub *stub)
{
	struct gdbstub_stop stop;
	enum gdb_reply kind;
	struct error *error = NULL;

	if (gdbstub_running(stub)) {
		error = gdbstub_interrupt(stub);
		if (!error)
			error = gdbstub_wait(stub, STOP_TIMEOUT_MS, &stop);
	}
	if (!error && stub->phase != GDBSTUB_PHASE_ENDED)
		error = gdbstub_lift_all(stub);
	if (!error && stub->phase != GDBSTUB_PHASE_ENDED)
		error = gdbstub_ask(stub, &kind, "D");
	stub->phase = GDBSTUB_PHASE_ENDED;
	/* A peer may have nothing more to say. */
	if (error && error->code == ERROR_GONE) {
		error_destroy(error);
		error = NULL;
	}
	return error;
}
