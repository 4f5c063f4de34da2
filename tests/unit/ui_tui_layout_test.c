/* Where the stepper's panes lie, in every size of a terminal. */
#include "ui_fixture.h"

#include "ui/tui/layout.h"
#include "ui/tui/tui.h"

enum { ROWS_MAX = 80, COLUMNS_MAX = 250 };

static char cells[ROWS_MAX][COLUMNS_MAX];

/* Counts the area's cells; each may be in one area alone. */
static void paint(const struct area *area, int rows, int columns)
{
	if (!area->rows)
		return;
	assert_true(area->row >= 0 && area->column >= 0 && area->rows > 0 && area->columns > 0);
	assert_true(area->row + area->rows <= rows);
	assert_true(area->column + area->columns <= columns);
	for (int row = area->row; row < area->row + area->rows; row++) {
		for (int column = area->column; column < area->column + area->columns; column++) {
			assert_int_equal(cells[row][column], 0);
			cells[row][column] = 1;
		}
	}
}

/* Nothing overlaps; what no pane has is a column between two of them. */
static void check(int rows, int columns, const struct layout_choice *choice)
{
	struct layout layout;

	assert_true(layout_compute(rows, columns, choice, &layout));
	memset(cells, 0, sizeof(cells));
	for (int pane = 0; pane < PANE_COUNT; pane++) {
		const struct area *area = &layout.panes[pane];

		paint(area, rows, columns);
		if (area->rows) {
			assert_true(area->rows >= tui_views[pane]->min_rows);
			assert_true(area->columns >= tui_views[pane]->min_columns);
		}
	}
	paint(&layout.status, rows, columns);
	paint(&layout.keys, rows, columns);
	for (int row = 0; row < rows; row++) {
		assert_int_equal(cells[row][0], 1);
		assert_int_equal(cells[row][columns - 1], 1);
		for (int column = 1; column < columns; column++)
			assert_true(cells[row][column] || cells[row][column - 1]);
	}
}

static void test_every_size(void **state)
{
	(void)state;
	for (int rows = SCREEN_MIN_ROWS; rows <= ROWS_MAX; rows++) {
		for (int columns = SCREEN_MIN_COLUMNS; columns <= COLUMNS_MAX; columns++) {
			for (int both = 0; both < 4; both++) {
				struct layout_choice choice = {.memory = both & 1, .events = both & 2};

				check(rows, columns, &choice);
			}
		}
	}
}

static void test_too_small(void **state)
{
	struct layout_choice choice = {0};
	struct layout layout;

	(void)state;
	assert_false(layout_compute(23, 80, &choice, &layout));
	assert_false(layout_compute(24, 79, &choice, &layout));
	assert_false(layout_compute(1, 1, &choice, &layout));
}

/* All registers of x86_64 and the flags are seen on the smallest screen, and a fork has four rows above its border. */
static void test_smallest(void **state)
{
	struct layout_choice choice = {0};
	struct layout layout;

	(void)state;
	assert_true(layout_compute(24, 80, &choice, &layout));
	assert_int_equal(layout.panes[PANE_REGISTERS].rows, 10);
	assert_true(layout.panes[PANE_REGISTERS].columns >= 2 * 17 - 1);
	assert_true(layout.panes[PANE_STACKS].rows >= 8);
	assert_true(layout.panes[PANE_OUTPUT].rows >= 4);
	assert_int_equal(layout.panes[PANE_MEMORY].rows, 0);
	assert_int_equal(layout.panes[PANE_EVENTS].rows, 0);
	choice = (struct layout_choice){.memory = true, .events = true};
	assert_true(layout_compute(24, 80, &choice, &layout));
	assert_int_equal(layout.panes[PANE_REGISTERS].rows, 0);
	assert_int_equal(layout.panes[PANE_OUTPUT].rows, 0);
	assert_true(layout.panes[PANE_MEMORY].rows && layout.panes[PANE_EVENTS].rows);
}

static void test_everything_on_a_wide_screen(void **state)
{
	struct layout_choice choice = {0};
	struct layout layout;

	(void)state;
	for (int columns = 120; columns <= COLUMNS_MAX; columns += 10) {
		assert_true(layout_compute(43, columns, &choice, &layout));
		for (int pane = 0; pane < PANE_COUNT; pane++)
			assert_true(layout.panes[pane].rows > 0);
	}
}

static void test_zoom(void **state)
{
	struct layout layout;

	(void)state;
	for (int pane = 0; pane < PANE_COUNT; pane++) {
		struct layout_choice choice = {.zoomed = true, .zoom = (enum pane)pane};

		assert_true(layout_compute(24, 80, &choice, &layout));
		for (int other = 0; other < PANE_COUNT; other++)
			assert_int_equal(layout.panes[other].rows, other == pane ? 22 : 0);
		assert_int_equal(layout.panes[pane].columns, 80);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_size), cmocka_unit_test(test_too_small),
	    cmocka_unit_test(test_smallest),   cmocka_unit_test(test_everything_on_a_wide_screen),
	    cmocka_unit_test(test_zoom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
