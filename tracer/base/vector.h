/* A growing array of any type: VECTOR(int) numbers = {0}; vector_push(&numbers, 7); vector_deinit(&numbers); */
#ifndef FORKTRACE_BASE_VECTOR_H
#define FORKTRACE_BASE_VECTOR_H

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define VECTOR(type)                                                                                                   \
	struct {                                                                                                       \
		type *items;                                                                                           \
		size_t count;                                                                                          \
		size_t capacity;                                                                                       \
	}

#define vector_reserve(vector, wanted)                                                                                 \
	do {                                                                                                           \
		size_t wanted_ = (wanted);                                                                             \
		if ((vector)->capacity < wanted_) {                                                                    \
			size_t grown_ = (vector)->capacity ? (vector)->capacity * 2 : 8;                               \
			(vector)->capacity = grown_ < wanted_ ? wanted_ : grown_;                                      \
			(vector)->items =                                                                              \
			    memory_resize((vector)->items, (vector)->capacity, sizeof(*(vector)->items));              \
		}                                                                                                      \
	} while (0)

#define vector_push(vector, ...)                                                                                       \
	do {                                                                                                           \
		vector_reserve(vector, (vector)->count + 1);                                                           \
		(vector)->items[(vector)->count++] = (__VA_ARGS__);                                                    \
	} while (0)

/* Removes item `index`, keeping the order of the rest. */
#define vector_remove(vector, index)                                                                                   \
	do {                                                                                                           \
		size_t index_ = (index);                                                                               \
		memmove(&(vector)->items[index_], &(vector)->items[index_ + 1],                                        \
			((vector)->count - index_ - 1) * sizeof(*(vector)->items));                                    \
		(vector)->count--;                                                                                     \
	} while (0)

#define vector_deinit(vector)                                                                                          \
	do {                                                                                                           \
		free((vector)->items);                                                                                 \
		(vector)->items = NULL;                                                                                \
		(vector)->count = 0;                                                                                   \
		(vector)->capacity = 0;                                                                                \
	} while (0)

#endif
