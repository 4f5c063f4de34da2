/* The report as one page for browsers: the page's parts (html/), and in it the record, JSON Lines of which a script
 * draws.
 *
 * The lines are those of the JSON report, with each stack told once, in front of the first event that has it, and a
 * number in its place. A page that ends early shows what it has. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/report/json_event.h"
#include "ui/report/json_text.h"
#include "ui/report/report.h"

/* html_parts.S */
extern const char html_page[], html_page_end[], html_style[], html_style_end[], html_script[], html_script_end[];

/* Which stacks were told. One that lost its slot is told again. */
enum { STACKS_TOLD = 4096 };

struct html_report {
	struct report report; /* first: report_destroy is given this */
	struct output *output;
	struct json_writer writer;
	unsigned long told[STACKS_TOLD]; /* ids, by id % STACKS_TOLD */
	const char *rest;                /* of the page, behind the record; NULL: nothing is written yet */
};

/* Writes the page up to `marker`, which is there, and returns what stands behind it. */
static const char *page_write(struct html_report *html, const char *from, const char *marker)
{
	size_t size = strlen(marker);
	const char *at = memmem(from, (size_t)(html_page_end - from), marker, size);

	output_put(html->output, from, (size_t)(at - from));
	return at + size;
}

static void page_begin(struct html_report *html)
{
	const char *rest;

	if (html->rest)
		return;
	rest = page_write(html, html_page, "@STYLE@");
	output_put(html->output, html_style, (size_t)(html_style_end - html_style));
	rest = page_write(html, rest, "@SCRIPT@");
	output_put(html->output, html_script, (size_t)(html_script_end - html_script));
	html->rest = page_write(html, rest, "@RECORD@");
}

/* Within the page a '<' could begin the end of the script element that the record is in, or a comment. In JSON it
 * stands in strings alone, where it may be spelled so. */
static void line_write(struct html_report *html, const char *line, size_t size)
{
	static const char less[] = "\\u003c";
	const char *end = line + size;

	while (line < end) {
		const char *stop = memchr(line, '<', (size_t)(end - line));
		size_t plain = (size_t)((stop ? stop : end) - line);

		output_put(html->output, line, plain);
		if (stop)
			output_put(html->output, less, sizeof(less) - 1);
		line += plain + (stop ? 1 : 0);
	}
}

static void stack_write(struct html_report *html, const struct stack *stack)
{
	unsigned long *slot = stack ? &html->told[stack->id % STACKS_TOLD] : NULL;
	_cleanup_(buffer_deinit) struct buffer line = {0};

	if (!stack || *slot == stack->id)
		return;
	*slot = stack->id;

	const struct buffer *frames = frames_cache_text(&html->writer.frames, stack);

	buffer_printf(&line, "{\"stack\":%lu}", stack->id);
	json_splice(&line, "frames", frames->data, frames->size);
	buffer_append_text(&line, "\n");
	line_write(html, line.data, line.size);
}

static void html_report_event(void *context, const struct event *event)
{
	struct html_report *html = context;

	page_begin(html);
	if (event->kind == EVENT_FORK) {
		stack_write(html, event->fork->parent.frames);
		stack_write(html, event->fork->child.frames);
		stack_write(html, event->fork->kernel.parent_frames);
		stack_write(html, event->fork->kernel.child_frames);
	} else if (event->kind == EVENT_FORK_FAILED) {
		stack_write(html, event->fork_failed->frames);
	}

	const struct buffer *line = json_event_line(&html->writer, event);

	line_write(html, line->data, line->size);
}

static void html_report_flush(void *context)
{
	struct html_report *html = context;

	output_flush(html->output);
}

static void html_report_finish(struct report *report)
{
	struct html_report *html = (struct html_report *)report;

	page_begin(html);
	output_put(html->output, html->rest, (size_t)(html_page_end - html->rest));
}

static void html_report_destroy(struct report *report)
{
	struct html_report *html = (struct html_report *)report;

	json_writer_deinit(&html->writer);
	free(html);
}

struct report *html_report_create(struct output *output, const struct report_options *options)
{
	struct html_report *html = memory_alloc(sizeof(*html));

	(void)options;
	html->report = (struct report){
	    .sink = {.event = html_report_event, .flush = html_report_flush, .context = html},
	    .finish = html_report_finish,
	    .destroy = html_report_destroy,
	};
	html->output = output;
	html->writer.stacks_by_number = true;
	return &html->report;
}
