/* The processes, as a tree. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { NAME_COLUMNS = 15, LEVELS_MAX = 8 };

/* A line of the tree: the task, and what stands before its name. */
struct tree_line {
	unsigned id;
	unsigned level;
	unsigned through; /* bit n: at level n a line goes on downwards */
	bool last;        /* of its parent's children */
};

struct tree {
	const struct control_task *tasks;
	size_t count;
	struct tree_line *lines;
	size_t line_count;
};

static size_t next_sibling(const struct tree *tree, size_t from, unsigned parent)
{
	while (from < tree->count && tree->tasks[from].parent != parent)
		from++;
	return from;
}

/* Parents before their children, in the order of their birth. */
static void collect(struct tree *tree, unsigned parent, unsigned level, unsigned through)
{
	for (size_t i = next_sibling(tree, 0, parent), next; i < tree->count; i = next) {
		next = next_sibling(tree, i + 1, parent);

		bool last = next == tree->count;

		tree->lines[tree->line_count++] = (struct tree_line){tree->tasks[i].id, level, through, last};
		collect(tree, tree->tasks[i].id, level + 1,
			last || level >= LEVELS_MAX ? through : through | 1u << level);
	}
}

static void append_branches(struct buffer *text, const struct tree_line *line)
{
	bool unicode = escape_utf8();

	if (line->level > LEVELS_MAX) {
		buffer_printf(text, "(%u) ", line->level);
		return;
	}
	for (unsigned level = 1; level < line->level; level++)
		buffer_append_text(text, !(line->through & 1u << level) ? "  " : unicode ? "\u2502 " : "| ");
	if (line->level)
		buffer_append_text(text,
				   line->last ? (unicode ? "\u2514\u2500" : "`-") : (unicode ? "\u251c\u2500" : "|-"));
}

static bool is_called_as_its_process(const struct tui *tui, const struct control_task *task)
{
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);

	for (size_t i = 0; tui_is_thread(task) && i < count; i++) {
		if (tasks[i].tid == task->pid)
			return !strcmp(tasks[i].comm, task->comm);
	}
	return false;
}

static void draw_task(struct tui *tui, const struct area *area, int row, const struct tree_line *line)
{
	const struct control_task *task = control_task(tui->control, line->id);
	_cleanup_(buffer_deinit) struct buffer text = {0};
	bool chosen = task->id == tui->selected;
	bool gone = task->state == CONTROL_ENDED || task->state == CONTROL_LET_GO;
	enum role role = chosen ? ROLE_CHOSEN : gone ? ROLE_DIM : ROLE_TEXT;
	char what[80];
	int column;

	tui_describe_briefly(task, what, sizeof(what));
	buffer_printf(&text, "%c%2u ", chosen ? '>' : ' ', task->id);
	append_branches(&text, line);
	buffer_printf(&text, "%s%d", tui_is_thread(task) ? "thread " : "", task->tid);
	if (!is_called_as_its_process(tui, task)) {
		buffer_append_text(&text, " ");
		escape_fit(&text, task->comm, NAME_COLUMNS, KEEP_HEAD);
	}
	column = screen_put(area, row, 0, -1, role, text.data);
	role = task->state == CONTROL_RUNNING                   ? ROLE_GOOD
	       : task->state == CONTROL_ENDED && task->signaled ? ROLE_BAD
	       : gone                                           ? ROLE_DIM
	       : task->stop == CONTROL_STOP_SIGNAL              ? ROLE_BAD
								: ROLE_TEXT;
	screen_put(area, row, column + 2, -1, role, what);
}

static void draw(struct tui *tui, const struct area *area)
{
	struct tree tree = {0};
	int rows = area->rows - 1, first;

	tree.tasks = control_tasks(tui->control, &tree.count);
	_cleanup_free_ struct tree_line *lines = memory_calloc(tree.count + 1, sizeof(*lines));

	tree.lines = lines;
	collect(&tree, 0, 0, 0);
	first = scroll_moved(tui->scroll[PANE_PROCESSES], 0, (int)tree.line_count, rows, false);
	tui_title(tui, PANE_PROCESSES, area, "processes");
	/* The selected one stays in sight, unless others are looked at. */
	for (int i = 0; i < (int)tree.line_count && tui->focus != PANE_PROCESSES; i++) {
		if (lines[i].id == tui->selected && (i < first || i >= first + rows))
			first = i < first ? i : i - rows + 1;
	}
	for (int i = 0; i < rows && first + i < (int)tree.line_count; i++)
		draw_task(tui, area, i + 1, &lines[first + i]);
}

static void move_in(struct tui *tui, const struct area *area, int key)
{
	size_t count;

	control_tasks(tui->control, &count);
	tui->scroll[PANE_PROCESSES] = scroll_moved(tui->scroll[PANE_PROCESSES], key, (int)count, area->rows - 1, false);
}

const struct view view_processes = {"processes", 2, 20, draw, move_in, NULL};
