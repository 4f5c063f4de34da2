/* The ptrace backend's primitives, one call each: errors are values, and a tracee that died is error_gone. */
#ifndef FORKTRACE_TARGET_PTRACE_H
#define FORKTRACE_TARGET_PTRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/abi.h"
#include "base/error.h"

enum ptrace_resume {
	RESUME_CONT,    /* to the next signal, event or end */
	RESUME_SYSCALL, /* also stops at the next system call's entry or exit */
	RESUME_STEP,    /* one instruction, then SIGTRAP (TRAP_TRACE) */
	RESUME_LISTEN,  /* keeps a group stop, and still reports what ends it */
	RESUME_DETACH,
};

/* What a task is doing at a system-call or seccomp stop (PTRACE_GET_SYSCALL_INFO, Linux 5.3, ptrace(2)). */
enum syscall_phase { SYSCALL_PHASE_NONE, SYSCALL_PHASE_ENTRY, SYSCALL_PHASE_EXIT, SYSCALL_PHASE_SECCOMP };

struct syscall_info {
	enum syscall_phase phase;
	enum abi abi; /* of the table the kernel uses, whatever the code's width; x32 told by bit 30 of the number */
	uint64_t pc, sp;
	uint64_t number;       /* entry and seccomp */
	uint64_t arguments[6]; /* entry and seccomp; i386: zero-extended */
	int64_t result;        /* exit; an i386 error is sign-extended, an i386 result zero-extended */
	bool is_error;         /* exit: result is -errno */
};

/* Seizes `tid` and sets forktrace's options (fork, vfork, clone, exec, seccomp, good system-call stops). `exit_kill`:
 * the tracee dies with forktrace: for programs it started alone. */
struct error *ptrace_seize(pid_t tid, bool exit_kill);

/* Makes a running tracee stop (PTRACE_EVENT_STOP), once. */
struct error *ptrace_interrupt(pid_t tid);

/* Waits until a tracee has stopped or ended, for at most `ms`, and leaves the news to whoever collects it (waitid(2),
 * WNOWAIT). False: it is still on its way. */
bool ptrace_await(pid_t tid, unsigned ms);

/* Is it stopped, whether that was collected or not? */
bool ptrace_is_stopped(pid_t tid);

/* Resumes a stopped tracee; `signal` is delivered to it (0: none). */
struct error *ptrace_resume(pid_t tid, enum ptrace_resume how, int signal);

/* PTRACE_GETEVENTMSG: the new task's id at a fork event, the former thread id at an exec. */
struct error *ptrace_event_message(pid_t tid, unsigned long *message);

struct error *ptrace_registers(pid_t tid, struct registers *registers);
struct error *ptrace_syscall_info(pid_t tid, struct syscall_info *info);
struct error *ptrace_siginfo(pid_t tid, siginfo_t *info);

/* Writes the register that carries argument `index` (0: the only one forktrace ever changes) of a system call of `abi`.
 */
struct error *ptrace_set_first_argument(pid_t tid, enum abi abi, uint64_t value);

/* Sets the pc of a stopped task. */
struct error *ptrace_set_pc(pid_t tid, uint64_t pc);

/* At a system call's entry or seccomp stop: the call is not made, and returns -ENOSYS (its number becomes -1,
 * seccomp(2) and arch/x86/entry/common.c). Its exit stop comes all the same. */
struct error *ptrace_skip_call(pid_t tid);

/* At a system call's exit stop: what the program sees as its value. */
struct error *ptrace_set_result(pid_t tid, int64_t result);

#endif
