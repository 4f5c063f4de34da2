/* The report for people: a record a fork, a line for every other event, the tree and the totals at the end. */
#include "ui/report/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/report/columns.h"
#include "ui/report/tree.h"

enum {
	LABEL_COLUMNS = 8, /* where an event's line goes on behind its name */
	LINE_INDENT = LABEL_COLUMNS,
};

struct text_report {
	struct report report; /* first: report_destroy is given this */
	struct output *output;
	struct canvas canvas;
	struct tree *tree;
	struct fork_cache forks;
	int verbosity;
	unsigned long records;    /* fork records written */
	bool wrote, wrote_record; /* anything; a record as the last thing */
	bool ended;               /* the tree and the totals are written */
};

/* A blank line around every record, none between one-line events. */
static void text_separate(struct text_report *text, bool record)
{
	if (text->wrote && (record || text->wrote_record))
		canvas_newline(&text->canvas);
	text->wrote = true;
	text->wrote_record = record;
}

__attribute__((format(printf, 3, 4))) static void item_printf(struct canvas *canvas, enum role role, const char *format,
							      ...)
{
	va_list arguments;

	va_start(arguments, format);
	_cleanup_free_ char *text = memory_vprintf(format, arguments);
	va_end(arguments);
	canvas_item(canvas, role, LINE_INDENT, text);
}

static void line_begin(struct text_report *text, const struct event *event, enum role role, const char *label)
{
	text_separate(text, false);
	canvas_put(&text->canvas, role, label);
	canvas_move(&text->canvas, LABEL_COLUMNS);
	if (event->task.pid != 0)
		task_draw(&text->canvas, &event->task);
}

static void time_draw(struct text_report *text, const struct event *event)
{
	item_printf(&text->canvas, ROLE_DIM, "at %s", duration_text(event->time_ns));
}

static void line_end(struct text_report *text, const struct event *event)
{
	time_draw(text, event);
	canvas_newline(&text->canvas);
}

static void kernel_draw(struct canvas *canvas, const struct event *event)
{
	const char *release = event->start.kernel_release;

	if (!event->start.stub) {
		item_printf(canvas, ROLE_PLAIN, "Linux %s %s", release, event->start.kernel_machine);
		return;
	}
	item_printf(canvas, ROLE_PLAIN, "Linux%s%s", release ? " " : "", release ? release : "");
	item_printf(canvas, ROLE_PLAIN, "behind %s", event->start.stub);
}

static void start_draw(struct text_report *text, const struct event *event)
{
	struct canvas *canvas = &text->canvas;

	text_separate(text, false);
	canvas_printf(canvas, ROLE_HEADER, "forktrace %s", event->start.version);
	kernel_draw(canvas, event);
	for (size_t i = 0; event->start.command && event->start.command[i]; i++)
		canvas_item(canvas, ROLE_PLAIN, LINE_INDENT, event->start.command[i]);
	canvas_newline(canvas);
}

static void fork_failed_draw(struct text_report *text, const struct event *event)
{
	const struct fork_failed *failed = event->fork_failed;
	const char *name = errno_name(failed->error_number);
	const struct stack *stacks[2] = {failed->frames, NULL};
	_cleanup_(buffer_deinit) struct buffer call = {0};
	struct event about = {.task = failed->parent};

	fork_call_text(&call, &failed->call);
	line_begin(text, &about, ROLE_WARNING, "failed");
	canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, abi_name(failed->call.abi));
	item_printf(&text->canvas, ROLE_WARNING, "%s (%s)", name ? name : "error", strerror(failed->error_number));
	if (failed->injected)
		canvas_item(&text->canvas, ROLE_WARNING, LINE_INDENT, "injected");
	time_draw(text, event);
	canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, call.data);
	buffer_clear(&call);
	buffer_append_text(&call, "via ");
	entry_text(&call, failed->entry, failed->entry_certain);
	canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, call.data);
	if (failed->delay_ns)
		item_printf(&text->canvas, ROLE_PLAIN, "held for %s first", duration_text(failed->delay_ns));
	if (failed->restarts)
		item_printf(&text->canvas, ROLE_PLAIN, "restarted %u time%s", failed->restarts,
			    failed->restarts == 1 ? "" : "s");
	canvas_newline(&text->canvas);
	if (text->verbosity >= VERBOSE_EVENTS && failed->frames) {
		stack_draw_detailed(&text->canvas, failed->frames);
		stack_notes_draw(&text->canvas, stacks, (const char *const[]){"parent", NULL});
	}
}

