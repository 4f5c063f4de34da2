/* Events read from JSON, as record.schema.json describes them. */
#ifndef FORKTRACE_UI_RECORD_EVENT_H
#define FORKTRACE_UI_RECORD_EVENT_H

#include "base/vector.h"
#include "forktrace.h"
#include "ui/record/stacks.h"

/* An event with all that it points to, but for texts: those are the pool's strings. */
struct record_event {
	struct event event;
	struct fork_record fork;
	struct fork_failed failed;
	struct fork_walk walk;
	struct error error;
	VECTOR(const char *) command;
	uint64_t schema; /* of a start event: the version that it names; else 0 */
};

/* Takes the place of what `read` held. What is wrong is in fields->problem; then the event is not to be used. */
void record_event_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
		       const json_t *object);

/* Drops the stacks; the rest is kept to be used again. */
void record_event_clear(struct record_event *read);
void record_event_deinit(struct record_event *read);

/* The parts of it that have files of their own. `task` is the object at hand's pid, tid, ns_pid and comm. */
struct task_name task_read(struct fields *fields, const json_t *object);
void fork_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks, const json_t *object);
void fork_failed_read(struct record_event *read, struct fields *fields, struct stack_pool *stacks,
		      const json_t *object);

/* The number of a signal by its name ("SIGCHLD", "SIG77"), or of an error; 0 for NULL, and for a name of none. */
int signal_number(const char *name);
int errno_number(const char *name);

#endif
