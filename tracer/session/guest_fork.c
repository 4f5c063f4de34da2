/* The calls of the fork family in a guest: from their entry into the kernel until both processes are back. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/guest_internal.h"

enum { EAX = 0 };          /* DWARF number */
enum { ERRNO_MAX = 4095 }; /* MAX_ERRNO, linux/err.h */

/* --- finding --- */

/* The call that the task is inside of, in the kernel: the last one. */
static struct guest_fork *current_fork(const struct guest_follow *follow, const struct guest_task *task)
{
	for (size_t i = follow->forks.count; task && i-- > 0;) {
		struct guest_fork *fork = follow->forks.items[i];

		if (fork->parent == task && !fork->parent_done)
			return fork;
	}
	return NULL;
}

static struct guest_fork *find_call(const struct guest_follow *follow, const struct guest_task *task, uint64_t pc,
				    uint64_t sp)
{
	for (size_t i = 0; i < follow->forks.count; i++) {
		struct guest_fork *fork = follow->forks.items[i];

		if (fork->parent == task && !fork->created && fork->user_pc == pc && fork->user_sp == sp)
			return fork;
	}
	return NULL;
}

/* --- the end of a call --- */

static void fork_free(struct guest_fork *fork)
{
	fork_record_destroy(fork->record);
	unwound_unref(fork->parent_stack);
	unwound_unref(fork->child_stack);
	free(fork);
}

static void fork_remove(struct guest_follow *follow, struct guest_fork *fork)
{
	for (size_t i = 0; i < follow->forks.count; i++) {
		if (follow->forks.items[i] == fork) {
			vector_remove(&follow->forks, i);
			break;
		}
	}
	if (fork->child)
		fork->child->child_of = NULL;
	guest_breakpoint(follow, fork->user_pc, false);
}

void guest_forks_destroy(struct guest_follow *follow)
{
	for (size_t i = 0; i < follow->forks.count; i++)
		fork_free(follow->forks.items[i]);
	vector_deinit(&follow->forks);
}

static void emit_record(struct guest_follow *follow, struct guest_fork *fork)
{
	struct session *session = follow->session;
	struct fork_record *record = fork->record;
	struct event event = {.kind = EVENT_FORK, .seq = fork->seq, .time_ns = fork->time_ns, .fork = record};

	guest_walk_complete(follow, fork);
	record->kernel.source = KERNEL_SOURCE_GUEST;
	record->kernel.release = follow->release;
	record->kernel.reason = pair_join_reasons(session, fork->parent_kernel_reason, fork->child_kernel_reason);
	event.task = record->parent.task;
	session_emit_stacks(session, &event, fork->parent_stack, fork->child_stack);
	free(fork);
}

static void emit_failed(struct guest_follow *follow, struct guest_fork *fork, int error_number)
{
	struct fork_failed *failed = memory_alloc(sizeof(*failed));
	struct event event = {.kind = EVENT_FORK_FAILED, .fork_failed = failed};

	failed->call = fork->record->call;
	failed->entry = fork->record->entry;
	failed->entry_certain = fork->record->entry_certain;
	failed->thread = fork->record->thread;
	failed->restarts = fork->record->restarts;
	failed->error_number = error_number;
	failed->parent = fork->record->parent.task;
	event.task = failed->parent;
	follow->session->totals.failed++;
	session_emit_stacks(follow->session, &event, fork->parent_stack, NULL);
	fork->parent_stack = NULL;
	fork_free(fork);
}

static void finish_if_complete(struct guest_follow *follow, struct guest_fork *fork)
{
	bool thread_unwanted = fork->record->thread && !follow->session->options.threads;

	if (!fork->parent_done || !fork->child_done)
		return;
	fork_remove(follow, fork);
	if (thread_unwanted)
		fork_free(fork);
	else
		emit_record(follow, fork);
}

