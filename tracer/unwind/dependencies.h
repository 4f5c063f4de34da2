/* What a finished walk depended on: the registers of the first frame and the words of memory that, unchanged, give the
 * same frames again. Internal to unwind/. */
#ifndef FORKTRACE_UNWIND_DEPENDENCIES_H
#define FORKTRACE_UNWIND_DEPENDENCIES_H

#include "unwind/walk.h"

/* Drops the words that do not matter from walk->memory->words and returns the registers that do (bit n: DWARF number
 * n). `whole`: nothing was tried behind the last frame.
 *
 * Unwinders restore every register in every frame, but most are never used again: a loop counter that a callee saved
 * does not make the stack another one. */
uint32_t dependencies_find(const struct walk *walk, bool whole);

#endif
