/* The border between a task's kernel half and its user half: the registers that the kernel's entry saved, at the end of
 * the task's stack. struct pt_regs: arch/x86/include/asm/ptrace.h, the same 17 words since Linux 2.6.30; before, the
 * same without gs. */
#include <string.h>

#include "base/memory.h"
#include "unwind/kernel_walk.h"

/* Of its words, those that tell whether it is one. */
enum { AT_DS = 7, AT_ES, AT_FS, AT_GS, AT_ORIG_EAX, AT_EIP, AT_CS, AT_EFLAGS, AT_ESP, AT_SS, BORDER_WORDS };

/* __USER_CS and __USER_DS, arch/x86/include/asm/segment.h; the words' upper halves are the kernel's own. */
enum { USER_CS = 0x73, USER_SS = 0x7b, SELECTOR = 0xffff };

static const uint32_t kernel_space = 0xc0000000; /* PAGE_OFFSET of all of Debian's kernels */

/* Bits 1 is always set; 3, 5, 15 and from 22 on are always clear; 17 is the virtual 8086 mode. Intel's manual, 3.4.3.
 */
static const uint32_t flags_set = 0x2, flags_clear = 0xffc00000 | 0x20000 | 0x8028;

/* System calls have small numbers; interrupts and exceptions leave -1 or the complement of their vector. */
static const int32_t number_min = -256, number_max = 0xffff;

/* TOP_OF_KERNEL_STACK_PADDING, arch/x86/include/asm/thread_info.h: 8, or 16 with CONFIG_VM86 since 4.1. */
static const unsigned paddings[] = {8, 16, 0};

enum { PADDING_MAX = 16, BORDER_SIZE = BORDER_WORDS * WORD };

/* Up to 3.14 the vDSO may lie in the kernel's half, in the one page that user mode may execute there: VDSO_HIGH_BASE,
 * with CONFIG_COMPAT_VDSO or vdso=2. */
static bool is_user_code(uint32_t address)
{
	enum { PAGE_MASK = 4096 - 1 };
	static const uint32_t fixed_vdso = 0xffffe000;

	return address < kernel_space || (address & ~(uint32_t)PAGE_MASK) == fixed_vdso;
}

static bool is_plausible(const uint32_t words[static BORDER_WORDS])
{
	int32_t number = (int32_t)words[AT_ORIG_EAX];

	return (words[AT_CS] & SELECTOR) == USER_CS && (words[AT_SS] & SELECTOR) == USER_SS &&
	       is_user_code(words[AT_EIP]) && words[AT_ESP] < kernel_space &&
	       (words[AT_EFLAGS] & flags_set) == flags_set && !(words[AT_EFLAGS] & flags_clear) &&
	       number >= number_min && number <= number_max;
}

/* Are there but 16 words, behind one that is something else? Programs have the same ds and es, and not that one in fs.
 */
static bool lacks_gs(const uint32_t words[static BORDER_WORDS])
{
	return (words[AT_ES] & SELECTOR) == USER_SS && (words[AT_FS] & SELECTOR) == USER_SS &&
	       (words[AT_DS] & SELECTOR) != USER_SS;
}

/* `address`: of the first of the words. */
static void take_words(const uint32_t words[static BORDER_WORDS], uint64_t address, struct kernel_border *border)
{
	uint32_t all[BORDER_WORDS];

	memcpy(all, words, sizeof(all));
	if (lacks_gs(words)) {
		memcpy(all, words + 1, AT_GS * sizeof(*all));
		all[AT_GS] = 0;
		address += WORD;
	}
	*border = (struct kernel_border){
	    .found = true,
	    .address = address,
	    .original_eax = words[AT_ORIG_EAX],
	    .cs = words[AT_CS] & SELECTOR,
	    .ss = words[AT_SS] & SELECTOR,
	    .eflags = words[AT_EFLAGS],
	};
	/* The same words as a debugger's struct user_regs_struct. */
	registers_decode_prstatus(all, BORDER_SIZE, &border->user);
	border->user.cs = border->cs;
	/* sysenter tells neither: the entry pushes 0, and do_SYSENTER_32 writes them later. */
	if (!words[AT_EIP])
		border->user.known &= ~register_bit(EIP);
	if (!words[AT_ESP])
		border->user.known &= ~register_bit(ESP);
}

/* What is `back` bytes in front of `address`; the border that is found must begin at `address`. */
static bool border_from(struct kernel_walk *walk, uint64_t address, unsigned back, struct kernel_border *border)
{
	uint32_t words[BORDER_WORDS];

	if (!kernel_read(walk, address - back, words, sizeof(words)) || !is_plausible(words) ||
	    lacks_gs(words) != (back != 0))
		return false;
	take_words(words, address - back, border);
	return true;
}

bool kernel_border_at(struct kernel_walk *walk, uint64_t address, struct kernel_border *border)
{
	return address % WORD == 0 &&
	       (border_from(walk, address, 0, border) || border_from(walk, address, WORD, border));
}

