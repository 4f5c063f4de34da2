/* The lines of /proc/PID/maps: see maps.h. */
#include "parse/maps.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/memory.h"

/* Where the parser stands in one line. */
struct reader {
	const char *at, *end;
};

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

static bool take_number(struct reader *reader, unsigned base, uint64_t *number)
{
	const char *first = reader->at;

	*number = 0;
	for (; reader->at < reader->end; reader->at++) {
		int digit = digit_value(*reader->at);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, (unsigned)digit, number))
			return false;
	}
	return reader->at > first;
}

static bool take_char(struct reader *reader, char expected)
{
	if (reader->at == reader->end || *reader->at != expected)
		return false;
	reader->at++;
	return true;
}

static bool take_permissions(struct reader *reader, struct map_line *line)
{
	enum { LETTERS = 4 };

	if (reader->end - reader->at < LETTERS)
		return false;
	line->readable = reader->at[0] == 'r';
	line->writable = reader->at[1] == 'w';
	line->executable = reader->at[2] == 'x';
	line->shared = reader->at[3] == 's';
	reader->at += LETTERS;
	return true;
}

/* What is left of the line, behind the padding, is the name. */
static void take_name(struct reader *reader, struct map_line *line)
{
	static const char suffix[] = " (deleted)";
	enum { SUFFIX_SIZE = sizeof(suffix) - 1 };

	while (take_char(reader, ' '))
		;
	if (reader->at == reader->end)
		return;
	line->name = reader->at;
	line->name_size = (size_t)(reader->end - reader->at);
	if (line->name_size > SUFFIX_SIZE && !memcmp(reader->end - SUFFIX_SIZE, suffix, SUFFIX_SIZE)) {
		line->deleted = true;
		line->name_size -= SUFFIX_SIZE;
	}
}

static bool parse_line(struct reader reader, struct map_line *line)
{
	uint64_t major_number, minor_number;

	*line = (struct map_line){0};
	if (!take_number(&reader, 16, &line->start) || !take_char(&reader, '-') ||
	    !take_number(&reader, 16, &line->end) || !take_char(&reader, ' '))
		return false;
	if (!take_permissions(&reader, line) || !take_char(&reader, ' ') || !take_number(&reader, 16, &line->offset) ||
	    !take_char(&reader, ' '))
		return false;
	if (!take_number(&reader, 16, &major_number) || !take_char(&reader, ':') ||
	    !take_number(&reader, 16, &minor_number) || !take_char(&reader, ' '))
		return false;
	if (!take_number(&reader, 10, &line->inode) || line->end <= line->start)
		return false;
	line->device = makedev((unsigned)major_number, (unsigned)minor_number);
	take_name(&reader, line);
	return true;
}

bool maps_next(const char **text, size_t *size, struct map_line *line)
{
	while (*size) {
		const char *start = *text;
		const char *newline = memchr(start, '\n', *size);
		const char *end = newline ? newline : start + *size;
		const char *next = newline ? newline + 1 : end;

		*size -= (size_t)(next - start);
		*text = next;
		if (parse_line((struct reader){start, end}, line))
			return true;
	}
	return false;
}

char *map_line_name(const struct map_line *line)
{
	static const char escape[] = "\\012";
	enum { ESCAPE_SIZE = sizeof(escape) - 1 };

	if (!line->name)
		return NULL;

	char *name = memory_alloc(line->name_size + 1);
	size_t length = 0;

	for (size_t i = 0; i < line->name_size;) {
		if (line->name_size - i >= ESCAPE_SIZE && !memcmp(line->name + i, escape, ESCAPE_SIZE)) {
			name[length++] = '\n';
			i += ESCAPE_SIZE;
		} else {
			name[length++] = line->name[i++];
		}
	}
	return name;
}
