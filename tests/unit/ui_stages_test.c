/* ui/stages.c */
#include "ui_fixture.h"

#include <errno.h>

#include "ui/stages.h"

/* What --stages writes; owned by the caller. */
static char *stages_text(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	assert_true(stages_print(stream));
	fclose(stream);
	return text;
}

static void names_every_stage_in_order(void **state)
{
	_cleanup_free_ char *text = stages_text();
	const char *place = text;

	(void)state;
	for (enum stage stage = 0; stage < STAGE_COUNT; stage++) {
		char head[40];

		snprintf(head, sizeof(head), "\n%2d  %s ", stage + 1, stage_info(stage)->name);
		place = strstr(place, head);
		assert_non_null(place);
	}
	assert_non_null(strstr(text, "\n                   Names: do_fork until 4.1, _do_fork since 4.2, kernel_clone\n"
				     "                   since 5.10\n"));
}

/* A screen of 80 columns, pleasant to copy: no line is longer, none ends in a blank, all is ASCII. */
static void fits_a_screen(void **state)
{
	_cleanup_free_ char *text = stages_text();

	(void)state;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t size = strcspn(line, "\n");

		assert_true(size <= 80 && line[size] == '\n');
		assert_true(size == 0 || line[size - 1] != ' ');
		for (size_t i = 0; i < size; i++)
			assert_in_range(line[i], ' ', '~');
	}
}

static void says_that_it_could_not_write(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_false(stages_print(full));
	assert_int_equal(errno, ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_every_stage_in_order),
	    cmocka_unit_test(fits_a_screen),
	    cmocka_unit_test(says_that_it_could_not_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
