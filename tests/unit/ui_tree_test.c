/* The process tree: who forked whom, folding of what looks the same, its bounds. */
#include "ui_fixture.h"

#include <wchar.h>

#include "ui/report/tree.h"

struct scene {
	struct tree *tree;
	uint64_t seq;
};

static void fork_at(struct scene *scene, uint64_t seq, pid_t parent, pid_t child, const char *comm, bool thread)
{
	struct fork_record record = {
	    .parent.task = task_named(parent, comm), .child.task = task_named(child, comm), .thread = thread};

	tree_event(scene->tree, &(struct event){.kind = EVENT_FORK, .seq = seq, .fork = &record});
}

static void forks(struct scene *scene, pid_t parent, pid_t child, const char *comm)
{
	fork_at(scene, ++scene->seq, parent, child, comm, false);
}

static void execs(struct scene *scene, pid_t pid, const char *comm, const char *path)
{
	tree_event(scene->tree,
		   &(struct event){
		       .kind = EVENT_EXEC, .seq = ++scene->seq, .task = task_named(pid, comm), .exec = {.path = path}});
}

static void exits(struct scene *scene, pid_t pid, const char *comm, int status)
{
	tree_event(scene->tree, &(struct event){.kind = EVENT_EXIT,
						.seq = ++scene->seq,
						.task = task_named(pid, comm),
						.exit = {.status = status}});
}

static void dies(struct scene *scene, pid_t pid, const char *comm, int signal)
{
	tree_event(scene->tree, &(struct event){.kind = EVENT_EXIT,
						.seq = ++scene->seq,
						.task = task_named(pid, comm),
						.exit = {.signaled = true, .status = signal}});
}

/* Draws the tree into `text`, 80 columns wide, and frees it. */
static void scene_draw(struct scene *scene, struct buffer *text)
{
	struct canvas canvas = {.width = 80};

	tree_draw(scene->tree, &canvas);
	buffer_append_text(text, canvas.text.data ? canvas.text.data : "");
	canvas_deinit(&canvas);
	tree_destroy(scene->tree);
}

static void expect_tree(struct scene *scene, const char *expected)
{
	struct buffer text = {0};

	scene_draw(scene, &text);
	assert_string_equal(text.data, expected);
	buffer_deinit(&text);
}

static void test_nested(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	execs(&scene, 1, "test_nested", "/t/test_nested");
	forks(&scene, 1, 2, "test_nested");
	forks(&scene, 2, 3, "test_nested");
	forks(&scene, 1, 4, "test_nested");
	execs(&scene, 4, "sh", "/usr/bin/dash");
	exits(&scene, 3, "test_nested", 3);
	exits(&scene, 2, "test_nested", 0);
	dies(&scene, 4, "sh", SIGKILL);
	exits(&scene, 1, "test_nested", 0);
	expect_tree(&scene, "test_nested 1  exited 0\n"
			    "├─ test_nested 2  exited 0\n"
			    "│  └─ test_nested 3  exited 3\n"
			    "└─ sh [dash] 4  killed by SIGKILL\n");
}

static void test_ascii(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	assert_non_null(setlocale(LC_ALL, "C"));
	forks(&scene, 1, 2, "a");
	forks(&scene, 2, 3, "a");
	forks(&scene, 1, 4, "a");
	expect_tree(&scene, "a 1  runs on\n|- a 2  runs on\n|  `- a 3  runs on\n`- a 4  runs on\n");
}

/* Siblings that look the same become one line, in whatever order they end; another end or name keeps its own. */
static void test_runs(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	for (pid_t pid = 10; pid < 20; pid++)
		forks(&scene, 1, pid, "storm");
	for (pid_t pid = 19; pid >= 10; pid--)
		exits(&scene, pid, "storm", pid == 15 ? 1 : 0);
	forks(&scene, 1, 20, "storm");
	forks(&scene, 1, 21, "storm");
	dies(&scene, 20, "storm", SIGSEGV);
	dies(&scene, 21, "storm", SIGSEGV);
	assert_int_equal(tree_size(scene.tree), 5);
	expect_tree(&scene, "storm 1  runs on\n"
			    "├─ storm 10 … 14  5 processes, each exited 0\n"
			    "├─ storm 15  exited 1\n"
			    "├─ storm 16 … 19  4 processes, each exited 0\n"
			    "└─ storm 20, 21  2 processes, each killed by SIGSEGV\n");
}

/* Whole families fold too: system(3) in a loop is one line a generation. */
static void test_run_of_families(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	for (pid_t pid = 10; pid < 40; pid += 2) {
		forks(&scene, 1, pid, "prog");
		execs(&scene, pid, "sh", "/bin/sh");
		forks(&scene, pid, pid + 1, "sh");
		execs(&scene, pid + 1, "ls", "/bin/ls");
		exits(&scene, pid + 1, "ls", 0);
		exits(&scene, pid, "sh", 0);
	}
	expect_tree(&scene, "prog 1  runs on\n"
			    "└─ sh 10 … 38  15 processes, each exited 0\n"
			    "   └─ ls 11 … 39  15 processes, each exited 0\n");
}

