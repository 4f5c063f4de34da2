/* The `format` file of a tracepoint: see tracepoint_format.h. */
#include "parse/tracepoint_format.h"

#include <string.h>

/* A piece of the text. */
struct span {
	const char *at, *end;
};

static size_t span_size(const struct span *span)
{
	return (size_t)(span->end - span->at);
}

/* Takes what precedes `separator` out of `rest`; all of it where there is none. False: nothing is left. */
static bool split(struct span *rest, char separator, struct span *part)
{
	if (rest->at >= rest->end)
		return false;

	const char *found = memchr(rest->at, separator, span_size(rest));

	*part = (struct span){rest->at, found ? found : rest->end};
	rest->at = found ? found + 1 : rest->end;
	return true;
}

/* Takes `prefix` off the front, blanks before it included. */
static bool strip(struct span *span, const char *prefix)
{
	size_t length = strlen(prefix);
	const char *at = span->at;

	while (at < span->end && (*at == ' ' || *at == '\t'))
		at++;
	if ((size_t)(span->end - at) < length || memcmp(at, prefix, length) != 0)
		return false;
	span->at = at + length;
	return true;
}

/* A decimal number that fills the span up to a non-digit. */
static bool parse_number(const struct span *span, uint64_t *value)
{
	const char *at = span->at;

	for (*value = 0; at < span->end && *at >= '0' && *at <= '9'; at++) {
		if (*value > UINT32_MAX)
			return false;
		*value = *value * 10 + (uint64_t)(*at - '0');
	}
	return at > span->at;
}

bool tracepoint_format_id(const char *text, size_t size, uint64_t *id)
{
	struct span rest = {text, text + size}, line;

	while (split(&rest, '\n', &line)) {
		if (strip(&line, "ID: "))
			return parse_number(&line, id);
	}
	return false;
}

/* Whether the declaration ("char comm[16]", "__data_loc char[] comm") declares `name`. */
static bool declares(const struct span *declaration, const char *name)
{
	const char *end = declaration->end;
	size_t length = strlen(name);

	if (end > declaration->at && end[-1] == ']') {
		do
			end--;
		while (end > declaration->at && *end != '[');
	}
	return (size_t)(end - declaration->at) > length && end[-(ptrdiff_t)length - 1] == ' ' &&
	       !memcmp(end - length, name, length);
}

/* "offset:12;	size:16;	signed:0;", what stands behind the declaration. */
static bool parse_place(struct span rest, struct tracepoint_field *field)
{
	struct span part;
	uint64_t value;
	bool have_offset = false, have_size = false;

	while (split(&rest, ';', &part)) {
		if (strip(&part, "offset:") && parse_number(&part, &value) && value <= UINT32_MAX) {
			field->offset = (uint32_t)value;
			have_offset = true;
		} else if (strip(&part, "size:") && parse_number(&part, &value) && value <= UINT32_MAX) {
			field->size = (uint32_t)value;
			have_size = true;
		} else if (strip(&part, "signed:") && parse_number(&part, &value)) {
			field->is_signed = value != 0;
		}
	}
	return have_offset && have_size;
}

bool tracepoint_format_field(const char *text, size_t size, const char *name, struct tracepoint_field *field)
{
	struct span rest = {text, text + size}, line, declaration;

	while (split(&rest, '\n', &line)) {
		if (!strip(&line, "field:") || !split(&line, ';', &declaration) || !declares(&declaration, name))
			continue;
		*field = (struct tracepoint_field){.located = strip(&declaration, "__data_loc ")};
		return parse_place(line, field);
	}
	return false;
}

bool tracepoint_field_text(const struct tracepoint_field *field, const unsigned char *raw, size_t raw_size, char *text,
			   size_t room)
{
	size_t offset = field->offset, size = field->size;

	if (offset > raw_size || size > raw_size - offset)
		return false;
	if (field->located) {
		uint32_t place;

		if (size < sizeof(place))
			return false;
		memcpy(&place, raw + offset, sizeof(place));
		offset = place & UINT16_MAX;
		size = place >> 16;
		if (offset > raw_size || size > raw_size - offset)
			return false;
	}

	size_t length = strnlen((const char *)raw + offset, size < room - 1 ? size : room - 1);

	memcpy(text, raw + offset, length);
	text[length] = '\0';
	return true;
}
