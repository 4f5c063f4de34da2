/* Entries and exits of the system calls that forktrace watches: the fork family, ptrace itself, and those that change
 * what is seen of later forks: their pid namespace, and seccomp filters of the program's own. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "session/internal.h"

/* sched.h, and linux/errno.h of the kernel: what a call returns to have itself restarted (seen by tracers alone). */
enum { RESTART_FIRST = 512, RESTART_LAST = 516 };

/* The other calls that forktrace sees to their end, by their numbers: arch/x86/entry/syscalls/syscall_32.tbl and
 * syscall_64.tbl (x32's ptrace has a number of its own). */
static const struct {
	enum call_kind kind;
	uint64_t i386, x86_64, x32;
} watched_calls[] = {
    {CALL_PTRACE, 26, 101, 521},   {CALL_UNSHARE, 310, 272, 272}, {CALL_SETNS, 346, 308, 308},
    {CALL_SECCOMP, 354, 317, 317}, {CALL_PRCTL, 172, 157, 157},
};

static enum call_kind call_kind_of(enum abi abi, uint64_t number)
{
	enum { X32_SYSCALL_BIT = 0x40000000 }; /* asm/unistd.h, __X32_SYSCALL_BIT */

	for (size_t i = 0; i < sizeof(watched_calls) / sizeof(watched_calls[0]); i++) {
		if ((abi == ABI_I386 && number == watched_calls[i].i386) ||
		    (abi == ABI_X86_64 && number == watched_calls[i].x86_64) ||
		    (abi == ABI_X32 && number == (watched_calls[i].x32 | X32_SYSCALL_BIT)))
			return watched_calls[i].kind;
	}
	return CALL_NONE;
}

static void read_clone3_arguments(struct session *session, struct task *task, struct fork_call *fork)
{
	uint8_t bytes[CLONE3_ARGS_READ] = {0};
	size_t size = fork->clone3_size < sizeof(bytes) ? (size_t)fork->clone3_size : sizeof(bytes);

	task->space->tid = task->tid;

	struct error *error = space_read(task->space, fork->clone3_args, bytes, size);

	if (!error)
		fork_call_decode_clone3(fork, bytes, size);
	/* A bad pointer is the program's own mistake: the call fails with EFAULT and is told as that. */
	else if (error->code != ERROR_FAULT)
		session_report(session, task, error);
}

/* Writes the flags of a call that is entered or has returned: with or without CLONE_UNTRACED. */
static struct error *write_flags(struct task *task, const struct fork_call *fork, bool untraced)
{
	uint64_t flags = untraced ? fork->flags : fork->flags & ~(uint64_t)CLONE_UNTRACED;

	if (fork->syscall == FORK_SYSCALL_CLONE3) {
		task->space->tid = task->tid;
		return space_write(task->space, fork->clone3_args, &flags, sizeof(flags));
	}
	return ptrace_set_first_argument(task->tid, fork->abi, flags | (unsigned)fork->exit_signal);
}

void call_restore_untraced(struct session *session, struct task *task, const struct fork_call *fork)
{
	session_report(session, task, write_flags(task, fork, true));
}

/* CLONE_UNTRACED would hide the child from forktrace: take it out of the arguments until the call is over. */
static void take_untraced_out(struct session *session, struct task *task)
{
	struct watched_call *call = &task->call;

	if (!(call->fork.flags & CLONE_UNTRACED))
		return;

	struct error *error = write_flags(task, &call->fork, false);

	call->untraced = !error;
	if (error && error->code != ERROR_GONE)
		session_notice(
		    session, task,
		    "the child of this clone is lost: it is created with CLONE_UNTRACED, which could not be taken out");
	error_destroy(error);
}

static struct restart *find_restart(struct task *task, uint64_t pc, uint64_t sp)
{
	for (int i = 0; i < RESTARTS_MAX; i++) {
		struct restart *restart = &task->restarts[i];

		if (restart->count && restart->pc == pc && restart->sp == sp)
			return restart;
	}
	return NULL;
}

static void remember_restart(struct task *task)
{
	const struct watched_call *call = &task->call;
	struct restart *slot = find_restart(task, call->pc, call->sp);

	for (int i = 0; !slot && i < RESTARTS_MAX; i++) {
		if (!task->restarts[i].count)
			slot = &task->restarts[i];
	}
	/* All in use: calls that a handler left by longjmp and that never came back. Drop the oldest. */
	if (!slot) {
		memmove(task->restarts, task->restarts + 1, (RESTARTS_MAX - 1) * sizeof(task->restarts[0]));
		slot = &task->restarts[RESTARTS_MAX - 1];
	}
	*slot =
	    (struct restart){.pc = call->pc, .sp = call->sp, .count = call->restarts + 1, .delay_ns = call->delay_ns};
}

/* Takes over what is known of the interrupted call that is entered again. */
static void take_restart(struct task *task)
{
	struct watched_call *call = &task->call;
	struct restart *restart = find_restart(task, call->pc, call->sp);

	if (!restart)
		return;
	call->restarts = restart->count;
	call->delay_ns = restart->delay_ns;
	*restart = (struct restart){0};
}

