/* The registers, what the last step changed marked, and the words of memory that are displayed. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/tui/tui.h"

enum { CELL_64 = 17, CELL_32 = 13, NAME_COLUMNS = 4 };

static void draw_word(struct tui *tui, const struct area *area, int row, const char *what, unsigned word_size)
{
	_cleanup_(buffer_deinit) struct buffer name = {0};
	struct control_place place;
	uint64_t value = 0;
	size_t got = 0;
	struct error *error = tui_find(tui, what, &place);
	int column;

	if (!error)
		error = control_read(tui->control, tui->selected, place.address, &value, word_size, &got);
	buffer_append_text(&name, "");
	escape_fit(&name, what, (unsigned)area->columns - 2 * word_size - 3, KEEP_TAIL);
	column = screen_print(area, row, 0, ROLE_DIM, "[%s] ", name.data);
	if (error || got < word_size)
		screen_put(area, row, column, -1, ROLE_DIM, error ? "not known here" : "not readable");
	else
		screen_print(area, row, column, ROLE_TEXT, "%0*llx", (int)word_size * 2, (unsigned long long)value);
	error_destroy(error);
}

/* Addresses of user space have 12 digits at most; what has more is mostly a small negative number. */
static void draw_value(const struct area *area, int row, int column, uint64_t value, unsigned word_size, bool changed)
{
	enum role role = changed ? ROLE_CHANGED : ROLE_TEXT;
	uint64_t sign = word_size == 8 ? 1ull << 63 : 1ull << 31;
	uint64_t negative = word_size == 8 ? -value : (uint32_t)-value;

	if (value & sign && negative < 0x100000)
		screen_print(area, row, column, role, "-%llx", (unsigned long long)negative);
	else if (value >> 48)
		screen_print(area, row, column, role, "~%011llx", (unsigned long long)(value & 0xfffffffffff));
	else
		screen_print(area, row, column, role, "%llx", (unsigned long long)value);
}

/* Cell by cell, in as many columns as there is room for; returns the row behind them. */
static int draw_registers(const struct area *area, const struct register_memory *memory, const struct arch *arch)
{
	int width = arch->word_size == 8 ? CELL_64 : CELL_32;
	int columns = (area->columns + 1) / width > 1 ? (area->columns + 1) / width : 1;
	int count = (int)arch->register_count + 1;

	for (int i = 0; i < count; i++) {
		bool flags = i + 1 == count;
		uint64_t now = flags ? memory->now.flags : memory->now.value[i];
		uint64_t before = flags ? memory->before.flags : memory->before.value[i];
		int row = 1 + i / columns, column = i % columns * width;

		screen_put(area, row, column, -1, ROLE_DIM, flags ? "efl" : arch->register_names[i]);
		draw_value(area, row, column + NAME_COLUMNS, now, arch->word_size, memory->compared && now != before);
	}
	return 1 + (count + columns - 1) / columns;
}

static void draw(struct tui *tui, const struct area *area)
{
	const struct register_memory *memory;

	tui_title(tui, PANE_REGISTERS, area, "registers");
	if (!tui_registers(tui, &memory))
		return;

	const struct arch *arch = arch_of(memory->now.abi);
	int displays = (int)tui->displays.count, row = draw_registers(area, memory, arch);

	/* They stay in sight: the last registers give way. */
	if (row + displays > area->rows)
		row = area->rows - displays > 1 ? area->rows - displays : 1;
	for (int i = 0; i < displays && row < area->rows; i++, row++) {
		screen_blank(area, row);
		draw_word(tui, area, row, tui->displays.items[i], arch->word_size);
	}
}

const struct view view_registers = {"registers", 3, 30, draw, NULL, NULL};
