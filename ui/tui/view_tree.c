/* The processes, as a tree. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

static unsigned depth_of(const struct tui *tui, const struct control_task *task)
{
	unsigned depth = 0;

	while (task->parent && (task = control_task(tui->control, task->parent)))
		depth++;
	return depth;
}

static void draw_task(struct tui *tui, const struct area *area, int row, const struct control_task *task)
{
	static const char marks[] = {
	    [CONTROL_HELD] = '|', [CONTROL_RUNNING] = '>', [CONTROL_ENDED] = '.', [CONTROL_LET_GO] = '-'};
	_cleanup_(buffer_deinit) struct buffer name = {0};
	bool chosen = task->id == tui->selected;
	bool gone = task->state == CONTROL_ENDED || task->state == CONTROL_LET_GO;
	enum role role = chosen ? ROLE_CHOSEN : gone ? ROLE_DIM : ROLE_TEXT;
	unsigned depth = depth_of(tui, task);
	char what[80];

	tui_describe(tui, task, what, sizeof(what));
	buffer_append_text(&name, "");
	escape_fit(&name, task->comm, 15, KEEP_HEAD);

	int column = screen_print(area, row, 0, role, "%c%u %c %*s", chosen ? '*' : ' ', task->id, marks[task->state],
				  (int)(2 * (depth < 8 ? depth : 8)), "");

	column += screen_print(area, row, column, role, "%d %s  ", task->tid, name.data);
	screen_print(area, row, column, gone ? ROLE_DIM : ROLE_TEXT, "%s", what);
}

/* Parents before their children, in the order of their birth. */
static size_t order_from(const struct control_task *tasks, size_t count, unsigned parent, unsigned *order, size_t found)
{
	for (size_t i = 0; i < count; i++) {
		if (tasks[i].parent != parent)
			continue;
		order[found++] = tasks[i].id;
		found = order_from(tasks, count, tasks[i].id, order, found);
	}
	return found;
}

static void draw(struct tui *tui, const struct area *area)
{
	size_t count;
	const struct control_task *tasks = control_tasks(tui->control, &count);
	_cleanup_free_ unsigned *order = memory_calloc(count + 1, sizeof(*order));
	size_t rows = area->rows > 1 ? (size_t)area->rows - 1 : 0, first = 0;

	screen_title(area, 0, "processes");
	count = order_from(tasks, count, 0, order, 0);
	/* The selected one stays in sight. */
	for (size_t i = 0; i < count; i++) {
		if (order[i] == tui->selected && i >= rows)
			first = i - rows + 1;
	}
	for (size_t i = 0; i < rows && first + i < count; i++)
		draw_task(tui, area, (int)i + 1, control_task(tui->control, order[first + i]));
}

const struct view view_tree = {"processes", draw};
