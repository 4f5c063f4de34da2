/* The text report's inside, shared by its files. */
#ifndef FORKTRACE_UI_REPORT_TEXT_H
#define FORKTRACE_UI_REPORT_TEXT_H

#include "ui/report/call_text.h"
#include "ui/report/canvas.h"
#include "ui/report/fork_cache.h"
#include "ui/report/report.h"

enum {
	NOTE_INDENT = 2,
	VERBOSE_EVENTS = 1, /* verbosity from which every event is shown */
	VERBOSE_FRAMES = 2, /* and from which frames have their addresses and methods */
};

/* "test_fork 4711", or "test_fork 4711/4715" for a thread that is not its process's first. */
void task_draw(struct canvas *canvas, const struct task_name *task);

/* Draws a fork's record, the `number`th of the report. `cache` belongs to this canvas and verbosity. */
void fork_draw(struct canvas *canvas, const struct event *event, unsigned long number, int verbosity,
	       struct fork_cache *cache);

/* Draws the walk of a fork that has one, behind a blank line; with `explain` what happens at each stage. */
void walk_draw(struct canvas *canvas, const struct fork_record *fork, bool explain, int verbosity);

/* What is to be told about stacks that are cut, end early or hold guesses, a line each. `whose`: "parent", "child". */
void stack_notes_draw(struct canvas *canvas, const struct stack *const stacks[2], const char *const whose[2]);

#endif