void guest_fork_lost(struct guest_follow *follow, struct guest_task *task, const char *reason)
{
	for (size_t i = follow->forks.count; i-- > 0;) {
		struct guest_fork *fork = follow->forks.items[i];

		if (fork->parent == task && !fork->created) {
			fork_remove(follow, fork);
			fork_free(fork);
			continue;
		}
		if (fork->parent == task) {
			if (!fork->parent_done)
				fork->record->parent.ret_reason = reason;
			fork->parent = NULL;
			fork->parent_done = true;
		} else if (fork->child == task) {
			if (!fork->child_done)
				fork->record->child.ret_reason = reason;
			if (!fork->record->kernel.child_frames && !fork->child_kernel_reason)
				fork->child_kernel_reason = reason;
			fork->child = NULL;
			fork->child_done = true;
		} else {
			continue;
		}
		finish_if_complete(follow, fork);
		/* One or several are gone from the list. */
		if (i > follow->forks.count)
			i = follow->forks.count;
	}
}

/* --- stacks --- */

static struct stack *name_kernel_stack(struct guest_follow *follow, const kernel_frames *frames)
{
	struct stack *stack = stack_create(frames->count);
	struct string_pool *pool = follow->session->pool;

	for (size_t i = 0; i < frames->count; i++) {
		const struct kernel_frame *from = &frames->items[i];
		struct frame *to = &stack->frames[i];
		struct kernel_symbol symbol;
		bool known = i == 0 ? kernel_symbols_find(follow->symbols, from->pc, &symbol)
				    : kernel_symbols_find_caller(follow->symbols, from->pc, &symbol);

		to->pc = from->pc;
		to->method = from->method;
		to->certain = from->certain;
		if (!known)
			continue;
		to->symbol = string_intern(pool, symbol.name);
		to->module = string_intern(pool, symbol.module);
		to->offset = symbol.offset;
	}
	return stack;
}

/* The kernel's stack of the stopped task down to the border, and the user's registers there. */
static struct stack *read_kernel_stack(struct guest_follow *follow, const struct registers *registers,
				       struct kernel_border *border, const char **reason)
{
	kernel_frames frames = {0};
	struct stack *stack = NULL;
	struct error *error = kernel_stack_unwind(follow->kernel_space, &follow->code, KERNEL_UNWINDER_AUTO, registers,
						  follow->session->options.max_frames, &frames, border);

	if (error) {
		*reason = string_intern(follow->session->pool, error->message);
		error_destroy(error);
	} else {
		stack = name_kernel_stack(follow, &frames);
		if (!border->found)
			stack->reason = border->reason;
	}
	vector_deinit(&frames);
	return stack;
}

/* The user's stack of the current address space. */
static struct unwound *read_user_stack(struct guest_follow *follow, struct guest_task *task,
				       const struct registers *registers, const struct guest_fork *fork, bool child)
{
	struct capture_hint hint = {.in_syscall = true, .fresh_stack = child && fork->record->call.child_stack != 0};
	struct unwound *unwound = NULL;
	bool changed;
	/* A child has its parent's modules, and few pages to find others from. */
	struct error *error = child ? NULL : space_refresh_modules(task->space, &changed);

	if (!error)
		error = capture_unwind(follow->session->capture, task->space, registers, &hint, &unwound);
	session_report(follow->session, NULL, error);
	return unwound;
}

/* --- the entry --- */

static void decode_call(struct guest_follow *follow, struct guest_fork *fork, uint32_t number)
{
	/* ebx, ecx, edx, esi, edi, ebp: syscall(2). */
	static const unsigned order[6] = {3, 1, 2, 6, 7, 5};
	struct fork_call *call = &fork->record->call;
	uint8_t bytes[CLONE3_ARGS_READ] = {0};
	uint64_t arguments[6];

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		arguments[i] = fork->user.value[order[i]];
	if (!fork_call_decode(ABI_I386, number, arguments, call) || call->flags_known)
		return;

	size_t size = call->clone3_size < sizeof(bytes) ? (size_t)call->clone3_size : sizeof(bytes);
	struct error *error = space_read(follow->kernel_space, call->clone3_args, bytes, size);

	/* A bad pointer is the program's mistake: the call fails with EFAULT. */
	if (!error)
		fork_call_decode_clone3(call, bytes, size);
	error_destroy(error);
}

/* The innermost frame of one of these functions; the newest name goes first. */
static const struct frame *find_stage(const struct stack *stack, const char *const *names)
{
	for (; *names; names++) {
		for (size_t i = 0; i < stack->count; i++) {
			if (stack->frames[i].symbol && !strcmp(stack->frames[i].symbol, *names))
				return &stack->frames[i];
		}
	}
	return NULL;
}

