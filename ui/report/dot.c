/* The process tree as a graph for Graphviz: a node a process, an edge a fork with both return values. Written as the
 * events come: a node's statement at its end, which in DOT may stand behind its edges. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/escape.h"
#include "ui/report/call_text.h"
#include "ui/report/processes.h"
#include "ui/report/report.h"

struct dot_report {
	struct report report; /* first: report_destroy is given this */
	struct output *output;
	struct processes processes;
	struct buffer text;  /* of statements */
	struct buffer label; /* being put together; not escaped */
	bool begun;
};

static const char prologue[] = "digraph forktrace {\n"
			       "\tcharset=\"UTF-8\";\n"
			       "\tnode [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f4f4\", "
			       "fontname=\"Helvetica,sans-serif\"];\n"
			       "\tedge [fontname=\"Helvetica,sans-serif\", fontsize=10];\n";

/* Colours that tell ends apart; the words beside them do, too. */
#define FILL_FINE    "#e3f1e3"
#define FILL_WARNING "#fbe9c6"
#define FILL_KILLED  "#f8d5d2"
#define FILL_ALIVE   "#f4f4f4"

/* Within the quotes of a label: Graphviz takes backslashes for its own escapes, and & for the beginning of an entity.
 */
static void label_append(struct buffer *text, const char *label)
{
	_cleanup_(buffer_deinit) struct buffer safe = {0};

	buffer_append_text(&safe, "");
	escape_append(&safe, label);
	for (const char *next = safe.data; *next; next++) {
		if (*next == '&')
			buffer_append_text(text, "&amp;");
		else if (*next == '"' || *next == '\\')
			buffer_printf(text, "\\%c", *next);
		else
			buffer_append(text, next, 1);
	}
}

/* A line of the label at hand. */
__attribute__((format(printf, 2, 3))) static void line_append(struct dot_report *dot, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	_cleanup_free_ char *line = memory_vprintf(format, arguments);
	va_end(arguments);
	if (dot->label.size)
		buffer_append_text(&dot->label, "\\n");
	label_append(&dot->label, line);
}

static void label_end(struct dot_report *dot)
{
	buffer_append_text(&dot->text, "label=\"");
	buffer_append(&dot->text, dot->label.data, dot->label.size);
	buffer_append_text(&dot->text, "\"");
	buffer_clear(&dot->label);
}

/* The statement of a process: what it is called in the end, and how it ended. */
static void node_write(struct dot_report *dot, const struct process *process, const char *state, const char *fill)
{
	_cleanup_(buffer_deinit) struct buffer name = {0};

	process_name(&name, process);
	line_append(dot, "%s", name.data);
	line_append(dot, "%d", process->pid);
	line_append(dot, "%s", state);
	buffer_printf(&dot->text, "\tp%" PRIu64 " [", process->number);
	label_end(dot);
	buffer_printf(&dot->text, ", fillcolor=\"%s\"];\n", fill);
}

static void fork_write(struct dot_report *dot, const struct event *event)
{
	const struct fork_record *fork = event->fork;
	struct process *parent = processes_parent(&dot->processes, &fork->parent.task, event->seq);
	uint64_t to = event->seq;
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (!fork->thread)
		to = processes_child(&dot->processes, &fork->child.task, event->seq, parent)->number;
	fork_call_text(&text, &fork->call);
	line_append(dot, "%s", fork->thread ? "thread" : fork_kind_name(fork->kind));
	if (fork->kind == FORK_KIND_CLONE)
		line_append(dot, "%s", text.data);
	buffer_clear(&text);
	ret_text(&text, &fork->parent);
	line_append(dot, "parent: %s", text.data);
	buffer_clear(&text);
	ret_text(&text, &fork->child);
	line_append(dot, "child: %s", text.data);
	buffer_printf(&dot->text, "\tp%" PRIu64 " -> %c%" PRIu64 " [", parent->number, fork->thread ? 't' : 'p', to);
	label_end(dot);
	buffer_append_text(&dot->text, fork->thread ? ", style=dashed];\n" : "];\n");
	if (!fork->thread)
		return;
	line_append(dot, "thread %d", fork->child.task.tid);
	buffer_printf(&dot->text, "\tt%" PRIu64 " [shape=ellipse, ", to);
	label_end(dot);
	buffer_append_text(&dot->text, "];\n");
}

