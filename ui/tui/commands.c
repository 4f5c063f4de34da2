/* What keys and words do: one table. */
#include <limits.h>
#include <ncursesw/curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/tui/tui.h"

/* --- going on --- */

static void go(struct tui *tui, enum control_step step)
{
	struct control_request request = {.step = step, .frame = 0};

	tui->frame = 0;
	tui->looked_at = 0;
	tui_fail(tui, control_go(tui->control, tui->selected, &request));
}

static void run_step(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_STEP_LINE);
}

static void run_next(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_NEXT_LINE);
}

static void run_step_instruction(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_STEP_INSTRUCTION);
}

static void run_next_instruction(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_NEXT_INSTRUCTION);
}

static void run_fork(struct tui *tui, const char *argument)
{
	(void)argument;
	go(tui, CONTROL_RUN_TO_FORK);
}

static void run_kernel(struct tui *tui, const char *argument)
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

static void run_finish(struct tui *tui, const char *argument)
{
	struct control_request request = {.step = CONTROL_FINISH, .frame = physical_frame(tui)};

	(void)argument;
	tui->frame = 0;
	tui->looked_at = 0;
	tui_fail(tui, control_go(tui->control, tui->selected, &request));
}

static void run_continue(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_fail(tui, control_continue(tui->control, tui->selected));
}

static void run_continue_all(struct tui *tui, const char *argument)
{
	(void)argument;
	control_continue_all(tui->control);
	tui_fail(tui, NULL);
}

static void run_interrupt(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_fail(tui, control_interrupt(tui->control, tui->selected));
}

static void run_until(struct tui *tui, const char *argument)
{
	struct control_request request = {.step = CONTROL_RUN_TO};
	struct control_place place;
	struct error *error = control_find(tui->control, tui->selected, argument, &place);

	request.address = place.address;
	tui_fail(tui, error ? error : control_go(tui->control, tui->selected, &request));
}

/* --- looking --- */

static void move_frame(struct tui *tui, int by)
{
	const struct stack *stack = tui_stack(tui, tui->selected);
	long wanted = (long)tui->frame + by;

	tui->looked_at = 0;
	if (!stack)
		tui_say(tui, "it runs: its stack is seen when it is held");
	else if (wanted < 0 || (size_t)wanted >= stack->count)
		tui_say(tui, wanted < 0 ? "this is the innermost frame" : "this is the outermost frame");
	else
		tui->frame = (unsigned)wanted;
	tui->changed = true;
}

static void run_up(struct tui *tui, const char *argument)
{
	(void)argument;
	move_frame(tui, 1);
}

static void run_down(struct tui *tui, const char *argument)
{
	(void)argument;
	move_frame(tui, -1);
}

static void run_goto(struct tui *tui, const char *argument)
{
	struct control_place place;
	struct error *error;

	if (!*argument) {
		prompt_begin(tui, PROMPT_GOTO);
		return;
	}
	error = control_find(tui->control, tui->selected, argument, &place);
	if (!error)
		tui->looked_at = place.address;
	tui_fail(tui, error);
}

/* The next frame outwards, or process, whose name has the text in it. */
static void run_search(struct tui *tui, const char *argument)
{
	const struct stack *stack = tui_stack(tui, tui->selected);

	if (!*argument && !tui->search[0]) {
		prompt_begin(tui, PROMPT_SEARCH);
		return;
	}
	if (*argument)
		snprintf(tui->search, sizeof(tui->search), "%s", argument);
	for (size_t i = 1; stack && i <= stack->count; i++) {
		size_t at = (tui->frame + i) % stack->count;

		if (stack->frames[at].symbol && strstr(stack->frames[at].symbol, tui->search)) {
			tui->frame = (unsigned)at;
			tui_fail(tui, NULL);
			return;
		}
	}
	tui_say(tui, "no frame here is called '%s'", tui->search);
}

