/* What other kernel versions call a step of a fork's walk. */
#ifndef FORKTRACE_UI_REPORT_WALK_NAMES_H
#define FORKTRACE_UI_REPORT_WALK_NAMES_H

#include <stdbool.h>

#include "forktrace.h"

/* The names of the stage's function over the kernel versions that fit the fork's call and its way in, newest first,
 * NULL-terminated; none for the stages of the user half. Static. */
const char *const *walk_names(const struct fork_record *fork, enum stage stage);

/* False where `function` is `name` itself or what the compiler made of it ("copy_process.part.3"). `function` may be
 * NULL. */
bool walk_name_is_other(const char *name, const char *function);

#endif
