/* A fork's walk through a guest's kernel as JSON. */
#ifndef FORKTRACE_UI_REPORT_JSON_WALK_H
#define FORKTRACE_UI_REPORT_JSON_WALK_H

#include <jansson.h>

#include "forktrace.h"

/* The array of all stages, in the order of the walk; null where the fork has none. A new value. */
json_t *json_walk(const struct fork_record *fork);

#endif
