/* A run of a script. Internal to ui/script/. */
#ifndef FORKTRACE_UI_SCRIPT_RUN_INTERNAL_H
#define FORKTRACE_UI_SCRIPT_RUN_INTERNAL_H

#include "ui/guest_run.h"
#include "ui/script/program_output.h"
#include "ui/script/record_queue.h"
#include "ui/script/run.h"
#include "ui/script/script.h"

enum { STANDARD_OUTPUT, STANDARD_ERROR, OUTPUTS };

struct test_run {
	const struct face_request *request;
	struct kernel_symbols *symbols; /* of --gdb, until it is taken over */
	const struct options *options;
	struct output tap_output;
	struct tap tap;
	struct script script;
	struct record_queue queue;
	struct session *session;
	struct control *control; /* NULL: its tasks cannot be held */
	struct program_output outputs[OUTPUTS];
	bool taken[OUTPUTS];          /* it comes to us */
	bool comments[OUTPUTS];       /* and becomes comments, as it would go where the results go */
	struct guest_streams streams; /* a guest's */
	int signals;
	int interrupts;
	struct error *failure; /* of the script: ends the run */
};

/* Is what is traced in a guest? */
bool run_is_guest(const struct test_run *run);
/* The script's error, taken over; the first one counts. NULL is accepted. */
void run_fail(struct test_run *run, struct error *error);

/* --- run_start.c --- */
struct test_run *run_create(const struct face_request *request, struct kernel_symbols *symbols);
/* Reads the script, runs it, and takes over what the program could write among the results. */
struct error *run_prepare(struct test_run *run);
/* Starts the program, or attaches. */
struct error *run_start(struct test_run *run);

#endif
