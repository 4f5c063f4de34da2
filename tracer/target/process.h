/* What /proc tells of a process. Above this folder nobody knows these files. */
#ifndef FORKTRACE_TARGET_PROCESS_H
#define FORKTRACE_TARGET_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/vector.h"
#include "parse/proc_status.h"

typedef VECTOR(pid_t) pid_vector;

/* Whether /proc is there and shows this process's pid namespace: what follows would else tell of other processes. */
struct error *process_check_proc(void);

/* /proc/TID/status, parsed. ERROR_GONE where there is no such process. */
struct error *process_status(pid_t tid, struct proc_status *status);

/* /proc/TID/comm without its newline, at most 15 bytes and a zero; untrusted bytes. */
struct error *process_comm(pid_t tid, char comm[16]);

/* Where /proc/PID/exe points to, as the kernel words it (deleted files end in " (deleted)"); the caller frees *path. */
struct error *process_exe(pid_t pid, char **path);

/* The numbers of the pid namespaces that `tid` lives in, and that its next child will (/proc/TID/ns/pid and
 * pid_for_children, namespaces(7)). */
struct error *process_pid_namespaces(pid_t tid, unsigned long *own, unsigned long *children);

/* The ids of all threads of `pid` at this moment, appended to *tids. */
struct error *process_threads(pid_t pid, pid_vector *tids);

#endif
