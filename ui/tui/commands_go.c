/* Commands that let tasks go on. */
#include "ui/tui/commands.h"

static void look_where_it_stands(struct tui *tui)
{
	tui->frame = 0;
	tui->cursor = (struct code_cursor){0};
}

static void go(struct tui *tui, enum control_step step)
{
	struct control_request request = {.step = step, .frame = 0};

	look_where_it_stands(tui);
	tui_fail(tui, control_go(tui->control, tui->selected, &request));
}

void run_step(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_STEP_LINE);
}

void run_next(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_NEXT_LINE);
}

void run_step_instruction(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_STEP_INSTRUCTION);
}

void run_next_instruction(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_NEXT_INSTRUCTION);
}

void run_fork(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_RUN_TO_FORK);
}

void run_kernel(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_INTO_KERNEL);
}

/* The physical frame that the selected one, perhaps an inlined function's, belongs to. */
static unsigned physical_frame(struct tui *tui)
{
	const struct stack *stack = tui_stack(tui, tui->selected);
	unsigned physical = 0;

	for (size_t i = 0; stack && i < tui->frame && i < stack->count; i++)
		physical += !stack->frames[i].inlined;
	return physical;
}

void run_finish(struct tui *tui, const char *argument)
{
	struct control_request request = {.step = CONTROL_FINISH, .frame = physical_frame(tui)};

	(void)argument;
	look_where_it_stands(tui);
	tui_fail(tui, control_go(tui->control, tui->selected, &request));
}

void run_continue(struct tui *tui, const char *argument)
{
	(void)argument;
	look_where_it_stands(tui);
	tui_fail(tui, control_continue(tui->control, tui->selected));
}

void run_continue_all(struct tui *tui, const char *argument)
{
	(void)argument;
	control_continue_all(tui->control);
	tui_fail(tui, NULL);
}

void run_interrupt(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_fail(tui, control_interrupt(tui->control, tui->selected));
}

void run_until(struct tui *tui, const char *argument)
{
	struct control_request request = {.step = CONTROL_RUN_TO};
	struct control_place place;
	struct error *error = tui_find(tui, argument, &place);

	if (!error && place.variable)
		error = error_create(ERROR_INPUT, 0, NULL, "'%s' is a variable: there is no code to run to", argument);
	request.address = place.address;
	tui_fail(tui, error ? error : control_go(tui->control, tui->selected, &request));
}
