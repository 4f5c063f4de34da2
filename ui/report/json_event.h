/* Events as JSON, one object each, as record.schema.json describes them. */
#ifndef FORKTRACE_UI_REPORT_JSON_EVENT_H
#define FORKTRACE_UI_REPORT_JSON_EVENT_H

#include <jansson.h>

#include "ui/report/json_frames.h"
#include "ui/report/report.h"

struct json_writer {
	bool stacks_by_number; /* a stack's number (its id) stands in the place of its frames */
	struct frames_cache frames;
	struct buffer line;  /* of the event being written */
	struct buffer piece; /* a part of it, while it is put together */
};

void json_writer_deinit(struct json_writer *json);

/* The event as a line, its newline included. Valid until the next call. */
const struct buffer *json_event_line(struct json_writer *json, const struct event *event);

/* The same as a new value (owned by the caller), for those that go on working with it: with all members that the schema
 * names for this kind of event, and nothing of the event's. */
json_t *json_event(const struct event *event);

#endif
