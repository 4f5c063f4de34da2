/* The table of a fork's stages, for --stages. */
#ifndef FORKTRACE_UI_STAGES_H
#define FORKTRACE_UI_STAGES_H

#include <stdbool.h>
#include <stdio.h>

/* Writes the stages, what happens in each, and what the kernels from 2.6 to 7.2 call the function there, in lines of 80
 * columns at most. False: errno says why not. */
bool stages_print(FILE *stream);

#endif
