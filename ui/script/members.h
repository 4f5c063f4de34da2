/* Which members a record has, before there is one. */
#ifndef FORKTRACE_UI_SCRIPT_MEMBERS_H
#define FORKTRACE_UI_SCRIPT_MEMBERS_H

#include <jansson.h>

#include "forktrace.h"

/* A record of this kind (EVENT_FORK or EVENT_FORK_FAILED) with nothing known, but one item in every array. A new value.
 */
json_t *members_of(enum event_kind kind);

/* The member at "parent.comm" of a record; NULL: there is none (*rest: from the part that is not there on, *object:
 * what it is not in). */
json_t *member_at(json_t *record, const char *path, json_t **object, const char **rest);

/* ", did you mean 'comm'?" where one of the object's members is near; else "". In a static buffer of the caller's. */
const char *member_hint(const json_t *object, const char *name, char *hint, size_t size);

#endif
