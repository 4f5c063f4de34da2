/* JSON values from untrusted bytes, and objects put together from finished pieces of text. */
#ifndef FORKTRACE_UI_REPORT_JSON_TEXT_H
#define FORKTRACE_UI_REPORT_JSON_TEXT_H

#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"

/* A new string (owned by the caller), null for NULL. Each byte that is not part of valid UTF-8 becomes U+FFFD. */
json_t *json_text(const char *text);

/* A new string "0x…"; null for 0. */
json_t *json_address(uint64_t address);

/* Sets a member to a new value, which is taken over. `key` is a literal. */
void json_member(json_t *object, const char *key, json_t *value);

/* Appends `value` in its shortest spelling, in ASCII, without a newline. Takes the value over. */
void json_append(struct buffer *buffer, json_t *value);

/* Adds a member whose value is JSON text already to the object that `buffer` ends with. */
void json_splice(struct buffer *buffer, const char *key, const char *text, size_t size);

#endif
