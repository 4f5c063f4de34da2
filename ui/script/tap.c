/* The Test Anything Protocol: see tap.h. */
#include "ui/script/tap.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/escape.h"

static void put(struct tap *tap, const struct buffer *line)
{
	if (!tap->over)
		output_put(tap->output, line->data, line->size);
}

/* Appends what is in one line, without what would make it a directive. A tab may stay: it moves nothing but the column.
 */
static void append_safe(struct buffer *line, const char *text, const char *end, bool description)
{
	struct glyph glyph;

	while (text < end) {
		if (*text == '\t') {
			buffer_append_text(line, "\t");
			text++;
			continue;
		}
		if (!glyph_next(&text, end, &glyph))
			break;
		if (description && glyph.size == 1 && glyph.text[0] == '#')
			buffer_append_text(line, "\\");
		buffer_append(line, glyph.text, glyph.size);
	}
}

static void append_text(struct buffer *line, const char *text, bool description)
{
	append_safe(line, text, text + strlen(text), description);
}

void tap_open(struct tap *tap, struct output *output)
{
	*tap = (struct tap){.output = output};
	output_put(output, "TAP version 13\n", strlen("TAP version 13\n"));
}

static void tell_plan(struct tap *tap, const char *reason)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	buffer_printf(&line, "1..%lu", tap->planned);
	if (!tap->planned && reason) {
		buffer_append_text(&line, " # SKIP ");
		append_text(&line, reason, true);
	}
	buffer_append_text(&line, "\n");
	put(tap, &line);
	tap->plan_told = true;
}

bool tap_plan(struct tap *tap, unsigned long count, const char *reason)
{
	if (tap->has_plan)
		return false;
	tap->has_plan = true;
	tap->planned = count;
	/* In the midst of the results it may not stand. */
	if (!tap->run)
		tell_plan(tap, reason);
	return true;
}

static void append_result(struct buffer *line, unsigned indent, bool ok, unsigned long number, const char *name)
{
	buffer_printf(line, "%*s%s %lu", (int)indent, "", ok ? "ok" : "not ok", number);
	if (name && *name) {
		buffer_append_text(line, " - ");
		append_text(line, name, true);
	}
}

void tap_result(struct tap *tap, bool ok, const char *name, const char *skip)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	tap->run++;
	tap->failed += !ok;
	append_result(&line, 0, ok, tap->run, name);
	if (skip) {
		buffer_append_text(&line, " # SKIP ");
		append_text(&line, skip, true);
	}
	buffer_append_text(&line, "\n");
	put(tap, &line);
}

void tap_subresult(struct tap *tap, unsigned indent, bool ok, unsigned long number, const char *name)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	append_result(&line, indent, ok, number, name);
	buffer_append_text(&line, "\n");
	put(tap, &line);
}

void tap_subplan(struct tap *tap, unsigned indent, unsigned long count)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	buffer_printf(&line, "%*s1..%lu\n", (int)indent, "", count);
	put(tap, &line);
}

void tap_comment(struct tap *tap, unsigned indent, const char *text, size_t size)
{
	_cleanup_(buffer_deinit) struct buffer lines = {0};
	const char *end = text + size;

	for (;;) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		buffer_printf(&lines, "%*s# ", (int)indent, "");
		append_safe(&lines, text, newline ? newline : end, false);
		buffer_append_text(&lines, "\n");
		if (!newline || newline + 1 == end)
			break;
		text = newline + 1;
	}
	put(tap, &lines);
}

void tap_bail(struct tap *tap, const char *reason)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	buffer_append_text(&line, "Bail out! ");
	append_text(&line, reason, false);
	buffer_append_text(&line, "\n");
	put(tap, &line);
	tap->over = true;
}

static void complain(struct tap *tap, const char *sentence)
{
	tap_comment(tap, 0, sentence, strlen(sentence));
}

bool tap_finish(struct tap *tap)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	bool none = !tap->run && !tap->has_plan;

	if (!tap->has_plan)
		tap->planned = tap->run;
	if (!tap->plan_told)
		tell_plan(tap, NULL);
	if (none)
		complain(tap, "nothing was tested");
	if (tap->planned != tap->run) {
		buffer_printf(&text, "planned were %lu, %lu were run", tap->planned, tap->run);
		complain(tap, text.data);
	}
	if (tap->failed) {
		buffer_clear(&text);
		buffer_printf(&text, "%lu of %lu failed", tap->failed, tap->run);
		complain(tap, text.data);
	}
	tap->over = true;
	return !tap->failed && !none && tap->planned == tap->run;
}
