/* The session's own state: tasks, the calls they are in, and the forks whose two halves are awaited. */
#ifndef FORKTRACE_SESSION_INTERNAL_H
#define FORKTRACE_SESSION_INTERNAL_H

#include "base/intern.h"
#include "base/map.h"
#include "base/vector.h"
#include "kernel/live.h"
#include "parse/wait_status.h"
#include "session/control_hooks.h"
#include "session/session.h"
#include "session/writer.h"
#include "target/ptrace.h"
#include "target/space.h"

enum call_kind { CALL_NONE, CALL_FORK, CALL_PTRACE, CALL_UNSHARE, CALL_SETNS, CALL_SECCOMP, CALL_PRCTL };

/* A system call that forktrace saw the entry of and wants to see the end of. */
struct watched_call {
	enum call_kind kind;
	bool event_seen;       /* the fork event came: the call has succeeded */
	struct fork_call fork; /* CALL_FORK */
	uint64_t pc, sp;       /* CALL_FORK: names the call among those that a signal interrupted */
	unsigned restarts;
	bool untraced;       /* CLONE_UNTRACED was taken out of the flags and is to be put back */
	int injected_error;  /* CALL_FORK: it is not made, and fails with this; 0: it is made */
	uint64_t held_ns;    /* CALL_FORK: it is held at its entry since then; 0: it is not */
	uint64_t held_to_ns; /* until then */
	uint64_t delay_ns;   /* so long it was held; 0: it was not */
	uint64_t argument;   /* of the others: the first */
};

/* A call that ended in ERESTART*: when the program enters it again at the same place it is the same call. */
struct restart {
	uint64_t pc, sp;
	unsigned count; /* 0: free */
	uint64_t delay_ns;
};

/* Interrupted calls nest only as deep as signal handlers that fork do. */
enum { RESTARTS_MAX = 4 };

/* One fork, from its event until both halves are there. */
struct fork_pair {
	uint64_t seq;
	uint64_t time_ns;
	struct fork_record *record;
	struct unwound *parent_stack, *child_stack; /* become the record's frames when it is written */
	bool parent_done, child_done;
	const char *parent_kernel_reason, *child_kernel_reason;
};

struct task {
	pid_t tid, tgid;
	pid_t ns_pid;            /* 0: not read yet */
	bool elsewhere;          /* may live in another pid namespace than forktrace */
	bool children_elsewhere; /* its children may, by unshare or setns */
	unsigned depth;          /* 0: a process that forktrace started or attached to; its threads have its depth */
	bool root;               /* the process that forktrace started */
	bool filtered;           /* forktrace's seccomp filter stops it at all watched calls: others may run free */
	bool execed;             /* a started program: its first exec was seen */
	bool new_task;           /* its first stop has not been seen */
	bool call_state_known;   /* false: attached in an unknown place, and not stopped yet */
	bool in_call;            /* without a filter: it is between the entry and the exit of a system call */
	bool leaving;            /* is let go at its next stop */
	const char *leaving_reason;
	char comm[COMM_SIZE];
	enum abi abi;
	struct space *space;
	struct watched_call call;
	struct restart restarts[RESTARTS_MAX];
	struct controlled *controlled; /* what the control knows of it; NULL: nothing is stepped */
	struct fork_pair *parent_of;   /* the fork whose return in this task is awaited */
	struct fork_pair *child_of;    /* the fork that made this task, until its first stop */
};

/* A status of a task that no fork event has announced yet. */
struct parked {
	pid_t tid;
	struct wait_status status;
};

/* The code that was looked at last, and what it was. */
struct entry_memo {
	uint64_t modules, pc; /* modules 0: none yet */
	enum entry_kind kind;
};

struct totals {
	uint64_t forks, vforks, clones, threads, failed, execs, exits, signals, errors;
};

struct session {
	struct session_options options;
	struct event_sink sink;
	struct log log;
	struct string_pool *pool;
	struct capture *capture;
	struct live_kernel *live;   /* NULL: no kernel half was asked for, or it is a guest's */
	struct control *control;    /* NULL: nothing is stepped */
	struct guest_follow *guest; /* NULL: programs of this machine are traced */
	struct injector *injector;  /* NULL: nothing is injected */
	const char *kernel_release;
	struct map tasks; /* by tid */
	VECTOR(struct parked) parked;
	/* Forks whose parent was killed before its event could be read: a parked child may be theirs. */
	VECTOR(struct fork_pair *) parentless;
	struct totals totals;
	struct entry_memo entry;
	struct writer *writer;
	uint64_t start_ns, last_seq;
	unsigned long own_pid_namespace, children_pid_namespace; /* forktrace's own */
	bool releasing;
	bool filter_installed;
	const char *release_reason;
	pid_t root;
	int exit_status;
};

/* --- session.c --- */
uint64_t session_now(const struct session *session); /* ns since the start of the run */
uint64_t session_next_seq(struct session *session);
/* Completes seq and time_ns where they are 0 and sends a copy on its way. Takes over the record, the failure or the
 * error in it; other pointers must live as long as the session. */
void session_emit(struct session *session, const struct event *event);
/* The same for a fork or a failed one, with the stacks of its tasks (taken over; NULL: none). */
void session_emit_stacks(struct session *session, const struct event *event, struct unwound *parent,
			 struct unwound *child);
