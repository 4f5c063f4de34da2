/* The inside of the report for timeline viewers: trace events one by one, and what they carry. */
#ifndef FORKTRACE_UI_REPORT_PERFETTO_H
#define FORKTRACE_UI_REPORT_PERFETTO_H

#include "ui/report/json_text.h"
#include "ui/report/processes.h"
#include "ui/report/report.h"

struct trace_writer {
	struct output *output;
	struct buffer line;
	bool begun;
};

/* Where an event is drawn. */
struct trace_track {
	int64_t process, thread;
};

struct trace_track track_of(const struct process *process, pid_t tid);

/* Writes an event. `phase`: its kind, see the format. `name`: untrusted; NULL: it has none. `arguments`: taken over;
 * NULL: it has none. `more`: further members as JSON text; NULL: none. */
void trace_write(struct trace_writer *writer, const char *phase, struct trace_track track, uint64_t time_ns,
		 const char *name, json_t *arguments, const char *more);

/* Ends the array. */
void trace_finish(struct trace_writer *writer);

/* A string for people: escaped as for a terminal, because viewers show control and reordering characters as they are.
 */
json_t *trace_text(const char *text);

/* Appends the member "dur". */
void trace_duration(struct buffer *text, uint64_t ns);

/* The frames of a stack as an array of texts, innermost first; null for NULL. */
json_t *trace_stack(const struct stack *stack);

/* What a side of a fork carries: the call, how the kernel was entered, and the stacks. */
json_t *trace_fork_arguments(const struct event *event, bool child);

/* The stages of a fork in a guest's kernel, each up to the next in the same process, on the guest's clock, which begins
 * at the event. */
void trace_walk_write(struct trace_writer *writer, const struct event *event, struct trace_track parent,
		      struct trace_track child);

#endif
