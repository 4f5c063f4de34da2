/* The report for timeline viewers such as Perfetto: Chrome's trace events, JSON, as an array whose end may be missing.
 *
 * A process is a track with a slice for each program that it runs; a fork is a slice on both sides, from the event to
 * the return, and a flow between them. Viewers sort by time: a record may stand behind younger events.
 * Format: "Trace Event Format" of the Chromium project. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/report/call_text.h"
#include "ui/report/perfetto.h"

/* A process that has a used id gets a number of its own: what stands above the greatest id (PID_MAX_LIMIT, 2^22). */
enum { GENERATION_STEP = 10000000 };

struct perfetto_report {
	struct report report; /* first: report_destroy is given this */
	struct trace_writer writer;
	struct processes processes;
	uint64_t latest_ns;
};

struct trace_track track_of(const struct process *process, pid_t tid)
{
	int64_t offset = (int64_t)process->generation * GENERATION_STEP;

	return (struct trace_track){.process = process->pid + offset, .thread = (tid ? tid : process->pid) + offset};
}

/* The name of a process's track, anew where it changes. */
static void name_write(struct perfetto_report *report, const struct process *process)
{
	_cleanup_(buffer_deinit) struct buffer name = {0};
	json_t *arguments = json_object();

	process_name(&name, process);
	json_member(arguments, "name", trace_text(name.data));
	trace_write(&report->writer, "M", track_of(process, 0), 0, "process_name", arguments, NULL);
}

static void thread_name_write(struct perfetto_report *report, const struct process *process, pid_t tid,
			      const char *comm)
{
	json_t *arguments = json_object();

	json_member(arguments, "name", trace_text(comm));
	trace_write(&report->writer, "M", track_of(process, tid), 0, "thread_name", arguments, NULL);
}

static void names_write(struct perfetto_report *report, const struct process *process)
{
	name_write(report, process);
	thread_name_write(report, process, process->pid, process->comm);
}

/* The slice of the program that a process runs begins; late, where the fork's record is still to come. */
static void program_begin(struct perfetto_report *report, struct process *process, uint64_t time_ns)
{
	struct buffer name = {0};

	if (!process->placed && process->before_ns == 0)
		process->before_ns = time_ns;
	names_write(report, process);
	process_name(&name, process);
	free(process->label);
	process->label = name.data;
	trace_write(&report->writer, "B", track_of(process, 0), time_ns, process->label, NULL, NULL);
}

/* It ends; or, where the fork's record is still to come, it will be known to have ended. */
static void program_end(struct perfetto_report *report, struct process *process, uint64_t time_ns)
{
	if (process->label)
		trace_write(&report->writer, "E", track_of(process, 0), time_ns, process->label, NULL, NULL);
	else if (process->before_ns == 0)
		process->before_ns = time_ns;
	free(process->label);
	process->label = NULL;
}

/* A child begins with its parent's program: up to what was drawn of it before this record came, if anything was; a
 * nanosecond less, for a reader's sum of begin and duration may be rounded up, beyond the begin of what follows. */
static void child_begin(struct perfetto_report *report, struct process *child, const struct event *event)
{
	_cleanup_(buffer_deinit) struct buffer duration = {0};

	if (child->before_ns == 0) {
		program_begin(report, child, event->time_ns);
		return;
	}
	names_write(report, child);
	trace_duration(&duration, child->before_ns > event->time_ns ? child->before_ns - event->time_ns - 1 : 0);
	trace_write(&report->writer, "X", track_of(child, 0), event->time_ns, event->fork->child.task.comm, NULL,
		    duration.data);
}

static void instant_write(struct perfetto_report *report, const struct process *process, pid_t tid,
			  const struct event *event, const char *name, json_t *arguments)
{
	trace_write(&report->writer, "i", track_of(process, tid), event->time_ns, name, arguments, "\"s\":\"t\"");
}

/* One side of a fork, with its end of the flow. */
static void half_write(struct perfetto_report *report, const struct event *event, const struct process *process,
		       bool child)
{
	const struct fork_record *fork = event->fork;
	const struct fork_half *half = child ? &fork->child : &fork->parent;
	struct trace_track track = track_of(process, half->task.tid);
	uint64_t spent = half->ret_known ? half->ret_ns : 0;
	_cleanup_(buffer_deinit) struct buffer more = {0};
	_cleanup_(buffer_deinit) struct buffer name = {0};

	trace_duration(&more, spent);
	buffer_printf(&name, "%s", fork->thread ? "thread" : fork_kind_name(fork->kind));
	if (half->ret_known)
		buffer_printf(&name, " = %" PRId64, half->ret);
	trace_write(&report->writer, "X", track, event->time_ns, name.data, trace_fork_arguments(event, child),
		    more.data);
	buffer_clear(&more);
	buffer_printf(&more, "\"cat\":\"fork\",\"id\":%" PRIu64 "%s", event->seq, child ? ",\"bp\":\"e\"" : "");
	trace_write(&report->writer, child ? "f" : "s", track, event->time_ns, "fork", NULL, more.data);
}

