/* The registers, what a step changed marked, and the memory that is displayed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/tui/tui.h"

static void draw_word(struct tui *tui, const struct area *area, int row, const char *what, unsigned word_size)
{
	struct control_place place;
	uint64_t value = 0;
	size_t got = 0;
	struct error *error = control_find(tui->control, tui->selected, what, &place);

	if (!error)
		error = control_read(tui->control, tui->selected, place.address, &value, word_size, &got);
	if (error || got < word_size)
		screen_print(area, row, 0, ROLE_DIM, "%.20s: not readable", what);
	else
		screen_print(area, row, 0, ROLE_TEXT, "[%.20s] %0*llx", what, (int)word_size * 2,
			     (unsigned long long)value);
	error_destroy(error);
}

/* The words at the top of the stack. */
static void draw_memory(struct tui *tui, const struct area *area, int row, const struct registers *registers,
			unsigned word_size)
{
	uint64_t sp = registers_sp(registers);
	int columns = area->columns / ((int)word_size * 2 + 1);
	uint64_t words[64];
	size_t got = 0, count;

	if (row + 1 >= area->rows || columns < 1)
		return;
	error_destroy(control_read(tui->control, tui->selected, sp, words, sizeof(words), &got));
	count = got / word_size;
	screen_print(area, row++, 0, ROLE_DIM, "stack at %llx", (unsigned long long)sp);
	for (size_t i = 0; i < count && row < area->rows; i++) {
		uint64_t word = 0;

		memcpy(&word, (const char *)words + i * word_size, word_size);
		screen_print(area, row, (int)(i % (size_t)columns) * ((int)word_size * 2 + 1), ROLE_TEXT, "%0*llx",
			     (int)word_size * 2, (unsigned long long)word);
		row += (i + 1) % (size_t)columns == 0;
	}
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

static void draw(struct tui *tui, const struct area *area)
{
	const struct register_memory *memory;
	int row = 1, column = 0;

	screen_title(area, 0, "registers");
	if (!tui_registers(tui, &memory)) {
		screen_put(area, 1, 0, -1, ROLE_DIM, "(it runs)");
		return;
	}

	const struct arch *arch = arch_of(memory->now.abi);
	int width = arch->word_size == 8 ? 17 : 14;

	for (unsigned i = 0; i < arch->register_count; i++) {
		bool changed = memory->compared && memory->now.value[i] != memory->before.value[i];

		if (column && column + width > area->columns + 1) {
			column = 0;
			row++;
		}
		screen_print(area, row, column, ROLE_DIM, "%-4s", arch->register_names[i]);
		draw_value(area, row, column + 4, memory->now.value[i], arch->word_size, changed);
		column += width;
	}
	row++;
	for (size_t i = 0; i < tui->displays.count; i++)
		draw_word(tui, area, row++, tui->displays.items[i], arch->word_size);
	draw_memory(tui, area, row, &memory->now, arch->word_size);
}

const struct view view_registers = {"registers", draw};
