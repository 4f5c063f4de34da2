/* A stopped task's kernel stack from /proc/TID/stack (proc(5); needs CAP_SYS_ADMIN in the initial user namespace). */
#ifndef FORKTRACE_KERNEL_STACK_FILE_H
#define FORKTRACE_KERNEL_STACK_FILE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/intern.h"
#include "unwind/stack.h"

struct stack_file;

/* `pool` must outlive it. */
struct stack_file *stack_file_create(struct string_pool *pool);
void stack_file_destroy(struct stack_file *file); /* accepts NULL */

/* Tries it on forktrace itself: whether such files can be read at all. The message names what is missing. */
struct error *stack_file_probe(void);

/* The stack of a task that is in a ptrace stop, without the frames of the stop itself; the caller owns one reference.
 * Errors: error_gone, ERROR_DENIED, ERROR_NOT_FOUND where the kernel showed no frame. */
struct error *stack_file_read(struct stack_file *file, pid_t tid, struct stack **stack);

#endif