static void run_search_key(struct tui *tui, const char *argument)
{
	(void)argument;
	prompt_begin(tui, PROMPT_SEARCH);
}

static void run_mode(struct tui *tui, const char *argument)
{
	static const char *const names[] = {"source and instructions", "source", "instructions"};

	(void)argument;
	tui->mode = (tui->mode + 1) % CODE_MODES;
	tui_say(tui, "code: %s", names[tui->mode]);
}

static void run_syntax(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->syntax = tui->syntax == CONTROL_SYNTAX_ATT ? CONTROL_SYNTAX_INTEL : CONTROL_SYNTAX_ATT;
	tui_say(tui, "syntax: %s", tui->syntax == CONTROL_SYNTAX_ATT ? "AT&T" : "Intel");
}

static void run_returns(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->show_returns = !tui->show_returns;
	tui->show_help = false;
	tui->changed = true;
}

static void run_help(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->show_help = !tui->show_help;
	tui->show_returns = false;
	tui->scroll = 0;
	tui->changed = true;
}

static void run_log(struct tui *tui, const char *argument)
{
	(void)argument;
	tui->log_shown = !tui->log_shown;
	tui->scroll = 0;
	tui->changed = true;
}

static void scroll_text(struct tui *tui, int by)
{
	int count = (int)text_ring_count(tui->log_shown ? &tui->log : &tui->terminal.text);

	/* The help has its begin at the top, texts that grow have it at the bottom. */
	tui->scroll += tui->show_help ? -4 * by : by;
	if (tui->show_help)
		count = INT_MAX;
	if (tui->scroll < 0)
		tui->scroll = 0;
	if (tui->scroll > count)
		tui->scroll = count;
	tui->changed = true;
}

static void run_back(struct tui *tui, const char *argument)
{
	(void)argument;
	scroll_text(tui, 4);
}

static void run_forth(struct tui *tui, const char *argument)
{
	(void)argument;
	scroll_text(tui, -4);
}

static void run_redraw(struct tui *tui, const char *argument)
{
	(void)argument;
	clearok(curscr, true);
	tui->changed = true;
}

/* --- breakpoints, displays --- */

static void run_break(struct tui *tui, const char *argument)
{
	char here[32];
	int number;
	struct error *error;

	/* Nothing given: where the code pane stands. */
	if (!*argument) {
		const struct frame *frame = tui_frame(tui);

		snprintf(here, sizeof(here), "0x%llx",
			 (unsigned long long)(tui->looked_at ? tui->looked_at
					      : frame        ? frame->pc
							     : 0));
		argument = here;
	}
	error = control_breakpoint_toggle(tui->control, tui->selected, argument, &number);
	if (error)
		tui_fail(tui, error);
	else if (number > 0)
		tui_say(tui, "breakpoint %d at %s", number, argument);
	else
		tui_say(tui, "breakpoint %d is taken back", -number);
}

static void run_break_key(struct tui *tui, const char *argument)
{
	(void)argument;
	prompt_begin(tui, PROMPT_BREAK);
}

static void run_watch(struct tui *tui, const char *argument)
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
	error = control_find(tui->control, tui->selected, what, &place);
	if (!error)
		error = control_watch(tui->control, tui->selected, place.address, size, &number);
	if (error)
		tui_fail(tui, error);
	else
		tui_say(tui, "watchpoint %d: %u bytes at 0x%llx", number, size, (unsigned long long)place.address);
}

static void run_display(struct tui *tui, const char *argument)
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

static void run_process(struct tui *tui, const char *argument)
{
	unsigned id = (unsigned)strtoul(argument, NULL, 10);
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	tui->message[0] = '\0';
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

static void run_detach(struct tui *tui, const char *argument)
{
	(void)argument;
	tui_fail(tui, control_detach(tui->control, tui->selected));
	tui_select_any(tui);
}

static void run_input(struct tui *tui, const char *argument)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", argument);
	terminal_send(&tui->terminal, line);
}

