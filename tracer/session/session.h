/* A run: starts or attaches to programs, follows every process they create, and tells what happened as events.
 *
 * All calls come from one thread, the one that called session_create (ptrace belongs to a thread). That thread keeps
 * SIGCHLD and SIGIO blocked. Whenever SIGCHLD is pending it takes it and then calls session_dispatch; whenever SIGIO
 * is, session_drain. */
#ifndef FORKTRACE_SESSION_SESSION_H
#define FORKTRACE_SESSION_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "forktrace.h"
#include "parse/injection.h"
#include "target/start.h"
#include "unwind/capture.h"

enum follow {
	FOLLOW_ALL,   /* every descendant */
	FOLLOW_FIRST, /* the program's own children too; theirs are let go */
	FOLLOW_NONE,  /* each child is let go once its half of the record is read */
};

struct session_options {
	enum follow follow;
	bool threads;     /* records for threads too */
	bool seccomp;     /* use the filter where it may be installed */
	bool signals;     /* events for signals; without, they are counted alone, which is one ptrace call less each */
	bool kernel_half; /* read the live kernel's stacks */
	bool control;     /* tasks are stepped (forktrace_control.h); no filter is installed then */
	const char
	    *cache; /* directory where what is costly to find out may be kept, readable by the user alone; NULL: none */
	enum unwinder_kind unwinder;
	size_t max_frames;
	const struct injection *injections; /* calls that are made to fail or to wait; copied, but for their texts */
	size_t injection_count;
};

/* The exit status of a run that lost what it followed: session_exit_status. */
enum { SESSION_LOST = 125 };

struct session;

/* `sink`, which a thread of the session's own calls, and `log` are copied; their contexts must outlive the session.
 * Never fails. */
struct session *session_create(const struct session_options *options, const struct event_sink *sink,
			       const struct log *log);

/* Frees. Tracees that are left: started programs die with forktrace, attached ones are let go by the kernel. */
void session_destroy(struct session *session); /* accepts NULL */

/* Starts a program; its filter is the session's to fill in. Errors: those of start_program. */
struct error *session_start(struct session *session, const struct start_request *wanted);

/* Seizes the process `pid` with all its threads. Errors are sentences for the user: no such process, a thread's id, a
 * kernel thread, a zombie, already traced, not permitted. */
struct error *session_attach(struct session *session, pid_t pid);

/* Handles every stop and end that is waiting; never blocks, but to let the sink catch up when thousands of events wait
 * for it. Returns whether there was anything. */
bool session_dispatch(struct session *session);

/* A descriptor that is readable when there is something to dispatch, besides SIGCHLD: a guest's, or that of the time
 * when a call that was held goes on. -1: there is none. */
int session_fd(const struct session *session);

/* Does the thread that writes records want a CPU now? A hint, for a caller that would keep one busy by waiting. */
bool session_is_writing(const struct session *session);

/* Takes in kernel samples that pile up, for want of forks of ours, because the rest of the machine forks. */
void session_drain(struct session *session);

/* Nothing is traced any more. */
bool session_done(const struct session *session);

/* Tells the last event and waits until the sink has had all; call once, when done or when giving up. */
void session_end(struct session *session);

/* Ends the delays of all calls that are held at their entry, and of those to come: the run is to end. */
void session_end_delays(struct session *session);

/* Lets every tracee go, each at its next stop (asked for now). Only where nothing inherits the seccomp filter:
 * elsewhere it returns false and does nothing. */
bool session_release(struct session *session, const char *reason);

/* Sends `signal` to the started program, or, when that has ended, to every process that is still traced. */
void session_forward_signal(struct session *session, int signal);

/* The started program's exit status (128 + n: killed by signal n), SESSION_LOST where the machine that it was in was
 * lost, -1 while there is none. */
int session_exit_status(const struct session *session);

#endif
