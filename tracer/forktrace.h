/* Events and records: plain data, all that a report sees. Fields are named as in the JSON output. */
#ifndef FORKTRACE_H
#define FORKTRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "arch/abi.h"
#include "arch/fork_call.h"
#include "arch/stage.h"
#include "base/error.h"
#include "unwind/stack.h"

enum event_kind {
	EVENT_START,
	EVENT_FORK,
	EVENT_FORK_FAILED,
	EVENT_EXEC,
	EVENT_EXIT,
	EVENT_SIGNAL,
	EVENT_ATTACH,
	EVENT_DETACH,
	EVENT_ERROR,
	EVENT_END,
};

enum fork_kind { FORK_KIND_FORK, FORK_KIND_VFORK, FORK_KIND_CLONE };

/* How the kernel was entered. */
enum entry_kind { ENTRY_UNKNOWN, ENTRY_SYSENTER, ENTRY_INT80, ENTRY_SYSCALL };

enum stop_order { ORDER_PARENT_FIRST, ORDER_CHILD_FIRST };

/* Where a return value was observed. */
enum ret_source {
	RET_FROM_SYSCALL_EXIT, /* the system-call-exit stop */
	RET_FROM_FIRST_STOP,   /* the child's registers at its first stop, on the way to user mode */
	RET_FROM_USER_RETURN,  /* at the user's instruction behind the call */
};

enum { COMM_SIZE = 16 }; /* TASK_COMM_LEN, linux/sched.h */

/* A process or thread at the moment of an event. */
struct task_name {
	pid_t pid; /* of the process (thread group), in forktrace's pid namespace */
	pid_t tid;
	pid_t ns_pid;         /* tid in the task's innermost pid namespace; 0: not known */
	char comm[COMM_SIZE]; /* untrusted bytes, zero-terminated */
};

/* One side of a fork. */
struct fork_half {
	struct task_name task;
	bool ret_known;
	int64_t ret; /* sign-extended from the ABI's word */
	enum ret_source ret_from;
	const char *ret_reason; /* why ret is not known; NULL when it is */
	uint64_t ret_ns;        /* nanoseconds between the fork event and the observation of ret */
	struct stack *frames;   /* the user's stack; NULL: could not be had (died first) */
};

enum kernel_source { KERNEL_SOURCE_NONE, KERNEL_SOURCE_LIVE, KERNEL_SOURCE_GUEST };

/* One stage of a fork's way through a guest's kernel. */
struct walk_step {
	enum stage stage;
	bool child;           /* in which of the two processes */
	const char *function; /* as the symbols have it, suffix included; NULL: see reason */
	const char *reason;   /* why function is NULL, one sentence */
	uint64_t address;     /* of the instruction at which the process was seen; 0: it was not */
	bool on_stack;        /* not stopped at: its return address stood on the kernel's stack */
	bool time_known;
	uint64_t time_ns; /* the guest's clock, since the first step whose time is known */
	const char *file; /* source of the instruction; on_stack: of the call before it; NULL: unknown */
	int line;         /* 0: unknown */
};

/* All stages: first those that were seen, in the order observed, then, in the order of enum stage, the others. */
struct fork_walk {
	struct walk_step steps[STAGE_COUNT];
};

struct fork_kernel {
	enum kernel_source source;
	const char *release;         /* "6.18.0-1-amd64", as uname -r has it */
	const char *reason;          /* why a half is missing, one sentence; NULL: none is */
	struct stack *parent_frames; /* NULL: see reason */
	struct stack *child_frames;
	struct fork_walk *walk; /* guest alone; else NULL */
};

struct fork_record {
	enum fork_kind kind;
	struct fork_call call; /* syscall, number, abi, flags, exit signal */
	enum entry_kind entry;
	bool entry_certain; /* false: inferred from the bytes before the pc, not seen in the kernel's stack */
	bool thread;        /* CLONE_THREAD: the child is a thread of the parent's process */
	bool untraced;      /* the program asked for CLONE_UNTRACED; forktrace took the flag out to follow the child */
	enum stop_order order; /* which stop forktrace received first */
	unsigned restarts;     /* times the call was restarted after a signal */
	bool injected;         /* forktrace held the call at its entry, as it was asked to */
	uint64_t delay_ns;     /* for so long; 0: it did not */
	struct fork_half parent, child;
	struct fork_kernel kernel;
};

struct fork_failed {
	struct fork_call call;
	enum entry_kind entry;
	bool entry_certain;
	bool thread;
	unsigned restarts;
	int error_number;  /* EAGAIN, … */
	bool injected;     /* the call was not made: forktrace was asked to let it fail */
	uint64_t delay_ns; /* forktrace held it for so long at its entry; 0: it did not */
	struct task_name parent;
	struct stack *frames;
};

struct event {
	enum event_kind kind;
	uint64_t seq; /* counts all events of the run from 1 in the order of their happening; a fork's is taken at its
			 event stop */
	uint64_t time_ns; /* CLOCK_MONOTONIC since the start of the run */
	struct task_name
	    task; /* whom it is about: exec, exit, signal, attach, detach, error (pid 0: forktrace itself) */
	union {
		struct {
			struct timespec wall_clock; /* CLOCK_REALTIME */
			bool guest;                 /* what is followed is in a QEMU guest */
			const char *stub; /* where the GDB stub of somebody else's guest is; NULL: there is none */
			const char *const *command; /* NULL-terminated; NULL with -p, or with a stub */
			const char *kernel_release;
			const char *kernel_machine;
			const char *version; /* forktrace's */
		} start;
		struct fork_record *fork;
		struct fork_failed *fork_failed;
		struct {
			const char *path; /* /proc/PID/exe, or NULL */
			enum abi old_abi; /* ABI_UNKNOWN at the start of the program */
			enum abi new_abi;
			pid_t former_tid; /* the thread that called exec, where it was not the leader; else 0 */
		} exec;
		struct {
			bool signaled;
			int status; /* exit status, or the signal's number */
			bool core_dumped;
			bool thread; /* a thread ended, its process lives on */
			bool root;   /* the process that forktrace started */
		} exit;
		struct {
			int number;
			int code;     /* si_code */
			pid_t sender; /* si_pid where si_code says that there is one; else 0 */
			bool stop;    /* a group stop, not a delivery */
		} signal;
		struct {
			const char *reason; /* "requested", "--follow=first", … */
		} detach;
		struct error *error;
		struct {
			uint64_t forks, vforks, clones, threads, failed, execs, exits, signals, errors;
			uint64_t lost_samples; /* perf records that the kernel dropped */
			int exit_status;       /* forktrace's, as far as the session knows */
		} end;
	};
};

/* Receives events in order, on a thread of the session's own. What an event points to lives during the call alone, but
 * for strings, which live as long as the session, and stacks, which a sink may keep with stack_ref. */
struct event_sink {
	void (*event)(void *context, const struct event *event);
	void (*flush)(void *context); /* no further event is at hand: write what was kept back; NULL: nothing ever is */
	void *context;
};

const char *event_kind_name(enum event_kind kind);         /* "fork-failed" */
const char *fork_kind_name(enum fork_kind kind);           /* "vfork" */
const char *entry_kind_name(enum entry_kind entry);        /* "sysenter" */
const char *ret_source_name(enum ret_source source);       /* "syscall-exit" */
const char *stop_order_name(enum stop_order order);        /* "parent-first" */
const char *kernel_source_name(enum kernel_source source); /* "live" */

#endif