/* The stages that lie above the handler: their return addresses are on the stack. */
static void take_entry(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct fork_record *record = fork->record;
	struct kernel_border border = {0};
	const char *reason = NULL;
	struct stack *stack = read_kernel_stack(follow, registers, &border, &reason);
	struct entry_fact entry = {.kind = record->entry, .certain = record->entry_certain};
	enum stage_entry way;

	if (!stack)
		return;
	entry_from_kernel(stack, &entry);
	record->entry = entry.kind;
	record->entry_certain = entry.certain;
	way = entry.kind == ENTRY_INT80 ? STAGE_ENTRY_INT80 : STAGE_ENTRY_SYSENTER;
	for (enum stage stage = STAGE_ENTRY; stage <= STAGE_DISPATCH; stage++) {
		const struct frame *frame = find_stage(stack, stage_names(stage, way, (unsigned)record->call.number));

		if (frame)
			guest_walk_add_on_stack(fork, stage, frame->symbol, frame->pc);
	}
	stack_unref(stack);
}

static struct guest_fork *open_call(struct guest_follow *follow, struct guest_task *task,
				    const struct kernel_border *border)
{
	struct guest_fork *fork = memory_alloc(sizeof(*fork));

	fork->parent = task;
	fork->record = memory_alloc(sizeof(*fork->record));
	fork->walk = memory_alloc(sizeof(*fork->walk));
	fork->record->kernel.walk = fork->walk;
	fork->user = border->user;
	fork->user_pc = registers_pc(&border->user);
	fork->user_sp = registers_sp(&border->user);
	decode_call(follow, fork, border->original_eax);
	fork->child_sp = fork->record->call.child_stack ? fork->record->call.child_stack : fork->user_sp;
	fork->record->thread = fork->record->call.flags & CLONE_THREAD;
	fork->record->untraced = fork->record->call.flags & CLONE_UNTRACED;
	guest_task_name(task, &fork->record->parent.task);
	guest_walk_add_on_stack(fork, STAGE_WRAPPER, NULL, 0);
	guest_walk_add_on_stack(fork, STAGE_VSYSCALL, NULL, 0);
	vector_push(&follow->forks, fork);
	guest_breakpoint(follow, fork->user_pc, true);
	return fork;
}

void guest_fork_enter(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers)
{
	struct guest_task *task = guest_task_at(follow, registers_sp(registers));
	struct kernel_border border;
	struct guest_fork *fork;

	if (!task)
		return;
	kernel_border_of_stack(follow->kernel_space, registers_sp(registers), follow->stack_size, &border);
	if (!border.found || !fork_syscall_of(ABI_I386, border.original_eax))
		return;
	fork = find_call(follow, task, registers_pc(&border.user), registers_sp(&border.user));
	if (!fork)
		fork = open_call(follow, task, &border);
	else if (guest_walk_has(fork, STAGE_HANDLER))
		fork->record->restarts++;
	take_entry(follow, fork, registers);
	guest_walk_add(follow, fork, STAGE_HANDLER, false, place->name, place->address);
}

/* --- inside --- */

void guest_fork_step(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers)
{
	struct guest_fork *fork = current_fork(follow, guest_task_at(follow, registers_sp(registers)));

	if (fork && !fork->created)
		guest_walk_add(follow, fork, STAGE_WORKER, false, place->name, place->address);
}

void guest_fork_copy(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers)
{
	struct guest_fork *fork = current_fork(follow, guest_task_at(follow, registers_sp(registers)));
	struct kernel_border border = {0};

	if (!fork || fork->created)
		return;
	/* A call that was restarted comes here again. */
	stack_unref(fork->record->kernel.parent_frames);
	unwound_unref(fork->parent_stack);
	fork->record->kernel.parent_frames = read_kernel_stack(follow, registers, &border, &fork->parent_kernel_reason);
	fork->parent_stack =
	    read_user_stack(follow, fork->parent, border.found ? &border.user : &fork->user, fork, false);
	guest_walk_add(follow, fork, STAGE_COPY, false, place->name, place->address);
}

static enum fork_kind kind_of(const struct fork_call *call)
{
	if (call->flags & CLONE_VFORK)
		return FORK_KIND_VFORK;
	return call->exit_signal == SIGCHLD ? FORK_KIND_FORK : FORK_KIND_CLONE; /* kernel/fork.c, kernel_clone */
}

