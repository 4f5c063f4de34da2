/* Typed access to the members of JSON objects: see fields.h. */
#include "ui/record/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void fields_deinit(struct fields *fields)
{
	buffer_deinit(&fields->path);
	buffer_deinit(&fields->problem);
	buffer_deinit(&fields->missed);
}

void fields_begin(struct fields *fields)
{
	buffer_clear(&fields->path);
	buffer_clear(&fields->problem);
	buffer_clear(&fields->missed);
	fields->missed_count = 0;
}

bool fields_ok(const struct fields *fields)
{
	return fields->problem.size == 0;
}

/* The first one counts. */
__attribute__((format(printf, 4, 0))) static void remember(const struct fields *fields, struct buffer *first,
							   const char *key, const char *format, va_list arguments)
{
	if (first->size)
		return;

	_cleanup_free_ char *text = memory_vprintf(format, arguments);

	buffer_printf(first, "%s%s %s", fields->path.size ? fields->path.data : "", key, text);
}

void fields_wrong(struct fields *fields, const char *key, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	remember(fields, &fields->problem, key, format, arguments);
	va_end(arguments);
}

void fields_missed(struct fields *fields, const char *key, const char *format, ...)
{
	va_list arguments;

	fields->missed_count++;
	va_start(arguments, format);
	remember(fields, &fields->missed, key, format, arguments);
	va_end(arguments);
}

size_t fields_enter(struct fields *fields, const char *key)
{
	size_t entered = fields->path.size;

	buffer_printf(&fields->path, "%s.", key);
	return entered;
}

void fields_leave(struct fields *fields, size_t entered)
{
	if (fields->path.size == entered)
		return;
	fields->path.size = entered;
	fields->path.data[entered] = '\0';
}

static const char *type_text(const json_t *value)
{
	static const char *const names[] = {
	    [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
	    [JSON_INTEGER] = "an integer", [JSON_REAL] = "a fraction", [JSON_TRUE] = "a boolean",
	    [JSON_FALSE] = "a boolean",    [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

/* The member where it is of one type, else NULL; null and absence are problems unless `may_lack`. */
static const json_t *member(struct fields *fields, const json_t *object, const char *key, json_type type, bool may_lack)
{
	const json_t *value = json_object_get(object, key);
	const json_t *wanted = &(const json_t){.type = type};

	if (may_lack && (!value || json_is_null(value)))
		return NULL;
	if (value && json_typeof(value) == type)
		return value;
	if (!value)
		fields_wrong(fields, key, "is missing");
	else
		fields_wrong(fields, key, "is %s, not %s", type_text(value), type_text(wanted));
	return NULL;
}

const json_t *field_item(struct fields *fields, const json_t *array, const char *key, size_t index, size_t *entered)
{
	const json_t *item = json_array_get(array, index);

	*entered = fields->path.size;
	if (!json_is_object(item)) {
		_cleanup_free_ char *name = memory_printf("%s[%zu]", key, index);

		fields_wrong(fields, name, "is %s, not an object", type_text(item));
		return NULL;
	}
	buffer_printf(&fields->path, "%s[%zu].", key, index);
	return item;
}

const json_t *field_object(struct fields *fields, const json_t *object, const char *key)
{
	return member(fields, object, key, JSON_OBJECT, false);
}

const json_t *field_array_or_null(struct fields *fields, const json_t *object, const char *key)
{
	return member(fields, object, key, JSON_ARRAY, true);
}

const char *field_text(struct fields *fields, const json_t *object, const char *key)
{
	const json_t *value = member(fields, object, key, JSON_STRING, false);

	return value ? json_string_value(value) : NULL;
}

const char *field_text_or_null(struct fields *fields, const json_t *object, const char *key)
{
	const json_t *value = member(fields, object, key, JSON_STRING, true);

	return value ? json_string_value(value) : NULL;
}

bool field_boolean(struct fields *fields, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!value || !json_is_boolean(value))
		member(fields, object, key, JSON_TRUE, false); /* never there: tells what is wrong */
	return json_is_true(value);
}

static int64_t integer_of(struct fields *fields, const char *key, const json_t *value, int64_t least, int64_t most)
{
	int64_t number = json_integer_value(value);

	if (value && (number < least || number > most)) {
		fields_wrong(fields, key, "is %" PRId64 ", which cannot be", number);
		return 0;
	}
	return number;
}

int64_t field_integer(struct fields *fields, const json_t *object, const char *key, int64_t least, int64_t most)
{
	return integer_of(fields, key, member(fields, object, key, JSON_INTEGER, false), least, most);
}

bool field_integer_or_null(struct fields *fields, const json_t *object, const char *key, int64_t least, int64_t most,
			   int64_t *number)
{
	const json_t *value = member(fields, object, key, JSON_INTEGER, true);

	*number = integer_of(fields, key, value, least, most);
	return value;
}

uint64_t field_address(struct fields *fields, const json_t *object, const char *key)
{
	const char *text = field_text_or_null(fields, object, key);
	char *end = NULL;

	if (!text)
		return 0;
	errno = 0;

	uint64_t address = strncmp(text, "0x", 2) != 0 ? 0 : strtoull(text, &end, 16);

	if (address != 0 && *end == '\0' && errno == 0)
		return address;
	fields_wrong(fields, key, "is '%.40s', which is no address", text);
	return 0;
}
