/* The name that was probably meant. */
#ifndef FORKTRACE_UI_SCRIPT_NEAREST_H
#define FORKTRACE_UI_SCRIPT_NEAREST_H

#include <stddef.h>

/* Takes names one by one and keeps the nearest to the wanted one: by letters left out, added, changed or swapped with
 * their neighbour. One that is further away than a third of the wanted name's length (one letter at least) is none. */
struct nearest {
	const char *wanted;
	const char *name; /* the best so far, borrowed; NULL: none is near */
	size_t distance;
};

struct nearest nearest_to(const char *wanted);
void nearest_offer(struct nearest *nearest, const char *name);

#endif
