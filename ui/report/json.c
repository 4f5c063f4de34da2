/* The report for programs: JSON Lines, one object an event, as record.schema.json describes them. */
#include <stdlib.h>

#include "base/memory.h"
#include "ui/report/json_event.h"
#include "ui/report/report.h"

struct json_report {
	struct report report; /* first: report_destroy is given this */
	struct output *output;
	struct json_writer writer;
};

static void json_report_event(void *context, const struct event *event)
{
	struct json_report *json = context;
	const struct buffer *line = json_event_line(&json->writer, event);

	output_put(json->output, line->data, line->size);
}

static void json_report_flush(void *context)
{
	struct json_report *json = context;

	output_flush(json->output);
}

static void json_report_destroy(struct report *report)
{
	struct json_report *json = (struct json_report *)report;

	json_writer_deinit(&json->writer);
	free(json);
}

struct report *json_report_create(struct output *output, const struct report_options *options)
{
	struct json_report *json = memory_alloc(sizeof(*json));

	(void)options; /* neither colours nor columns nor levels: programs get it all */
	json->report = (struct report){
	    .sink = {.event = json_report_event, .flush = json_report_flush, .context = json},
	    .destroy = json_report_destroy,
	};
	json->output = output;
	return &json->report;
}
