/* Untrusted text made safe for a terminal: see escape.h. */
#include "ui/escape.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

enum {
	DELETE = 0x7f,
	MARKS_MAX = 2, /* combining marks that a character may carry: more only serve to draw over other lines */
};

struct range {
	unsigned first, last;
};

/* Characters that draw nothing or reorder what is drawn (Unicode's Default_Ignorable_Code_Point and Bidi_Control), and
 * those for private use, whose width nobody knows. */
static const struct range invisible[] = {
    {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},   {0x115f, 0x1160},   {0x17b4, 0x17b5}, {0x180b, 0x180f},
    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
    {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe000, 0xf8ff}, {0xe0000, 0xe0fff},
};

bool escape_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

size_t utf8_decode(const char *text, const char *end, unsigned *character)
{
	static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)*text;
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

	if (size == 0 || size > (size_t)(end - text))
		return 0;
	if (size == 1) {
		*character = first;
		return 1;
	}

	unsigned value = first & (0x7fU >> size);

	for (size_t i = 1; i < size; i++) {
		unsigned char byte = (unsigned char)text[i];

		if ((byte & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (byte & 0x3f);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*character = value;
	return size;
}

static bool character_is_invisible(unsigned character)
{
	for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++) {
		if (character >= invisible[i].first && character <= invisible[i].last)
			return true;
	}
	return false;
}

/* Columns of a character that may be shown as it is: 0 for a mark that combines, -1 for what must be escaped. */
static int character_columns(unsigned character)
{
	if (!escape_utf8() || character_is_invisible(character))
		return -1;
	return wcwidth((wchar_t)character);
}

static void glyph_set_size(struct glyph *glyph, int length)
{
	glyph->size = (size_t)length;
	glyph->columns = (unsigned)length;
}

static void glyph_spell_byte(struct glyph *glyph, unsigned char byte)
{
	glyph_set_size(glyph, snprintf(glyph->text, sizeof(glyph->text), "\\x%02x", byte));
}

static void glyph_spell_character(struct glyph *glyph, unsigned character)
{
	glyph_set_size(glyph, snprintf(glyph->text, sizeof(glyph->text), "\\u{%x}", character));
}

/* The marks that combine with the glyph just taken. */
static void glyph_take_marks(const char **text, const char *end, struct glyph *glyph)
{
	for (int marks = 0; marks < MARKS_MAX && *text < end && (unsigned char)**text >= 0x80; marks++) {
		unsigned character;
		size_t size = utf8_decode(*text, end, &character);

		if (size == 0 || glyph->size + size > sizeof(glyph->text) || character_columns(character) != 0)
			return;
		memcpy(glyph->text + glyph->size, *text, size);
		glyph->size += size;
		*text += size;
	}
}

bool glyph_next(const char **text, const char *end, struct glyph *glyph)
{
	if (*text >= end)
		return false;

	unsigned char byte = (unsigned char)**text;
	unsigned character;
	size_t size = utf8_decode(*text, end, &character);

	if (size == 0 || byte < ' ' || byte == DELETE) {
		(*text)++;
		glyph_spell_byte(glyph, byte);
		return true;
	}
	if (byte == '\\') {
		(*text)++;
		memcpy(glyph->text, "\\\\", 2);
		glyph->size = 2;
		glyph->columns = 2;
		return true;
	}

	int columns = size == 1 ? 1 : character_columns(character);

	if (columns <= 0) {
		*text += size;
		glyph_spell_character(glyph, character);
		return true;
	}
	memcpy(glyph->text, *text, size);
	glyph->size = size;
	glyph->columns = (unsigned)columns;
	*text += size;
	glyph_take_marks(text, end, glyph);
	return true;
}

/* How many bytes from `text` are ASCII that shows as it is: most text is nothing else. */
static size_t plain_run(const char *text)
{
	size_t size = 0;

	while ((unsigned char)text[size] >= ' ' && (unsigned char)text[size] < DELETE && text[size] != '\\')
		size++;
	/* The last one may carry a combining mark. */
	if (size > 0 && (unsigned char)text[size] > DELETE)
		size--;
	return size;
}

unsigned escape_width(const char *text)
{
	size_t plain = plain_run(text);
	const char *end = text + plain + strlen(text + plain);
	struct glyph glyph;
	unsigned columns = (unsigned)plain;

	text += plain;
	while (glyph_next(&text, end, &glyph))
		columns += glyph.columns;
	return columns;
}

unsigned escape_append(struct buffer *buffer, const char *text)
{
	size_t plain = plain_run(text);
	const char *end = text + plain + strlen(text + plain);
	struct glyph glyph;
	unsigned columns = (unsigned)plain;

	buffer_append(buffer, text, plain);
	text += plain;
	while (glyph_next(&text, end, &glyph)) {
		buffer_append(buffer, glyph.text, glyph.size);
		columns += glyph.columns;
	}
	return columns;
}

unsigned escape_fit(struct buffer *buffer, const char *text, unsigned columns, enum text_cut cut)
{
	unsigned width = escape_width(text);
	const char *end = text + strlen(text);
	const char *ellipsis = escape_utf8() ? "\u2026" : "~";
	struct glyph glyph;
	unsigned used = 0;

	if (width <= columns)
		return escape_append(buffer, text);
	if (columns == 0)
		return 0;
	if (cut == KEEP_TAIL) {
		while (width > columns - 1 && glyph_next(&text, end, &glyph))
			width -= glyph.columns;
		buffer_append_text(buffer, ellipsis);
		return 1 + escape_append(buffer, text);
	}
	while (glyph_next(&text, end, &glyph) && used + glyph.columns <= columns - 1) {
		buffer_append(buffer, glyph.text, glyph.size);
		used += glyph.columns;
	}
	buffer_append_text(buffer, ellipsis);
	return used + 1;
}