static void run_input_key(struct tui *tui, const char *argument)
{
	(void)argument;
	if (tui->terminal.master < 0)
		tui_say(tui, "the program has no terminal of ours");
	else
		prompt_begin(tui, PROMPT_INPUT);
}

static void run_quit(struct tui *tui, const char *argument)
{
	if (!*argument && !session_done(tui->session)) {
		prompt_begin(tui, PROMPT_QUIT);
		return;
	}
	tui->asked_to_quit = true;
	tui->killed = strcmp(argument, "detach") != 0;
	if (tui->killed)
		control_kill_all(tui->control);
	else
		control_detach_all(tui->control);
}

static void run_screen(struct tui *tui, const char *argument)
{
	tui_draw(tui);
	tui_fail(tui, screen_write(argument));
}

static void run_suspend(struct tui *tui, const char *argument)
{
	(void)argument;
	def_prog_mode();
	endwin();
	raise(SIGSTOP);
	reset_prog_mode();
	refresh();
	tui->changed = true;
}

const struct command tui_commands[] = {
    {"step", 's', "step into, to the next source line", run_step},
    {"next", 'n', "step over calls, to the next source line", run_next},
    {"stepi", 'S', "step one instruction, into calls", run_step_instruction},
    {"nexti", 'N', "step one instruction, over calls", run_next_instruction},
    {"finish", 'f', "run until the selected frame has returned", run_finish},
    {"continue", 'c', "let the selected process run", run_continue},
    {"all", 'C', "let all processes run", run_continue_all},
    {"fork", 'F', "run to the next fork: both sides are held behind it", run_fork},
    {"interrupt", 'z', "hold the selected process, which runs", run_interrupt},
    {"until", KEY_NONE, "run to a function, FILE:LINE or address", run_until},
    {"kernel", 'k', "follow into the kernel (a guest's)", run_kernel},
    {"up", 'u', "the frame that called", run_up},
    {"down", 'd', "the frame that was called", run_down},
    {"break", KEY_NONE, "set or take back a breakpoint (nothing given: here)", run_break},
    {"break?", 'b', "ask where to set or take back a breakpoint", run_break_key},
    {"watch", 'W', "stop when memory changes: ADDRESS[/BYTES], by the processor", run_watch},
    {"display", 'w', "show a word of memory; once more: do not", run_display},
    {"goto", 'g', "show the code of a function, FILE:LINE or address", run_goto},
    {"search?", '/', "search a frame by its name", run_search_key},
    {"search", '.', "the next one of that name", run_search},
    {"mode", 'm', "source and instructions, source, or instructions", run_mode},
    {"syntax", 'x', "AT&T or Intel syntax", run_syntax},
    {"process", '\t', "the next process; 1 to 9: that one", run_process},
    {"detach", 'D', "let the selected process go for good", run_detach},
    {"returns", 'r', "what fork returned so far", run_returns},
    {"log", 'o', "events or the program's output, where both do not fit", run_log},
    {"back", KEY_PPAGE, "scroll back", run_back},
    {"forth", KEY_NPAGE, "scroll forth", run_forth},
    {"input", KEY_NONE, "send a line to the program", run_input},
    {"input?", 'i', "type a line for the program", run_input_key},
    {"screen", KEY_NONE, "write the screen to a file, as text", run_screen},
    {"redraw", 'L' & 0x1f, "draw everything anew", run_redraw},
    {"suspend", 'Z' & 0x1f, "back to the shell; fg comes back", run_suspend},
    {"help", '?', "this list", run_help},
    {"quit", 'q', "end: asks; or quit kill, quit detach", run_quit},
    {NULL, KEY_NONE, NULL, NULL},
};

