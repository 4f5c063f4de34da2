/* The line at the bottom that asks. */
#include <ctype.h>
#include <ncursesw/curses.h>
#include <string.h>

#include "ui/tui/tui.h"

enum { ESCAPE = 27 };

const char *prompt_label(enum prompt_kind kind)
{
	static const char *const labels[] = {
	    [PROMPT_NONE] = "",
	    [PROMPT_COMMAND] = ":",
	    [PROMPT_BREAK] = "breakpoint at (function, FILE:LINE, address): ",
	    [PROMPT_GOTO] = "show the code at (function, FILE:LINE, address): ",
	    [PROMPT_SEARCH] = "/",
	    [PROMPT_WATCH] = "stop when it changes (address[/bytes]): ",
	    [PROMPT_DISPLAY] = "show the word at (address, symbol): ",
	    [PROMPT_INPUT] = "to the program: ",
	    [PROMPT_QUIT] = "quit: k kills the program, d lets it run on, Esc stays ",
	};

	return labels[kind];
}

void prompt_begin(struct tui *tui, enum prompt_kind kind)
{
	tui->prompt = (struct prompt){.kind = kind};
	tui->changed = true;
}

static void finish(struct tui *tui)
{
	static const char *const commands[] = {
	    [PROMPT_BREAK] = "break ", [PROMPT_GOTO] = "goto ",       [PROMPT_SEARCH] = "search ",
	    [PROMPT_WATCH] = "watch ", [PROMPT_DISPLAY] = "display ", [PROMPT_INPUT] = "input ",
	    [PROMPT_COMMAND] = "",
	};
	struct prompt prompt = tui->prompt;
	char line[sizeof(prompt.text) + 16];

	tui->prompt.kind = PROMPT_NONE;
	tui->changed = true;
	if (!prompt.size && prompt.kind != PROMPT_INPUT && prompt.kind != PROMPT_BREAK)
		return;
	strcpy(line, commands[prompt.kind]);
	strcat(line, prompt.text);
	tui_command(tui, line);
}

static bool quit_key(struct tui *tui, int key)
{
	if (key == 'k' || key == 'd')
		tui_command(tui, key == 'k' ? "quit kill" : "quit detach");
	if (key == 'k' || key == 'd' || key == ESCAPE || key == 'q')
		tui->prompt.kind = PROMPT_NONE;
	tui->changed = true;
	return true;
}

bool prompt_key(struct tui *tui, int key)
{
	struct prompt *prompt = &tui->prompt;

	if (prompt->kind == PROMPT_NONE)
		return false;
	if (prompt->kind == PROMPT_QUIT)
		return quit_key(tui, key);
	if (key == ESCAPE || key == ('C' & 0x1f))
		prompt->kind = PROMPT_NONE;
	else if (key == '\r' || key == '\n' || key == KEY_ENTER)
		finish(tui);
	else if ((key == KEY_BACKSPACE || key == '\b' || key == 0x7f) && prompt->size)
		prompt->text[--prompt->size] = '\0';
	else if (key == ('U' & 0x1f))
		prompt->text[prompt->size = 0] = '\0';
	else if (key > 0 && key < 0x80 && isprint(key) && prompt->size + 1 < sizeof(prompt->text))
		prompt->text[prompt->size++] = (char)key;
	tui->changed = true;
	return true;
}
