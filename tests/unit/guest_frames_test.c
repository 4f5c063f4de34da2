/* parse/guest_frames.c and parse/guest_console.c: what comes out of the guest. */
#include "parse/guest_console.h"
#include "parse/guest_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

enum { LIMIT = 64 };

static const char stream[] = "H\4\0\0\0\1\0\0\0"
			     "D\0\0\0\0"
			     "O\5\0\0\0hello"
			     "K\10\0\0\0\0\0\0\10\0\0\1\0";

static void passes_frames_of_any_cut(void **state)
{
	static const char types[] = "HDOK";

	(void)state;
	for (size_t step = 1; step < sizeof(stream); step++) {
		_cleanup_(guest_frames_deinit) struct guest_frames frames = {.limit = LIMIT};
		struct guest_frame frame;
		size_t count = 0;

		for (size_t at = 0; at < sizeof(stream) - 1; at += step) {
			size_t left = sizeof(stream) - 1 - at;

			guest_frames_add(&frames, stream + at, left < step ? left : step);
			while (guest_frames_next(&frames, &frame) == GUEST_FRAMES_ONE) {
				assert_int_equal(frame.type, types[count++]);
				if (frame.type == 'O')
					assert_memory_equal(frame.bytes, "hello", frame.size);
			}
		}
		assert_int_equal(count, strlen(types));
		assert_int_equal(guest_frames_next(&frames, &frame), GUEST_FRAMES_NONE);
	}
}

static void reads_numbers(void **state)
{
	struct guest_frame one = {.bytes = "\1\2\3\204", .size = 4};
	struct guest_frame two = {.bytes = "\1\0\0\0\2\0\0\0", .size = 8};
	uint32_t number = 0;

	(void)state;
	assert_true(guest_frame_number(&one, 0, 1, &number));
	assert_int_equal(number, 0x84030201);
	assert_false(guest_frame_number(&one, 0, 2, &number));
	assert_false(guest_frame_number(&one, 1, 1, &number));
	assert_true(guest_frame_number(&two, 1, 2, &number));
	assert_int_equal(number, 2);
	assert_false(guest_frame_number(&two, 0, 1, &number));
}

static void refuses_a_frame_above_the_limit(void **state)
{
	_cleanup_(guest_frames_deinit) struct guest_frames frames = {.limit = LIMIT};
	struct guest_frame frame;

	(void)state;
	guest_frames_add(&frames, "O\101\0\0\0", 5);
	assert_int_equal(guest_frames_next(&frames, &frame), GUEST_FRAMES_BROKEN);
	guest_frames_add(&frames, "x", 1);
	assert_int_equal(guest_frames_next(&frames, &frame), GUEST_FRAMES_BROKEN);
}

static void survives_nothing(void **state)
{
	_cleanup_(guest_frames_deinit) struct guest_frames frames = {.limit = LIMIT};
	struct guest_frame frame;

	(void)state;
	assert_int_equal(guest_frames_next(&frames, &frame), GUEST_FRAMES_NONE);
	guest_frames_add(&frames, "", 0);
	assert_int_equal(guest_frames_next(&frames, &frame), GUEST_FRAMES_NONE);
}

static void survives_noise(void **state)
{
	unsigned random = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		_cleanup_(guest_frames_deinit) struct guest_frames frames = {.limit = LIMIT};
		struct guest_frame frame;
		char bytes[97];
		size_t size = 1 + (size_t)round % sizeof(bytes), passed = 0;

		for (size_t i = 0; i < size; i++) {
			random = random * 1103515245 + 12345;
			bytes[i] = (char)(random >> 16 & (round & 1 ? 0xff : 3));
		}
		guest_frames_add(&frames, bytes, size);
		while (guest_frames_next(&frames, &frame) == GUEST_FRAMES_ONE) {
			assert_in_range(frame.size, 0, LIMIT);
			passed += frame.size + 5;
		}
		assert_in_range(passed, 0, size);
	}
}

/* --- the console --- */

static void say(struct guest_console *console, const char *text)
{
	guest_console_add(console, text, strlen(text));
}

static void keeps_the_last_lines(void **state)
{
	struct guest_console console = {0};

	(void)state;
	assert_null(guest_console_line(&console, 0));
	say(&console, "first\r\nsec");
	say(&console, "ond");
	assert_string_equal(guest_console_line(&console, 0), "second");
	assert_string_equal(guest_console_line(&console, 1), "first");
	assert_null(guest_console_line(&console, 2));
	say(&console, "\n");
	for (int i = 0; i < GUEST_CONSOLE_LINES; i++)
		say(&console, "more\n");
	assert_string_equal(guest_console_line(&console, GUEST_CONSOLE_LINES - 1), "more");
	assert_null(guest_console_line(&console, GUEST_CONSOLE_LINES));
}

static void notices_a_panic(void **state)
{
	struct guest_console console = {0};

	(void)state;
	say(&console, "[    1.0] all is well\n[    2.5] Kernel pan");
	assert_string_equal(console.panic, "");
	say(&console, "ic - not syncing: no init");
	assert_string_equal(console.panic, "");
	say(&console, "\r\n---[ end Kernel panic - not syncing: no init ]---\n");
	assert_string_equal(console.panic, "Kernel panic - not syncing: no init");
}

static void notices_why_process_1_gives_up(void **state)
{
	struct guest_console console = {0};

	(void)state;
	say(&console, "say forktrace: no\r\nforktrace: no ports");
	assert_string_equal(console.failure, "");
	say(&console, "\r\nforktrace: never mind\nreboot: Restarting system\n");
	assert_string_equal(console.failure, "no ports");
	assert_string_equal(console.panic, "");
}

static void cuts_and_cleans_lines(void **state)
{
	struct guest_console console = {0};

	(void)state;
	for (int i = 0; i < 10 * GUEST_CONSOLE_WIDTH; i++)
		say(&console, "Kernel panic");
	say(&console, "\n\033[31mred\tand \303\244\177\n");
	assert_int_equal(strlen(console.panic), GUEST_CONSOLE_WIDTH);
	assert_int_equal(strlen(guest_console_line(&console, 1)), GUEST_CONSOLE_WIDTH);
	assert_string_equal(guest_console_line(&console, 0), "[31mred and ??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_frames_of_any_cut),
	    cmocka_unit_test(reads_numbers),
	    cmocka_unit_test(refuses_a_frame_above_the_limit),
	    cmocka_unit_test(survives_nothing),
	    cmocka_unit_test(survives_noise),
	    cmocka_unit_test(keeps_the_last_lines),
	    cmocka_unit_test(notices_a_panic),
	    cmocka_unit_test(notices_why_process_1_gives_up),
	    cmocka_unit_test(cuts_and_cleans_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
