/* The text of /proc/TID/stack: one line a frame, innermost first (proc_pid_stack in fs/proc/base.c, Linux 6.18). */
#ifndef FORKTRACE_PARSE_PROC_STACK_H
#define FORKTRACE_PARSE_PROC_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "[<0>] nf_hook_slow+0x42/0xd0 [nf_tables]"; the names point into the text and are not zero-terminated. */
struct proc_stack_frame {
	const char *symbol;
	size_t symbol_length;
	uint64_t offset; /* of the return address, from the symbol's start */
	const char *module;
	size_t module_length; /* 0: the kernel proper */
};

/* Takes the next frame out of the text between *at and `end`; lines that hold none (addresses without a name, the
 * "0xffffffffffffffff" that old kernels end with) are skipped. False: no more. */
bool proc_stack_next(const char **at, const char *end, struct proc_stack_frame *frame);

/* Whether a function, its name `length` long, belongs to the ptrace stop in which a task is caught, rather than to what
 * it was doing. Only such frames as stand innermost, before the first other one, are the stop's.
 *
 * A forking parent is stopped in ptrace_event(), called by kernel_clone: all inward of kernel_clone is the stop. A new
 * child is stopped by the SIGSTOP-like trap that get_signal() finds pending: get_signal and what is inward of it is the
 * stop, while exit_to_user_mode_loop and arch_do_signal_or_restart, outward of it, are the way from ret_from_fork to
 * user mode that the child takes with this trap pending: they stay, being where it really is. */
bool kernel_function_is_stop(const char *symbol, size_t length);

#endif
