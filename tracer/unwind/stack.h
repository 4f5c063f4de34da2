/* A call stack: frames as plain data, immutable once made and shared by reference. */
#ifndef FORKTRACE_UNWIND_STACK_H
#define FORKTRACE_UNWIND_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which method FOUND a frame: the one that computed its pc, starting from the frame below it. */
enum frame_method {
	METHOD_PT_REGS,   /* the registers that the kernel saved at its entry, as ptrace or the stub reads them: frame 0
			   */
	METHOD_VDSO_CFI,  /* the call frame information of the vDSO, read from the process */
	METHOD_DWARF,     /* .eh_frame or .debug_frame, by libdw */
	METHOD_LIBUNWIND, /* .eh_frame, by libunwind */
	METHOD_SYSCALL_STUB,  /* libc's clone and clone3, that have no CFI at the system call: first step by hand */
	METHOD_FRAME_POINTER, /* the saved frame pointer; a guess where nothing proves it */
	METHOD_PROLOGUE,
	METHOD_SCAN,
	METHOD_PERF,       /* the kernel's own unwinder, through a perf callchain */
	METHOD_PROC_STACK, /* the kernel's own unwinder, through /proc/TID/stack */
	METHOD_UNKNOWN,    /* a record of a newer version's says something else */
};

/* Strings belong to the session's string pool and live as long as it does; NULL: unknown. */
struct frame {
	uint64_t pc; /* 0 in a METHOD_PROC_STACK frame: the kernel hides it */
	const char *symbol;
	uint64_t offset; /* pc - start of the symbol; 0 without symbol */
	const char
	    *module; /* path as the process sees it, "[vdso]"; kernel: a module's name, or NULL for the kernel proper */
	const char *build_id; /* lower-case hex */
	const char *file;     /* source file, as the debug information has it */
	int line;             /* 0: unknown */
	bool inlined;         /* an inlined function's body: shares pc and method with the frame it was inlined into */
	bool certain;         /* false for what a method guessed */
	enum frame_method method;
};

/* Innermost frame first. References may be taken and dropped by any thread. */
struct stack {
	unsigned references;
	unsigned long id; /* unique in this run: equal ids are the same stack */
	bool unnamed;     /* of the kernel, and its names are still to be found: never in what a sink gets */
	bool truncated;   /* more frames than the limit */
	const char
	    *reason; /* why the stack ends before its outermost frame, one sentence (string pool); NULL: it is whole */
	size_t count;
	struct frame frames[];
};

/* A new stack with one reference and `count` zeroed frames. */
struct stack *stack_create(size_t count);
struct stack *stack_ref(struct stack *stack); /* accepts NULL */
void stack_unref(struct stack *stack);        /* accepts NULL */

/* "vdso-cfi" */
const char *frame_method_name(enum frame_method method);

#endif
