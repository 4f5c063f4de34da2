/* Typed access to the members of JSON objects. The first member that is missing or wrong is remembered with its place,
 * and comes out as 0; so the caller looks for a problem once, at the end. */
#ifndef FORKTRACE_UI_RECORD_FIELDS_H
#define FORKTRACE_UI_RECORD_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct fields {
	struct buffer path;   /* of the object at hand, "parent.frames[3]."; empty for the outermost */
	struct buffer missed; /* the first value that was left out, as `problem`; empty: none */
	uint64_t missed_count;
	struct buffer
	    problem; /* the first, without a full stop: "parent.pid is a string, not an integer"; empty: none */
};

void fields_deinit(struct fields *fields);

/* Forgets the problem of the last object, and its place. */
void fields_begin(struct fields *fields);
bool fields_ok(const struct fields *fields);

/* Remembers that the member `key` of the object at hand is wrong; `format` goes on behind its name: "is ...". */
__attribute__((format(printf, 3, 4))) void fields_wrong(struct fields *fields, const char *key, const char *format,
							...);

/* Remembers that the member `key` could not be taken over, and that the object can do without: `format` as above. */
__attribute__((format(printf, 3, 4))) void fields_missed(struct fields *fields, const char *key, const char *format,
							 ...);

/* Goes into the member `key`; returns what fields_leave wants. */
size_t fields_enter(struct fields *fields, const char *key);
void fields_leave(struct fields *fields, size_t entered);

/* Goes into item `index` of the array that is the member `key`, and returns it, borrowed; NULL where it is no object.
 */
const json_t *field_item(struct fields *fields, const json_t *array, const char *key, size_t index, size_t *entered);

/* The member `key`, borrowed; NULL where it is missing or of another type. Of the *_or_null: also for null, and where
 * it is missing (it may be younger than the file), which is no problem. */
const json_t *field_object(struct fields *fields, const json_t *object, const char *key);
const json_t *field_array_or_null(struct fields *fields, const json_t *object, const char *key);
const char *field_text(struct fields *fields, const json_t *object, const char *key);
const char *field_text_or_null(struct fields *fields, const json_t *object, const char *key);

bool field_boolean(struct fields *fields, const json_t *object, const char *key);

/* A whole number from `least` to `most`. */
int64_t field_integer(struct fields *fields, const json_t *object, const char *key, int64_t least, int64_t most);

/* The same or null, which gives false and leaves *number 0. */
bool field_integer_or_null(struct fields *fields, const json_t *object, const char *key, int64_t least, int64_t most,
			   int64_t *number);

/* "0x…"; 0 for null. */
uint64_t field_address(struct fields *fields, const json_t *object, const char *key);

/* The index of a word: `name_of(i)` spells those from 0 to count - 1. Where it is none of them: 0 with a problem. */
#define field_word(fields, object, key, name_of, count)                                                                \
	word_index(fields, key, field_text(fields, object, key), name_of, count)
#define word_index(fields, key, text, name_of, count) word_find(fields, key, text, name_of, count, fields_wrong, 0)

/* The same of a word without which the rest still means something: where it is none of them it is missed, and
 * `otherwise` stands for it. */
#define field_word_or(fields, object, key, name_of, count, otherwise)                                                  \
	word_find(fields, key, field_text(fields, object, key), name_of, count, fields_missed, otherwise)

#define word_find(fields, key, text, name_of, count, complain, otherwise)                                              \
	({                                                                                                             \
		const char *word_ = (text);                                                                            \
		int index_ = 0;                                                                                        \
		while (word_ && index_ < (int)(count) && strcmp(name_of(index_), word_) != 0)                          \
			index_++;                                                                                      \
		if (index_ == (int)(count))                                                                            \
			complain(fields, key, "is '%.40s', which this version does not know", word_);                  \
		index_ == (int)(count) ? (int)(otherwise) : index_;                                                    \
	})

#endif
