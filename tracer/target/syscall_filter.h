/* A seccomp filter that stops a traced program on few system calls, so that the rest run at full speed. */
#ifndef FORKTRACE_TARGET_SYSCALL_FILTER_H
#define FORKTRACE_TARGET_SYSCALL_FILTER_H

#include <linux/filter.h>

#include "base/error.h"

/* Makes the filter's program with libseccomp: SECCOMP_RET_TRACE for fork, vfork, clone, clone3 and ptrace by the
 * numbers of i386, x86_64 and x32, SECCOMP_RET_ALLOW for everything else. The caller frees program->filter. The filter
 * outlives its tracer (the calls then fail with ENOSYS), so it is only for trees that nothing is let go from.
 * seccomp(2). */
struct error *syscall_filter_create(struct sock_fprog *program);

/* Installs it in the calling process. Without CAP_SYS_ADMIN that needs no_new_privs, which is then set; *no_new_privs
 * tells. Async-signal-safe: for use between fork and exec. Returns 0 or an errno. */
int syscall_filter_install(const struct sock_fprog *program, int *no_new_privs);

#endif
