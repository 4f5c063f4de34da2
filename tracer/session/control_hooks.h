/* What the session tells its control of a task. Nothing is done where nothing is stepped. Internal to session/. */
#ifndef FORKTRACE_SESSION_CONTROL_HOOKS_H
#define FORKTRACE_SESSION_CONTROL_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "parse/wait_status.h"

struct control;
struct gdbstub_stop;
struct guest_follow;
struct guest_task;
struct registers;
struct session;
struct task;

struct control *control_create(struct session *session);
void control_destroy(struct control *control);

/* A task is known: started or attached to (no parent), or created by `parent`. */
void control_task_added(struct control *control, struct task *task, const struct task *parent, bool attached);
/* It has ended with `status`; it is forgotten next. */
void control_task_ended(struct task *task, const struct wait_status *status);
void control_task_removed(struct task *task);
/* A process is let go: nothing of ours may be left in it. */
void control_task_leaves(struct task *task);
/* Its space is about to be replaced (exec); others may live on in it (vfork). */
void control_space_left(struct task *task);

/* It has stopped. True: that was the control's own doing, and it has been dealt with. */
bool control_stopped(struct task *task, const struct wait_status *status);
/* The session has dealt with the stop: the control decides how it goes on. False: nothing is stepped. */
bool control_resume(struct task *task, int signal);

void control_forking(struct task *parent, bool vfork);
/* A call of the fork family is over. */
void control_returned(struct task *parent, int64_t result);
void control_execed(struct task *task);

/* --- the same of a guest's tasks --- */
/* The machine is there, and stands. Nothing is done where nothing is stepped. */
struct error *control_guest_begin(struct control *control, struct guest_follow *follow);
/* It is no more: neither are its tasks. */
void control_guest_over(struct control *control);
void control_guest_added(struct control *control, struct guest_task *task, const struct guest_task *parent);
/* A child begins, in the kernel. */
void control_guest_born(struct guest_task *child);
void control_guest_forking(struct guest_task *parent, bool vfork);
void control_guest_returned(struct guest_task *task, int64_t result, bool child);
void control_guest_execed(struct guest_task *task);
void control_guest_ended(struct guest_task *task, bool signaled, int status);
void control_guest_removed(struct guest_task *task);
/* The session has dealt with a stop: the control decides how the machine goes on. False: nothing is stepped. */
bool control_guest_stopped(struct control *control, const struct gdbstub_stop *stop, const struct registers *registers);
/* A stop that was taken meanwhile, and is still to be dealt with. */
bool control_guest_queued(struct control *control, struct gdbstub_stop *stop);
/* Stops a machine that runs: a breakpoint is to be set, and it would not be told before it stops for another reason. */
struct error *control_guest_stand(struct control *control); /* accepts NULL */

#endif
