/* A call stack: see stack.h. */
#include "unwind/stack.h"

#include <stdlib.h>

#include "base/memory.h"

struct stack *stack_create(size_t count)
{
	static unsigned long last_id;
	struct stack *stack = memory_alloc(sizeof(*stack) + count * sizeof(stack->frames[0]));

	stack->references = 1;
	stack->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	stack->count = count;
	return stack;
}

struct stack *stack_ref(struct stack *stack)
{
	if (stack)
		__atomic_add_fetch(&stack->references, 1, __ATOMIC_RELAXED);
	return stack;
}

void stack_unref(struct stack *stack)
{
	if (stack && __atomic_sub_fetch(&stack->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(stack);
}

const char *frame_method_name(enum frame_method method)
{
	static const char *const names[] = {
	    [METHOD_PT_REGS] = "pt-regs",
	    [METHOD_VDSO_CFI] = "vdso-cfi",
	    [METHOD_DWARF] = "dwarf",
	    [METHOD_LIBUNWIND] = "libunwind",
	    [METHOD_SYSCALL_STUB] = "syscall-stub",
	    [METHOD_FRAME_POINTER] = "frame-pointer",
	    [METHOD_PROLOGUE] = "prologue",
	    [METHOD_SCAN] = "scan",
	    [METHOD_PERF] = "perf",
	    [METHOD_PROC_STACK] = "proc-stack",
	    [METHOD_UNKNOWN] = "unknown",
	};

	return names[method];
}
