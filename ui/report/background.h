/* A report that a thread of its own writes: what it costs to format is not the traced program's wait. */
#ifndef FORKTRACE_UI_REPORT_BACKGROUND_H
#define FORKTRACE_UI_REPORT_BACKGROUND_H

#include "forktrace.h"

struct background;

/* Starts the thread that hands events on to `target`, which from here on no other thread may use. Where no thread can
 * be had the events are handed on at once. */
struct background *background_create(const struct event_sink *target);

/* The sink to give to the session. It keeps events: they are released when they have been written. */
struct event_sink background_sink(struct background *background);

/* Waits until everything is written, ends the thread and frees. The session's strings must still be there. Accepts
 * NULL. */
void background_destroy(struct background *background);

#endif
