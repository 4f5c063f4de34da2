/* The tasks of a machine that somebody else runs: who they are is read of the kernel's own structures, whose layout is
 * not known. Each place in them is proven before anything is read there, by what must stand at it and around it. */
#include <elf.h>
#include <sched.h>
#include <string.h>

#include "session/guest_internal.h"

enum {
	TASK_STRUCT_MAX = 6144, /* bytes that are looked through */
	TASK_WORDS = TASK_STRUCT_MAX / 4,
	WORD = 4,
	PID_LIMIT = 4194304,
};

#define KERNEL_START UINT32_C(0x40000000) /* below any VMSPLIT's PAGE_OFFSET nothing is the kernel's */

static bool read_words(const struct guest_follow *follow, uint64_t address, uint32_t *words, size_t count)
{
	struct error *error = space_read(follow->kernel_space, address, words, count * WORD);

	error_destroy(error);
	return !error;
}

/* --- its numbers --- */

static bool is_pid(uint32_t number)
{
	return number > 0 && number <= PID_LIMIT;
}

/* pid and tgid stand side by side (linux/sched.h, 2.6.29 to 7.2); behind them, with or without a canary between,
 * real_parent, parent, the lists children and sibling (a pointer forth and one back each), and group_leader, whose
 * numbers are both this one's tgid: it is the task itself where pid and tgid are the same, and another where not. */
static bool is_pid_place(const struct guest_follow *follow, uint32_t task, const uint32_t *words, size_t at,
			 size_t relatives)
{
	enum { PARENT = 0, LEADER = 6, COUNT = 7 };
	uint32_t id = words[at], group = words[at + 1], ids[2];
	const uint32_t *relative = words + relatives;

	if (!is_pid(id) || !is_pid(group))
		return false;
	for (size_t i = 0; i < COUNT; i++) {
		if (relative[i] < KERNEL_START || relative[i] % WORD)
			return false;
	}
	if ((relative[LEADER] == task) != (id == group) ||
	    !read_words(follow, relative[LEADER] + (uint32_t)(at * WORD), ids, 2) || ids[0] != group || ids[1] != group)
		return false;
	return read_words(follow, relative[PARENT] + (uint32_t)(at * WORD), ids, 2) && ids[0] <= PID_LIMIT &&
	       ids[1] <= PID_LIMIT;
}

static void find_pid_offset(struct guest_follow *follow, uint32_t task, const uint32_t *words)
{
	enum { BEHIND = 10 };

	for (size_t at = 1; at + BEHIND < TASK_WORDS && !follow->pid_offset; at++) {
		for (size_t relatives = at + 2; relatives <= at + 3 && !follow->pid_offset; relatives++) {
			if (!is_pid_place(follow, task, words, at, relatives))
				continue;
			follow->pid_offset = (uint32_t)at * WORD;
			follow->foreign->parent_offset = (uint32_t)relatives * WORD;
		}
	}
}

/* --- its name --- */

/* The first task, which is its own parent and has number 0: it has one name in all kernels (init_task.c; with a
 * processor's number since 2.6.38, kernel/sched/core.c, init_idle). */
static bool read_first_task(const struct guest_follow *follow, uint32_t task, uint32_t words[TASK_WORDS])
{
	enum { GENERATIONS_MAX = 256 };

	for (int i = 0; i < GENERATIONS_MAX; i++) {
		if (!read_words(follow, task, words, TASK_WORDS))
			return false;
		if (!words[follow->pid_offset / WORD])
			return true;
		task = words[follow->foreign->parent_offset / WORD];
	}
	return false;
}

static void find_comm_offset(struct guest_follow *follow, uint32_t task)
{
	static const char *const names[] = {"swapper/0", "swapper"};
	uint32_t words[TASK_WORDS];
	const char *bytes = (const char *)words;

	if (!read_first_task(follow, task, words))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !follow->comm_offset; i++) {
		for (size_t at = WORD; at + COMM_SIZE <= TASK_STRUCT_MAX && !follow->comm_offset; at += WORD) {
			if (!memcmp(bytes + at, names[i], strlen(names[i]) + 1))
				follow->comm_offset = (uint32_t)at;
		}
	}
}

/* --- its program --- */

/* Is it an auxiliary vector of this machine (fs/binfmt_elf.c, create_elf_tables)? */
static bool is_auxv(const uint32_t *words, size_t count)
{
	enum { PAGE_SIZE = 4096 };
	bool page_size = false;
	struct auxv auxv;

	for (size_t i = 0; i + 1 < count && words[i] != AT_NULL; i += 2)
		page_size = page_size || (words[i] == AT_PAGESZ && words[i + 1] == PAGE_SIZE);
	return page_size && auxv_parse(words, count * WORD, &auxv) && auxv.word_size == WORD && auxv.phdr;
}

enum { MM_WORDS = 256, AUXV_WORDS = 64 };

