/* The stages of a fork on its way into an i386 kernel and back, and what each kernel version calls the function there.
 * Plain data. */
#ifndef FORKTRACE_ARCH_STAGE_H
#define FORKTRACE_ARCH_STAGE_H

/* In the order of the way down; which process returns first is not fixed. */
enum stage {
	STAGE_WRAPPER,       /* the libc function that the program called */
	STAGE_VSYSCALL,      /* __kernel_vsyscall in the vDSO */
	STAGE_ENTRY,         /* the first kernel function, in assembly */
	STAGE_DISPATCH,      /* chooses the handler by the number of the system call */
	STAGE_HANDLER,       /* the system call's own function */
	STAGE_WORKER,        /* what all calls of the family share */
	STAGE_COPY,          /* makes the new task */
	STAGE_WAKE,          /* hands it to the scheduler */
	STAGE_CHILD_FIRST,   /* where the child begins */
	STAGE_RETURN_CHILD,  /* the child at the user's instruction behind the call */
	STAGE_RETURN_PARENT, /* the parent there */
	STAGE_COUNT,
};

/* How i386 enters: entry and dispatch depend on it. */
enum stage_entry { STAGE_ENTRY_SYSENTER, STAGE_ENTRY_INT80 };

/* Static data. */
struct stage_info {
	const char *name;         /* "child-first" */
	const char *note;         /* what happens there, one sentence, for a newcomer */
	const char *const *names; /* function names over the versions, newest first, NULL-terminated; user functions for
				     the stages of the user half; empty for the returns, which are no function */
	const char *history;      /* which name from which version to which, one line; NULL: there is nothing to tell */
};

const struct stage_info *stage_info(enum stage stage);

/* The names of a kernel function, newest first, NULL-terminated, that fit a way in and, for STAGE_HANDLER, the number
 * of the system call in the i386 table (2 fork, 120 clone, 190 vfork, 435 clone3). Empty for the stages of the user
 * half (wrapper, vsyscall, return-child, return-parent) and for another number. Static. */
const char *const *stage_names(enum stage stage, enum stage_entry entry, unsigned nr);

#endif
