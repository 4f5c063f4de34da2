/* The program's terminal: see terminal.h. */
#include "ui/tui/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct error *terminal_open(struct terminal *terminal)
{
	struct termios settings;

	terminal->slave = -1;
	terminal->readable = true;
	terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (terminal->master < 0 || grantpt(terminal->master) || unlockpt(terminal->master))
		return error_system(errno, NULL, "no terminal is to be had for the program (/dev/ptmx)");
	terminal->slave = open(ptsname(terminal->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal->slave < 0)
		return error_system(errno, NULL, "the program's terminal cannot be opened");
	/* Lines end as the program ends them. */
	if (!tcgetattr(terminal->slave, &settings)) {
		settings.c_oflag &= ~(tcflag_t)ONLCR;
		tcsetattr(terminal->slave, TCSANOW, &settings);
	}
	return NULL;
}

struct error *terminal_open_pipe(struct terminal *terminal, int *input)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return error_system(errno, NULL, "no pipe is to be had for the program's input");
	*input = ends[0];
	terminal->master = ends[1];
	return NULL;
}

void terminal_close(struct terminal *terminal)
{
	if (terminal->master >= 0)
		close(terminal->master);
	if (terminal->slave >= 0)
		close(terminal->slave);
	terminal->master = terminal->slave = -1;
	text_ring_deinit(&terminal->text);
}

void terminal_started(struct terminal *terminal)
{
	if (terminal->slave >= 0)
		close(terminal->slave);
	terminal->slave = -1;
}

bool terminal_read(struct terminal *terminal)
{
	char bytes[16384];
	ssize_t got;

	if (!terminal->readable || terminal->master < 0)
		return false;
	got = read(terminal->master, bytes, sizeof(bytes));
	if (got > 0) {
		text_ring_bytes(&terminal->text, bytes, (size_t)got);
		return true;
	}
	/* EIO: nobody has it open any more. */
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(terminal->master);
		terminal->master = -1;
	}
	return false;
}

void terminal_end_input(struct terminal *terminal)
{
	if (terminal->readable) {
		terminal_send(terminal, "\004");
	} else if (terminal->master >= 0) {
		close(terminal->master);
		terminal->master = -1;
	}
}

void terminal_send(const struct terminal *terminal, const char *line)
{
	if (terminal->master >= 0 && write(terminal->master, line, strlen(line)) < 0)
		return;
}

void terminal_size(const struct terminal *terminal, int rows, int columns)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

	if (terminal->master >= 0)
		ioctl(terminal->master, TIOCSWINSZ, &size);
}
