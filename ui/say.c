/* What forktrace says on standard error besides the report: see say.h. */
#include "ui/say.h"

#include <stdio.h>

#include "base/buffer.h"
#include "ui/escape.h"

void say(const char *what, const char *message)
{
	struct buffer line = {0};

	buffer_printf(&line, "forktrace: %s", what);
	escape_append(&line, message);
	buffer_append_text(&line, "\n");
	fputs(line.data, stderr);
	buffer_deinit(&line);
}

int say_error(struct error *error)
{
	int status = EXIT_FORKTRACE;

	if (error->code == ERROR_NOT_FOUND)
		status = EXIT_NOT_FOUND;
	else if (error->code == ERROR_NOT_EXEC)
		status = EXIT_NOT_EXECUTABLE;
	say("", error->message);
	error_destroy(error);
	return status;
}
