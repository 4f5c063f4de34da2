/* One process, or a run of them, in the tree: see tree_node.h. */
#include "ui/report/tree_node.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct node *node_create(const struct task_name *task, uint64_t seq)
{
	struct node *node = memory_alloc(sizeof(*node));

	node->pid = task->pid;
	node->latest = task->pid;
	node->count = 1;
	node->met = seq;
	memcpy(node->comm, task->comm, sizeof(node->comm));
	node->comm[sizeof(node->comm) - 1] = '\0';
	return node;
}

void node_destroy(struct node *node)
{
	for (struct node *child = node->first; child;) {
		struct node *next = child->next;

		node_destroy(child);
		child = next;
	}
	free(node->program);
	free(node);
}

/* Counts a child of `node` that became complete (-1) or is not any more (+1), and so on upward. */
static void node_count_open(struct node *node, int change)
{
	for (; node; node = node->parent) {
		bool was_complete = node_complete(node);

		node->open += (unsigned long)change;
		if (node_complete(node) == was_complete)
			return;
	}
}

void node_set_state(struct node *node, enum node_state state, int value, uint64_t seq)
{
	bool was_complete = node_complete(node);

	node->state = state;
	node->value = value;
	node->ended = seq;
	if (node_complete(node) != was_complete)
		node_count_open(node->parent, was_complete ? 1 : -1);
}

void node_link(struct node *parent, struct node *node)
{
	node->parent = parent;
	node->previous = parent->last;
	node->next = NULL;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	if (!node_complete(node))
		node_count_open(parent, 1);
}

void node_unlink(struct node *node)
{
	struct node *parent = node->parent;

	if (node->previous)
		node->previous->next = node->next;
	else
		parent->first = node->next;
	if (node->next)
		node->next->previous = node->previous;
	else
		parent->last = node->previous;
	if (!node_complete(node))
		node_count_open(parent, -1);
	node->parent = node->previous = node->next = NULL;
}

size_t node_size(const struct node *node)
{
	size_t size = 1;

	for (const struct node *child = node->first; child; child = child->next)
		size += node_size(child);
	return size;
}

bool node_complete(const struct node *node)
{
	return node->open == 0 && node->state != NODE_RUNS;
}

static bool text_equal(const char *one, const char *other)
{
	return one && other ? !strcmp(one, other) : one == other;
}

bool node_alike(const struct node *one, const struct node *other)
{
	const struct node *child = one->first;
	const struct node *cousin = other->first;

	if (one->state != other->state || one->value != other->value || one->core_dumped != other->core_dumped ||
	    strcmp(one->comm, other->comm) != 0 || !text_equal(one->program, other->program) ||
	    one->omitted != other->omitted)
		return false;
	for (; child && cousin; child = child->next, cousin = cousin->next) {
		if (!node_alike(child, cousin))
			return false;
	}
	return !child && !cousin;
}

void node_fold(struct node *elder, struct node *younger)
{
	struct node *child = younger->first;
	struct node *into = elder->first;

	elder->latest = younger->latest;
	elder->ended = younger->ended > elder->ended ? younger->ended : elder->ended;
	elder->count += younger->count;
	elder->threads += younger->threads;
	while (child) {
		struct node *next = child->next;

		node_fold(into, child);
		child = next;
		into = into->next;
	}
	if (younger->parent)
		node_unlink(younger);
	free(younger->program);
	free(younger);
}
