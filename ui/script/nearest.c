/* The name that was probably meant: see nearest.h. */
#include "ui/script/nearest.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

/* Optimal string alignment: edits, each letter in one of them at most. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[b_size];
}

struct nearest nearest_to(const char *wanted)
{
	size_t allowed = strlen(wanted) / 3;

	return (struct nearest){.wanted = wanted, .distance = (allowed ? allowed : 1) + 1};
}

void nearest_offer(struct nearest *nearest, const char *name)
{
	size_t wanted_size = strlen(nearest->wanted), size = strlen(name), found;

	if (wanted_size > NAME_MAX_BYTES || size > NAME_MAX_BYTES)
		return;
	found = distance(nearest->wanted, wanted_size, name, size);
	/* Of equally near ones the first in the alphabet: they may come in any order. */
	if (found < nearest->distance ||
	    (nearest->name && found == nearest->distance && strcmp(name, nearest->name) < 0)) {
		nearest->name = name;
		nearest->distance = found;
	}
}
