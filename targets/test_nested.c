/* A tree three deep, two children a process, all alive at the same time; each process reaps its own. One leaf is
 * killed. */
#include "expect.h"

enum { DEPTH = 3, WIDTH = 2, PROCESSES = 2 + 4 + 8, LEAF_STATUS = 21, BRANCH_STATUS = 22 };

struct tree {
	struct seen *seen; /* one for each process: children of node n are 2n + 1 and 2n + 2, main is 0 */
	int pipe_read, pipe_write;
};

static const char *const stacks[DEPTH] = {"grow,main", "grow,grow,main", "grow,grow,grow,main"};

/* Leaves hold on until main, which alone keeps the write end, lets it go. */
static _Noreturn void live_as_leaf(const struct tree *tree, int node)
{
	char byte;
	CHECK(read(tree->pipe_read, &byte, 1) == 0);
	if (node == PROCESSES)
		raise(SIGKILL);
	_exit(LEAF_STATUS);
}

static void harvest(const struct tree *tree, int node, int depth, const pid_t *children)
{
	for (int i = 0; i < WIDTH; i++)
		expect_libc_fork(children[i], &tree->seen[WIDTH * node + 1 + i], stacks[depth]);
	for (int i = 0; i < WIDTH; i++)
		expect_reap(children[i]);
}

/* Makes the children of `node`; they make theirs. */
static KEEP_FRAME void grow(const struct tree *tree, int node, int depth, pid_t *children)
{
	for (int i = 0; i < WIDTH; i++) {
		int child = WIDTH * node + 1 + i;
		children[i] = fork();
		if (children[i] != 0)
			continue;
		pid_t own_children[WIDTH];
		if (depth == 0)
			close(tree->pipe_write);
		seen_tell(&tree->seen[child], 0);
		if (depth + 1 == DEPTH)
			live_as_leaf(tree, child);
		grow(tree, child, depth + 1, own_children);
		harvest(tree, child, depth + 1, own_children);
		_exit(BRANCH_STATUS);
	}
}

int main(void)
{
	int ends[2];
	pid_t children[WIDTH];
	expect_begin();
	CHECK(pipe(ends) == 0);
	struct tree tree = {.seen = seen_new(PROCESSES + 1), .pipe_read = ends[0], .pipe_write = ends[1]};
	grow(&tree, 0, 0, children);
	for (int node = 1; node <= PROCESSES; node++)
		seen_wait(&tree.seen[node]);
	close(ends[1]);
	harvest(&tree, 0, 0, children);
	CHECK(atomic_load(&expect_totals->forks) == PROCESSES);
	return expect_end();
}