void call_entered(struct session *session, struct task *task, const struct syscall_info *info)
{
	struct watched_call *call = &task->call;

	*call = (struct watched_call){.pc = info->pc, .sp = info->sp};
	if (fork_call_decode(info->abi, info->number, info->arguments, &call->fork)) {
		call->kind = CALL_FORK;
		if (call->fork.syscall == FORK_SYSCALL_CLONE3)
			read_clone3_arguments(session, task, &call->fork);
		take_restart(task);
		if (session->injector && !call->restarts)
			inject_entered(session, task);
		if (!call->injected_error)
			take_untraced_out(session, task);
	} else {
		call->kind = call_kind_of(info->abi, info->number);
		call->argument = info->arguments[0];
	}
}

bool call_may_fork(const struct watched_call *call)
{
	return call->kind == CALL_FORK && !call->event_seen && !call->injected_error && !call->held_ns;
}

static const char *request_name(uint64_t request)
{
	switch (request) {
	case PTRACE_TRACEME:
		return "PTRACE_TRACEME";
	case PTRACE_ATTACH:
		return "PTRACE_ATTACH";
	case PTRACE_SEIZE:
		return "PTRACE_SEIZE";
	default:
		return "another request";
	}
}

static void ptrace_call_left(struct session *session, struct task *task, const struct syscall_info *info)
{
	if (!info->is_error || info->result != -EPERM)
		return;
	session_notice(
	    session, task,
	    "the program called ptrace(%s) and got EPERM, because forktrace traces it: a process has one tracer",
	    request_name(task->call.argument));
}

static void fork_failed(struct session *session, struct task *task, int error_number)
{
	struct registers registers;
	struct capture_hint hint = {.in_syscall = true};
	struct unwound *stack = NULL;
	struct fork_failed *failed = memory_alloc(sizeof(*failed));
	struct event event = {.kind = EVENT_FORK_FAILED, .fork_failed = failed};
	struct error *error = ptrace_registers(task->tid, &registers);

	failed->call = task->call.fork;
	failed->thread = task->call.fork.flags & CLONE_THREAD;
	failed->restarts = task->call.restarts;
	failed->error_number = error_number;
	failed->injected = task->call.injected_error;
	failed->delay_ns = task->call.delay_ns;
	task->space->tid = task->tid;
	task_refresh_comm(task);
	if (!error) {
		struct entry_fact entry = entry_from_code(&session->entry, &failed->call, &registers, task->space);

		failed->entry = entry.kind;
		failed->entry_certain = entry.certain;
		error = capture_unwind(session->capture, task->space, &registers, &hint, &stack);
	}
	session_report(session, task, error);
	task_name_fill(task, &failed->parent);
	event.task = failed->parent;
	session->totals.failed++;
	session_emit_stacks(session, &event, stack, NULL);
}

static void fork_call_left(struct session *session, struct task *task, struct syscall_info *info)
{
	struct watched_call *call = &task->call;

	if (call->injected_error)
		inject_left(session, task, info);
	if (call->untraced)
		call_restore_untraced(session, task, &call->fork);
	if (call->event_seen) {
		int64_t result = call->fork.abi == ABI_I386 ? (int32_t)info->result : info->result;

		pair_parent_returned(session, task, result);
	} else if (info->is_error && -info->result >= RESTART_FIRST && -info->result <= RESTART_LAST) {
		remember_restart(task);
	} else if (info->is_error) {
		fork_failed(session, task, (int)-info->result);
	} else if (call->fork.flags & CLONE_UNTRACED) {
		session_notice(session, task, "child %lld of this task is lost: it was created with CLONE_UNTRACED",
			       (long long)info->result);
	}
}

/* Children may now be made in another pid namespace: namespaces(7). */
static void namespace_call_left(struct task *task, const struct syscall_info *info)
{
	if (!info->is_error && (task->call.kind == CALL_SETNS || task->call.argument & CLONE_NEWPID))
		task->children_elsewhere = true;
}

/* A filter of the program's own may answer calls of the fork family itself, and then forktrace's is not heard
 * (seccomp(2): the strictest answer wins). From here on the process, all of whose threads may share the filter, stops
 * at every call. */
static void filter_call_left(struct session *session, struct task *task, const struct syscall_info *info)
{
	struct task *other;

	if (info->is_error || (task->call.kind == CALL_PRCTL && task->call.argument != PR_SET_SECCOMP) ||
	    (task->call.kind == CALL_SECCOMP && task->call.argument > SECCOMP_SET_MODE_FILTER))
		return;
	for (size_t i = 0; (other = map_next(&session->tasks, &i));) {
		if (other->tgid != task->tgid || !other->filtered)
			continue;
		other->filtered = false;
		if (other != task)
			session_report(session, other, ptrace_interrupt(other->tid));
	}
}

void call_left(struct session *session, struct task *task, struct syscall_info *info)
{
	switch (task->call.kind) {
	case CALL_FORK:
		fork_call_left(session, task, info);
		break;
	case CALL_PTRACE:
		ptrace_call_left(session, task, info);
		break;
	case CALL_UNSHARE:
	case CALL_SETNS:
		namespace_call_left(task, info);
		break;
	case CALL_SECCOMP:
	case CALL_PRCTL:
		filter_call_left(session, task, info);
		break;
	case CALL_NONE:
		break;
	}
	task->call = (struct watched_call){.kind = CALL_NONE};
}
