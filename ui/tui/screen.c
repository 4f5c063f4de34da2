/* The terminal: see screen.h. */
#include "ui/tui/screen.h"

#include <errno.h>
#include <ncursesw/curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/escape.h"

static const struct {
	short color; /* -1: the terminal's own */
	attr_t attributes;
	attr_t plain; /* without colours */
} looks[ROLE_COUNT] = {
    [ROLE_TEXT] = {-1, A_NORMAL, A_NORMAL},
    [ROLE_DIM] = {-1, A_DIM, A_DIM},
    [ROLE_TITLE] = {COLOR_CYAN, 0, A_NORMAL},
    [ROLE_FOCUS] = {COLOR_CYAN, A_BOLD, A_BOLD},
    [ROLE_CHOSEN] = {-1, A_BOLD, A_BOLD},
    [ROLE_CURRENT] = {-1, A_REVERSE, A_REVERSE},
    [ROLE_CHANGED] = {COLOR_YELLOW, A_BOLD, A_UNDERLINE},
    [ROLE_BORDER] = {COLOR_MAGENTA, 0, A_NORMAL},
    [ROLE_KERNEL] = {COLOR_MAGENTA, 0, A_NORMAL},
    [ROLE_SYMBOL] = {COLOR_CYAN, 0, A_NORMAL},
    [ROLE_BREAK] = {COLOR_RED, A_BOLD, A_BOLD},
    [ROLE_GOOD] = {COLOR_GREEN, 0, A_NORMAL},
    [ROLE_BAD] = {COLOR_RED, A_BOLD, A_BOLD},
    [ROLE_KEY] = {-1, A_BOLD, A_BOLD},
    [ROLE_STATUS] = {-1, A_REVERSE, A_REVERSE},
    [ROLE_STATUS_BAD] = {COLOR_RED, A_REVERSE | A_BOLD, A_REVERSE | A_BOLD},
};

static struct termios before;
static bool before_known, is_open, colored;
static char leave[256]; /* what the terminal is told in the end, by screen_abandon */
static SCREEN *screen;
static FILE *nowhere;

static attr_t look(enum role role)
{
	return colored ? looks[role].attributes | (attr_t)COLOR_PAIR(role + 1) : looks[role].plain;
}

static void make_colors(bool wanted)
{
	colored = wanted && has_colors() && start_color() == OK;
	if (!colored)
		return;
	use_default_colors();
	for (int role = 0; role < ROLE_COUNT; role++)
		init_pair((short)(role + 1), looks[role].color, -1);
}

static struct error *unusable(const char *why)
{
	const char *term = getenv("TERM");

	return error_create(ERROR_UNSUPPORTED, 0, NULL, "the terminal cannot be used: its kind (TERM) is '%.40s', %s",
			    term ? term : "", why);
}

/* A string of terminfo(5); NULL: the terminal has no such thing. */
static const char *capability(const char *name)
{
	const char *value = tigetstr(name);

	return value == (const char *)-1 ? NULL : value; /* curs_terminfo(3X) */
}

/* Attributes off, cursor on, back from the alternate screen: as this kind of terminal has it, without delays. */
static void remember_how_to_leave(void)
{
	const char *const parts[] = {capability("sgr0"), capability("cnorm"), capability("rmcup")};
	size_t size = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t length = parts[i] && !strstr(parts[i], "$<") ? strlen(parts[i]) : 0;

		if (!length || size + length + 2 >= sizeof(leave))
			continue;
		memcpy(leave + size, parts[i], length);
		size += length;
	}
	memcpy(leave + size, "\r\n", sizeof("\r\n"));
}

static SCREEN *open_virtual(void)
{
	nowhere = fopen("/dev/null", "r+e");
	return nowhere ? newterm("xterm-256color", nowhere, nowhere) : NULL;
}

struct error *screen_open(bool color, bool virtual)
{
	before_known = !tcgetattr(STDOUT_FILENO, &before);
	screen = virtual ? open_virtual() : newterm(NULL, stdout, stdin);
	if (!screen) {
		if (nowhere)
			fclose(nowhere);
		nowhere = NULL;
		return unusable("which is not known here");
	}
	is_open = true;
	if (!capability("cup")) {
		screen_close();
		return unusable("whose cursor cannot be moved");
	}
	remember_how_to_leave();
	set_escdelay(25);
	raw();
	noecho();
	nonl();
	keypad(stdscr, true);
	nodelay(stdscr, true);
	curs_set(0);
	make_colors(color);
	return NULL;
}

void screen_close(void)
{
	if (!is_open)
		return;
	is_open = false;
	curs_set(1);
	endwin();
	delscreen(screen);
	screen = NULL;
	if (nowhere)
		fclose(nowhere);
	nowhere = NULL;
}

void screen_abandon(void)
{
	if (!is_open || nowhere)
		return;
	is_open = false;
	if (write(STDOUT_FILENO, leave, strlen(leave)) < 0 || !before_known)
		return;
	tcsetattr(STDOUT_FILENO, TCSANOW, &before);
}

