/* Draws a node of the process tree and all below it. */
#ifndef FORKTRACE_UI_REPORT_TREE_DRAW_H
#define FORKTRACE_UI_REPORT_TREE_DRAW_H

#include "ui/report/canvas.h"
#include "ui/report/tree_node.h"

/* `levels` holds a byte for each level above: '+' where a younger sibling follows there. Empty for a root. */
void node_draw(struct canvas *canvas, const struct node *node, struct buffer *levels);

#endif
