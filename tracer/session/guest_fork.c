/* The calls of the fork family in a guest: from their entry into the kernel until both processes are back. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/guest_internal.h"

enum { EAX = 0 }; /* DWARF number */

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

void guest_fork_failed(struct guest_follow *follow, struct guest_fork *fork, int error_number)
{
	struct fork_failed *failed = memory_alloc(sizeof(*failed));
	struct event event = {.kind = EVENT_FORK_FAILED, .fork_failed = failed};

	fork_remove(follow, fork);
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

void guest_fork_finish_if_complete(struct guest_follow *follow, struct guest_fork *fork)
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
		guest_fork_finish_if_complete(follow, fork);
		/* One or several are gone from the list. */
		if (i > follow->forks.count)
			i = follow->forks.count;
	}
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

/* The entry, where the outermost frame stands at one of its labels (up to 4.3): the function that they are in. */
static void take_entry_of_label(struct guest_follow *follow, struct guest_fork *fork, const struct stack *stack,
				enum stage_entry way)
{
	enum { ENTRY_SIZE_MAX = 4096 };
	const struct frame *label = &stack->frames[stack->count - 1];
	uint64_t address;
	const char *name;

	if (lineage_find(follow->symbols, STAGE_ENTRY, way, 0, &address, &name) && label->pc > address &&
	    label->pc - address < ENTRY_SIZE_MAX)
		guest_walk_add_on_stack(fork, STAGE_ENTRY, name, label->pc);
}

/* The stages that lie above the handler: their return addresses are on the stack. */
static void take_entry(struct guest_follow *follow, struct guest_fork *fork, const struct registers *registers)
{
	struct fork_record *record = fork->record;
	struct kernel_border border = {0};
	const char *reason = NULL;
	struct stack *stack = guest_kernel_stack(follow, registers, &border, &reason);
	struct entry_fact entry = {.kind = record->entry, .certain = record->entry_certain};
	enum stage_entry way;

	if (!stack)
		return;
	entry_from_kernel(stack, ABI_I386, &entry);
	record->entry = entry.kind;
	record->entry_certain = entry.certain;
	way = entry.kind == ENTRY_INT80 ? STAGE_ENTRY_INT80 : STAGE_ENTRY_SYSENTER;
	for (enum stage stage = STAGE_ENTRY; stage <= STAGE_DISPATCH; stage++) {
		const struct frame *frame = find_stage(stack, stage_names(stage, way, (unsigned)record->call.number));

		if (frame)
			guest_walk_add_on_stack(fork, stage, frame->symbol, frame->pc);
		else if (stage == STAGE_ENTRY && entry.kind != ENTRY_UNKNOWN && stack->count)
			take_entry_of_label(follow, fork, stack, way);
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
		task = guest_foreign_adopt(follow, registers);
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
	fork->record->kernel.parent_frames =
	    guest_kernel_stack(follow, registers, &border, &fork->parent_kernel_reason);
	fork->parent_stack =
	    guest_user_stack(follow, fork->parent, border.found ? &border.user : &fork->user, fork, false);
	guest_walk_add(follow, fork, STAGE_COPY, false, place->name, place->address);
}

static enum fork_kind kind_of(const struct fork_call *call)
{
	if (call->flags & CLONE_VFORK)
		return FORK_KIND_VFORK;
	return call->exit_signal == SIGCHLD ? FORK_KIND_FORK : FORK_KIND_CLONE; /* kernel/fork.c, kernel_clone */
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
	control_guest_added(follow->session->control, child, fork->parent);
	control_guest_forking(fork->parent, fork->record->call.flags & CLONE_VFORK);
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
	fork->record->kernel.child_frames = guest_kernel_stack(follow, registers, &border, &fork->child_kernel_reason);
	guest_walk_add(follow, fork, STAGE_CHILD_FIRST, true, place->name, place->address);
	control_guest_born(child);
}
