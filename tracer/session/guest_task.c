/* The tasks of a traced program in a guest. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/guest_internal.h"

enum {
	TASK_STRUCT_MAX = 6144, /* bytes that are looked through */
	PID_LIMIT = 4194304,    /* PID_MAX_LIMIT of 64-bit kernels; i386's is smaller */
};

/* DWARF numbers: System V ABI, i386, table 2.14. */
enum { EAX = 0, ECX = 1, EDX = 2 };

#define KERNEL_START UINT64_C(0x40000000) /* below any VMSPLIT's PAGE_OFFSET nothing is the kernel's */

static uint32_t stack_end_of(const struct guest_follow *follow, uint64_t sp)
{
	uint32_t size = follow->stack_size ? follow->stack_size : GUEST_STACK_SIZE;

	return (uint32_t)((sp | (size - 1)) + 1);
}

struct guest_task *guest_task_at(const struct guest_follow *follow, uint64_t sp)
{
	return map_get(&follow->tasks, stack_end_of(follow, sp));
}

struct guest_task *guest_task_add(struct guest_follow *follow, uint32_t stack_end)
{
	struct guest_task *task = memory_alloc(sizeof(*task));
	struct guest_task *stale = map_get(&follow->tasks, stack_end);

	/* Its end was not seen, and its stack is another's now. */
	if (stale)
		guest_task_remove(follow, stale);
	task->stack_end = stack_end;
	map_put(&follow->tasks, stack_end, task);
	return task;
}

static void guest_task_free(struct guest_task *task)
{
	control_guest_removed(task);
	space_unref(task->space);
	guest_image_unref(task->image);
	free(task);
}

void guest_task_remove(struct guest_follow *follow, struct guest_task *task)
{
	guest_fork_lost(follow, task, "its end was not seen");
	map_remove(&follow->tasks, task->stack_end);
	guest_task_free(task);
}

void guest_tasks_destroy(struct guest_follow *follow)
{
	struct guest_task *task;

	for (size_t i = 0; (task = map_next(&follow->tasks, &i));)
		guest_task_free(task);
	map_deinit(&follow->tasks);
}

void guest_task_name(const struct guest_task *task, struct task_name *name)
{
	*name = (struct task_name){.pid = task->pid, .tid = task->tid, .ns_pid = task->ns_pid};
	memcpy(name->comm, task->comm, COMM_SIZE);
}

/* --- exec --- */

/* As fs/exec.c names it: the last component, cut. */
static void set_comm(struct guest_task *task, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(task->comm, COMM_SIZE, "%.*s", COMM_SIZE - 1, slash ? slash + 1 : path);
}

/* The first program is known by being the first exec after PID 1 announced it: nothing else in the guest executes
 * anything. start_thread's first argument is the saved registers at the top of the stack: that tells its size. */
static struct guest_task *take_root(struct guest_follow *follow, const struct registers *registers)
{
	uint64_t saved = registers->value[EAX];

	if (!follow->root_expected)
		return NULL;
	follow->root_expected = false;
	follow->stack_size = (registers_sp(registers) ^ saved) < GUEST_STACK_SIZE_SMALL
				 ? guest_stack_size_of(follow, (uint32_t)saved)
				 : GUEST_STACK_SIZE;

	struct guest_task *task = guest_task_add(follow, stack_end_of(follow, registers_sp(registers)));

	task->root = true;
	task->pid = task->tid = task->ns_pid = follow->root_pid;
	if (follow->session->control)
		task->task_struct = guest_current_find(follow, task->stack_end - follow->stack_size);
	control_guest_added(follow->session->control, task, NULL);
	return task;
}

/* What was given to execve, where that is a name of its own (in another root, say); else the file that it led to: an
 * interpreter, or what /proc/self/exe is. */
static const char *executed_path(const struct guest_follow *follow, const struct guest_image *image)
{
	bool own_name = image->path[0] == '/' && strncmp(image->path, "/proc/", strlen("/proc/")) != 0 &&
			!guest_files_host_path(&follow->files, image->path);
	const char *path = own_name ? NULL : guest_image_executable(image, &follow->files);

	return path ? path : image->path;
}

