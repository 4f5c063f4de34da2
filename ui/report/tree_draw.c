/* Draws the process tree: see tree_draw.h. */
#include "ui/report/tree_draw.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum {
	LEVEL_COLUMNS = 3,
	LEVELS_SHARE = 2, /* lines may take this part of the width (1/2); what is deeper tells its depth */
	TEXT_INDENT = 4,  /* of what does not fit beside a name */
};

/* The lines that a tree is drawn with. */
struct branches {
	const char *through, *fork, *corner, *dots;
};

static const struct branches *branches(void)
{
	static const struct branches unicode = {"\u2502  ", "\u251c\u2500 ", "\u2514\u2500 ", " \u2026 "};
	static const struct branches ascii = {"|  ", "|- ", "`- ", " .. "};

	return escape_utf8() ? &unicode : &ascii;
}

/* The lines before a node; returns the column behind them. */
static unsigned branches_draw(struct canvas *canvas, const struct buffer *levels)
{
	size_t most = canvas->width / LEVELS_SHARE / LEVEL_COLUMNS;
	size_t shown = levels->size < most ? levels->size : most;

	for (size_t i = 0; i < shown; i++) {
		bool more = levels->data[i] == '+';

		if (i + 1 == shown)
			canvas_put(canvas, ROLE_BORDER, more ? branches()->fork : branches()->corner);
		else if (more)
			canvas_put(canvas, ROLE_BORDER, branches()->through);
		canvas_move(canvas, (unsigned)(i + 1) * LEVEL_COLUMNS);
	}

	unsigned column = canvas->column;

	if (shown < levels->size)
		canvas_printf(canvas, ROLE_DIM, "(level %zu) ", levels->size);
	return column;
}

static void name_draw(struct canvas *canvas, const struct node *node)
{
	/* The kernel cuts a name at 15 bytes; the path has it whole. */
	bool cut =
	    node->program && strlen(node->comm) == COMM_SIZE - 1 && !strncmp(node->program, node->comm, COMM_SIZE - 1);

	canvas_put(canvas, ROLE_HEADER, cut ? node->program : node->comm);
	if (node->program && !cut) {
		canvas_put(canvas, ROLE_DIM, " [");
		canvas_put(canvas, ROLE_DIM, node->program);
		canvas_put(canvas, ROLE_DIM, "]");
	}
	canvas_printf(canvas, ROLE_PID, " %d", node->pid);
	if (node->count == 2)
		canvas_printf(canvas, ROLE_PID, ", %d", node->latest);
	else if (node->count > 2)
		canvas_printf(canvas, ROLE_PID, "%s%d", branches()->dots, node->latest);
}

static enum role state_text(const struct node *node, struct buffer *text)
{
	const char *name = signal_name(node->value);

	switch (node->state) {
	case NODE_EXITED:
		buffer_printf(text, "exited %d", node->value);
		return node->value == 0 ? ROLE_DIM : ROLE_WARNING;
	case NODE_KILLED:
		if (name)
			buffer_printf(text, "killed by %s", name);
		else
			buffer_printf(text, "killed by signal %d", node->value);
		buffer_append_text(text, node->core_dumped ? ", core dumped" : "");
		return ROLE_WARNING;
	case NODE_DETACHED:
		buffer_append_text(text, "let go");
		return ROLE_PLAIN;
	case NODE_RUNS:
		break;
	}
	buffer_append_text(text, "runs on");
	return ROLE_PLAIN;
}

static void line_draw(struct canvas *canvas, const struct node *node, const struct buffer *levels)
{
	unsigned indent = branches_draw(canvas, levels) + TEXT_INDENT;
	_cleanup_(buffer_deinit) struct buffer text = {0};

	name_draw(canvas, node);
	if (node->count > 1)
		buffer_printf(&text, "%lu processes, each ", node->count);

	enum role role = state_text(node, &text);

	canvas_item(canvas, role, indent, text.data);
	if (node->threads) {
		buffer_clear(&text);
		buffer_printf(&text, "%lu thread%s", node->threads, node->threads == 1 ? "" : "s");
		canvas_item(canvas, ROLE_PLAIN, indent, text.data);
	}
	canvas_newline(canvas);
}

static void omitted_draw(struct canvas *canvas, const struct node *node, struct buffer *levels)
{
	buffer_append_text(levels, "-");
	branches_draw(canvas, levels);
	canvas_printf(canvas, ROLE_DIM, "%lu more, left out", node->omitted);
	canvas_newline(canvas);
	levels->size--;
}

void node_draw(struct canvas *canvas, const struct node *node, struct buffer *levels)
{
	line_draw(canvas, node, levels);
	for (const struct node *child = node->first; child; child = child->next) {
		buffer_append_text(levels, child->next || node->omitted ? "+" : "-");
		node_draw(canvas, child, levels);
		levels->size--;
	}
	if (node->omitted)
		omitted_draw(canvas, node, levels);
}
