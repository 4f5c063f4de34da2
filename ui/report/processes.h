/* Who is who, for reports that write as the events come: one number for a process from its first event to its end,
 * though process ids are used again and a fork's record stands behind younger events. Memory holds those that live, the
 * last that ended, and a byte for each process id. */
#ifndef FORKTRACE_UI_REPORT_PROCESSES_H
#define FORKTRACE_UI_REPORT_PROCESSES_H

#include "base/buffer.h"
#include "base/map.h"
#include "forktrace.h"

/* A record waits for both return values alone: whom it is about can have ended since, but not long ago. */
enum { PROCESSES_ENDED = 256 };

struct process {
	pid_t pid;
	uint64_t number;     /* unique in the report, never 0 */
	unsigned generation; /* how many had this pid before */
	uint64_t met;        /* seq of its first event, or of the fork that made it */
	uint64_t ended;      /* seq of its end; 0: it lives */
	bool placed;         /* the record of its fork was seen */
	/* For the report alone: */
	char *label;        /* what it began to draw under this name and has not ended; NULL: nothing */
	uint64_t before_ns; /* the first that was drawn, where the fork's record is still to come; 0: nothing */
	char comm[COMM_SIZE];
	char *program; /* the last part of the path of its last exec; NULL: none was seen */
};

struct processes {
	struct map alive; /* pid -> struct process */
	struct process *ended[PROCESSES_ENDED];
	size_t next_ended; /* where the next one goes */
	uint64_t last_number;
	uint8_t *generations;
	size_t generation_count;
};

void processes_deinit(struct processes *processes);

/* The process that an event is about, by its task, whose name it takes over; a new one where it is not known. All that
 * is returned here is valid until PROCESSES_ENDED others have ended behind its own end. */
struct process *processes_of(struct processes *processes, const struct task_name *task, uint64_t seq);

/* The parent of the fork `seq`, also where it has ended since. */
struct process *processes_parent(struct processes *processes, const struct task_name *task, uint64_t seq);

/* The child of the fork `seq`, also where it was met already, or has ended; it is placed. */
struct process *processes_child(struct processes *processes, const struct task_name *task, uint64_t seq,
				const struct process *parent);

/* Takes over what an exec tells. */
void process_exec(struct process *process, const char *path);

void processes_end(struct processes *processes, struct process *process, uint64_t seq);

/* "test_fork", or "sh [dash]" where the program is called otherwise. Appended as it is, not escaped. */
void process_name(struct buffer *text, const struct process *process);

#endif
