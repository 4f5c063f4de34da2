/* An event as a JSON value, for those that go on working with it: what the JSON report writes. */
#ifndef FORKTRACE_UI_REPORT_JSON_H
#define FORKTRACE_UI_REPORT_JSON_H

#include <jansson.h>

#include "forktrace.h"

/* A new value (owned by the caller) with all members that record.schema.json names for this kind of event. Holds
 * nothing of the event's. */
json_t *json_event(const struct event *event);

#endif
