/* JSON values from untrusted bytes: see json_text.h. */
#include "ui/report/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/escape.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

json_t *json_text(const char *text)
{
	if (!text)
		return json_null();

	json_t *value = json_string(text); /* NULL for invalid UTF-8 */
	_cleanup_(buffer_deinit) struct buffer valid = {0};
	const char *end = text + strlen(text);

	if (value)
		return value;
	while (text < end) {
		unsigned character;
		size_t size = utf8_decode(text, end, &character);

		if (size > 0)
			buffer_append(&valid, text, size);
		else
			buffer_append_text(&valid, replacement);
		text += size > 0 ? size : 1;
	}
	return json_string(valid.data);
}

json_t *json_address(uint64_t address)
{
	char text[sizeof("0x0123456789abcdef")];

	if (address == 0)
		return json_null();
	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	return json_string_nocheck(text);
}

void json_member(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) < 0)
		abort(); /* out of memory */
}

static int buffer_take(const char *bytes, size_t size, void *buffer)
{
	buffer_append(buffer, bytes, size);
	return 0;
}

void json_append(struct buffer *buffer, json_t *value)
{
	if (json_dump_callback(value, buffer_take, buffer, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) < 0)
		abort(); /* out of memory: every value here can be spelled */
	json_decref(value);
}

void json_splice(struct buffer *buffer, const char *key, const char *text, size_t size)
{
	buffer->size--; /* the closing brace */
	if (buffer->data[buffer->size - 1] != '{')
		buffer_append_text(buffer, ",");
	buffer_printf(buffer, "\"%s\":", key);
	buffer_append(buffer, text, size);
	buffer_append_text(buffer, "}");
}
