/* What keys and words do: one table, which the help and the line at the bottom are drawn from. */
#include "ui/tui/commands.h"

#include <ncursesw/curses.h>
#include <string.h>

const struct command tui_commands[] = {
    {"step", "step", "to the next source line, into calls", run_step, 's', WHEN_HELD},
    {"next", "next", "to the next source line, over calls", run_next, 'n', WHEN_HELD},
    {"stepi", NULL, "one instruction, into a call", run_step_instruction, 'S', 0},
    {"nexti", "insn", "one instruction, over a call", run_next_instruction, 'N', WHEN_HELD},
    {"finish", "finish", "until the selected frame has returned", run_finish, 'f', WHEN_HELD},
    {"continue", "cont", "let the selected process run", run_continue, 'c', WHEN_HELD},
    {"all", "all", "let all processes run", run_continue_all, 'C', WHEN_TRACED},
    {"fork", "fork", "to the next fork, behind which both processes are held", run_fork, 'F', WHEN_HELD},
    {"until", NULL, "to a function, FILE:LINE or address", run_until, KEY_NONE, 0},
    {"interrupt", "interrupt", "hold the selected process, which runs (Ctrl-C too)", run_interrupt, 'z', WHEN_RUNNING},
    {"kernel", "kern", "into a guest's kernel, by the next system call", run_kernel, 'k', WHEN_HELD | WHEN_OUTSIDE},
    {"up", NULL, "the frame that called", run_up, 'u', 0},
    {"down", NULL, "the frame that was called", run_down, 'd', 0},
    {"break", "break", "set or take back a breakpoint; nothing given: here", run_break_key, 'b', WHEN_HELD},
    {"watch", NULL, "stop when memory changes: ADDRESS[/BYTES]", run_watch, 'W', 0},
    {"display", NULL, "show a word of memory; the same again: do not", run_display, 'w', 0},
    {"memory", NULL, "show memory at an address; nothing given: the stack", run_memory_key, 'M', 0},
    {"goto", NULL, "show the code of a function, FILE:LINE or address", run_goto, 'g', 0},
    {"search", NULL, "search the pane, then the frames", run_search, '/', 0},
    {"again", NULL, "search further", run_search_on, '.', 0},
    {"mode", NULL, "source and instructions, source, or instructions", run_mode, 'm', 0},
    {"syntax", NULL, "AT&T or Intel syntax", run_syntax, 'x', 0},
    {"process", "process", "the next process", run_process, '\t', WHEN_TRACED | WHEN_WIDE},
    {"pane", "pane", "the next pane gets the arrows; or that of a name", run_pane, 'v', WHEN_ALWAYS | WHEN_WIDE},
    {"back", NULL, "the pane before it", run_pane_before, 'V', 0},
    {"zoom", "zoom", "this pane alone; again: all", run_zoom, 'Z', WHEN_ALWAYS | WHEN_WIDE},
    {"events", NULL, "what happened, or the program's output", run_events, 'o', 0},
    {"returns", "returns", "what fork returned so far, in both processes", run_returns, 'r', WHEN_OVER},
    {"input", "input", "a line for the program (Ctrl-D: the end of its input)", run_input_key, 'i', WHEN_RUNNING},
    {"detach", NULL, "let the selected process go for good", run_detach, 'D', 0},
    {"screen", NULL, "write the screen to a file, as text", run_screen, KEY_NONE, 0},
    {"redraw", NULL, "draw everything anew", run_redraw, KEY_CONTROL('L'), 0},
    {"suspend", NULL, "back to the shell; its fg comes back here", run_suspend, KEY_CONTROL('Z'), 0},
    {"help", NULL, "this list", run_help, '?', 0},
    {"quit", "quit", "end: asks; or quit kill, quit detach", run_quit, 'q', WHEN_ALWAYS},
    {NULL, NULL, NULL, NULL, KEY_NONE, 0},
};

/* Keys ask; the word takes what they ask for, and may be given nothing. */
static const struct {
	command_run *key, *word;
} asking[] = {{run_break_key, run_break}, {run_memory_key, run_memory}, {run_input_key, run_input}};

static command_run *run_of_word(const struct command *command)
{
	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		if (asking[i].key == command->run)
			return asking[i].word;
	}
	return command->run;
}

bool tui_command(struct tui *tui, const char *line)
{
	size_t length = strcspn(line, " ");
	const char *argument = line + length + strspn(line + length, " ");

	tui->changed = true;
	for (const struct command *command = tui_commands; command->word; command++) {
		if (strlen(command->word) == length && !memcmp(command->word, line, length)) {
			run_of_word(command)(tui, argument);
			return true;
		}
	}
	tui_fail(tui, error_create(ERROR_INPUT, 0, NULL, "'%.*s' is no command: ? shows them all", (int)length, line));
	return false;
}

static bool moves(int key)
{
	return key == KEY_UP || key == KEY_DOWN || key == KEY_PPAGE || key == KEY_NPAGE || key == KEY_HOME ||
	       key == KEY_END;
}

/* Back, one thing at a time. */
static void escape(struct tui *tui)
{
	if (tui->sheet != SHEET_NONE)
		tui->sheet = SHEET_NONE;
	else if (tui->choice.zoomed)
		tui->choice.zoomed = false;
	else
		tui->cursor = (struct code_cursor){0};
}

void tui_key(struct tui *tui, int key)
{
	if (prompt_key(tui, key))
		return;
	tui->message[0] = '\0';
	tui->changed = true;
	if (key == KEY_ESCAPE) {
		escape(tui);
	} else if (key >= '1' && key <= '9') {
		char digit[2] = {(char)key, '\0'};

		run_process(tui, digit);
	} else if (key == ':') {
		prompt_begin(tui, PROMPT_COMMAND);
	} else if (moves(key)) {
		tui_move(tui, key);
	} else if (key == KEY_CONTROL('C')) {
		run_interrupt(tui, "");
	} else {
		for (const struct command *command = tui_commands; command->word; command++) {
			if (command->key == key && key != KEY_NONE) {
				command->run(tui, "");
				return;
			}
		}
	}
}
