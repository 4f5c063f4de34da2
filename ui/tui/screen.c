/* The terminal: see screen.h. */
#include "ui/tui/screen.h"

#include <errno.h>
#include <langinfo.h>
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

static const struct {
	short color; /* -1: the terminal's own */
	attr_t attributes;
	attr_t plain; /* without colours */
} looks[ROLE_COUNT] = {
    [ROLE_TEXT] = {-1, A_NORMAL, A_NORMAL},         [ROLE_DIM] = {-1, A_DIM, A_DIM},
    [ROLE_TITLE] = {COLOR_CYAN, A_BOLD, A_BOLD},    [ROLE_CHOSEN] = {-1, A_BOLD, A_BOLD},
    [ROLE_CURRENT] = {-1, A_REVERSE, A_REVERSE},    [ROLE_CHANGED] = {COLOR_YELLOW, A_BOLD, A_UNDERLINE},
    [ROLE_BORDER] = {COLOR_MAGENTA, 0, A_NORMAL},   [ROLE_KERNEL] = {COLOR_MAGENTA, 0, A_NORMAL},
    [ROLE_SYMBOL] = {COLOR_BLUE, A_BOLD, A_NORMAL}, [ROLE_BREAK] = {COLOR_RED, A_BOLD, A_BOLD},
    [ROLE_GOOD] = {COLOR_GREEN, 0, A_NORMAL},       [ROLE_BAD] = {COLOR_RED, A_BOLD, A_BOLD},
    [ROLE_STATUS] = {-1, A_REVERSE, A_REVERSE},
};

static struct termios before;
static bool before_known, is_open, colored;
static SCREEN *screen;
static FILE *nowhere;

static bool utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

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
	for (short role = 0; role < ROLE_COUNT; role++)
		init_pair((short)(role + 1), looks[role].color, -1);
}

struct error *screen_open(bool color, bool virtual)
{
	before_known = !tcgetattr(STDOUT_FILENO, &before);
	if (virtual) {
		nowhere = fopen("/dev/null", "r+e");
		screen = nowhere ? newterm("xterm-256color", nowhere, nowhere) : NULL;
	} else {
		screen = newterm(NULL, stdout, stdin);
	}
	if (!screen) {
		if (nowhere)
			fclose(nowhere);
		nowhere = NULL;
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "the terminal cannot be used: its kind (TERM) is '%.40s', which is not known here",
				    getenv("TERM") ? getenv("TERM") : "");
	}
	is_open = true;
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
	/* Leaves the alternate screen, shows the cursor, takes attributes back: ECMA-48, xterm. */
	static const char leave[] = "\033[?1049l\033[?25h\033[0m\r\n";

	if (!is_open || nowhere)
		return;
	is_open = false;
	if (write(STDOUT_FILENO, leave, sizeof(leave) - 1) < 0 || !before_known)
		return;
	tcsetattr(STDOUT_FILENO, TCSANOW, &before);
}

void screen_resize(void)
{
	struct winsize size;

	if (nowhere || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, true);
}

/* Decodes up to `columns` columns of `text` into `wide`; returns the columns. */
static int widen(const char *text, int columns, wchar_t *wide, size_t size)
{
	mbstate_t state = {0};
	size_t count = 0;
	int used = 0;

	while (*text && count + 1 < size) {
		wchar_t character;
		size_t length = mbrtowc(&character, text, MB_CUR_MAX, &state);

		if (length == (size_t)-1 || length == (size_t)-2) {
			character = L'?';
			length = 1;
			state = (mbstate_t){0};
		}

		int width = wcwidth(character);

		if (width < 0) {
			character = L'?';
			width = 1;
		}
		if (used + width > columns)
			break;
		wide[count++] = character;
		used += width;
		text += length;
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

void screen_rule(const struct area *area, int row, const char *text, enum role role)
{
	const char *dash = utf8() ? "─" : "-";
	int column = screen_put(area, row, 0, -1, ROLE_BORDER, dash);

	column += screen_put(area, row, column, -1, ROLE_BORDER, dash);
	if (*text) {
		column += screen_put(area, row, column, -1, role, " ");
		column += screen_put(area, row, column, -1, role, text);
		column += screen_put(area, row, column, -1, role, " ");
	}
	while (column < area->columns)
		column += screen_put(area, row, column, -1, ROLE_BORDER, dash);
}

void screen_title(const struct area *area, int row, const char *title)
{
	screen_rule(area, row, title, ROLE_TITLE);
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
