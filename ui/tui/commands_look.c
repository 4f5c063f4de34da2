/* Commands that change what is seen. */
#include "ui/tui/commands.h"

#include <ncursesw/curses.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --- frames, places, names --- */

static void move_frame(struct tui *tui, int by)
{
	const struct stack *stack = tui_stack(tui, tui->selected);
	long wanted = (long)tui->frame + by;

	if (!stack) {
		tui_say(tui, "it runs: its stack is seen when it is held");
	} else if (wanted < 0 || (size_t)wanted >= stack->count) {
		tui_say(tui, wanted < 0 ? "this is the innermost frame" : "this is the outermost frame");
	} else {
		tui->frame = (unsigned)wanted;
		tui->cursor = (struct code_cursor){0};
	}
	tui->changed = true;
}

void run_up(struct tui *tui, const char *argument)
{
	(void)argument;
	move_frame(tui, 1);
}

void run_down(struct tui *tui, const char *argument)
{
	(void)argument;
	move_frame(tui, -1);
}

void run_goto(struct tui *tui, const char *argument)
{
	struct control_place place;
	struct error *error;

	if (!*argument) {
		prompt_begin(tui, PROMPT_GOTO);
		return;
	}
	error = tui_find(tui, argument, &place);
	if (!error)
		tui->cursor = (struct code_cursor){.moved = true, .address = place.address};
	tui_fail(tui, error);
}

void run_search(struct tui *tui, const char *argument)
{
	if (!*argument) {
		prompt_begin(tui, PROMPT_SEARCH);
		return;
	}
	snprintf(tui->search, sizeof(tui->search), "%s", argument);
	run_search_on(tui, "");
}

void run_search_on(struct tui *tui, const char *argument)
{
	(void)argument;
	if (!tui->search[0])
		prompt_begin(tui, PROMPT_SEARCH);
	else if (tui_search(tui))
		tui_fail(tui, NULL);
	else
		tui_say(tui, "'%s' is nowhere here", tui->search);
}

/* --- how it is shown --- */

void run_mode(struct tui *tui, const char *argument)
{
	static const char *const names[] = {"source and instructions", "source", "instructions"};

	(void)argument;
	tui->mode = (tui->mode + 1) % CODE_MODES;
	tui->cursor.line = 0;
	tui_say(tui, "code: %s", names[tui->mode]);
}

void run_syntax(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->syntax = tui->syntax == CONTROL_SYNTAX_ATT ? CONTROL_SYNTAX_INTEL : CONTROL_SYNTAX_ATT;
	tui_say(tui, "syntax: %s", tui->syntax == CONTROL_SYNTAX_ATT ? "AT&T" : "Intel");
}

static void toggle_sheet(struct tui *tui, enum sheet sheet)
{
	tui->sheet = tui->sheet == sheet ? SHEET_NONE : sheet;
	tui->sheet_scroll = 0;
	tui->changed = true;
}

void run_returns(struct tui *tui, const char *argument)
{
	(void)argument;
	toggle_sheet(tui, SHEET_RETURNS);
}

void run_help(struct tui *tui, const char *argument)
{
	(void)argument;
	toggle_sheet(tui, SHEET_HELP);
}

/* --- panes --- */

/* By its name, or the one that lies `by` further. */
static void change_pane(struct tui *tui, const char *name, int by)
{
	for (int pane = 0; *name && pane < PANE_COUNT; pane++) {
		if (!strcmp(tui_views[pane]->name, name)) {
			tui_focus(tui, (enum pane)pane);
			return;
		}
	}
	if (*name)
		tui_say(tui, "there is no pane called '%s': code, registers, memory, stacks, processes, events, output",
			name);
	else
		tui_focus(tui, (enum pane)(((int)tui->focus + by + PANE_COUNT) % PANE_COUNT));
}

void run_pane(struct tui *tui, const char *argument)
{
	change_pane(tui, argument, 1);
}

void run_pane_before(struct tui *tui, const char *argument)
{
	(void)argument;
	change_pane(tui, "", -1);
}

void run_zoom(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->choice.zoomed = !tui->choice.zoomed;
	tui->choice.zoom = tui->focus;
	tui->changed = true;
}

void run_events(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_focus(tui, tui->choice.events ? PANE_OUTPUT : PANE_EVENTS);
}

/* What the memory pane shows; nothing: the top of the stack. */
void run_memory(struct tui *tui, const char *argument)
{
	struct control_place place;
	struct error *error = *argument ? tui_find(tui, argument, &place) : NULL;

	if (!error) {
		snprintf(tui->memory, sizeof(tui->memory), "%s", argument);
		tui->scroll[PANE_MEMORY] = 0;
		tui_focus(tui, PANE_MEMORY);
	}
	tui_fail(tui, error);
}

void run_memory_key(struct tui *tui, const char *argument)
{
	(void)argument;
	prompt_begin(tui, PROMPT_MEMORY);
}

void run_redraw(struct tui *tui, const char *argument)
{
	(void)argument;
	clearok(curscr, true);
	tui->changed = true;
}

void run_screen(struct tui *tui, const char *argument)
{
	struct error *error;

	if (!*argument) {
		tui_fail(tui, error_create(ERROR_INPUT, 0, NULL, "to which file? :screen FILE"));
		return;
	}
	tui_draw(tui);
	error = screen_write(argument);
	if (error)
		tui_fail(tui, error);
}

/* The shell gets its terminal back, and forktrace stops; what is held stays held. */
void run_suspend(struct tui *tui, const char *argument)
{
	(void)argument;
	if (!screen_suspend())
		return;
	raise(SIGSTOP);
	screen_resume();
	tui->changed = true;
}
