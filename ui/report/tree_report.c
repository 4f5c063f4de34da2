/* The process tree, as text alone. */
#include <stdlib.h>

#include "base/memory.h"
#include "ui/report/report.h"
#include "ui/report/tree.h"

struct tree_report {
	struct report report; /* first: report_destroy is given this */
	struct output *output;
	struct canvas canvas;
	struct tree *tree;
};

static void tree_report_event(void *context, const struct event *event)
{
	struct tree_report *report = context;

	tree_event(report->tree, event);
}

static void tree_report_flush(void *context)
{
	struct tree_report *report = context;

	output_flush(report->output);
}

static void tree_report_finish(struct report *base)
{
	struct tree_report *report = (struct tree_report *)base;

	tree_draw(report->tree, &report->canvas);
	canvas_flush(&report->canvas, report->output);
}

static void tree_report_destroy(struct report *base)
{
	struct tree_report *report = (struct tree_report *)base;

	canvas_deinit(&report->canvas);
	tree_destroy(report->tree);
	free(report);
}

struct report *tree_report_create(struct output *output, const struct report_options *options)
{
	struct tree_report *report = memory_alloc(sizeof(*report));

	report->report = (struct report){
	    .sink = {.event = tree_report_event, .flush = tree_report_flush, .context = report},
	    .finish = tree_report_finish,
	    .destroy = tree_report_destroy,
	};
	report->output = output;
	report->canvas.width = report_width(options);
	report->canvas.color = options->color;
	report->tree = tree_create();
	return &report->report;
}
