/* Trace events one by one: see perfetto.h. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "ui/escape.h"
#include "ui/report/call_text.h"
#include "ui/report/columns.h"
#include "ui/report/perfetto.h"

enum { NS_PER_US = 1000 };

json_t *trace_text(const char *text)
{
	_cleanup_(buffer_deinit) struct buffer safe = {0};

	buffer_append_text(&safe, "");
	escape_append(&safe, text);
	return json_text(safe.data);
}

/* Microseconds, the format's unit, without losing the nanoseconds. */
static void time_append(struct buffer *text, const char *key, uint64_t ns)
{
	buffer_printf(text, "\"%s\":%" PRIu64 ".%03" PRIu64, key, ns / NS_PER_US, ns % NS_PER_US);
}

void trace_duration(struct buffer *text, uint64_t ns)
{
	time_append(text, "dur", ns);
}

void trace_write(struct trace_writer *writer, const char *phase, struct trace_track track, uint64_t time_ns,
		 const char *name, json_t *arguments, const char *more)
{
	struct buffer *line = &writer->line;

	buffer_clear(line);
	buffer_append_text(line, writer->begun ? ",\n" : "[\n");
	writer->begun = true;
	buffer_printf(line, "{\"ph\":\"%s\",\"pid\":%" PRId64 ",\"tid\":%" PRId64 ",", phase, track.process,
		      track.thread);
	time_append(line, "ts", time_ns);
	if (name) {
		buffer_append_text(line, ",\"name\":");
		json_append(line, trace_text(name));
	}
	if (more)
		buffer_printf(line, ",%s", more);
	if (arguments) {
		buffer_append_text(line, ",\"args\":");
		json_append(line, arguments);
	}
	buffer_append_text(line, "}");
	output_put(writer->output, line->data, line->size);
}

void trace_finish(struct trace_writer *writer)
{
	static const char empty[] = "[", end[] = "\n]\n";

	if (!writer->begun)
		output_put(writer->output, empty, sizeof(empty) - 1);
	output_put(writer->output, end, sizeof(end) - 1);
}

/* "spawn_child+0x12 test_fork.c:8", "fork+0x60 libc.so.6", "0x7f00 ?". */
static void frame_text(struct buffer *text, const struct frame *frame)
{
	buffer_clear(text);
	if (frame->symbol)
		buffer_printf(text, "%s+0x%" PRIx64, frame->symbol, frame->offset);
	else
		buffer_printf(text, "0x%" PRIx64, frame->pc);
	if (frame->file && frame->line)
		buffer_printf(text, " %s:%d", path_base(frame->file), frame->line);
	else if (frame->module)
		buffer_printf(text, " %s", path_base(frame->module));
	if (frame->inlined)
		buffer_append_text(text, " (inlined)");
	if (!frame->certain)
		buffer_append_text(text, " ?");
}

json_t *trace_stack(const struct stack *stack)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	json_t *frames;

	if (!stack)
		return json_null();
	frames = json_array();
	for (size_t i = 0; i < stack->count; i++) {
		frame_text(&text, &stack->frames[i]);
		json_array_append_new(frames, trace_text(text.data));
	}
	return frames;
}

json_t *trace_fork_arguments(const struct event *event, bool child)
{
	const struct fork_record *fork = event->fork;
	const struct fork_half *half = child ? &fork->child : &fork->parent;
	const struct stack *kernel = child ? fork->kernel.child_frames : fork->kernel.parent_frames;
	_cleanup_(buffer_deinit) struct buffer text = {0};
	json_t *arguments = json_object();

	fork_call_text(&text, &fork->call);
	json_member(arguments, "call", json_text(text.data));
	buffer_clear(&text);
	entry_text(&text, fork->entry, fork->entry_certain);
	json_member(arguments, "entry", json_text(text.data));
	json_member(arguments, "side", json_text(child ? "child" : "parent"));
	json_member(arguments, "returned", half->ret_known ? json_integer(half->ret) : json_null());
	if (!half->ret_known && half->ret_reason)
		json_member(arguments, "ret_reason", trace_text(half->ret_reason));
	json_member(arguments, "user_stack", trace_stack(half->frames));
	json_member(arguments, "kernel_stack", trace_stack(kernel));
	if (fork->kernel.reason)
		json_member(arguments, "kernel_reason", trace_text(fork->kernel.reason));
	json_member(arguments, "seq", json_integer((json_int_t)event->seq));
	return arguments;
}

/* --- the walk through a guest's kernel --- */

/* When the next stage of the same process was seen; `step`'s own time where there is none. */
static uint64_t stage_end(const struct fork_walk *walk, const struct walk_step *step)
{
	uint64_t end = UINT64_MAX;

	for (size_t i = 0; i < STAGE_COUNT; i++) {
		const struct walk_step *other = &walk->steps[i];

		if (other->time_known && other->child == step->child && other->time_ns > step->time_ns &&
		    other->time_ns < end)
			end = other->time_ns;
	}
	return end == UINT64_MAX ? step->time_ns : end;
}

static json_t *step_arguments(const struct walk_step *step)
{
	json_t *arguments = json_object();

	json_member(arguments, "function", step->function ? trace_text(step->function) : json_null());
	json_member(arguments, "address", json_address(step->address));
	json_member(arguments, "vtime_ns", json_integer((json_int_t)step->time_ns));
	json_member(arguments, "note", json_text(stage_info(step->stage)->note));
	return arguments;
}

void trace_walk_write(struct trace_writer *writer, const struct event *event, struct trace_track parent,
		      struct trace_track child)
{
	const struct fork_walk *walk = event->fork->kernel.walk;

	for (size_t i = 0; i < STAGE_COUNT; i++) {
		const struct walk_step *step = &walk->steps[i];
		struct trace_track track = step->child ? child : parent;
		const char *name = stage_info(step->stage)->name;
		_cleanup_(buffer_deinit) struct buffer more = {0};

		if (!step->time_known)
			continue;
		/* Both processes' walks are tracks of their own. */
		buffer_printf(&more, "\"cat\":\"walk\",\"id\":%" PRIu64, event->seq * 2 + step->child);
		trace_write(writer, "b", track, event->time_ns + step->time_ns, name, step_arguments(step), more.data);
		trace_write(writer, "e", track, event->time_ns + stage_end(walk, step), name, NULL, more.data);
	}
}
