/* The guest's console: see guest_console.h. */
#include "parse/guest_console.h"

#include <string.h>

static char *newest(struct guest_console *console)
{
	return console->lines[(console->count - 1) % GUEST_CONSOLE_LINES];
}

/* The first is the cause: what a panicking kernel says later repeats it. */
static void end_line(struct guest_console *console)
{
	static const char failure[] = "forktrace: ";
	const char *line = console->in_line ? newest(console) : "", *panic = strstr(line, "Kernel panic");

	if (panic && !console->panic[0])
		memcpy(console->panic, panic, strlen(panic) + 1);
	if (!console->failure[0] && !strncmp(line, failure, strlen(failure)))
		memcpy(console->failure, line + strlen(failure), strlen(line + strlen(failure)) + 1);
	console->in_line = false;
}

static void add_character(struct guest_console *console, char character)
{
	if (!console->in_line) {
		console->count++;
		console->in_line = true;
		*newest(console) = '\0';
	}

	char *line = newest(console);
	size_t length = strlen(line);

	if (length == GUEST_CONSOLE_WIDTH)
		return;
	line[length] = character;
	line[length + 1] = '\0';
}

void guest_console_add(struct guest_console *console, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = ((const unsigned char *)bytes)[i];

		if (byte == '\n')
			end_line(console);
		else if (byte == '\t')
			add_character(console, ' ');
		else if (byte > 0x7f)
			add_character(console, '?');
		else if (byte >= ' ' && byte < 0x7f)
			add_character(console, (char)byte);
	}
}

const char *guest_console_line(const struct guest_console *console, size_t back)
{
	if (back >= console->count || back >= GUEST_CONSOLE_LINES)
		return NULL;
	return console->lines[(console->count - 1 - back) % GUEST_CONSOLE_LINES];
}
