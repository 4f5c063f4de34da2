/* Reads a record of events, line by line: see reader.h. */
#include "ui/record/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { READ_SIZE = 256 * 1024 };

void record_reader_init(struct record_reader *reader, int fd)
{
	*reader = (struct record_reader){.fd = fd, .stacks.strings = string_pool_create()};
}

void record_reader_deinit(struct record_reader *reader)
{
	struct string_pool *strings = reader->stacks.strings;

	record_event_deinit(&reader->read);
	stack_pool_deinit(&reader->stacks);
	string_pool_destroy(strings);
	fields_deinit(&reader->fields);
	buffer_deinit(&reader->tally.reason);
	buffer_deinit(&reader->tally.missed_reason);
	buffer_deinit(&reader->text);
}

__attribute__((format(printf, 2, 3))) static void line_lost(struct record_tally *tally, const char *format, ...)
{
	va_list arguments;

	if (tally->first_lost)
		return;
	va_start(arguments, format);
	_cleanup_free_ char *text = memory_vprintf(format, arguments);
	va_end(arguments);
	tally->first_lost = tally->number;
	buffer_append_text(&tally->reason, text);
}

/* Why a line is no JSON. jansson's own words hold a piece of the line. */
static void syntax_lost(struct record_tally *tally, const json_error_t *error, bool whole)
{
	enum json_error_code code = json_error_code(error);

	if (code == json_error_premature_end_of_input || (!whole && code == json_error_invalid_syntax))
		line_lost(tally, "it is cut off in the middle");
	else if (code == json_error_invalid_utf8)
		line_lost(tally, "it is not UTF-8 at byte %d", error->position);
	else if (code == json_error_null_character)
		line_lost(tally, "it has a NUL character in a text");
	else if (code == json_error_numeric_overflow)
		line_lost(tally, "it has a number that is too big, at byte %d", error->position);
	else
		line_lost(tally, "it is not JSON at byte %d", error->position);
}

/* Is there anything but blanks? */
static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!strchr(" \t\r", line[i]) || line[i] == '\0')
			return false;
	}
	return true;
}

/* `whole`: the line ended with a newline. */
static void line_take(struct record_reader *reader, const char *line, size_t size, bool whole,
		      const struct event_sink *sink)
{
	struct record_tally *tally = &reader->tally;
	json_error_t error;

	tally->number++;
	if (is_blank(line, size))
		return;
	tally->lines++;

	json_t *object = json_loadb(line, size, JSON_DECODE_ANY, &error);

	if (!object) {
		syntax_lost(tally, &error, whole);
		return;
	}
	record_event_read(&reader->read, &reader->fields, &reader->stacks, object);
	if (fields_ok(&reader->fields)) {
		sink->event(sink->context, &reader->read.event);
		tally->events++;
		if (reader->fields.missed_count && !tally->missed)
			buffer_printf(&tally->missed_reason, "line %" PRIu64 ": %s", tally->number,
				      reader->fields.missed.data);
		tally->missed += reader->fields.missed_count;
		tally->ended = reader->read.event.kind == EVENT_END;
	} else {
		line_lost(tally, "%s", reader->fields.problem.data);
	}
	if (reader->read.schema > tally->schema)
		tally->schema = reader->read.schema;
	json_decref(object);
}

/* Gives on all lines that are there. */
static void lines_take(struct record_reader *reader, size_t looked_at, const struct event_sink *sink)
{
	struct buffer *text = &reader->text;
	size_t begin = 0;
	char *end;

	while ((end = memchr(text->data + looked_at, '\n', text->size - looked_at))) {
		line_take(reader, text->data + begin, (size_t)(end - text->data) - begin, true, sink);
		begin = looked_at = (size_t)(end - text->data) + 1;
	}
	if (begin == 0)
		return;
	memmove(text->data, text->data + begin, text->size - begin);
	text->size -= begin;
}

static void rest_take(struct record_reader *reader, const struct event_sink *sink)
{
	if (reader->text.size)
		line_take(reader, reader->text.data, reader->text.size, false, sink);
	buffer_clear(&reader->text);
	if (sink->flush)
		sink->flush(sink->context);
}

bool record_reader_step(struct record_reader *reader, const struct event_sink *sink, struct error **error)
{
	struct buffer *text = &reader->text;
	size_t had = text->size;
	ssize_t got;

	*error = NULL;
	if (had > RECORD_LINE_MAX) {
		*error = error_create(ERROR_INPUT, 0, NULL, "line %" PRIu64 " is longer than %d MiB",
				      reader->tally.number + 1, RECORD_LINE_MAX / 1024 / 1024);
		return false;
	}
	do
		got = read(reader->fd, buffer_reserve(text, READ_SIZE), READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		*error = error_system(errno, NULL, "it cannot be read");
		return false;
	}
	if (got == 0) {
		rest_take(reader, sink);
		return false;
	}
	text->size += (size_t)got;
	lines_take(reader, had, sink);
	if (sink->flush)
		sink->flush(sink->context);
	return true;
}
