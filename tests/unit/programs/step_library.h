/* A library of step_target, which is bound at the first call. */
#ifndef FORKTRACE_TESTS_UNIT_PROGRAMS_STEP_LIBRARY_H
#define FORKTRACE_TESTS_UNIT_PROGRAMS_STEP_LIBRARY_H

int library_add(int value);
int getpid_here(void);

#endif
