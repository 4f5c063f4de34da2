/* One process, or a run of processes that look the same, in the tree. */
#ifndef FORKTRACE_UI_REPORT_TREE_NODE_H
#define FORKTRACE_UI_REPORT_TREE_NODE_H

#include "forktrace.h"

enum node_state {
	NODE_RUNS,
	NODE_DETACHED, /* let go: nothing is heard of it any more */
	NODE_EXITED,   /* value: exit status */
	NODE_KILLED,   /* value: the signal */
};

struct node {
	struct node *parent, *first, *last, *previous, *next; /* first, last: children */
	pid_t pid;                                            /* of a run: the first's */
	pid_t latest;                                         /* of a run: the last one's */
	unsigned long count;                                  /* processes of the run */
	unsigned long open;                                   /* children that are not complete */
	unsigned long threads;
	unsigned long omitted; /* descendants left out */
	uint64_t met;          /* seq of the event that made it */
	uint64_t ended;        /* seq of its end; of a run: of the last one's */
	char comm[COMM_SIZE];
	char *program; /* last part of the path of the last exec, where comm does not tell it; may be NULL */
	enum node_state state;
	int value;
	bool core_dumped;
};

/* A new node without a place. */
struct node *node_create(const struct task_name *task, uint64_t seq);

/* Frees it with all below it. It must have no place (node_unlink). */
void node_destroy(struct node *node);

/* Makes `node` the last child of `parent`; takes it out again. */
void node_link(struct node *parent, struct node *node);
void node_unlink(struct node *node);

/* Sets how the process ended, and tells the nodes above. */
void node_set_state(struct node *node, enum node_state state, int value, uint64_t seq);

/* How many nodes hang in the subtree, `node` included. */
size_t node_size(const struct node *node);

/* Has it ended or was it let go, with all below it? */
bool node_complete(const struct node *node);

/* Do both subtrees look the same: names, ends, children? */
bool node_alike(const struct node *one, const struct node *other);

/* Folds `younger` and all below it into `elder`, which is alike, and frees it. */
void node_fold(struct node *elder, struct node *younger);

#endif
