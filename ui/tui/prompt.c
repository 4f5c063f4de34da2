/* The line at the bottom that asks. */
#include <ctype.h>
#include <limits.h>
#include <ncursesw/curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "ui/tui/tui.h"

static const struct {
	const char *label;
	const char *command; /* what the answer is given to */
	bool may_be_empty;
} kinds[] = {
    [PROMPT_NONE] = {"", "", false},
    [PROMPT_COMMAND] = {":", "", false},
    [PROMPT_BREAK] = {"breakpoint at (function, FILE:LINE, address; nothing: here): ", "break ", true},
    [PROMPT_GOTO] = {"show the code at (function, FILE:LINE, address): ", "goto ", false},
    [PROMPT_SEARCH] = {"/", "search ", false},
    [PROMPT_WATCH] = {"stop when it changes (address or symbol[/bytes]): ", "watch ", false},
    [PROMPT_DISPLAY] = {"show the word at (address, symbol, register): ", "display ", false},
    [PROMPT_MEMORY] = {"show memory at (address, symbol, register; nothing: the stack): ", "memory ", true},
    [PROMPT_INPUT] = {"to the program: ", "input ", true},
    [PROMPT_QUIT] = {"quit: k kills the program, d lets it run on, Esc stays ", "", false},
    [PROMPT_QUIT_GUEST] = {"quit: k ends the guest and the program in it, Esc stays ", "", false},
};

const char *prompt_label(enum prompt_kind kind)
{
	return kinds[kind].label;
}

void prompt_begin(struct tui *tui, enum prompt_kind kind)
{
	tui->prompt = (struct prompt){.kind = kind};
	tui->changed = true;
}

static void finish(struct tui *tui)
{
	struct prompt prompt = tui->prompt;
	char line[sizeof(prompt.text) + 16];

	tui->prompt.kind = PROMPT_NONE;
	tui->changed = true;
	if (!prompt.size && !kinds[prompt.kind].may_be_empty)
		return;
	snprintf(line, sizeof(line), "%s%s", kinds[prompt.kind].command, prompt.text);
	tui_command(tui, line);
}

static bool quit_key(struct tui *tui, int key)
{
	bool detach = key == 'd' && tui->prompt.kind == PROMPT_QUIT;

	if (key == 'k' || detach)
		tui_command(tui, detach ? "quit detach" : "quit kill");
	if (key == 'k' || detach || key == KEY_ESCAPE || key == 'q')
		tui->prompt.kind = PROMPT_NONE;
	tui->changed = true;
	return true;
}

static void append(struct prompt *prompt, int key)
{
	char bytes[MB_LEN_MAX];
	mbstate_t state = {0};
	size_t length = wcrtomb(bytes, (wchar_t)(key & ~KEY_WIDE), &state);

	if (length == (size_t)-1 || prompt->size + length >= sizeof(prompt->text))
		return;
	memcpy(prompt->text + prompt->size, bytes, length);
	prompt->size += length;
	prompt->text[prompt->size] = '\0';
}

static void take_back(struct prompt *prompt)
{
	size_t last = 0;

	for (size_t at = 0; at < prompt->size; at += screen_character(prompt->text + at))
		last = at;
	prompt->text[prompt->size = last] = '\0';
}

bool prompt_key(struct tui *tui, int key)
{
	struct prompt *prompt = &tui->prompt;

	if (prompt->kind == PROMPT_NONE)
		return false;
	if (prompt->kind == PROMPT_QUIT || prompt->kind == PROMPT_QUIT_GUEST)
		return quit_key(tui, key);
	if (key == KEY_ESCAPE || key == KEY_CONTROL('C'))
		prompt->kind = PROMPT_NONE;
	else if (key == '\r' || key == '\n' || key == KEY_ENTER)
		finish(tui);
	else if (key == KEY_BACKSPACE || key == '\b' || key == 0x7f)
		take_back(prompt);
	else if (key == KEY_CONTROL('U'))
		prompt->text[prompt->size = 0] = '\0';
	else if (key == KEY_CONTROL('D') && prompt->kind == PROMPT_INPUT && !prompt->size)
		terminal_end_input(&tui->terminal);
	else if (key & KEY_WIDE || (key > 0 && key < 0x80 && isprint(key)))
		append(prompt, key);
	tui->changed = true;
	return true;
}
