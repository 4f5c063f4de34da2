/* What keys and words do: one table, which the help and the line at the bottom are drawn from. */
#include "ui/tui/commands.h"

#include <ncursesw/curses.h>
#include <string.h>

const struct command tui_commands[] = {
    {"step", 's', "step", WHEN_HELD, "to the next source line, into calls", run_step},
    {"next", 'n', "next", WHEN_HELD, "to the next source line, over calls", run_next},
    {"stepi", 'S', NULL, 0, "one instruction, into a call", run_step_instruction},
    {"nexti", 'N', "insn", WHEN_HELD, "one instruction, over a call", run_next_instruction},
    {"finish", 'f', "finish", WHEN_HELD, "until the selected frame has returned", run_finish},
    {"continue", 'c', "cont", WHEN_HELD, "let the selected process run", run_continue},
    {"all", 'C', "all", WHEN_TRACED, "let all processes run", run_continue_all},
    {"fork", 'F', "fork", WHEN_HELD, "to the next fork, behind which both processes are held", run_fork},
    {"until", KEY_NONE, NULL, 0, "to a function, FILE:LINE or address", run_until},
    {"interrupt", 'z', "interrupt", WHEN_RUNNING, "hold the selected process, which runs (Ctrl-C too)", run_interrupt},
    {"kernel", 'k', NULL, 0, "follow into the kernel (a guest's)", run_kernel},
    {"up", 'u', NULL, 0, "the frame that called", run_up},
    {"down", 'd', NULL, 0, "the frame that was called", run_down},
    {"break", 'b', "break", WHEN_HELD, "set or take back a breakpoint; nothing given: here", run_break_key},
    {"watch", 'W', NULL, 0, "stop when memory changes: ADDRESS[/BYTES]", run_watch},
    {"display", 'w', NULL, 0, "show a word of memory; the same again: do not", run_display},
    {"memory", 'M', NULL, 0, "show memory at an address; nothing given: the stack", run_memory_key},
    {"goto", 'g', NULL, 0, "show the code of a function, FILE:LINE or address", run_goto},
    {"search", '/', NULL, 0, "search the pane, then the frames", run_search},
    {"again", '.', NULL, 0, "search further", run_search_on},
    {"mode", 'm', NULL, 0, "source and instructions, source, or instructions", run_mode},
    {"syntax", 'x', NULL, 0, "AT&T or Intel syntax", run_syntax},
    {"process", '\t', "process", WHEN_TRACED | WHEN_WIDE, "the next process", run_process},
    {"pane", 'v', "pane", WHEN_ALWAYS | WHEN_WIDE, "the next pane gets the arrows; or that of a name", run_pane},
    {"back", 'V', NULL, 0, "the pane before it", run_pane_before},
    {"zoom", 'Z', "zoom", WHEN_ALWAYS | WHEN_WIDE, "this pane alone; again: all", run_zoom},
    {"events", 'o', NULL, 0, "what happened, or the program's output", run_events},
    {"returns", 'r', "returns", WHEN_OVER, "what fork returned so far, in both processes", run_returns},
    {"input", 'i', "input", WHEN_RUNNING, "a line for the program (Ctrl-D: the end of its input)", run_input_key},
    {"detach", 'D', NULL, 0, "let the selected process go for good", run_detach},
    {"screen", KEY_NONE, NULL, 0, "write the screen to a file, as text", run_screen},
    {"redraw", KEY_CONTROL('L'), NULL, 0, "draw everything anew", run_redraw},
    {"suspend", KEY_CONTROL('Z'), NULL, 0, "back to the shell; its fg comes back here", run_suspend},
    {"help", '?', NULL, 0, "this list", run_help},
    {"quit", 'q', "quit", WHEN_ALWAYS, "end: asks; or quit kill, quit detach", run_quit},
    {NULL, KEY_NONE, NULL, 0, NULL, NULL},
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
