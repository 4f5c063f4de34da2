/* The table of a fork's stages: see stages.h. */
#include "ui/stages.h"

#include "arch/stage.h"
#include "base/memory.h"
#include "ui/report/canvas.h"

enum { WIDTH = 80, NAME_COLUMN = 4, TEXT_COLUMN = 19 };

static const char introduction[] = "The stages of a fork on i386, in the order of the way down: what happens at each, "
				   "and what kernels from 2.6.34 to 7.2 "
				   "call the function there. forktrace --kernel=guest shows a program go through them.";

static void text_draw(struct canvas *canvas, const char *label, const char *text)
{
	canvas_move(canvas, TEXT_COLUMN);
	canvas_put(canvas, ROLE_PLAIN, label);
	canvas_wrap(canvas, ROLE_PLAIN, TEXT_COLUMN, text);
	canvas_newline(canvas);
}

static void stage_draw(struct canvas *canvas, enum stage stage)
{
	const struct stage_info *info = stage_info(stage);

	canvas_newline(canvas);
	canvas_printf(canvas, ROLE_PLAIN, "%2d", stage + 1);
	canvas_move(canvas, NAME_COLUMN);
	canvas_put(canvas, ROLE_PLAIN, info->name);
	text_draw(canvas, "", info->note);
	if (info->history)
		text_draw(canvas, "Names: ", info->history);
}

bool stages_print(FILE *stream)
{
	_cleanup_(canvas_deinit) struct canvas canvas = {.width = WIDTH};

	canvas_wrap(&canvas, ROLE_PLAIN, 0, introduction);
	canvas_newline(&canvas);
	for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
		stage_draw(&canvas, stage);
	return fwrite(canvas.text.data, 1, canvas.text.size, stream) == canvas.text.size && fflush(stream) == 0;
}
