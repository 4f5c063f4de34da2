/* The auxiliary vector: see auxv.h. */
#include "parse/auxv.h"

#include <elf.h>
#include <string.h>

/* Types are small numbers. Read with the wrong word size, a type has another entry's value in its upper half, or is a
 * value itself. */
enum { TYPE_LIMIT = 1024 };

static uint64_t word_at(const unsigned char *bytes, unsigned word_size)
{
	uint64_t word = 0;

	memcpy(&word, bytes, word_size);
	return word;
}

static void store(struct auxv *auxv, uint64_t type, uint64_t value)
{
	switch (type) {
	case AT_ENTRY:
		auxv->entry = value;
		break;
	case AT_PHDR:
		auxv->phdr = value;
		break;
	case AT_BASE:
		auxv->base = value;
		break;
	case AT_SYSINFO_EHDR:
		auxv->vdso = value;
		break;
	case AT_EXECFN:
		auxv->path = value;
		break;
	default:
		break;
	}
}

static bool parse_words(const unsigned char *bytes, size_t size, unsigned word_size, struct auxv *auxv)
{
	*auxv = (struct auxv){.word_size = word_size};
	for (size_t at = 0; size - at >= 2 * (size_t)word_size; at += 2 * (size_t)word_size) {
		uint64_t type = word_at(bytes + at, word_size);

		if (type == AT_NULL)
			return auxv->entry != 0;
		if (type >= TYPE_LIMIT)
			return false;
		store(auxv, type, word_at(bytes + at + word_size, word_size));
	}
	return false;
}

bool auxv_parse(const void *bytes, size_t size, struct auxv *auxv)
{
	return parse_words(bytes, size, 8, auxv) || parse_words(bytes, size, 4, auxv);
}
