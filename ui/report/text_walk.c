/* A fork's walk through a guest's kernel as text: a numbered list that a newcomer can follow. */
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "ui/report/columns.h"
#include "ui/report/text.h"
#include "ui/report/walk_names.h"

/* Where the parts of a step stand; what does not fit goes on in the next line, below the stage. */
enum {
	STAGE_COLUMN = 6,
	FUNCTION_COLUMN = 21,
	PROCESS_COLUMN = 51,
	TIME_COLUMN = 59,
};

static void part_draw(struct canvas *canvas, enum role role, unsigned column, const char *text)
{
	canvas_move(canvas, column);
	canvas_item(canvas, role, STAGE_COLUMN, text);
}

static void paragraph_draw(struct canvas *canvas, enum role role, const char *text)
{
	canvas_move(canvas, STAGE_COLUMN);
	canvas_wrap(canvas, role, STAGE_COLUMN, text);
	canvas_newline(canvas);
}

static void other_names_draw(struct canvas *canvas, const struct fork_record *fork, const struct walk_step *step)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	for (const char *const *name = walk_names(fork, step->stage); *name; name++) {
		if (walk_name_is_other(*name, step->function))
			buffer_printf(&text, "%s%s", text.size ? ", " : "in other kernels: ", *name);
	}
	if (text.size)
		paragraph_draw(canvas, ROLE_DIM, text.data);
}

static void time_draw(struct canvas *canvas, const struct walk_step *step)
{
	char text[40];

	if (step->address == 0)
		snprintf(text, sizeof(text), "(not seen)");
	else if (step->time_known)
		snprintf(text, sizeof(text), "+%s", duration_text(step->time_ns));
	else
		snprintf(text, sizeof(text), "%s", step->on_stack ? "(on the stack)" : "(time unknown)");
	part_draw(canvas, ROLE_DIM, TIME_COLUMN, text);
}

/* Its source line, and to those who want to know it, the address. */
static void place_draw(struct canvas *canvas, const struct walk_step *step, bool with_address)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	const char *before_line = step->on_stack ? "call at " : "at ";

	if (with_address && step->address != 0) {
		buffer_printf(&text, "%s 0x%" PRIx64, step->on_stack ? "returns to" : "at", step->address);
		before_line = step->on_stack ? ", call at " : ", ";
	}
	if (step->file)
		buffer_printf(&text, "%s%s", before_line, path_base(step->file));
	if (step->file && step->line > 0)
		buffer_printf(&text, ":%d", step->line);
	if (text.size)
		paragraph_draw(canvas, ROLE_DIM, text.data);
}

/* `number`: 0 for a stage at which the process was not seen. */
static void step_draw(struct canvas *canvas, const struct fork_record *fork, const struct walk_step *step,
		      unsigned number, bool explain, int verbosity)
{
	const struct stage_info *info = stage_info(step->stage);

	canvas_move(canvas, NOTE_INDENT);
	if (number > 0)
		canvas_printf(canvas, ROLE_PLAIN, "%2u", number);
	else
		canvas_put(canvas, ROLE_PLAIN, " -");
	part_draw(canvas, ROLE_HEADER, STAGE_COLUMN, info->name);
	part_draw(canvas, ROLE_SYMBOL, FUNCTION_COLUMN, step->function ? step->function : "-");
	part_draw(canvas, ROLE_PLAIN, PROCESS_COLUMN, step->child ? "child" : "parent");
	time_draw(canvas, step);
	canvas_newline(canvas);
	if (explain)
		paragraph_draw(canvas, ROLE_PLAIN, info->note);
	if (step->reason)
		paragraph_draw(canvas, ROLE_WARNING, step->reason);
	place_draw(canvas, step, verbosity >= VERBOSE_FRAMES);
	if (verbosity >= VERBOSE_EVENTS)
		other_names_draw(canvas, fork, step);
}

void walk_draw(struct canvas *canvas, const struct fork_record *fork, bool explain, int verbosity)
{
	const struct walk_step *steps = fork->kernel.walk->steps;
	unsigned number = 0;

	canvas_newline(canvas);
	canvas_move(canvas, NOTE_INDENT);
	canvas_wrap(canvas, ROLE_HEADER, NOTE_INDENT, "step by step, in the order seen; times are the guest's own");
	canvas_newline(canvas);
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		if (steps[i].address != 0)
			step_draw(canvas, fork, &steps[i], ++number, explain, verbosity);
	}
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		if (steps[i].address == 0)
			step_draw(canvas, fork, &steps[i], 0, explain, verbosity);
	}
}