/* 10,000 forks that all look the same take no room; 10,000 that differ take a bounded one, and none is forgotten. */
static void test_bounded(void **state)
{
	struct scene scene = {tree_create(), 0};
	struct buffer text = {0};
	char comm[16];

	(void)state;
	require_utf8();
	for (pid_t pid = 10; pid < 10010; pid++) {
		forks(&scene, 1, pid, "storm");
		exits(&scene, pid, "storm", 0);
	}
	assert_int_equal(tree_size(scene.tree), 2);
	for (pid_t pid = 20010; pid < 30010; pid++) {
		snprintf(comm, sizeof(comm), "n%d", pid);
		forks(&scene, 1, pid, comm);
		forks(&scene, pid, pid + 100000, comm);
		exits(&scene, pid, comm, 0);
		exits(&scene, pid + 100000, comm, 0);
	}
	assert_true(tree_size(scene.tree) <= TREE_NODES_MAX + 2);
	scene_draw(&scene, &text);
	assert_non_null(strstr(text.data, "├─ storm 10 … 10009  10000 processes, each exited 0\n"));
	/* 20,002 met with the root and the run, the rest of them left out. */
	assert_non_null(strstr(text.data, "└─ 18002 more, left out\n"));
	buffer_deinit(&text);
}

/* Records are written when both values are known: the child's own events may come first. */
static void test_child_before_record(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	execs(&scene, 1, "make", "/bin/make");
	/* A vfork (seq 10): the child execs, forks and ends before its parent returns. */
	scene.seq = 10;
	execs(&scene, 2, "cc", "/bin/cc");
	forks(&scene, 2, 3, "cc");
	exits(&scene, 3, "cc", 0);
	exits(&scene, 2, "cc", 1);
	fork_at(&scene, 10, 1, 2, "make", false);
	expect_tree(&scene, "make 1  runs on\n"
			    "└─ cc 2  exited 1\n"
			    "   └─ cc 3  exited 0\n");
}

/* The parent was killed in its fork: its end is told before the record. */
static void test_parent_ended_before_record(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	forks(&scene, 1, 2, "a");
	scene.seq = 10;
	dies(&scene, 2, "a", SIGKILL);
	fork_at(&scene, 10, 2, 3, "a", false);
	exits(&scene, 3, "a", 0);
	expect_tree(&scene, "a 1  runs on\n"
			    "└─ a 2  killed by SIGKILL\n"
			    "   └─ a 3  exited 0\n");
}

/* A process id that comes again is another process. */
static void test_pid_reuse(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	forks(&scene, 1, 2, "a");
	exits(&scene, 2, "a", 1);
	forks(&scene, 1, 2, "a");
	forks(&scene, 2, 3, "a");
	expect_tree(&scene, "a 1  runs on\n"
			    "├─ a 2  exited 1\n"
			    "└─ a 2  runs on\n"
			    "   └─ a 3  runs on\n");
}

static void test_several_roots(void **state)
{
	struct scene scene = {tree_create(), 0};
	struct event attach = {.kind = EVENT_ATTACH, .seq = 1};
	struct event detach = {.kind = EVENT_DETACH, .seq = 9};

	(void)state;
	require_utf8();
	attach.task = task_named(7, "cron");
	tree_event(scene.tree, &attach);
	attach.task = task_named(8, "cron");
	tree_event(scene.tree, &attach);
	fork_at(&scene, 2, 8, 11, "cron", true);
	fork_at(&scene, 3, 8, 12, "cron", true);
	detach.task = task_named(7, "cron");
	tree_event(scene.tree, &detach);
	expect_tree(&scene, "cron 7  let go\n"
			    "cron 8  runs on  2 threads\n");
}

static void test_hostile_names(void **state)
{
	struct scene scene = {tree_create(), 0};

	(void)state;
	require_utf8();
	execs(&scene, 1, "a\033[2J\n", "/tmp/\u202e\u202c\xff");
	forks(&scene, 1, 2, "fifteen_bytes_x");
	execs(&scene, 2, "fifteen_bytes_x", "/bin/fifteen_bytes_x_and_more");
	expect_tree(&scene, "a\\x1b[2J\\x0a [\\u{202e}\\u{202c}\\xff] 1  runs on\n"
			    "└─ fifteen_bytes_x_and_more 2  runs on\n");
}

/* A chain far deeper than the report is wide still fits it. */
static void test_deep(void **state)
{
	struct scene scene = {tree_create(), 0};
	struct buffer text = {0};

	(void)state;
	require_utf8();
	for (pid_t pid = 1; pid < 1000; pid++)
		forks(&scene, pid, pid + 1, "fifteen_bytes_x");
	scene_draw(&scene, &text);
	assert_non_null(strstr(text.data, "└─ (level 999) fifteen_bytes_x 1000  runs on\n"));
	for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
		wchar_t wide[256];

		assert_true(wcswidth(wide, mbstowcs(wide, line, 256)) <= 80);
	}
	buffer_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nested),
	    cmocka_unit_test(test_ascii),
	    cmocka_unit_test(test_runs),
	    cmocka_unit_test(test_run_of_families),
	    cmocka_unit_test(test_bounded),
	    cmocka_unit_test(test_child_before_record),
	    cmocka_unit_test(test_parent_ended_before_record),
	    cmocka_unit_test(test_pid_reuse),
	    cmocka_unit_test(test_several_roots),
	    cmocka_unit_test(test_hostile_names),
	    cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