/* The words at the end of one stack, read in one go. */
static bool border_below(struct kernel_walk *walk, uint64_t end, uint64_t sp, struct kernel_border *border)
{
	uint32_t words[BORDER_WORDS + PADDING_MAX / WORD];
	uint64_t start = end - sizeof(words);

	if (!kernel_read(walk, start, words, sizeof(words)))
		return false;
	for (size_t i = 0; i < sizeof(paddings) / sizeof(*paddings); i++) {
		uint64_t address = end - paddings[i] - BORDER_SIZE;
		const uint32_t *at = &words[(address - start) / WORD];

		if (!is_plausible(at))
			continue;
		take_words(at, address, border);
		/* What the sp has left, or not reached yet, is of an earlier entry. */
		if (border->address >= sp)
			return true;
	}
	return false;
}

void kernel_border_candidates(struct kernel_walk *walk, uint64_t sp, size_t stack_size)
{
	uint64_t nearest = (sp | (STACK_SIZE_MIN - 1)) + 1, farthest = (sp | (STACK_SIZE_MAX - 1)) + 1;

	walk->candidate_count = 0;
	if (stack_size != STACK_SIZE_MAX && border_below(walk, nearest, sp, &walk->candidates[walk->candidate_count]))
		walk->candidate_count++;
	if (stack_size == STACK_SIZE_MIN || (farthest == nearest && walk->candidate_count))
		return;
	if (border_below(walk, farthest, sp, &walk->candidates[walk->candidate_count]))
		walk->candidate_count++;
}

static void not_found(struct kernel_border *border, const char *reason)
{
	*border = (struct kernel_border){.reason = reason};
}

/* The first rule: right above the return address into the entry function, or above what that pushed since. */
static bool border_above(struct kernel_walk *walk, uint64_t sp, struct kernel_border *border)
{
	enum { PUSHED_MAX = 4 * WORD };

	for (uint64_t pushed = 0; pushed <= PUSHED_MAX; pushed += WORD) {
		if (kernel_border_at(walk, sp + pushed, border))
			return true;
	}
	return false;
}

void kernel_border_decide(struct kernel_walk *walk, const struct kernel_frame *frame, bool entry,
			  struct kernel_border *border)
{
	struct kernel_border above;

	if (entry && border_above(walk, frame->sp, &above)) {
		for (size_t i = 0; i < walk->candidate_count; i++) {
			if (walk->candidates[i].address == above.address) {
				*border = above;
				return;
			}
		}
		not_found(border, "what lies above the entry's frame is not at the end of the stack");
		return;
	}
	for (size_t i = 0; i < walk->candidate_count; i++) {
		if (walk->candidates[i].address >= frame->sp) {
			*border = walk->candidates[i];
			return;
		}
	}
	not_found(border,
		  entry ? "the entry has saved no user's registers" : "no user's registers at the end of the stack");
}

void kernel_border_of_stack(const struct space *space, uint64_t sp, size_t stack_size, struct kernel_border *border)
{
	struct kernel_walk walk = {.space = space};

	kernel_border_candidates(&walk, sp, stack_size);
	if (walk.candidate_count)
		*border = walk.candidates[0];
	else
		not_found(border,
			  walk.error ? "the stack cannot be read" : "no user's registers at the end of the stack");
	error_destroy(walk.error);
}

bool kernel_is_entry(const char *name)
{
	/* arch/x86/kernel/entry_32.S, and arch/x86/entry/entry_32.S since 4.2, with their labels. */
	static const char *const names[] = {"entry_SYSENTER_32",
					    "entry_INT80_32",
					    "ia32_sysenter_target",
					    "sysenter_past_esp",
					    "sysenter_do_call",
					    "sysenter_after_call",
					    "sysenter_exit",
					    "sysenter_badsys",
					    "system_call",
					    "syscall_call",
					    "syscall_after_call",
					    "syscall_badsys",
					    "syscall_exit",
					    "syscall_trace_entry",
					    "restore_all",
					    "work_pending",
					    "work_resched",
					    "work_notifysig",
					    "resume_userspace",
					    "resume_kernel",
					    "ret_from_fork_asm",
					    "ret_from_kernel_thread",
					    "kernel_thread_helper",
					    "ret_from_exception",
					    "ret_from_intr",
					    "common_interrupt",
					    "common_exception",
					    "handle_exception",
					    "error_code",
					    "page_fault",
					    "restore_all_switch_stack",
					    "handle_exception_return",
					    "ret_to_user",
					    "__begin_SYSENTER_singlestep_region",
					    "__end_SYSENTER_singlestep_region",
					    "nmi",
					    "apic_timer_interrupt",
					    "reschedule_interrupt",
					    "irq_entries_start",
					    "interrupt"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return !strncmp(name, "asm_", strlen("asm_"));
}