static bool is_followed(const struct guest_follow *follow, unsigned depth)
{
	switch (follow->session->options.follow) {
	case FOLLOW_NONE:
		return depth == 0;
	case FOLLOW_FIRST:
		return depth <= 1;
	default:
		return true;
	}
}

static void fill_child(struct guest_fork *fork, struct guest_task *child)
{
	const struct guest_task *parent = fork->parent;
	uint64_t flags = fork->record->call.flags;

	memcpy(child->comm, parent->comm, COMM_SIZE);
	child->depth = parent->depth + !fork->record->thread;
	child->elsewhere = parent->elsewhere || (flags & CLONE_NEWPID);
	child->image = guest_image_ref(parent->image);
	child->space = flags & CLONE_VM ? space_ref(parent->space) : space_copy(parent->space, 0);
	child->cr3_known = flags & CLONE_VM;
	child->cr3 = parent->cr3;
	child->child_of = fork;
	fork->child = child;
}

/* wake_up_new_task(p, …), kernel/sched/core.c: the new task in eax (regparm). */
void guest_fork_wake(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers)
{
	struct guest_fork *fork = current_fork(follow, guest_task_at(follow, registers_sp(registers)));
	uint32_t task_struct = (uint32_t)registers->value[EAX], stack_end;

	if (!fork || fork->created)
		return;
	guest_walk_add(follow, fork, STAGE_WAKE, false, place->name, place->address);
	fork->created = true;
	fork->record->kind = kind_of(&fork->record->call);
	fork->seq = session_next_seq(follow->session);
	fork->time_ns = session_now(follow->session);
	fork->event_time_known = guest_now(follow, &fork->event_time);
	stack_end = guest_task_find_stack(follow, task_struct, fork);
	if (!stack_end) {
		fork->child_done = true;
		fork->record->child.ret_reason = "its kernel stack was not found";
		fork->child_kernel_reason = fork->record->child.ret_reason;
		return;
	}

	struct guest_task *child = guest_task_add(follow, stack_end);

	fill_child(fork, child);
	child->task_struct = task_struct;
	guest_task_identify(follow, child, fork->parent, &fork->record->call);
	memcpy(fork->parent->comm, child->comm, COMM_SIZE); /* a new child still has its parent's name */
	if (fork->record->thread && !child->pid)
		child->pid = fork->parent->pid;
	child->ns_pid = child->elsewhere ? 0 : child->tid;
	if (fork->record->call.flags & CLONE_NEWPID)
		child->ns_pid = 1; /* the first process of a namespace: pid_namespaces(7) */
	guest_task_name(fork->parent, &fork->record->parent.task);
	guest_task_name(child, &fork->record->child.task);
	pair_count(follow->session, fork->record);
}

/* --- the child --- */

void guest_fork_child_first(struct guest_follow *follow, const struct guest_place *place,
			    const struct registers *registers)
{
	struct guest_task *child = guest_task_at(follow, registers_sp(registers));
	struct guest_fork *fork = child ? child->child_of : NULL;
	struct kernel_border border = {0};

	if (!fork || guest_walk_has(fork, STAGE_CHILD_FIRST))
		return;
	child->cr3 = guest_cr3(follow);
	child->cr3_known = true;
	fork->record->kernel.child_frames = read_kernel_stack(follow, registers, &border, &fork->child_kernel_reason);
	guest_walk_add(follow, fork, STAGE_CHILD_FIRST, true, place->name, place->address);
}

static uint64_t since_event(struct guest_follow *follow, const struct guest_fork *fork)
{
	uint64_t now;

	return fork->event_time_known && guest_now(follow, &now) ? now - fork->event_time
								 : session_now(follow->session) - fork->time_ns;
}

static void half_returned(struct guest_follow *follow, const struct guest_fork *fork, struct fork_half *half,
			  const struct registers *registers)
{
	half->ret_known = true;
	half->ret = registers_result(registers);
	half->ret_from = RET_FROM_USER_RETURN;
	half->ret_ns = since_event(follow, fork);
}

