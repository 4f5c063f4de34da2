/* The tree of processes: see tree.h. */
#include "ui/report/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "ui/report/tree_draw.h"
#include "ui/report/tree_node.h"

struct tree {
	struct node top;  /* has no process: its children are the roots */
	struct map alive; /* pid -> node, for processes that have not ended */
	size_t size;
};

struct tree *tree_create(void)
{
	return memory_alloc(sizeof(struct tree));
}

void tree_destroy(struct tree *tree)
{
	if (!tree)
		return;
	while (tree->top.first) {
		struct node *root = tree->top.first;

		node_unlink(root);
		node_destroy(root);
	}
	map_deinit(&tree->alive);
	free(tree);
}

size_t tree_size(const struct tree *tree)
{
	return tree->size;
}

static struct node *node_add(struct tree *tree, struct node *parent, const struct task_name *task, uint64_t seq)
{
	struct node *node = node_create(task, seq);

	node_link(parent, node);
	map_put(&tree->alive, (uint64_t)task->pid, node);
	tree->size++;
	return node;
}

/* The process of `task`, as a root of its own where it is not known yet. */
static struct node *node_of(struct tree *tree, const struct task_name *task, uint64_t seq)
{
	struct node *node = map_get(&tree->alive, (uint64_t)task->pid);

	if (!node)
		node = node_add(tree, &tree->top, task, seq);
	if (task->comm[0]) {
		memcpy(node->comm, task->comm, sizeof(node->comm));
		node->comm[sizeof(node->comm) - 1] = '\0';
	}
	return node;
}

/* A child that was met before its fork's record, or NULL: a root whose first event is younger than the fork. */
static struct node *child_met_early(struct tree *tree, pid_t pid, uint64_t fork_seq)
{
	struct node *alive = map_get(&tree->alive, (uint64_t)pid);

	if (alive)
		return alive->parent == &tree->top && alive->met > fork_seq ? alive : NULL;
	for (struct node *root = tree->top.last; root; root = root->previous) {
		if (root->pid == pid && root->met > fork_seq)
			return root;
	}
	return NULL;
}

/* Is `node` below `above`, or the same? */
static bool node_is_below(const struct node *node, const struct node *above)
{
	while (node && node != above)
		node = node->parent;
	return node == above;
}

/* The process that had `pid` at the time of `seq` and ended since, in the subtree of `node`; or NULL. */
static struct node *ended_find(struct node *node, pid_t pid, uint64_t seq)
{
	if ((node->pid == pid || node->latest == pid) && node->met < seq && node->ended > seq)
		return node;
	for (struct node *child = node->last; child; child = child->previous) {
		struct node *found = ended_find(child, pid, seq);

		if (found)
			return found;
	}
	return NULL;
}

/* Folds `node`, which is complete, with a sibling beside it that looks the same. */
static void node_settle(struct tree *tree, struct node *node)
{
	struct node *previous = node->previous;
	struct node *next = node->next;

	if (next && node_complete(next) && node_alike(node, next)) {
		tree->size -= node_size(next);
		node_fold(node, next);
	}
	if (previous && node_complete(previous) && node_alike(previous, node)) {
		tree->size -= node_size(node);
		node_fold(previous, node);
	}
}

/* Settles `node` and what it completed above it. Roots are never folded. */
static void node_settle_up(struct tree *tree, struct node *node)
{
	while (node->parent && node->parent != &tree->top && node_complete(node)) {
		struct node *parent = node->parent;

		node_settle(tree, node);
		node = parent;
	}
}

/* Takes an ended process out of a tree that is full: its parent counts it and inherits its children. */
static void node_omit(struct tree *tree, struct node *node)
{
	struct node *parent = node->parent;

	parent->omitted += node->count + node->omitted;
	while (node->first) {
		struct node *child = node->first;

		node_unlink(child);
		node_link(parent, child);
	}
	node_unlink(node);
	node_destroy(node);
	tree->size--;
}

static void end_take(struct tree *tree, const struct event *event, enum node_state state, int value, bool core_dumped)
{
	struct node *node = node_of(tree, &event->task, event->seq);
	bool is_root = node->parent == &tree->top;
	size_t size = tree->size;

	map_remove(&tree->alive, (uint64_t)event->task.pid);
	node->core_dumped = core_dumped;
	node_set_state(node, state, value, event->seq);
	node_settle_up(tree, node);
	/* As long as nothing was folded the node is still there. */
	if (size > TREE_NODES_MAX && tree->size == size && !is_root)
		node_omit(tree, node);
}

static void fork_take(struct tree *tree, const struct event *event)
{
	const struct fork_record *fork = event->fork;
	struct node *parent = map_get(&tree->alive, (uint64_t)fork->parent.task.pid);

	/* The parent's end may have been told before the record. */
	if (!parent || parent->met > event->seq) {
		struct node *ended = ended_find(&tree->top, fork->parent.task.pid, event->seq);

		parent = ended ? ended : parent;
	}
	if (!parent)
		parent = node_of(tree, &fork->parent.task, event->seq);
	if (fork->thread) {
		parent->threads++;
		return;
	}

	struct node *child = child_met_early(tree, fork->child.task.pid, event->seq);

	if (child && !node_is_below(parent, child)) {
		node_unlink(child);
		node_link(parent, child);
		node_settle_up(tree, child);
		return;
	}
	child = node_add(tree, parent, &fork->child.task, event->seq);
	if (parent->program)
		child->program = memory_strdup(parent->program);
}

static void exec_take(struct tree *tree, const struct event *event)
{
	struct node *node = node_of(tree, &event->task, event->seq);
	const char *path = event->exec.path;
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *base = slash && slash[1] ? slash + 1 : path;

	free(node->program);
	node->program = base && strcmp(base, node->comm) != 0 ? memory_strdup(base) : NULL;
}

void tree_event(struct tree *tree, const struct event *event)
{
	switch (event->kind) {
	case EVENT_FORK:
		fork_take(tree, event);
		break;
	case EVENT_EXEC:
		exec_take(tree, event);
		break;
	case EVENT_EXIT:
		if (!event->exit.thread)
			end_take(tree, event, event->exit.signaled ? NODE_KILLED : NODE_EXITED, event->exit.status,
				 event->exit.core_dumped);
		break;
	case EVENT_DETACH:
		end_take(tree, event, NODE_DETACHED, 0, false);
		break;
	case EVENT_ATTACH:
		node_of(tree, &event->task, event->seq);
		break;
	case EVENT_FORK_FAILED:
		node_of(tree, &event->fork_failed->parent, event->seq);
		break;
	default:
		break;
	}
}

void tree_draw(const struct tree *tree, struct canvas *canvas)
{
	_cleanup_(buffer_deinit) struct buffer levels = {0};

	for (const struct node *root = tree->top.first; root; root = root->next)
		node_draw(canvas, root, &levels);
}