/* start_thread(regs, new_ip, new_sp), arch/x86/kernel/process_32.c: arguments in eax, edx and ecx (regparm). */
void guest_task_exec(struct guest_follow *follow, const struct registers *registers)
{
	struct guest_task *task = guest_task_at(follow, registers_sp(registers));
	struct session *session = follow->session;
	struct event event = {.kind = EVENT_EXEC};

	if (!task)
		task = take_root(follow, registers);
	if (!task)
		return;
	event.exec.old_abi = task->image || !task->root ? ABI_I386 : ABI_UNKNOWN;
	event.exec.new_abi = ABI_I386;
	/* The thread that executes is the process from now on. */
	if (task->tid != task->pid && task->pid) {
		event.exec.former_tid = task->tid;
		task->tid = task->pid;
	}
	space_unref(task->space);
	guest_image_unref(task->image);
	task->cr3 = guest_cr3(follow);
	task->cr3_known = true;
	task->image = guest_image_read(follow->kernel_space, (uint32_t)registers->value[ECX]);
	task->space = space_create_foreign(&follow->source, task->image);
	if (task->image && task->image->path[0]) {
		set_comm(task, task->image->path);
		event.exec.path = string_intern(session->pool, executed_path(follow, task->image));
	}
	guest_task_name(task, &event.task);
	session->totals.execs++;
	session_emit(session, &event);
	control_guest_execed(task);
}

/* --- the end --- */

/* `code` is a wait status. */
static void end_task(struct guest_follow *follow, struct guest_task *task, uint32_t code)
{
	enum { SIGNAL_MASK = 0x7f, CORE_DUMPED = 0x80, STATUS_SHIFT = 8, STATUS_MASK = 0xff };
	struct session *session = follow->session;
	struct event event = {.kind = EVENT_EXIT};
	char text[64];

	event.exit.signaled = code & SIGNAL_MASK;
	event.exit.status = event.exit.signaled ? (int)(code & SIGNAL_MASK) : (int)(code >> STATUS_SHIFT & STATUS_MASK);
	event.exit.core_dumped = code & CORE_DUMPED;
	event.exit.thread = task->tid != task->pid;
	event.exit.root = task->root;
	if (event.exit.signaled)
		snprintf(text, sizeof(text), "it was killed by %s first", signal_name(event.exit.status));
	else
		snprintf(text, sizeof(text), "it exited with status %d first", event.exit.status);
	guest_fork_lost(follow, task, string_intern(session->pool, text));
	guest_task_name(task, &event.task);
	control_guest_ended(task, event.exit.signaled, event.exit.status);
	if (!event.exit.thread)
		session->totals.exits++;
	if (!event.exit.thread || session->options.threads)
		session_emit(session, &event);
	map_remove(&follow->tasks, task->stack_end);
	guest_task_free(task);
}

/* do_exit(code), kernel/exit.c. */
void guest_task_exit(struct guest_follow *follow, const struct registers *registers)
{
	struct guest_task *task = guest_task_at(follow, registers_sp(registers));

	if (task)
		end_task(follow, task, (uint32_t)registers->value[EAX]);
}

void guest_task_root_ended(struct guest_follow *follow, uint32_t status)
{
	struct guest_task *task;

	for (size_t i = 0; (task = map_next(&follow->tasks, &i));) {
		if (task->root) {
			end_task(follow, task, status);
			return;
		}
	}
}

/* --- who is the child? --- */

static bool read_words(const struct guest_follow *follow, uint32_t address, uint32_t *words, size_t count)
{
	struct error *error = space_read(follow->kernel_space, address, words, count * sizeof(*words));

	error_destroy(error);
	return !error;
}