static void fork_failed_write(struct dot_report *dot, const struct event *event)
{
	const struct fork_failed *failed = event->fork_failed;
	struct process *parent = processes_parent(&dot->processes, &failed->parent, event->seq);
	const char *name = errno_name(failed->error_number);
	_cleanup_(buffer_deinit) struct buffer call = {0};

	fork_call_text(&call, &failed->call);
	line_append(dot, "failed: %s", name ? name : "error");
	line_append(dot, "%s", strerror(failed->error_number));
	buffer_printf(&dot->text, "\tf%" PRIu64 " [shape=octagon, style=filled, fillcolor=\"" FILL_KILLED "\", ",
		      event->seq);
	label_end(dot);
	buffer_append_text(&dot->text, "];\n");
	line_append(dot, "%s", call.data);
	buffer_printf(&dot->text, "\tp%" PRIu64 " -> f%" PRIu64 " [style=dotted, ", parent->number, event->seq);
	label_end(dot);
	buffer_append_text(&dot->text, "];\n");
}

static void end_write(struct dot_report *dot, const struct event *event)
{
	struct process *process = processes_of(&dot->processes, &event->task, event->seq);
	_cleanup_(buffer_deinit) struct buffer state = {0};
	const char *fill = FILL_ALIVE;

	if (event->kind == EVENT_DETACH) {
		buffer_append_text(&state, "let go");
	} else {
		exit_text(&state, event);
		fill = event->exit.signaled ? FILL_KILLED : event->exit.status ? FILL_WARNING : FILL_FINE;
	}
	node_write(dot, process, state.data, fill);
	processes_end(&dot->processes, process, event->seq);
}

static void prologue_write(struct dot_report *dot)
{
	if (!dot->begun)
		output_put(dot->output, prologue, sizeof(prologue) - 1);
	dot->begun = true;
}

static void dot_report_event(void *context, const struct event *event)
{
	struct dot_report *dot = context;

	prologue_write(dot);
	if (event->kind == EVENT_FORK)
		fork_write(dot, event);
	else if (event->kind == EVENT_FORK_FAILED)
		fork_failed_write(dot, event);
	else if (event->kind == EVENT_DETACH || (event->kind == EVENT_EXIT && !event->exit.thread))
		end_write(dot, event);
	else if (event->kind == EVENT_EXEC)
		process_exec(processes_of(&dot->processes, &event->task, event->seq), event->exec.path);
	else if (event->kind == EVENT_ATTACH)
		processes_of(&dot->processes, &event->task, event->seq);
	if (dot->text.size)
		output_put(dot->output, dot->text.data, dot->text.size);
	buffer_clear(&dot->text);
}

static void dot_report_flush(void *context)
{
	struct dot_report *dot = context;

	output_flush(dot->output);
}

static void dot_report_finish(struct report *report)
{
	struct dot_report *dot = (struct dot_report *)report;
	const struct process *process;

	prologue_write(dot);
	for (size_t i = 0; (process = map_next(&dot->processes.alive, &i));)
		node_write(dot, process, "runs on", FILL_ALIVE);
	buffer_append_text(&dot->text, "}\n");
	output_put(dot->output, dot->text.data, dot->text.size);
	buffer_clear(&dot->text);
}

static void dot_report_destroy(struct report *report)
{
	struct dot_report *dot = (struct dot_report *)report;

	processes_deinit(&dot->processes);
	buffer_deinit(&dot->text);
	buffer_deinit(&dot->label);
	free(dot);
}

struct report *dot_report_create(struct output *output, const struct report_options *options)
{
	struct dot_report *dot = memory_alloc(sizeof(*dot));

	(void)options;
	dot->report = (struct report){
	    .sink = {.event = dot_report_event, .flush = dot_report_flush, .context = dot},
	    .finish = dot_report_finish,
	    .destroy = dot_report_destroy,
	};
	dot->output = output;
	return &dot->report;
}
