/* The fork family: fork, vfork, clone and clone3, their numbers per ABI and their flags. */
#ifndef FORKTRACE_ARCH_FORK_CALL_H
#define FORKTRACE_ARCH_FORK_CALL_H

#include "arch/abi.h"

enum fork_syscall { FORK_SYSCALL_NONE, FORK_SYSCALL_FORK, FORK_SYSCALL_VFORK, FORK_SYSCALL_CLONE, FORK_SYSCALL_CLONE3 };

/* What a call of the family asked for. */
struct fork_call {
	enum fork_syscall syscall;
	enum abi abi; /* the table that the number was looked up in, not the code's width: int $0x80 from 64-bit code is
			 ABI_I386 */
	uint64_t number;      /* as the program passed it (x32: with bit 30) */
	uint64_t flags;       /* CLONE_*, without the exit signal; fork: 0; vfork: CLONE_VM|CLONE_VFORK */
	int exit_signal;      /* sent to the parent when the child ends; 0: none */
	uint64_t child_stack; /* 0: the child uses a copy of the parent's; clone3: stack + stack_size */
	uint64_t clone3_args; /* address and size of struct clone_args; 0 otherwise */
	uint64_t clone3_size;
	bool flags_known; /* false for a clone3 whose struct was not read yet */
};

/* Is number `number` in the table of `abi` one of the family? The x32 bit is taken off for ABI_X32. */
enum fork_syscall fork_syscall_of(enum abi abi, uint64_t number);

/* "fork", "vfork", "clone" or "clone3". */
const char *fork_syscall_name(enum fork_syscall syscall);

/* Decodes a call from its six arguments (i386: zero-extended). Returns false when it is not of the family. A clone3
 * comes out with flags_known false: read min(clone3_size, CLONE3_ARGS_READ) bytes at clone3_args and complete it with
 * fork_call_decode_clone3. clone(2); kernel/fork.c, SYSCALL_DEFINE5(clone), 6.1. */
bool fork_call_decode(enum abi abi, uint64_t number, const uint64_t arguments[6], struct fork_call *call);

/* struct clone_args up to `stack_size` and `tls` (linux/sched.h, CLONE_ARGS_SIZE_VER0). */
enum { CLONE3_ARGS_READ = 64 };
void fork_call_decode_clone3(struct fork_call *call, const void *bytes, size_t size);

/* The name of flag bit `flag` ("CLONE_VM"; exactly one bit set), or NULL. Covers linux/sched.h up to CLONE_INTO_CGROUP.
 */
const char *clone_flag_name(uint64_t flag);

/* "SIGCHLD" for 17, "SIGRTMIN+3" for 35 (kernel numbering: SIGRTMIN is 32), NULL for 0 and for what is no signal. The
 * name lies in static storage. */
const char *signal_name(int number);

/* "EAGAIN" for 11; also the kernel's own ERESTARTSYS (512), ERESTARTNOINTR (513), ERESTARTNOHAND (514) and
 * ERESTART_RESTARTBLOCK (516); NULL when unknown. Static storage. */
const char *errno_name(int number);

#endif