static void fork_write(struct perfetto_report *report, const struct event *event)
{
	const struct fork_record *fork = event->fork;
	struct process *parent = processes_parent(&report->processes, &fork->parent.task, event->seq);
	struct process *child = parent;

	if (!parent->label && parent->ended == 0)
		program_begin(report, parent, event->time_ns);
	if (fork->thread) {
		thread_name_write(report, parent, fork->child.task.tid, fork->child.task.comm);
	} else {
		child = processes_child(&report->processes, &fork->child.task, event->seq, parent);
		child_begin(report, child, event);
	}
	half_write(report, event, parent, false);
	half_write(report, event, child, true);
	if (fork->kernel.walk)
		trace_walk_write(&report->writer, event, track_of(parent, 0), track_of(child, 0));
}

static void fork_failed_write(struct perfetto_report *report, const struct event *event)
{
	const struct fork_failed *failed = event->fork_failed;
	struct process *process = processes_parent(&report->processes, &failed->parent, event->seq);
	const char *error = errno_name(failed->error_number);
	_cleanup_(buffer_deinit) struct buffer text = {0};
	json_t *arguments = json_object();

	fork_call_text(&text, &failed->call);
	json_member(arguments, "call", json_text(text.data));
	json_member(arguments, "user_stack", trace_stack(failed->frames));
	buffer_clear(&text);
	buffer_printf(&text, "%s failed: %s",
		      failed->call.syscall == FORK_SYSCALL_NONE ? "call" : fork_syscall_name(failed->call.syscall),
		      error ? error : "error");
	instant_write(report, process, failed->parent.tid, event, text.data, arguments);
}

static void exec_write(struct perfetto_report *report, const struct event *event)
{
	struct process *process = processes_of(&report->processes, &event->task, event->seq);
	json_t *arguments = json_object();

	program_end(report, process, event->time_ns);
	process_exec(process, event->exec.path);
	program_begin(report, process, event->time_ns);
	json_member(arguments, "path", event->exec.path ? trace_text(event->exec.path) : json_null());
	json_member(arguments, "abi", json_text(abi_name(event->exec.new_abi)));
	instant_write(report, process, 0, event, "exec", arguments);
}

static void end_write(struct perfetto_report *report, const struct event *event)
{
	struct process *process = processes_of(&report->processes, &event->task, event->seq);
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (event->kind == EVENT_DETACH)
		buffer_append_text(&text, "let go");
	else
		exit_text(&text, event);
	instant_write(report, process, event->task.tid, event, text.data, NULL);
	if (event->kind == EVENT_EXIT && event->exit.thread)
		return;
	program_end(report, process, event->time_ns);
	processes_end(&report->processes, process, event->seq);
}

static void signal_write(struct perfetto_report *report, const struct event *event)
{
	const struct process *process = processes_of(&report->processes, &event->task, event->seq);
	const char *name = signal_name(event->signal.number);
	_cleanup_(buffer_deinit) struct buffer text = {0};
	json_t *arguments = json_object();

	buffer_printf(&text, "%s%s", event->signal.stop ? "stopped by " : "", name ? name : "signal");
	json_member(arguments, "number", json_integer(event->signal.number));
	json_member(arguments, "sender", event->signal.sender ? json_integer(event->signal.sender) : json_null());
	instant_write(report, process, event->task.tid, event, text.data, arguments);
}

static void error_write(struct perfetto_report *report, const struct event *event)
{
	json_t *arguments = json_object();

	json_member(arguments, "message", trace_text(event->error->message));
	if (event->task.pid != 0)
		instant_write(report, processes_of(&report->processes, &event->task, event->seq), event->task.tid,
			      event, "error", arguments);
	else
		trace_write(&report->writer, "i", (struct trace_track){0}, event->time_ns, "error", arguments,
			    "\"s\":\"g\"");
}

static void perfetto_report_event(void *context, const struct event *event)
{
	struct perfetto_report *report = context;

	if (event->time_ns > report->latest_ns)
		report->latest_ns = event->time_ns;
	switch (event->kind) {
	case EVENT_FORK:
		fork_write(report, event);
		break;
	case EVENT_FORK_FAILED:
		fork_failed_write(report, event);
		break;
	case EVENT_EXEC:
		exec_write(report, event);
		break;
	case EVENT_EXIT:
	case EVENT_DETACH:
		end_write(report, event);
		break;
	case EVENT_SIGNAL:
		signal_write(report, event);
		break;
	case EVENT_ATTACH:
		program_begin(report, processes_of(&report->processes, &event->task, event->seq), event->time_ns);
		break;
	case EVENT_ERROR:
		error_write(report, event);
		break;
	default:
		break;
	}
}

static void perfetto_report_flush(void *context)
{
	struct perfetto_report *report = context;

	output_flush(report->writer.output);
}

/* What runs on is shown up to the last event. */
static void perfetto_report_finish(struct report *base)
{
	struct perfetto_report *report = (struct perfetto_report *)base;
	struct process *process;

	for (size_t i = 0; (process = map_next(&report->processes.alive, &i));)
		program_end(report, process, report->latest_ns);
	trace_finish(&report->writer);
}

static void perfetto_report_destroy(struct report *base)
{
	struct perfetto_report *report = (struct perfetto_report *)base;

	processes_deinit(&report->processes);
	buffer_deinit(&report->writer.line);
	free(report);
}

struct report *perfetto_report_create(struct output *output, const struct report_options *options)
{
	struct perfetto_report *report = memory_alloc(sizeof(*report));

	(void)options;
	report->report = (struct report){
	    .sink = {.event = perfetto_report_event, .flush = perfetto_report_flush, .context = report},
	    .finish = perfetto_report_finish,
	    .destroy = perfetto_report_destroy,
	};
	report->writer.output = output;
	return &report->report;
}
