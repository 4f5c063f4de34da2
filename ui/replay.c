/* A report made from a saved record: see replay.h. */
#include "ui/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "ui/open_report.h"
#include "ui/record/reader.h"
#include "ui/signals.h"

static const char *name_of(const char *path)
{
	return strcmp(path, "-") != 0 ? path : "standard input";
}

/* Opening the report cuts its file off: not the one that is to be read. */
static struct error *refuse_same_file(int fd, const struct options *options)
{
	struct stat from, to;

	if (!options->output || fstat(fd, &from) || !S_ISREG(from.st_mode) || stat(options->output, &to) ||
	    from.st_dev != to.st_dev || from.st_ino != to.st_ino)
		return NULL;
	return error_create(ERROR_INPUT, 0, options->from, "--from and --output are the same file, '%s'",
			    options->output);
}

static struct error *open_record(const struct options *options, int *fd)
{
	*fd = strcmp(options->from, "-") != 0 ? open(options->from, O_RDONLY | O_CLOEXEC | O_NOCTTY)
					      : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (*fd < 0)
		return error_system(errno, options->from, "the record '%s' cannot be opened", options->from);
	return refuse_same_file(*fd, options);
}

__attribute__((format(printf, 2, 3))) static void add_clause(struct buffer *sentence, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	_cleanup_free_ char *text = memory_vprintf(format, arguments);
	va_end(arguments);
	buffer_printf(sentence, "%s%s", sentence->size ? "; " : "", text);
}

/* What the report lacks, in one sentence; empty: nothing. Takes `error`, why reading ended early, or NULL. */
static void tell_losses(struct buffer *sentence, const struct record_tally *tally, struct error *error)
{
	uint64_t lost = tally->lines - tally->events;

	if (tally->schema > SCHEMA_VERSION)
		add_clause(sentence,
			   "it is of schema %" PRIu64 ", newer than this forktrace's %d, and may mean other things",
			   tally->schema, SCHEMA_VERSION);
	if (lost == 1)
		add_clause(sentence, "line %" PRIu64 " could not be read: %s", tally->first_lost, tally->reason.data);
	else if (lost > 1)
		add_clause(sentence,
			   "%" PRIu64 " of %" PRIu64 " lines could not be read, the first of them line %" PRIu64 ": %s",
			   lost, tally->lines, tally->first_lost, tally->reason.data);
	if (tally->missed)
		add_clause(sentence, "%" PRIu64 " value%s could not be taken over%s %s", tally->missed,
			   tally->missed > 1 ? "s" : "", tally->missed > 1 ? ", the first in" : ":",
			   tally->missed_reason.data);
	if (error)
		add_clause(sentence, "%s", error->message);
	else if (tally->lines == 0)
		add_clause(sentence, "it holds no events");
	else if (!tally->ended)
		add_clause(sentence, "its last event is not the end of a run");
	error_destroy(error);
}

struct replay {
	const struct options *options;
	struct output output, complaints;
	struct report *report;             /* NULL: none */
	struct expectations *expectations; /* NULL: none */
};

static int finish(struct replay *replay, const struct record_reader *reader, struct error *error)
{
	_cleanup_(buffer_deinit) struct buffer losses = {0};
	_cleanup_(buffer_deinit) struct buffer sentence = {0};
	bool held = !replay->expectations || expectations_finish(replay->expectations);

	if (replay->output.error) {
		error_destroy(error);
		say("", replay->output.error->message);
		return EXIT_FORKTRACE;
	}
	tell_losses(&losses, &reader->tally, error);
	if (losses.size == 0)
		return held ? EXIT_SUCCESS : EXIT_NOT_HELD;
	buffer_printf(&sentence, "the record %s: %s", name_of(replay->options->from), losses.data);
	say("", sentence.data);
	return EXIT_FORKTRACE;
}

static int replay_all(struct replay *replay, int fd)
{
	struct event_sink sink = replay->report ? replay->report->sink : (struct event_sink){0};
	struct record_reader reader;
	struct error *error = NULL;

	if (replay->expectations)
		sink = expectations_sink(replay->expectations, &sink);
	record_reader_init(&reader, fd);
	while (!replay->output.error && record_reader_step(&reader, &sink, &error))
		continue;
	if (replay->report)
		report_finish(replay->report);
	output_close(&replay->output);

	int status = finish(replay, &reader, error);

	record_reader_deinit(&reader);
	return status;
}

static struct error *open_replay(struct replay *replay, int *fd)
{
	const struct options *options = replay->options;
	struct error *error = open_record(options, fd);

	if (!error)
		error = open_expectations(options, &replay->complaints, &replay->expectations);
	if (!error && (!replay->expectations || options->output))
		error = open_report(options, &replay->output, &replay->report);
	return error;
}

int replay_run(const struct options *options)
{
	struct replay replay = {.options = options, .output = {.fd = -1}, .complaints = {.fd = -1}};
	_cleanup_fd_ int fd = -1;
	struct error *error = open_replay(&replay, &fd);
	int status;

	if (error) {
		status = say_error(error);
	} else {
		signals_of_writing();
		status = replay_all(&replay, fd);
	}
	if (replay.report)
		report_destroy(replay.report);
	expectations_destroy(replay.expectations);
	output_deinit(&replay.output);
	output_deinit(&replay.complaints);
	return status;
}
