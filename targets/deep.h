/* 64 functions that call one another down to a fork, 16 in each of four files. */
#ifndef TARGETS_DEEP_H
#define TARGETS_DEEP_H

#include <sys/types.h>

/* The bottom of the stack: called by level_64, it forks. */
pid_t fork_here(void *context);

/* Level N: calls level N + 1 in the line where the macro stands, from a frame whose size is its own. The value of the
 * two digits `number` is taken as 1NN - 100: 08 alone would be a bad octal number. */
#define LEVEL(number, callee)                                                                                          \
	pid_t callee(void *context);                                                                                   \
	pid_t level_##number(void *context);                                                                           \
	__attribute__((noinline)) pid_t level_##number(void *context)                                                  \
	{                                                                                                              \
		volatile char room[8 * (1##number - 100)];                                                             \
		room[0] = 1;                                                                                           \
		pid_t pid = callee(context);                                                                           \
		return room[0] == 1 ? pid : -1;                                                                        \
	}

pid_t level_01(void *context);

#endif