static bool find_auxv_offset(struct guest_follow *follow, uint32_t mm)
{
	uint32_t words[MM_WORDS + AUXV_WORDS];

	if (!read_words(follow, mm, words, MM_WORDS + AUXV_WORDS))
		return false;
	for (size_t at = 1; at < MM_WORDS; at++) {
		if (is_auxv(words + at, AUXV_WORDS)) {
			follow->foreign->auxv_offset = (uint32_t)at * WORD;
			return true;
		}
	}
	return false;
}

/* mm and active_mm, which are the same in a task that has user memory, stand side by side; what they point to has the
 * program's auxiliary vector. */
static void find_mm_offset(struct guest_follow *follow, uint32_t task, const uint32_t *words)
{
	for (size_t at = 1; at + 1 < TASK_WORDS && !follow->foreign->mm_offset; at++) {
		bool inside = words[at] - task < TASK_STRUCT_MAX; /* a list of no element */

		if (words[at] >= KERNEL_START && words[at] % WORD == 0 && words[at] == words[at + 1] && !inside &&
		    find_auxv_offset(follow, words[at]))
			follow->foreign->mm_offset = (uint32_t)at * WORD;
	}
}

static struct guest_image *read_image(struct guest_follow *follow, uint32_t task, const uint32_t *words)
{
	uint32_t auxv[AUXV_WORDS];

	if (!follow->foreign->mm_offset)
		find_mm_offset(follow, task, words);
	if (!follow->foreign->mm_offset ||
	    !read_words(follow, words[follow->foreign->mm_offset / WORD] + follow->foreign->auxv_offset, auxv,
			AUXV_WORDS))
		return NULL;
	return guest_image_of_auxv(follow->kernel_space, auxv, sizeof(auxv));
}

/* --- a task that was not known --- */

static void identify(struct guest_follow *follow, struct guest_task *task, uint32_t task_struct)
{
	uint32_t words[TASK_WORDS];

	if (!task_struct || !read_words(follow, task_struct, words, TASK_WORDS))
		return;
	task->task_struct = task_struct;
	if (!follow->pid_offset)
		find_pid_offset(follow, task_struct, words);
	if (follow->pid_offset && !follow->comm_offset)
		find_comm_offset(follow, task_struct);
	if (follow->pid_offset) {
		task->tid = (pid_t)words[follow->pid_offset / WORD];
		task->pid = (pid_t)words[follow->pid_offset / WORD + 1];
	}
	if (follow->comm_offset) {
		memcpy(task->comm, (const char *)words + follow->comm_offset, COMM_SIZE);
		task->comm[COMM_SIZE - 1] = '\0';
	}
	task->image = read_image(follow, task_struct, words);
}

struct guest_task *guest_foreign_adopt(struct guest_follow *follow, const struct registers *registers)
{
	struct kernel_border border;
	uint32_t end;

	if (!follow->foreign)
		return NULL;
	kernel_border_of_stack(follow->kernel_space, registers_sp(registers), follow->stack_size, &border);
	if (!border.found || !fork_syscall_of(ABI_I386, border.original_eax))
		return NULL;
	if (!follow->stack_size)
		follow->stack_size = guest_stack_size_of(follow, (uint32_t)border.address);
	end = ((uint32_t)registers_sp(registers) | (follow->stack_size - 1)) + 1;

	struct guest_task *task = guest_task_add(follow, end);

	identify(follow, task, guest_current_find(follow, end - follow->stack_size));
	task->elsewhere = true; /* until a number that it is told is the kernel's own */
	task->cr3 = guest_cr3(follow);
	task->cr3_known = true;
	task->space = space_create_foreign(&follow->source, task->image);
	return task;
}

/* A process of the initial pid namespace is told its child's number as the kernel has it, any other one another. */
void guest_foreign_returned(struct guest_follow *follow, struct guest_fork *fork, int64_t number)
{
	struct fork_record *record = fork->record;
	struct task_name *child = &record->child.task;

	if (!follow->foreign || !child->tid)
		return;
	if (number == child->tid) {
		fork->parent->elsewhere = false;
		fork->parent->ns_pid = fork->parent->tid;
		record->parent.task.ns_pid = fork->parent->tid;
	}
	if (!child->ns_pid && !(record->call.flags & CLONE_NEWPID))
		child->ns_pid = (pid_t)number;
	if (fork->child && number == child->tid && !(record->call.flags & CLONE_NEWPID)) {
		fork->child->elsewhere = false;
		fork->child->ns_pid = child->tid;
	}
}

void guest_foreign_leave(struct guest_follow *follow)
{
	struct guest_foreign *foreign = follow->foreign;

	struct error *error = follow->stub ? gdbstub_detach(follow->stub) : NULL;

	gdbstub_destroy(follow->stub);
	follow->stub = NULL;
	cleanup_fd_(&foreign->fd);
	foreign->fd = -1;
	gdbstub_guard_end(&foreign->guard, !error);
	error_destroy(error);
}
