/* Commands that set breakpoints, and those about processes and the end. */
#include "ui/tui/commands.h"

#include <ncursesw/curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/tui/code.h"

/* --- breakpoints, displays --- */

/* Nothing given: where the code pane stands. */
static struct error *name_of_here(struct tui *tui, char *text, size_t size)
{
	struct error *error;
	struct code *code = code_create(tui, 1, &error);

	if (!code)
		return error ? error
			     : error_create(ERROR_INPUT, 0, NULL, "it runs: name the place, or interrupt it first");
	if (code->by_lines && tui->cursor.moved)
		snprintf(text, size, "%s:%d", tui_base_name(code->place.file), code->place.line);
	else
		snprintf(text, size, "0x%llx", (unsigned long long)code->address);
	code_destroy(code);
	return NULL;
}

void run_break(struct tui *tui, const char *argument)
{
	char here[200];
	int number = 0;
	struct error *error = NULL;

	if (!*argument) {
		error = name_of_here(tui, here, sizeof(here));
		argument = here;
	}
	if (!error)
		error = control_breakpoint_toggle(tui->control, tui->selected, argument, &number);
	if (error)
		tui_fail(tui, error);
	else if (number > 0)
		tui_say(tui, "breakpoint %d at %s", number, argument);
	else
		tui_say(tui, "breakpoint %d is taken back", -number);
}

void run_break_key(struct tui *tui, const char *argument)
{
	(void)argument;
	prompt_begin(tui, PROMPT_BREAK);
}

void run_watch(struct tui *tui, const char *argument)
{
	struct control_place place;
	char what[64];
	const char *slash = strchr(argument, '/');
	unsigned size = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 4;
	int number;
	struct error *error;

	if (!*argument) {
		prompt_begin(tui, PROMPT_WATCH);
		return;
	}
	snprintf(what, sizeof(what), "%.*s", (int)(slash ? slash - argument : (long)strlen(argument)), argument);
	error = tui_find(tui, what, &place);
	if (!error)
		error = control_watch(tui->control, tui->selected, place.address, size, &number);
	if (error)
		tui_fail(tui, error);
	else
		tui_say(tui, "watchpoint %d: %u bytes at 0x%llx", number, size, (unsigned long long)place.address);
}

void run_display(struct tui *tui, const char *argument)
{
	if (!*argument) {
		prompt_begin(tui, PROMPT_DISPLAY);
		return;
	}
	for (size_t i = 0; i < tui->displays.count; i++) {
		if (!strcmp(tui->displays.items[i], argument)) {
			free(tui->displays.items[i]);
			vector_remove(&tui->displays, i);
			tui_say(tui, "%s is not shown any more", argument);
			return;
		}
	}
	vector_push(&tui->displays, memory_strdup(argument));
	tui_fail(tui, NULL);
}

/* --- processes --- */

void run_process(struct tui *tui, const char *argument)
{
	unsigned id = (unsigned)strtoul(argument, NULL, 10);
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	if (*argument && !control_task(tui->control, id)) {
		tui_say(tui, "there is no process %s here", argument);
		return;
	}
	if (*argument) {
		tui_select(tui, id);
		return;
	}
	for (size_t i = 1; i <= count; i++) {
		const struct control_task *next = &tasks[(tui->selected - 1 + i) % count];

		if (next->state == CONTROL_HELD || next->state == CONTROL_RUNNING) {
			tui_select(tui, next->id);
			return;
		}
	}
}

void run_detach(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_fail(tui, control_detach(tui->control, tui->selected));
	tui_select_any(tui);
}

void run_input(struct tui *tui, const char *argument)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", argument);
	terminal_send(&tui->terminal, line);
}

void run_input_key(struct tui *tui, const char *argument)
{
	(void)argument;
	if (tui->terminal.master < 0)
		tui_say(tui, "the program reads nothing of ours");
	else
		prompt_begin(tui, PROMPT_INPUT);
}

/* All that was traced has ended; a guest is about to. */
static bool has_ended(struct tui *tui)
{
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	for (size_t i = 0; i < count; i++) {
		if (tasks[i].state != CONTROL_ENDED)
			return false;
	}
	return count;
}

void run_quit(struct tui *tui, const char *argument)
{
	bool kill = !strcmp(argument, "kill"), detach = !strcmp(argument, "detach");

	if (*argument && !kill && !detach) {
		tui_fail(tui, error_create(ERROR_INPUT, 0, NULL, "it is :quit kill or :quit detach"));
		return;
	}
	if (!*argument && !tui->asked_to_quit && has_ended(tui)) {
		tui->asked_to_quit = true;
		return;
	}
	if (!*argument && !session_done(tui->session)) {
		prompt_begin(tui, tui_is_guest(tui) ? PROMPT_QUIT_GUEST : PROMPT_QUIT);
		return;
	}
	if (detach && tui_is_guest(tui)) {
		tui_fail(tui, error_create(ERROR_UNSUPPORTED, 0, NULL,
					   "a guest, and what runs in it, ends with forktrace: it is :quit kill"));
		return;
	}
	tui->asked_to_quit = true;
	tui->killed = kill;
	if (kill)
		control_kill_all(tui->control);
	else
		control_detach_all(tui->control);
}
