/* The registry of report formats: see report.h. */
#include "ui/report/report.h"

#include <string.h>

const struct report_format report_formats[] = {
    {"text", true, text_report_create},
    {"json", false, json_report_create},
    {"tree", true, tree_report_create},
    {"dot", true, dot_report_create},
    {"html", false, html_report_create},
    {"perfetto", false, perfetto_report_create},
    {NULL, false, NULL},
};

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 40, WIDTH_MAX = 132 };

unsigned report_width(const struct report_options *options)
{
	unsigned width = options->width ? options->width : WIDTH_DEFAULT;

	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
}

const struct report_format *report_format_find(const char *name)
{
	for (const struct report_format *format = report_formats; format->name; format++) {
		if (!strcmp(format->name, name))
			return format;
	}
	return NULL;
}

struct report *report_create(const struct report_format *format, struct output *output,
			     const struct report_options *options)
{
	return format->create(output, options);
}

void report_finish(struct report *report)
{
	if (report->finish)
		report->finish(report);
	if (report->sink.flush)
		report->sink.flush(report->sink.context);
}

void report_destroy(struct report *report)
{
	if (report)
		report->destroy(report);
}
