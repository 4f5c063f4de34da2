/* The stages of a fork and their functions: see stage.h.
 *
 * Where the names are from: arch/x86/kernel/entry_32.S of 4.1 (ia32_sysenter_target, system_call; labels
 * sysenter_do_call, syscall_call), arch/x86/entry/entry_32.S of 4.2 (entry_SYSENTER_32, entry_INT80_32; the same
 * labels), arch/x86/entry/common.c of 4.4 (do_fast_syscall_32; do_syscall_32_irqs_on, which the code of int $0x80 calls
 * on 32-bit kernels alone), of 4.6 (do_int80_syscall_32 in its place) and of 5.10 (__do_fast_syscall_32),
 * arch/x86/entry/syscall_32.c of 6.9 (ia32_sys_call), the series "Enable pt_regs based syscalls for x86-32 native" of
 * 5.7 (__ia32_sys_*), commit 3aec4ecb3d1f of 6.5 (ret_from_fork_asm). Booted, and seen on the kernel's stack or in
 * /proc/kallsyms: 2.6.34, 3.1, 3.16, 4.8, 5.10, 6.1, 6.5, 7.2. */
#include "arch/stage.h"

#include <stddef.h>

/* glibc 2.36's symbol table: the functions themselves first, then the names that the same code has inside libc. */
static const char *const wrapper_names[] = {"fork",
					    "vfork",
					    "clone",
					    "clone3",
					    "posix_spawn",
					    "posix_spawnp",
					    "system",
					    "popen",
					    "daemon",
					    "forkpty",
					    "wordexp",
					    "pthread_create",
					    "thrd_create",
					    "timer_create",
					    "_Fork",
					    "__fork",
					    "__libc_fork",
					    "__vfork",
					    "__libc_vfork",
					    "__clone",
					    "__clone3",
					    "__clone_internal",
					    "__posix_spawn",
					    "__posix_spawnp",
					    "__spawni",
					    "__spawnix",
					    "do_system",
					    "__libc_system",
					    "__new_popen",
					    "_IO_new_popen",
					    "__forkpty",
					    "_IO_proc_open",
					    "__thrd_create",
					    "create_thread",
					    "__pthread_create_2_1",
					    NULL};
static const char *const vsyscall_names[] = {"__kernel_vsyscall", NULL};
static const char *const no_names[] = {NULL};

/* Each list newest first. Of the older names those come last that are also the name of something else in a newer
 * kernel: since 6.5 ret_from_fork is a function that ret_from_fork_asm calls. */
static const char *const sysenter_entry_names[] = {"entry_SYSENTER_32", "ia32_sysenter_target", NULL};
static const char *const int80_entry_names[] = {"entry_INT80_32", "system_call", NULL};
static const char *const all_entry_names[] = {"entry_SYSENTER_32", "entry_INT80_32", "ia32_sysenter_target",
					      "system_call", NULL};

/* 4.4 and 4.5 have do_syscall_32_irqs_on as a symbol, but inline it into do_fast_syscall_32: for int $0x80 alone. */
static const char *const sysenter_dispatch_names[] = {"ia32_sys_call", "__do_fast_syscall_32", "do_fast_syscall_32",
						      "sysenter_do_call", NULL};
static const char *const int80_dispatch_names[] = {"ia32_sys_call", "do_int80_syscall_32", "do_syscall_32_irqs_on",
						   "syscall_call", NULL};
static const char *const all_dispatch_names[] = {
    "ia32_sys_call",         "__do_fast_syscall_32", "do_fast_syscall_32", "do_int80_syscall_32",
    "do_syscall_32_irqs_on", "sysenter_do_call",     "syscall_call",       NULL};

/* ptregs_*, the stub that hands the saved registers on, comes last: kernels that have it have sys_* too. */
static const char *const fork_names[] = {"__ia32_sys_fork", "sys_fork", "ptregs_fork", NULL};
static const char *const vfork_names[] = {"__ia32_sys_vfork", "sys_vfork", "ptregs_vfork", NULL};
static const char *const clone_names[] = {"__ia32_sys_clone", "sys_clone", "ptregs_clone", NULL};
static const char *const clone3_names[] = {"__ia32_sys_clone3", "sys_clone3", NULL};
static const char *const all_handler_names[] = {
    "__ia32_sys_clone3", "__ia32_sys_clone", "__ia32_sys_fork", "__ia32_sys_vfork", "sys_clone3",   "sys_clone",
    "sys_fork",          "sys_vfork",        "ptregs_clone",    "ptregs_fork",      "ptregs_vfork", NULL,
};