static void exec_draw(struct text_report *text, const struct event *event)
{
	struct canvas *canvas = &text->canvas;

	line_begin(text, event, ROLE_HEADER, "exec");
	if (event->exec.old_abi == ABI_UNKNOWN || event->exec.old_abi == event->exec.new_abi)
		canvas_item(canvas, ROLE_PLAIN, LINE_INDENT, abi_name(event->exec.new_abi));
	else
		item_printf(canvas, ROLE_PLAIN, "%s -> %s", abi_name(event->exec.old_abi),
			    abi_name(event->exec.new_abi));
	if (event->exec.former_tid)
		item_printf(canvas, ROLE_PLAIN, "by thread %d", event->exec.former_tid);
	time_draw(text, event);
	/* Last, because it may be long. */
	canvas_item(canvas, ROLE_PLAIN, LINE_INDENT, event->exec.path ? event->exec.path : "(path unknown)");
	canvas_newline(canvas);
}

static void exit_draw(struct text_report *text, const struct event *event)
{
	const char *name = event->exit.signaled ? signal_name(event->exit.status) : NULL;

	line_begin(text, event, event->exit.signaled ? ROLE_WARNING : ROLE_HEADER,
		   event->exit.thread ? "thread" : "exit");
	if (event->exit.thread)
		canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, "ended");
	if (!event->exit.signaled)
		item_printf(&text->canvas, ROLE_PLAIN, "status %d", event->exit.status);
	else if (name)
		item_printf(&text->canvas, ROLE_WARNING, "killed by %s", name);
	else
		item_printf(&text->canvas, ROLE_WARNING, "killed by signal %d", event->exit.status);
	if (event->exit.core_dumped)
		canvas_item(&text->canvas, ROLE_WARNING, LINE_INDENT, "core dumped");
	line_end(text, event);
}

static void signal_draw(struct text_report *text, const struct event *event)
{
	const char *name = signal_name(event->signal.number);

	line_begin(text, event, ROLE_HEADER, event->signal.stop ? "stop" : "signal");
	if (name)
		canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, name);
	else
		item_printf(&text->canvas, ROLE_PLAIN, "signal %d", event->signal.number);
	if (event->signal.sender)
		item_printf(&text->canvas, ROLE_PLAIN, "from %d", event->signal.sender);
	line_end(text, event);
}

static void error_draw(struct text_report *text, const struct event *event)
{
	struct canvas *canvas = &text->canvas;

	line_begin(text, event, ROLE_ERROR, "error");
	time_draw(text, event);
	canvas_put(canvas, ROLE_DIM, ":");
	/* A sentence goes on beside the name, unlike an item, which moves to the next line whole. */
	canvas_move(canvas, canvas->column + 1);
	canvas_wrap(canvas, ROLE_ERROR, LINE_INDENT, event->error->message);
	canvas_newline(canvas);
}

static void total_draw(struct canvas *canvas, uint64_t count, const char *one, const char *many, const char *separator)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	buffer_printf(&text, "%" PRIu64 " %s%s", count, count == 1 ? one : many, separator);
	canvas_wrap(canvas, ROLE_PLAIN, 0, text.data);
}