bool tui_command(struct tui *tui, const char *line)
{
	size_t length = strcspn(line, " ");
	const char *argument = line + length + strspn(line + length, " ");

	for (const struct command *command = tui_commands; command->word; command++) {
		if (strlen(command->word) == length && !memcmp(command->word, line, length)) {
			command->run(tui, argument);
			tui->changed = true;
			return true;
		}
	}
	tui_fail(tui, error_create(ERROR_INPUT, 0, NULL, "'%.*s' is no command: ? shows them all", (int)length, line));
	return false;
}

void tui_key(struct tui *tui, int key)
{
	if (prompt_key(tui, key))
		return;
	tui->message[0] = '\0';
	tui->changed = true;
	if (key == 27 && (tui->show_help || tui->show_returns || tui->looked_at)) {
		tui->show_help = tui->show_returns = false;
		tui->scroll = 0;
		tui->looked_at = 0;
		return;
	}
	if (key >= '1' && key <= '9') {
		char digit[2] = {(char)key, '\0'};

		run_process(tui, digit);
		return;
	}
	if (key == ':') {
		prompt_begin(tui, PROMPT_COMMAND);
		return;
	}
	if (key == KEY_UP || key == KEY_DOWN) {
		move_frame(tui, key == KEY_UP ? 1 : -1);
		return;
	}
	if (key == ('C' & 0x1f)) {
		run_interrupt(tui, "");
		return;
	}
	for (const struct command *command = tui_commands; command->word; command++) {
		if (command->key == key && key != KEY_NONE) {
			command->run(tui, "");
			return;
		}
	}
}

/* --- the list of keys --- */

enum { WIDE_ENOUGH = 80 };

static void key_label(int key, char name[16])
{
	if (key == '\t')
		strcpy(name, "Tab");
	else if (key == KEY_PPAGE)
		strcpy(name, "PgUp");
	else if (key == KEY_NPAGE)
		strcpy(name, "PgDn");
	else if (key > 0 && key < 0x20)
		snprintf(name, 16, "Ctrl-%c", key + 0x40);
	else
		snprintf(name, 16, "%c", key ? key : ' ');
}

static void draw_command(const struct command *command, const struct area *area, int row)
{
	char name[16];

	key_label(command->key, name);
	/* What a key asks for, the word takes as its argument. */
	for (const struct command *asks = tui_commands; asks->word && command->key == KEY_NONE; asks++) {
		size_t length = strlen(command->word);

		if (!strncmp(asks->word, command->word, length) && !strcmp(asks->word + length, "?"))
			key_label(asks->key, name);
	}
	screen_print(area, row, 0, ROLE_TITLE, "%-7s", name);
	screen_print(area, row, 8, ROLE_SYMBOL, "%-10s", command->word);
	screen_put(area, row, 19, -1, ROLE_TEXT, command->help);
}

/* In one column, or in two where there is room; what does not fit is scrolled to. */
static void draw_help(struct tui *tui, const struct area *area)
{
	bool wide = area->columns >= 2 * WIDE_ENOUGH;
	int height = area->rows - 1, count = 0, row = 0;

	for (const struct command *command = tui_commands; command->word; command++)
		count += !strchr(command->word, '?');
	if (tui->scroll > count - height)
		tui->scroll = count > height ? count - height : 0;
	screen_title(area, 0,
		     count > height && !wide ? "keys, and words for ':'   (PgUp, PgDn: more; ? or Esc: back)"
					     : "keys, and words for ':'   (? or Esc: back)");
	for (const struct command *command = tui_commands; command->word; command++) {
		struct area column = *area;
		int at;

		if (strchr(command->word, '?'))
			continue;
		at = row++ - (wide ? 0 : tui->scroll);
		if (at < 0 || at >= (wide ? 2 * height : height))
			continue;
		column.column += at >= height ? area->columns / 2 : 0;
		column.columns = wide ? area->columns / 2 : area->columns;
		draw_command(command, &column, at % height + 1);
	}
}

const struct view view_help = {"help", draw_help};
