/* The tree of processes, built from events alone: who forked whom, and how each ended.
 *
 * Its size is bounded: a process that ended, with all that it forked, is folded into its elder or younger sibling where
 * both look the same (names, ends, descendants), as a run with a count; and beyond TREE_NODES_MAX nodes processes that
 * end are left out, counted at their parent, who inherits their children. */
#ifndef FORKTRACE_UI_REPORT_TREE_H
#define FORKTRACE_UI_REPORT_TREE_H

#include <stddef.h>

#include "forktrace.h"
#include "ui/report/canvas.h"

enum { TREE_NODES_MAX = 2000 };

struct tree;

struct tree *tree_create(void);
void tree_destroy(struct tree *tree); /* accepts NULL */

/* Takes an event of any kind. A process that is met before the record of its fork (that record waits for both return
 * values) is put in its place when the record comes. */
void tree_event(struct tree *tree, const struct event *event);

/* Draws the tree, a line for each process or run. */
void tree_draw(const struct tree *tree, struct canvas *canvas);

/* Processes and runs it holds now. */
size_t tree_size(const struct tree *tree);

#endif
