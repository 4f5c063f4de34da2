/* What the tests of the text report share: no line of it is ever wider than the report. */
#ifndef FORKTRACE_TESTS_UI_TEXT_FIXTURE_H
#define FORKTRACE_TESTS_UI_TEXT_FIXTURE_H

#include "ui_fixture.h"

#include <wchar.h>

static const struct report_options plain = {0};

/* Checks that every line fits `width` columns and ends in no blank. */
static inline void expect_lines(const char *text, unsigned width)
{
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		wchar_t wide[1024];
		_cleanup_free_ char *copy = NULL;

		assert_non_null(end);
		copy = memory_strndup(line, (size_t)(end - line));

		size_t length = mbstowcs(wide, copy, sizeof(wide) / sizeof(wide[0]));

		assert_true(length < sizeof(wide) / sizeof(wide[0]));

		int columns = wcswidth(wide, length);

		if (columns < 0 || (unsigned)columns > width || (end > line && end[-1] == ' '))
			fail_msg("%d columns: [%s]", columns, copy);
		line = end + 1;
	}
}

/* Is `piece` in what a report of one event says? Its lines fit. */
static inline void expect_piece(const struct event *event, const struct report_options *options, const char *piece)
{
	struct capture_report capture;

	capture_open(&capture, "text", options);
	capture_send(&capture, event);
	if (!strstr(capture_text(&capture), piece))
		fail_msg("[%s] is not in:\n%s", piece, capture.text.data);
	expect_lines(capture.text.data, options->width ? options->width : 80);
	capture_close(&capture);
}

static inline struct event fork_event(struct fork_record *record)
{
	return (struct event){.kind = EVENT_FORK, .seq = 3, .time_ns = 1204000, .fork = record};
}

#endif