/* Emits the first event; `command` is NULL for an attach. */
void session_emit_start(struct session *session, char *const *command);
/* Emits an error event about `task` (NULL: forktrace itself) and destroys `error`. error_gone is no news and is
 * dropped. */
void session_report(struct session *session, const struct task *task, struct error *error);
/* As session_report with a sentence of printf's kind; the code is ERROR_DENIED. */
__attribute__((format(printf, 3, 4))) void session_notice(struct session *session, const struct task *task,
							  const char *format, ...);

/* --- task.c: the table of tasks --- */
struct task *task_find(const struct session *session, pid_t tid);
struct task *task_add(struct session *session, pid_t tid, pid_t tgid);
/* Takes the task out of the table and frees it; it must be in no fork_pair any more. */
void task_remove(struct session *session, struct task *task);
void task_free(struct task *task);
/* The name of a task for an event; reads ns_pid if it is not known yet and the task lives. */
void task_name_fill(struct task *task, struct task_name *name);
/* Reads which pid namespaces an attached task and its children to come live in. */
void task_find_namespaces(struct session *session, struct task *task);
void task_refresh_comm(struct task *task);

/* --- follow_ptrace.c: stops --- */
void follow_status(struct session *session, pid_t tid, struct wait_status status);
/* Forgets the tasks of process `tgid` (0: all) that nobody will ever report. */
void follow_lost(struct session *session, pid_t tgid);
/* Resumes a stopped task as its state asks, delivering `signal`; or lets it go, if that is due. */
void follow_resume(struct session *session, struct task *task, int signal);

/* --- calls.c: entries and exits of watched system calls --- */
void call_entered(struct session *session, struct task *task, const struct syscall_info *info);
void call_left(struct session *session, struct task *task, struct syscall_info *info);
/* Puts CLONE_UNTRACED back where forktrace took it out: in the parent at the call's exit, in the child at its first
 * stop. */
void call_restore_untraced(struct session *session, struct task *task, const struct fork_call *fork);

/* May there be a child of this call that has not been announced? */
bool call_may_fork(const struct watched_call *call);

/* --- inject.c: calls that are made to fail or to wait --- */
struct injector *injector_create(const struct session_options *options, const struct log *log); /* NULL: no need */
void injector_destroy(struct injector *injector);                                               /* accepts NULL */
int injector_fd(const struct injector *injector); /* readable when a held task is to go on; -1: never. Accepts NULL */
/* A call of the fork family is entered, and not for the second time. */
void inject_entered(struct session *session, struct task *task);
/* It has returned: gives the program the error that was asked for, and completes *info. */
void inject_left(struct session *session, struct task *task, struct syscall_info *info);
/* Lets those go on whose time has come. Returns whether there was one. */
bool inject_dispatch(struct session *session);
/* Warns of injections that no call came for. */
void inject_end(const struct session *session);

/* --- pairing.c: forks and their two halves --- */
void pair_parent_event(struct session *session, struct task *parent, enum fork_kind kind);
void pair_parent_returned(struct session *session, struct task *parent, int64_t result);
void pair_child_first_stop(struct session *session, struct task *child);
/* One sentence for both halves of the kernel's side; NULL: nothing is missing. */
const char *pair_join_reasons(struct session *session, const char *parent, const char *child);
struct fork_pair *pair_open(struct session *session, enum fork_kind kind, const struct watched_call *call);
void pair_count(struct session *session, const struct fork_record *record);
void pair_free(struct fork_pair *pair);
/* Sends the record on its way, and frees the pair, once both halves are there. */
void pair_finish_if_complete(struct session *session, struct fork_pair *pair);
/* Handles all that waited for a task that is known now: its first stop, and perhaps its end. */
void pair_follow_parked(struct session *session, pid_t tid);
void fork_record_destroy(struct fork_record *record);

/* --- orphans.c: halves that will never come --- */
/* The task has ended, or was let go, with a half of its still open. */
void pair_task_lost(struct session *session, struct task *task, const char *reason);
/* Parks a status of an unknown task. */
void pair_park(struct session *session, pid_t tid, struct wait_status status);
/* Gives parked children whose parent died before its event a record all the same. */
void pair_adopt_orphans(struct session *session);
/* Whether a stopped task waits for its parent's event. */
bool pair_stops_parked(const struct session *session);

/* --- follow_guest.c: a run in a guest --- */
bool guest_follow_dispatch(struct guest_follow *follow);
bool guest_follow_done(const struct guest_follow *follow);
int guest_follow_fd(const struct guest_follow *follow);
/* Where the stub of somebody else's guest is; NULL: there is none. Accepts NULL. */
const char *guest_follow_stub(const struct guest_follow *follow);
void guest_follow_destroy(struct guest_follow *follow); /* accepts NULL */

/* --- entry.c --- */
struct entry_fact {
	enum entry_kind kind;
	bool certain;
};
/* How the kernel was entered, from the code in front of the pc. */
struct entry_fact entry_from_code(struct entry_memo *memo, const struct fork_call *call,
				  const struct registers *registers, struct space *space);
/* Better: from the outermost frames in a kernel, which is of the ABI `kernel`. Leaves *fact as it is where they do not
 * tell. */
void entry_from_kernel(const struct stack *stack, enum abi kernel, struct entry_fact *fact);

#endif
