/* Who is who in reports that write as the events come: late records, ids used again, names. */
#include "ui_fixture.h"

#include "ui/report/processes.h"

static void test_late_record(void **state)
{
	struct processes processes = {0};
	struct task_name parent = task_named(10, "p"), child = task_named(11, "c");
	struct process *above, *early;

	(void)state;
	above = processes_of(&processes, &parent, 1);
	early = processes_of(&processes, &child, 4); /* its exec, told before the fork 3 that made it */
	assert_ptr_equal(processes_child(&processes, &child, 3, above), early);
	assert_int_equal(early->met, 3);
	assert_int_equal(early->number, 2);
	processes_deinit(&processes);
}

/* The record of a fork can come before the record of the one that made its parent. */
static void test_both_are_new(void **state)
{
	struct processes processes = {0};
	struct task_name parent = task_named(10, "p"), child = task_named(11, "c");
	struct process *above = processes_parent(&processes, &parent, 5);

	(void)state;
	assert_int_not_equal(above->number, processes_child(&processes, &child, 5, above)->number);
	processes_deinit(&processes);
}

/* Both have ended when the record comes, and other processes have their ids. */
static void test_later_than_the_end(void **state)
{
	struct processes processes = {0};
	struct task_name parent = task_named(10, "p"), child = task_named(11, "c");
	struct process *above, *below, *others[2];

	(void)state;
	above = processes_of(&processes, &parent, 1);
	below = processes_of(&processes, &child, 4);
	processes_end(&processes, below, 5);
	processes_end(&processes, above, 6);
	others[0] = processes_of(&processes, &parent, 8);
	others[1] = processes_of(&processes, &child, 9);
	assert_ptr_equal(processes_parent(&processes, &parent, 3), above);
	assert_ptr_equal(processes_child(&processes, &child, 3, above), below);
	assert_ptr_not_equal(others[0], above);
	assert_int_equal(others[0]->generation, 1);
	assert_ptr_equal(processes_parent(&processes, &parent, 10), others[0]);
	/* The one that is alive was met behind a fork 7 that made it. */
	assert_ptr_equal(processes_child(&processes, &child, 7, others[0]), others[1]);
	processes_deinit(&processes);
}

/* A process whose end was not told: its id is somebody else's now. */
static void test_id_used_again(void **state)
{
	struct processes processes = {0};
	struct task_name parent = task_named(10, "p"), child = task_named(11, "c");
	struct process *above = processes_of(&processes, &parent, 1);
	struct process *first = processes_child(&processes, &child, 2, above);
	struct process *second;

	(void)state;
	second = processes_child(&processes, &child, 5, above);
	assert_ptr_not_equal(first, second);
	assert_int_equal(first->ended, 5);
	assert_int_not_equal(first->number, second->number);
	assert_int_equal(second->generation, 1);
	processes_deinit(&processes);
}

/* Many ends: memory holds the last of them. */
static void test_many(void **state)
{
	struct processes processes = {0};
	struct task_name parent = task_named(10, "p");
	struct process *above = processes_of(&processes, &parent, 1);

	(void)state;
	for (uint64_t i = 0; i < 10 * PROCESSES_ENDED; i++) {
		struct task_name child = task_named((pid_t)(100 + i % 300), "c");
		struct process *below = processes_child(&processes, &child, 2 + 2 * i, above);

		assert_int_equal(below->generation, i / 300);
		processes_end(&processes, below, 3 + 2 * i);
	}
	assert_int_equal(processes.alive.count, 1);
	processes_deinit(&processes);
}

static void expect_name(const char *comm, const char *path, const char *expected)
{
	struct process process = {0};
	struct buffer text = {0};

	snprintf(process.comm, sizeof(process.comm), "%s", comm);
	process_exec(&process, path);
	process_name(&text, &process);
	assert_string_equal(text.data, expected);
	buffer_deinit(&text);
	free(process.program);
}

static void test_names(void **state)
{
	(void)state;
	expect_name("sh", "/bin/dash", "sh [dash]");
	expect_name("dash", "/bin/dash", "dash");
	expect_name("a_very_long_nam", "/bin/a_very_long_name_indeed", "a_very_long_name_indeed");
	expect_name("x", NULL, "x");
	expect_name("", "/bin/true/", " [/bin/true/]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_late_record),
	    cmocka_unit_test(test_both_are_new),
	    cmocka_unit_test(test_later_than_the_end),
	    cmocka_unit_test(test_id_used_again),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("ui_processes", tests, NULL, NULL);
}
