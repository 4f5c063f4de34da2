/* The ptrace backend's primitives: see ptrace.h. */
#include "target/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "arch/fork_call.h"

static long call(enum __ptrace_request request, pid_t tid, void *address, void *data)
{
	return ptrace(request, tid, address, data);
}

static struct error *failed(pid_t tid, const char *what)
{
	int sys_errno = errno;
	char object[16];

	snprintf(object, sizeof(object), "%d", tid);
	return error_system(sys_errno, object, "%s of task %d failed", what, tid);
}

struct error *ptrace_seize(pid_t tid, bool exit_kill)
{
	unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
				PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP;

	if (exit_kill)
		options |= PTRACE_O_EXITKILL;
	return call(PTRACE_SEIZE, tid, NULL, (void *)options) < 0 ? failed(tid, "PTRACE_SEIZE") : NULL;
}

struct error *ptrace_interrupt(pid_t tid)
{
	return call(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 ? failed(tid, "PTRACE_INTERRUPT") : NULL;
}

bool ptrace_await(pid_t tid, unsigned ms)
{
	const struct timespec pause = {.tv_nsec = 50000};

	for (unsigned tries = 0; tries < ms * 20; tries++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | __WALL | WNOHANG | WNOWAIT) || info.si_pid)
			return true;
		/* A step takes microseconds where the tracee has a CPU of its own. */
		if (tries < 20)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return false;
}

bool ptrace_is_stopped(pid_t tid)
{
	unsigned long message;

	/* PTRACE_GETEVENTMSG asks nothing of the tracee but that it is stopped. */
	return call(PTRACE_GETEVENTMSG, tid, NULL, &message) >= 0;
}

struct error *ptrace_resume(pid_t tid, enum ptrace_resume how, int signal)
{
	static const enum __ptrace_request requests[] = {
	    [RESUME_CONT] = PTRACE_CONT,     [RESUME_SYSCALL] = PTRACE_SYSCALL, [RESUME_STEP] = PTRACE_SINGLESTEP,
	    [RESUME_LISTEN] = PTRACE_LISTEN, [RESUME_DETACH] = PTRACE_DETACH,
	};

	return call(requests[how], tid, NULL, (void *)(long)signal) < 0 ? failed(tid, "resuming") : NULL;
}

struct error *ptrace_event_message(pid_t tid, unsigned long *message)
{
	return call(PTRACE_GETEVENTMSG, tid, NULL, message) < 0 ? failed(tid, "PTRACE_GETEVENTMSG") : NULL;
}

struct error *ptrace_registers(pid_t tid, struct registers *registers)
{
	union {
		uint64_t aligned;
		uint8_t bytes[512];
	} set;
	struct iovec vector = {.iov_base = &set, .iov_len = sizeof(set)};

	if (call(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &vector) < 0)
		return failed(tid, "PTRACE_GETREGSET");
	if (!registers_decode_prstatus(&set, vector.iov_len, registers))
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "task %d has a register set of %zu bytes, which is neither i386's nor x86_64's",
				    tid, vector.iov_len);
	return NULL;
}

static enum abi abi_of_audit_arch(uint32_t arch, uint64_t number)
{
	enum { X32_SYSCALL_BIT = 0x40000000 }; /* asm/unistd.h, __X32_SYSCALL_BIT */

	if (arch == AUDIT_ARCH_I386)
		return ABI_I386;
	if (arch != AUDIT_ARCH_X86_64)
		return ABI_UNKNOWN;
	return number != UINT64_MAX && (number & X32_SYSCALL_BIT) ? ABI_X32 : ABI_X86_64;
}

struct error *ptrace_syscall_info(pid_t tid, struct syscall_info *info)
{
	struct __ptrace_syscall_info raw = {0};
	long size = call(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof(raw), &raw);

	*info = (struct syscall_info){0};
	if (size < 0 && errno == EIO)
		return error_create(ERROR_UNSUPPORTED, errno, NULL,
				    "PTRACE_GET_SYSCALL_INFO is missing: forktrace needs Linux 5.3 or newer");
	if (size < 0)
		return failed(tid, "PTRACE_GET_SYSCALL_INFO");
	info->pc = raw.instruction_pointer;
	info->sp = raw.stack_pointer;
	switch (raw.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
	case PTRACE_SYSCALL_INFO_SECCOMP:
		/* entry and seccomp begin with the same two members */
		info->phase = raw.op == PTRACE_SYSCALL_INFO_ENTRY ? SYSCALL_PHASE_ENTRY : SYSCALL_PHASE_SECCOMP;
		info->number = raw.entry.nr;
		for (int i = 0; i < 6; i++)
			info->arguments[i] = raw.entry.args[i];
		break;
	case PTRACE_SYSCALL_INFO_EXIT:
		info->phase = SYSCALL_PHASE_EXIT;
		info->result = raw.exit.rval;
		info->is_error = raw.exit.is_error;
		info->number = UINT64_MAX;
		break;
	default:
		info->number = UINT64_MAX;
		break;
	}
	info->abi = abi_of_audit_arch(raw.arch, info->number);
	return NULL;
}

struct error *ptrace_siginfo(pid_t tid, siginfo_t *info)
{
	return call(PTRACE_GETSIGINFO, tid, NULL, info) < 0 ? failed(tid, "PTRACE_GETSIGINFO") : NULL;
}

static struct error *poke(pid_t tid, size_t offset, uint64_t value)
{
	return call(PTRACE_POKEUSER, tid, (void *)offset, (void *)(uintptr_t)value) < 0 ? failed(tid, "PTRACE_POKEUSER")
											: NULL;
}

/* Where PTRACE_POKEUSER has a register, by its name on either kind of machine. */
#ifdef __x86_64__
#define SLOT(wide, narrow) offsetof(struct user_regs_struct, wide)
#else
#define SLOT(wide, narrow) offsetof(struct user_regs_struct, narrow)
#endif

struct error *ptrace_set_first_argument(pid_t tid, enum abi abi, uint64_t value)
{
#ifdef __x86_64__
	/* A 64-bit tracer sees an i386 task's ebx in the slot of rbx (arch/x86/kernel/ptrace.c, putreg). */
	size_t offset =
	    abi == ABI_I386 ? offsetof(struct user_regs_struct, rbx) : offsetof(struct user_regs_struct, rdi);
#else
	size_t offset = offsetof(struct user_regs_struct, ebx);

	(void)abi;
#endif
	return poke(tid, offset, value);
}

struct error *ptrace_set_pc(pid_t tid, uint64_t pc)
{
	return poke(tid, SLOT(rip, eip), pc);
}

struct error *ptrace_skip_call(pid_t tid)
{
	return poke(tid, SLOT(orig_rax, orig_eax), UINT64_MAX);
}

struct error *ptrace_set_result(pid_t tid, int64_t result)
{
	return poke(tid, SLOT(rax, eax), (uint64_t)result);
}