bool screen_suspend(void)
{
	if (!is_open || nowhere)
		return false;
	def_prog_mode();
	endwin();
	return true;
}

void screen_resume(void)
{
	reset_prog_mode();
	curs_set(0);
	screen_resize();
}

void screen_resize(void)
{
	struct winsize size;

	if (nowhere || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, true);
}

/* --- drawing --- */

/* One character, as it can be shown; returns its bytes. */
static size_t decode(const char *text, wchar_t *character, int *width)
{
	mbstate_t state = {0};
	size_t length = mbrtowc(character, text, MB_CUR_MAX, &state);

	if (length == (size_t)-1 || length == (size_t)-2 || !length) {
		*character = L'?';
		length = 1;
	}
	*width = wcwidth(*character);
	if (*width < 0) {
		*character = L'?';
		*width = 1;
	}
	return length;
}

size_t screen_character(const char *text)
{
	wchar_t character;
	int width;

	return decode(text, &character, &width);
}

int screen_columns(const char *text)
{
	int used = 0;

	while (*text) {
		wchar_t character;
		int width;

		text += decode(text, &character, &width);
		used += width;
	}
	return used;
}

/* Decodes up to `columns` columns of `text` into `wide`, marking what is cut; returns the columns. */
static int widen(const char *text, int columns, wchar_t *wide, size_t size)
{
	size_t count = 0, fits = 0;
	int used = 0, fits_used = 0; /* with a column to spare for the mark */

	while (*text && count + 2 < size) {
		int width;

		text += decode(text, &wide[count], &width);
		if (used + width > columns) {
			wide[fits] = escape_utf8() ? L'\u2026' : L'~';
			wide[fits + 1] = L'\0';
			return fits_used + 1;
		}
		count++;
		used += width;
		if (used < columns) {
			fits = count;
			fits_used = used;
		}
	}
	wide[count] = L'\0';
	return used;
}

int screen_put(const struct area *area, int row, int column, int columns, enum role role, const char *text)
{
	wchar_t wide[512];
	int room = area->columns - column;

	if (row < 0 || row >= area->rows || room <= 0)
		return 0;
	if (columns < 0 || columns > room)
		columns = room;
	if (!columns)
		return 0;

	int used = widen(text, columns, wide, sizeof(wide) / sizeof(wide[0]));

	attrset(look(role));
	mvaddwstr(area->row + row, area->column + column, wide);
	attrset(A_NORMAL);
	return used;
}

int screen_print(const struct area *area, int row, int column, enum role role, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return screen_put(area, row, column, -1, role, text);
}

static int draw_dashes(const struct area *area, int row, int column, int count)
{
	const char *dash = escape_utf8() ? "\u2500" : "-";
	int end = column + count;

	while (column < end && column < area->columns)
		column += screen_put(area, row, column, -1, ROLE_BORDER, dash);
	return column;
}

static void draw_rule(const struct area *area, int row, int before_text, const char *text, enum role role)
{
	int column = draw_dashes(area, row, 0, before_text);

	if (*text) {
		column += screen_put(area, row, column, -1, role, " ");
		column += screen_put(area, row, column, -1, role, text);
		column += screen_put(area, row, column, -1, role, " ");
	}
	draw_dashes(area, row, column, area->columns);
}

void screen_rule(const struct area *area, int row, const char *text, enum role role)
{
	if (row < area->rows)
		draw_rule(area, row, 2, text, role);
}

void screen_border(const struct area *area, int row, const char *text, enum role role)
{
	int room = area->columns - screen_columns(text) - 2;

	if (row < area->rows)
		draw_rule(area, row, room > 0 ? room / 2 : 0, text, role);
}

void screen_blank(const struct area *area, int row)
{
	if (row >= 0 && row < area->rows)
		mvhline(area->row + row, area->column, ' ', area->columns);
}

void screen_mark(const struct area *area, int row, enum role role)
{
	if (row >= 0 && row < area->rows)
		mvchgat(area->row + row, area->column, area->columns, look(role), colored ? (short)(role + 1) : 0,
			NULL);
}

struct error *screen_write(const char *path)
{
	_cleanup_file_ FILE *file = fopen(path, "we");
	_cleanup_free_ wchar_t *row = memory_calloc((size_t)COLS + 1, sizeof(*row) * 2);

	if (!file)
		return error_system(errno, path, "the screen cannot be written to %s", path);
	for (int y = 0; y < LINES; y++) {
		int length = mvinnwstr(y, 0, row, COLS);

		while (length > 0 && row[length - 1] == L' ')
			length--;
		row[length > 0 ? length : 0] = L'\0';
		fprintf(file, "%ls\n", row);
	}
	return fflush(file) ? error_system(errno, path, "the screen cannot be written to %s", path) : NULL;
}
