/* The fields of /proc/PID/status that forktrace reads (proc(5)). */
#ifndef FORKTRACE_PARSE_PROC_STATUS_H
#define FORKTRACE_PARSE_PROC_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_status {
	char comm[16]; /* unescaped: the kernel writes \n and \\ for newline and backslash */
	char state;    /* 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I'; 0: absent */
	pid_t tgid, pid, ppid, tracer_pid;
	pid_t ns_pid;       /* last number of NSpid: in the innermost namespace; 0: absent (before 4.1) */
	unsigned ns_depth;  /* how many numbers NSpid has; 0: absent */
	uid_t uid[4];       /* real, effective, saved, file system */
	bool kernel_thread; /* "Kthread: 1" where the kernel has it (6.7); else: no VmSize line and state not Z or X */
	bool no_new_privs;
	uint64_t ignored, caught; /* signals: bit n - 1 is signal n */
	int seccomp;              /* 0 none, 1 strict, 2 filter; -1 absent */
};

/* Returns false where text is not such a file (no Pid line). Never reads past `size`. */
bool proc_status_parse(const char *text, size_t size, struct proc_status *status);

#endif
