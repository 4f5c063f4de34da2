/* The fork family: see fork_call.h. */
#include "arch/fork_call.h"

#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

/* __X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h. */
static const uint64_t x32_bit = UINT64_C(1) << 30;

struct family {
	uint16_t fork, vfork, clone, clone3;
};

/* arch/x86/entry/syscalls/syscall_32.tbl and syscall_64.tbl. The numbers of an ABI never change. */
static const struct family family_i386 = {.fork = 2, .vfork = 190, .clone = 120, .clone3 = 435};
static const struct family family_x86_64 = {.fork = 57, .vfork = 58, .clone = 56, .clone3 = 435};

static const struct family *family_of(enum abi abi)
{
	switch (abi) {
	case ABI_I386:
		return &family_i386;
	case ABI_X86_64:
	case ABI_X32:
		return &family_x86_64;
	case ABI_UNKNOWN:
		break;
	}
	return NULL;
}

enum fork_syscall fork_syscall_of(enum abi abi, uint64_t number)
{
	const struct family *family = family_of(abi);

	if (abi == ABI_X32)
		number &= ~x32_bit;
	if (!family)
		return FORK_SYSCALL_NONE;
	if (number == family->fork)
		return FORK_SYSCALL_FORK;
	if (number == family->vfork)
		return FORK_SYSCALL_VFORK;
	if (number == family->clone)
		return FORK_SYSCALL_CLONE;
	if (number == family->clone3)
		return FORK_SYSCALL_CLONE3;
	return FORK_SYSCALL_NONE;
}

const char *fork_syscall_name(enum fork_syscall syscall)
{
	switch (syscall) {
	case FORK_SYSCALL_FORK:
		return "fork";
	case FORK_SYSCALL_VFORK:
		return "vfork";
	case FORK_SYSCALL_CLONE:
		return "clone";
	case FORK_SYSCALL_CLONE3:
		return "clone3";
	case FORK_SYSCALL_NONE:
		break;
	}
	return "none";
}

/* Both ABIs pass flags and stack first; they differ in the order of tls and child_tid behind them, which are not kept.
 * The kernel looks at the low 32 bits of the flags alone. */
static void decode_clone(const uint64_t arguments[6], struct fork_call *call)
{
	uint64_t flags = (uint32_t)arguments[0];

	call->flags = flags & ~(uint64_t)CSIGNAL;
	call->exit_signal = (int)(flags & CSIGNAL);
	call->child_stack = arguments[1];
	call->flags_known = true;
}

bool fork_call_decode(enum abi abi, uint64_t number, const uint64_t arguments[6], struct fork_call *call)
{
	*call = (struct fork_call){.syscall = fork_syscall_of(abi, number), .abi = abi, .number = number};

	switch (call->syscall) {
	case FORK_SYSCALL_NONE:
		return false;
	case FORK_SYSCALL_FORK:
		call->exit_signal = SIGCHLD;
		call->flags_known = true;
		return true;
	case FORK_SYSCALL_VFORK:
		call->flags = CLONE_VM | CLONE_VFORK;
		call->exit_signal = SIGCHLD;
		call->flags_known = true;
		return true;
	case FORK_SYSCALL_CLONE:
		decode_clone(arguments, call);
		return true;
	case FORK_SYSCALL_CLONE3:
		call->clone3_args = arguments[0];
		call->clone3_size = arguments[1];
		return true;
	}
	return false;
}

void fork_call_decode_clone3(struct fork_call *call, const void *bytes, size_t size)
{
	struct clone_args arguments = {0};

	/* The kernel refuses a shorter struct (copy_clone_args_from_user), so it asked for nothing. */
	if (size < CLONE_ARGS_SIZE_VER0)
		return;
	memcpy(&arguments, bytes, CLONE_ARGS_SIZE_VER0);
	call->flags = arguments.flags;
	call->exit_signal = arguments.exit_signal <= INT_MAX ? (int)arguments.exit_signal : INT_MAX;
	call->child_stack = arguments.stack ? arguments.stack + arguments.stack_size : 0;
	call->flags_known = true;
}

_Static_assert(CLONE3_ARGS_READ == CLONE_ARGS_SIZE_VER0, "what is read is what is decoded");

const char *clone_flag_name(uint64_t flag)
{
#define FLAG(name)                                                                                                     \
	{                                                                                                              \
		name, #name                                                                                            \
	}
	static const struct {
		uint64_t flag;
		const char *name;
	} names[] = {
	    FLAG(CLONE_NEWTIME),
	    FLAG(CLONE_VM),
	    FLAG(CLONE_FS),
	    FLAG(CLONE_FILES),
	    FLAG(CLONE_SIGHAND),
	    FLAG(CLONE_PIDFD),
	    FLAG(CLONE_PTRACE),
	    FLAG(CLONE_VFORK),
	    FLAG(CLONE_PARENT),
	    FLAG(CLONE_THREAD),
	    FLAG(CLONE_NEWNS),
	    FLAG(CLONE_SYSVSEM),
	    FLAG(CLONE_SETTLS),
	    FLAG(CLONE_PARENT_SETTID),
	    FLAG(CLONE_CHILD_CLEARTID),
	    FLAG(CLONE_DETACHED),
	    FLAG(CLONE_UNTRACED),
	    FLAG(CLONE_CHILD_SETTID),
	    FLAG(CLONE_NEWCGROUP),
	    FLAG(CLONE_NEWUTS),
	    FLAG(CLONE_NEWIPC),
	    FLAG(CLONE_NEWUSER),
	    FLAG(CLONE_NEWPID),
	    FLAG(CLONE_NEWNET),
	    FLAG(CLONE_IO),
	    FLAG(CLONE_CLEAR_SIGHAND),
	    FLAG(CLONE_INTO_CGROUP),
	};
#undef FLAG

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].flag == flag)
			return names[i].name;
	}
	return NULL;
}