/* Where the child writes its number for itself (CLONE_CHILD_SETTID) it tells the one of its own pid namespace. */
static void read_child_tid(struct guest_follow *follow, const struct guest_fork *fork, struct guest_task *child)
{
	enum { EDI = 7 };
	const struct fork_call *call = &fork->record->call;
	uint32_t tid;

	if (!(call->flags & CLONE_CHILD_SETTID) || call->syscall != FORK_SYSCALL_CLONE)
		return;

	struct error *error = space_read(follow->kernel_space, fork->user.value[EDI], &tid, sizeof(tid));

	if (!error && tid) {
		child->ns_pid = (pid_t)tid;
		if (!child->tid && !child->elsewhere)
			child->tid = (pid_t)tid;
		if (!child->pid && !fork->record->thread)
			child->pid = child->tid;
	}
	error_destroy(error);
}

static void child_returned(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct guest_task *child = fork->child;

	guest_walk_add(follow, fork, STAGE_RETURN_CHILD, true, NULL, registers_pc(registers));
	half_returned(follow, fork, &fork->record->child, registers);
	read_child_tid(follow, fork, child);
	guest_task_name(child, &fork->record->child.task);
	if (!fork->record->thread || follow->session->options.threads)
		fork->child_stack = read_user_stack(follow, child, registers, fork, true);
	if (!fork->parent_done)
		fork->record->order = ORDER_CHILD_FIRST;
	fork->child_done = true;
	fork->child = NULL;
	child->child_of = NULL;
	if (!is_followed(follow, child->depth))
		guest_task_remove(follow, child);
	finish_if_complete(follow, fork);
}

/* --- the parent --- */

static void parent_failed(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	int error_number = (int)-registers_result(registers);

	if (!fork->parent_stack)
		fork->parent_stack = read_user_stack(follow, fork->parent, registers, fork, false);
	fork_remove(follow, fork);
	emit_failed(follow, fork, error_number);
}

static void parent_returned(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct fork_record *record = fork->record;

	guest_walk_add(follow, fork, STAGE_RETURN_PARENT, false, NULL, registers_pc(registers));
	half_returned(follow, fork, &record->parent, registers);
	if (!record->child.task.tid && !fork->parent->elsewhere) {
		record->child.task.tid = (pid_t)record->parent.ret;
		record->child.task.pid = record->thread ? record->parent.task.pid : record->child.task.tid;
		if (fork->child) {
			fork->child->tid = record->child.task.tid;
			fork->child->pid = record->child.task.pid;
		}
	}
	fork->parent_done = true;
	finish_if_complete(follow, fork);
}

/* --- back in user mode --- */

/* Where the kernel isolates its page tables, user mode has a second table one page behind (arch/x86/mm/pti.c). Tables
 * of two processes may lie side by side as well: what fits exactly goes first, and once that was seen nothing else
 * counts.
 */
static bool same_space(struct guest_follow *follow, uint64_t user, uint64_t kernel, bool isolated)
{
	enum { BEHIND = 4096 };

	if (isolated)
		return !follow->no_isolation && !(kernel & BEHIND) && user == (kernel | BEHIND);
	follow->no_isolation = follow->no_isolation || user == kernel;
	return user == kernel;
}

/* Is the stop the return of one of the two? A child is told from its parent, that it may share all with (vfork), by the
 * result. */
static bool take_return(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers,
			uint64_t cr3, bool isolated)
{
	uint64_t sp = registers_sp(registers);
	int64_t result = registers_result(registers);

	if (result == 0 && fork->child && sp == fork->child_sp && fork->child->cr3_known &&
	    same_space(follow, cr3, fork->child->cr3, isolated)) {
		child_returned(follow, fork, registers);
		return true;
	}
	if (!fork->parent || fork->parent_done || sp != fork->user_sp || result == 0 ||
	    !same_space(follow, cr3, fork->parent->cr3, isolated))
		return false;
	if (fork->created)
		parent_returned(follow, fork, registers);
	else if (result < 0 && result >= -ERRNO_MAX)
		parent_failed(follow, fork, registers);
	return true;
}

void guest_fork_user(struct guest_follow *follow, const struct registers *registers)
{
	uint64_t cr3 = guest_cr3(follow);

	for (int isolated = 0; isolated <= 1; isolated++) {
		for (size_t i = 0; i < follow->forks.count; i++) {
			struct guest_fork *fork = follow->forks.items[i];

			if (fork->user_pc == registers_pc(registers) &&
			    take_return(follow, fork, registers, cr3, isolated))
				return;
		}
	}
}