static const char *const worker_names[] = {"kernel_clone", "_do_fork", "do_fork", NULL};
static const char *const copy_names[] = {"copy_process", NULL};
static const char *const wake_names[] = {"wake_up_new_task", NULL};
static const char *const child_first_names[] = {"ret_from_fork_asm", "ret_from_fork", NULL};

static const struct stage_info stages[STAGE_COUNT] = {
    [STAGE_WRAPPER] = {"wrapper",
		       "The program calls a function of the C library, which puts the number of the system call into "
		       "eax and the call's arguments into other registers.",
		       wrapper_names,
		       "fork, vfork, clone, posix_spawn, system, popen or pthread_create, and libc's inner names "
		       "for them (_Fork, __libc_fork, __clone, __spawni)"},
    [STAGE_VSYSCALL] = {"vsyscall",
			"Code that the kernel maps into every process (the vDSO) enters the kernel in the way that "
			"suits the CPU: by sysenter, else by int $0x80.",
			vsyscall_names, "__kernel_vsyscall in all of them"},
    [STAGE_ENTRY] = {"entry",
		     "Where the CPU, now in kernel mode, goes on: the user's registers are saved on the task's "
		     "kernel stack (struct pt_regs).",
		     all_entry_names,
		     "ia32_sysenter_target until 4.1, entry_SYSENTER_32 since 4.2 (int $0x80: system_call, then "
		     "entry_INT80_32)"},
    [STAGE_DISPATCH] =
	{"dispatch", "Looks at the number that the program left in eax and calls the function of that system call.",
	 all_dispatch_names,
	 "a label in the entry code until 4.3 (sysenter_do_call, syscall_call), do_fast_syscall_32 since "
	 "4.4 (int $0x80: do_syscall_32_irqs_on, since 4.6 do_int80_syscall_32), ia32_sys_call since "
	 "6.9 and in later builds of older kernels"},
    [STAGE_HANDLER] = {"handler",
		       "The function of this one system call: it brings the caller's arguments into the form that "
		       "all calls of the family share.",
		       all_handler_names,
		       "sys_clone until 5.6 (first behind a stub, ptregs_clone), __ia32_sys_clone since 5.7; fork and "
		       "vfork likewise; clone3 since 5.3"},
    [STAGE_WORKER] = {"worker",
		      "Does what fork, vfork, clone and clone3 have in common: has the new task made and woken, and "
		      "returns its process id to the parent.",
		      worker_names, "do_fork until 4.1, _do_fork since 4.2, kernel_clone since 5.10"},
    [STAGE_COPY] = {"copy",
		    "Makes the new task: copies or shares the parent's memory, files and signal handlers, and sets "
		    "eax in the child's saved registers to 0.",
		    copy_names, "copy_process in all of them"},
    [STAGE_WAKE] = {"wake",
		    "Puts the new task into a CPU's run queue: from here on the child may run at any moment, before "
		    "its parent or after it.",
		    wake_names, "wake_up_new_task in all of them"},
    [STAGE_CHILD_FIRST] = {"child-first",
			   "The child begins here: it completes the scheduler's switch (schedule_tail) and goes to "
			   "user mode, without having been in any stage above.",
			   child_first_names, "ret_from_fork until 6.4, ret_from_fork_asm since 6.5"},
    [STAGE_RETURN_CHILD] = {"return-child",
			    "The child is in user mode, at the instruction behind the system call, with 0 in eax.",
			    no_names, NULL},
    [STAGE_RETURN_PARENT] = {"return-parent",
			     "The parent is in user mode, at the instruction behind the system call, with the "
			     "child's process id in eax.",
			     no_names, NULL},
};

const struct stage_info *stage_info(enum stage stage)
{
	return &stages[stage];
}

/* By the numbers of the i386 table: arch/x86/entry/syscalls/syscall_32.tbl. */
static const char *const *handler_names(unsigned nr)
{
	switch (nr) {
	case 2:
		return fork_names;
	case 120:
		return clone_names;
	case 190:
		return vfork_names;
	case 435:
		return clone3_names;
	default:
		return no_names;
	}
}

const char *const *stage_names(enum stage stage, enum stage_entry entry, unsigned nr)
{
	switch (stage) {
	case STAGE_ENTRY:
		return entry == STAGE_ENTRY_INT80 ? int80_entry_names : sysenter_entry_names;
	case STAGE_DISPATCH:
		return entry == STAGE_ENTRY_INT80 ? int80_dispatch_names : sysenter_dispatch_names;
	case STAGE_HANDLER:
		return handler_names(nr);
	case STAGE_WORKER:
	case STAGE_COPY:
	case STAGE_WAKE:
	case STAGE_CHILD_FIRST:
		return stages[stage].names;
	default:
		return no_names;
	}
}
