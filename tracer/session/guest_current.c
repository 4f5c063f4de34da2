/* Which task a guest's processor is in. `current` is a per-CPU variable whose place nobody tells: it is found in the
 * kernel's code, and proven by what it leads to. */
#include <string.h>

#include "session/guest_internal.h"

enum { WORD = 4, PRIVILEGE_MASK = 3 };

#define KERNEL_START UINT32_C(0x40000000) /* below any VMSPLIT's PAGE_OFFSET nothing is the kernel's */

static bool read_words(const struct guest_follow *follow, uint64_t address, uint32_t *words, size_t count)
{
	struct error *error = space_read(follow->kernel_space, address, words, count * WORD);

	error_destroy(error);
	return !error;
}

/* --- finding --- */

/* struct task_struct has the address of the task's kernel stack among its first words. */
static bool is_task_of_stack(const struct guest_follow *follow, uint32_t task, uint32_t stack)
{
	enum { WORDS = 32 };
	uint32_t words[WORDS];

	if (task < KERNEL_START || task % WORD || !read_words(follow, task, words, WORDS))
		return false;
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i] == stack)
			return true;
	}
	return false;
}

static uint32_t read_current(const struct guest_follow *follow, uint32_t offset)
{
	uint64_t base = follow->one_processor ? 0 : follow->per_cpu;
	uint32_t task;

	return read_words(follow, (base + offset) & UINT32_MAX, &task, 1) ? task : 0;
}

/* mov %fs:disp32, register: a per-CPU variable (arch/x86/include/asm/percpu.h); without %fs in kernels for one
 * processor alone (CONFIG_SMP is not set). copy_process reads `current` so. */
static bool is_load(const uint8_t *code, bool *plain, uint32_t *offset)
{
	enum { FS = 0x64, TO_EAX = 0xa1, LOAD = 0x8b, MODE_MASK = 0xc7, ABSOLUTE = 0x05 };
	size_t at = code[0] == FS ? 1 : 0;

	*plain = !at;
	if (code[at] != TO_EAX && (code[at] != LOAD || (code[at + 1] & MODE_MASK) != ABSOLUTE))
		return false;
	memcpy(offset, code + at + (code[at] == TO_EAX ? 1 : 2), sizeof(*offset));
	return *offset != 0;
}

static void find_offset(struct guest_follow *follow, uint32_t stack)
{
	enum { CODE = 2048, LOAD_SIZE = 7 };
	uint8_t code[CODE];
	uint64_t copy;
	const char *name;
	uint32_t offset;

	if (!lineage_find(follow->symbols, STAGE_COPY, STAGE_ENTRY_SYSENTER, 0, &copy, &name) ||
	    !read_words(follow, copy, (uint32_t *)(void *)code, CODE / WORD))
		return;
	for (size_t at = 0; at + LOAD_SIZE <= CODE && !follow->current_offset; at++) {
		if (is_load(code + at, &follow->one_processor, &offset) &&
		    is_task_of_stack(follow, read_current(follow, offset), stack))
			follow->current_offset = offset;
	}
}

/* struct thread_info at the stack's low end begins with the address (until 4.8), or the per-CPU variable has it. */
uint32_t guest_current_find(struct guest_follow *follow, uint32_t stack)
{
	uint32_t task;
	/* Each processor has its own. */
	struct error *error = gdbstub_register(follow->stub, "fs_base", &follow->per_cpu);

	error_destroy(error);
	if (!follow->current_offset)
		find_offset(follow, stack);
	if (read_words(follow, stack, &task, 1) && is_task_of_stack(follow, task, stack))
		return task;
	task = follow->current_offset ? read_current(follow, follow->current_offset) : 0;
	return is_task_of_stack(follow, task, stack) ? task : 0;
}

/* A small stack can lie in either half of the space that a large one takes. There is no large one where saved
 * registers, which are at a stack's end, lie in the first half; in the second half the thread_info tells, which kernels
 * with small stacks have at the low end. */
uint32_t guest_stack_size_of(const struct guest_follow *follow, uint32_t saved)
{
	uint32_t low = saved & ~(uint32_t)(GUEST_STACK_SIZE_SMALL - 1), task;

	if (saved % GUEST_STACK_SIZE < GUEST_STACK_SIZE_SMALL)
		return GUEST_STACK_SIZE_SMALL;
	return read_words(follow, low, &task, 1) && is_task_of_stack(follow, task, low) ? GUEST_STACK_SIZE_SMALL
											: GUEST_STACK_SIZE;
}

/* --- asking --- */

static struct guest_task *find_by_struct(const struct guest_follow *follow, uint32_t task_struct)
{
	struct guest_task *task;

	for (size_t i = 0; (task = map_next(&follow->tasks, &i));) {
		if (task->task_struct == task_struct)
			return task;
	}
	return NULL;
}

/* Where the kernel isolates its page tables, user mode has a second table one page behind (arch/x86/mm/pti.c). */
static struct guest_task *find_by_table(struct guest_follow *follow)
{
	enum { BEHIND = 4096 };
	uint64_t cr3 = guest_cr3(follow);
	struct guest_task *task, *found = NULL;

	for (size_t i = 0; (task = map_next(&follow->tasks, &i));) {
		if (task->cr3_known && (task->cr3 == cr3 || (task->cr3 | BEHIND) == cr3) &&
		    (!found || task->cr3 == cr3))
			found = task;
	}
	return found;
}

struct guest_task *guest_current(struct guest_follow *follow, const struct registers *registers)
{
	bool in_kernel = !(registers->cs & PRIVILEGE_MASK);
	struct guest_task *task = in_kernel ? guest_task_at(follow, registers_sp(registers)) : NULL;
	uint32_t current;

	if (task)
		return task;
	current = follow->current_offset ? read_current(follow, follow->current_offset) : 0;
	return current ? find_by_struct(follow, current) : find_by_table(follow);
}
