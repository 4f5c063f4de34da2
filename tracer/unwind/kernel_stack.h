/* The stack of an i386 kernel, from registers at any instruction of it to the border: the registers that the entry
 * saved for the user (struct pt_regs). */
#ifndef FORKTRACE_UNWIND_KERNEL_STACK_H
#define FORKTRACE_UNWIND_KERNEL_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/error.h"
#include "base/vector.h"
#include "target/space.h"
#include "unwind/stack.h"

/* What is known of the kernel's code. */
struct kernel_function {
	uint64_t start, end; /* end: the next symbol's start */
	const char *name;
	const char *module; /* NULL: the kernel proper */
};
struct kernel_code {
	/* The function that `address` lies in; false: none. */
	bool (*find)(void *context, uint64_t address, struct kernel_function *function);
	void *context;
};

/* AUTO: for each frame the surest method that applies: the frame pointer where it is proven (it lies on this stack, and
 * the function's prologue sets it up or the word behind it is a return address), else the prologue's analysis, else the
 * scan. The others: that method alone. */
enum kernel_unwinder {
	KERNEL_UNWINDER_AUTO,
	KERNEL_UNWINDER_FRAME_POINTER,
	KERNEL_UNWINDER_PROLOGUE,
	KERNEL_UNWINDER_SCAN
};

/* The user's registers as the kernel's entry saved them. */
struct kernel_border {
	bool found;       /* the rules agree, and what they give is plausible: cs, eip in user space */
	uint64_t address; /* of struct pt_regs */
	struct registers user;
	uint32_t original_eax; /* the system call's number */
	uint32_t cs, ss, eflags;
	const char *reason; /* why not found; static text */
};

struct kernel_frame {
	uint64_t pc, sp; /* sp: at the pc, after the return of what it called */
	enum frame_method method;
	bool certain;
};
typedef VECTOR(struct kernel_frame) kernel_frames;

/* Unwinds from `registers` (of kernel mode) through memory read from `space`, appending frames innermost first, the
 * last one in the entry function. A stack that ends elsewhere (a kernel thread's, an interrupt's) ends there.
 * `stack_size` is 8192, 4096, or 0: found out. Errors only where the machine is gone. */
struct error *kernel_stack_unwind(const struct space *space, const struct kernel_code *code,
				  enum kernel_unwinder unwinder, const struct registers *registers, size_t max_frames,
				  kernel_frames *frames, struct kernel_border *border);

/* The user's registers alone, from a stack pointer anywhere in a task's kernel stack (FACTS: roundup(esp, size) - 8 -
 * 68). */
void kernel_border_of_stack(const struct space *space, uint64_t sp, size_t stack_size, struct kernel_border *border);

#endif