/* In struct task_struct (linux/sched.h, 2.6.29 to 7.2) pid and tgid stand side by side, and behind them, with or
 * without a canary between, pointers to relatives: real_parent, which of a new process is its parent, and, a few words
 * on, group_leader, which of a new thread is its process. There the numbers are known. So the place is proven before
 * anything is read from it. */
static bool is_pid_place(const struct guest_follow *follow, const uint32_t *words, size_t at,
			 const struct guest_task *parent, bool thread)
{
	enum { RELATIVES = 9 };
	uint32_t id = words[at], ids[2], pid = (uint32_t)parent->pid;

	if (id == 0 || id > PID_LIMIT || id == pid || words[at + 1] != (thread ? pid : id))
		return false;
	for (size_t i = at + 2; i < at + 2 + RELATIVES; i++) {
		if (words[i] > KERNEL_START && read_words(follow, words[i] + (uint32_t)(at * sizeof(*words)), ids, 2) &&
		    ids[1] == pid && (ids[0] == pid || ids[0] == (uint32_t)parent->tid))
			return true;
	}
	return false;
}

static void find_pid_offset(struct guest_follow *follow, const uint32_t *words, size_t count,
			    const struct guest_task *parent, bool thread)
{
	enum { BEHIND = 11 }; /* words that are looked at behind the place */

	for (size_t i = 0; i + BEHIND < count && !follow->pid_offset; i++) {
		if (is_pid_place(follow, words, i, parent, thread))
			follow->pid_offset = (uint32_t)(i * sizeof(*words));
	}
}

/* A new child has its parent's name. */
static void find_comm_offset(struct guest_follow *follow, const uint32_t *words, size_t count,
			     const struct guest_task *parent)
{
	size_t size = strlen(parent->comm) + 1;
	const char *bytes = (const char *)words;

	for (size_t i = 0; size > 1 && i + COMM_SIZE < count * sizeof(*words) && !follow->comm_offset;
	     i += sizeof(*words)) {
		if (!memcmp(bytes + i, parent->comm, size))
			follow->comm_offset = (uint32_t)i;
	}
}

void guest_task_identify(struct guest_follow *follow, struct guest_task *child, const struct guest_task *parent,
			 const struct fork_call *call)
{
	enum { WORDS = TASK_STRUCT_MAX / sizeof(uint32_t) };
	uint32_t words[WORDS];

	if (!read_words(follow, child->task_struct, words, WORDS))
		return;
	if (!follow->pid_offset && parent->pid)
		find_pid_offset(follow, words, WORDS, parent, call->flags & CLONE_THREAD);
	if (!follow->comm_offset)
		find_comm_offset(follow, words, WORDS, parent);
	if (follow->pid_offset) {
		child->tid = (pid_t)words[follow->pid_offset / sizeof(*words)];
		child->pid = (pid_t)words[follow->pid_offset / sizeof(*words) + 1];
	}
	if (follow->comm_offset) {
		memcpy(child->comm, (const char *)words + follow->comm_offset, COMM_SIZE);
		child->comm[COMM_SIZE - 1] = '\0';
	}
}

static bool is_stack_of(const struct guest_follow *follow, uint32_t end, const struct guest_fork *fork)
{
	struct kernel_border border;

	kernel_border_of_stack(follow->kernel_space, end - follow->stack_size, follow->stack_size, &border);
	return border.found && registers_pc(&border.user) == fork->user_pc &&
	       registers_sp(&border.user) == fork->child_sp && border.user.value[EAX] == 0;
}

/* The stack's address is one of the first words: behind the thread_info of newer kernels, or the state. */
uint32_t guest_task_find_stack(struct guest_follow *follow, uint32_t task_struct, const struct guest_fork *fork)
{
	enum { WORDS = 32 };
	uint32_t words[WORDS];

	if (!read_words(follow, task_struct, words, WORDS))
		return 0;
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i] > KERNEL_START && words[i] % follow->stack_size == 0 &&
		    is_stack_of(follow, words[i] + follow->stack_size, fork))
			return words[i] + follow->stack_size;
	}
	return 0;
}