/* The last line: what there was always, what is rarer where there was any. */
static void totals_draw(struct text_report *text, const struct event *event)
{
	struct canvas *canvas = &text->canvas;

	total_draw(canvas, event->end.forks, "fork", "forks", ", ");
	if (event->end.vforks)
		total_draw(canvas, event->end.vforks, "vfork", "vforks", ", ");
	if (event->end.clones)
		total_draw(canvas, event->end.clones, "clone", "clones", ", ");
	if (event->end.threads)
		total_draw(canvas, event->end.threads, "thread", "threads", ", ");
	total_draw(canvas, event->end.failed, "failed", "failed", ", ");
	total_draw(canvas, event->end.execs, "exec", "execs", ", ");
	total_draw(canvas, event->end.exits, "exit", "exits", ", ");
	if (event->end.signals)
		total_draw(canvas, event->end.signals, "signal", "signals", ", ");
	if (event->end.errors)
		total_draw(canvas, event->end.errors, "error", "errors", ", ");
	total_draw(canvas, event->end.lost_samples, "kernel sample lost", "kernel samples lost", "");
	canvas_newline(canvas);
}

static void end_draw(struct text_report *text, const struct event *event)
{
	if (text->verbosity >= 0) {
		text_separate(text, true);
		tree_draw(text->tree, &text->canvas);
		canvas_newline(&text->canvas);
	}
	totals_draw(text, event);
	text->ended = true;
}

/* Draws an event, or nothing where the verbosity hides it. */
static void event_draw(struct text_report *text, const struct event *event)
{
	bool quiet = text->verbosity < 0;
	bool verbose = text->verbosity >= VERBOSE_EVENTS;

	switch (event->kind) {
	case EVENT_FORK_FAILED:
		fork_failed_draw(text, event);
		return;
	case EVENT_ERROR:
		error_draw(text, event);
		return;
	case EVENT_END:
		end_draw(text, event);
		return;
	case EVENT_FORK:
		text->records++;
		if (quiet)
			return;
		text_separate(text, true);
		fork_draw(&text->canvas, event, text->records, text->verbosity, &text->forks);
		return;
	case EVENT_EXEC:
		if (!quiet)
			exec_draw(text, event);
		return;
	case EVENT_EXIT:
		if (verbose || (!quiet && event->exit.signaled && !event->exit.thread))
			exit_draw(text, event);
		return;
	default:
		break;
	}
	if (!verbose)
		return;
	if (event->kind == EVENT_START) {
		start_draw(text, event);
	} else if (event->kind == EVENT_SIGNAL) {
		signal_draw(text, event);
	} else {
		line_begin(text, event, ROLE_HEADER, event_kind_name(event->kind));
		if (event->kind == EVENT_DETACH && event->detach.reason)
			canvas_item(&text->canvas, ROLE_PLAIN, LINE_INDENT, event->detach.reason);
		line_end(text, event);
	}
}

static void text_report_event(void *context, const struct event *event)
{
	struct text_report *text = context;

	tree_event(text->tree, event);
	event_draw(text, event);
	canvas_flush(&text->canvas, text->output);
}

static void text_report_flush(void *context)
{
	struct text_report *text = context;

	output_flush(text->output);
}

/* A saved record may lack its end, and with it the totals: the tree is there all the same. */
static void text_report_finish(struct report *report)
{
	struct text_report *text = (struct text_report *)report;

	if (text->ended || text->verbosity < 0 || tree_size(text->tree) == 0)
		return;
	text_separate(text, true);
	tree_draw(text->tree, &text->canvas);
	canvas_flush(&text->canvas, text->output);
}

static void text_report_destroy(struct report *report)
{
	struct text_report *text = (struct text_report *)report;

	fork_cache_deinit(&text->forks);
	canvas_deinit(&text->canvas);
	tree_destroy(text->tree);
	free(text);
}

void text_report_number(struct report *report, unsigned long number)
{
	((struct text_report *)report)->records = number - 1;
}

struct report *text_report_create(struct output *output, const struct report_options *options)
{
	struct text_report *text = memory_alloc(sizeof(*text));

	text->report = (struct report){
	    .sink = {.event = text_report_event, .flush = text_report_flush, .context = text},
	    .finish = text_report_finish,
	    .destroy = text_report_destroy,
	};
	text->output = output;
	text->verbosity = options->verbosity;
	text->canvas.width = report_width(options);
	text->canvas.color = options->color;
	text->tree = tree_create();
	return &text->report;
}
