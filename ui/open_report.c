/* The report that the command line asks for: see open_report.h. */
#include "ui/open_report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool want_color(const struct options *options, int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (options->color != COLOR_AUTO)
		return options->color == COLOR_ALWAYS;
	return isatty(fd) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (!isatty(fd))
		return 0;
	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	return ioctl(fd, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

struct report_options report_choices(const struct options *options, const struct output *output)
{
	return (struct report_options){
	    .width = terminal_width(output->fd),
	    .color = want_color(options, output->fd),
	    .verbosity = options->verbosity,
	};
}

struct error *open_report(const struct options *options, struct output *output, struct report **report)
{
	/* A program that is traced has standard output for itself; a saved record shares it with nobody. */
	struct error *error = output_open(output, options->output, options->from ? STDOUT_FILENO : STDERR_FILENO);

	if (error)
		return error;

	struct report_options choices = report_choices(options, output);

	*report = report_create(options->format, output, &choices);
	return NULL;
}

struct error *open_expectations(const struct options *options, struct output *complaints,
				struct expectations **expectations)
{
	struct error *error;

	*expectations = NULL;
	if (!options->expectations.count)
		return NULL;
	error = output_open(complaints, NULL, STDERR_FILENO);
	if (error)
		return error;

	struct expectations_options choices = {
	    .allow_none = options->allow_none,
	    .verbosity = options->verbosity,
	    .report = report_choices(options, complaints),
	};

	return expectations_create(&options->expectations, complaints, &choices, expectations);
}
