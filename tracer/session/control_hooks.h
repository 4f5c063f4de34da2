/* What the session tells its control of a task. Nothing is done where nothing is stepped. Internal to session/. */
#ifndef FORKTRACE_SESSION_CONTROL_HOOKS_H
#define FORKTRACE_SESSION_CONTROL_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "parse/wait_status.h"

struct control;
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

#endif
