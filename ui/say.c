/* What forktrace says on standard error besides the report: see say.h. */
#include "ui/say.h"

#include <stdio.h>
#include <string.h>

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

void say_log(int verbosity, enum log_level level, const char *message)
{
	if (level == LOG_LEVEL_WARNING ? verbosity >= 0 : verbosity > 0)
		say(level == LOG_LEVEL_WARNING ? "warning: " : "", message);
}

void say_more(const char *line)
{
	struct buffer text = {0};

	/* A traceback's lines begin with a tab. */
	line += strspn(line, "\t");
	buffer_append_text(&text, "    ");
	escape_append(&text, line);
	buffer_append_text(&text, "\n");
	fputs(text.data, stderr);
	buffer_deinit(&text);
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
