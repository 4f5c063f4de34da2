/* Memory, word by word: the top of the stack, or what was asked for. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { OFFSET_COLUMNS = 6, BYTES_MAX = 4096 };

struct words {
	uint64_t address; /* of the first */
	unsigned size;    /* of a word */
	int in_row;
	uint8_t bytes[BYTES_MAX];
	size_t got;
};

static int words_in_row(const struct area *area, unsigned word_size)
{
	/* Digits, a blank, and as many characters. */
	int columns = 3 * (int)word_size + 2;
	int count = (area->columns - OFFSET_COLUMNS) / columns;

	return count > 1 ? count : 1;
}

static void draw_row(const struct words *words, const struct area *area, int row, size_t first)
{
	size_t row_bytes = words->size * (size_t)words->in_row;
	int column = OFFSET_COLUMNS;
	char text[BYTES_MAX + 1];
	size_t end = first + row_bytes < words->got ? first + row_bytes : words->got, length = 0;

	screen_print(area, row, 0, ROLE_DIM, "+%03zx", first);
	for (size_t at = first; at + words->size <= end; at += words->size) {
		uint64_t word = 0;

		memcpy(&word, words->bytes + at, words->size);
		column += screen_print(area, row, column - 1, word ? ROLE_TEXT : ROLE_DIM, "%0*llx ",
				       (int)words->size * 2, (unsigned long long)word);
	}
	for (size_t at = first; at < end; at++)
		text[length++] = (char)(words->bytes[at] >= ' ' && words->bytes[at] < 0x7f ? words->bytes[at] : '.');
	text[length] = '\0';
	screen_put(area, row, OFFSET_COLUMNS + words->in_row * ((int)words->size * 2 + 1) - 1, -1, ROLE_DIM, text);
}

static void draw_title(const struct tui *tui, const struct area *area, uint64_t address)
{
	_cleanup_(buffer_deinit) struct buffer title = {0};

	buffer_append_text(&title, "memory  ");
	if (tui->memory[0])
		escape_fit(&title, tui->memory, 20, KEEP_HEAD);
	else
		buffer_append_text(&title, "stack");
	buffer_printf(&title, " %llx", (unsigned long long)address);
	tui_title(tui, PANE_MEMORY, area, title.data);
}

/* Where it begins: what was asked for, moved by what was scrolled. */
static struct error *find_begin(struct tui *tui, const struct register_memory *memory, struct words *words, int in_row)
{
	struct control_place place = {.address = registers_sp(&memory->now)};
	struct error *error = tui->memory[0] ? tui_find(tui, tui->memory, &place) : NULL;
	int64_t moved = (int64_t)tui->scroll[PANE_MEMORY] * in_row * words->size;

	words->address = place.address + (uint64_t)moved;
	return error;
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct register_memory *memory;
	_cleanup_free_ struct words *words = memory_alloc(sizeof(*words));
	size_t wanted;
	struct error *error;

	if (!tui_registers(tui, &memory)) {
		tui_title(tui, PANE_MEMORY, area, "memory");
		return;
	}
	words->size = arch_of(memory->now.abi)->word_size;
	words->in_row = words_in_row(area, words->size);
	error = find_begin(tui, memory, words, words->in_row);
	draw_title(tui, area, words->address);
	wanted = (size_t)(area->rows - 1) * (size_t)words->in_row * words->size;
	if (!error)
		error = control_read(tui->control, tui->selected, words->address, words->bytes,
				     wanted < BYTES_MAX ? wanted : BYTES_MAX, &words->got);
	if (error || !words->got)
		screen_put(area, 1, 0, -1, ROLE_DIM, error ? error->message : "(nothing is mapped there)");
	error_destroy(error);
	for (int row = 1; row < area->rows; row++) {
		size_t first = (size_t)(row - 1) * (size_t)words->in_row * words->size;

		if (first >= words->got)
			break;
		draw_row(words, area, row, first);
	}
}

/* Memory has no end: rows are counted from where it was asked for. */
static void move_in(struct tui *tui, const struct area *area, int key)
{
	int *rows = &tui->scroll[PANE_MEMORY];
	int page = area->rows > 2 ? area->rows - 2 : 1;

	if (key == KEY_HOME || key == KEY_END)
		*rows = 0;
	else
		*rows += key == KEY_UP      ? -1
			 : key == KEY_DOWN  ? 1
			 : key == KEY_PPAGE ? -page
			 : key == KEY_NPAGE ? page
					    : 0;
}

const struct view view_memory = {"memory", 3, 30, draw, move_in, NULL};
