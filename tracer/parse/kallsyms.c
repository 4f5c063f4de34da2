/* The text symbols of a kernel: see kallsyms.h. */
#include "parse/kallsyms.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"

struct parser {
	VECTOR(struct kallsyms_symbol) symbols, aliases;
	char *names;
	uint32_t names_size;
	uint32_t module; /* the last module named: its symbols follow one another */
	size_t module_length;
	bool zeros; /* a function's address was 0 */
};

/* One line, cut into its parts. */
struct line {
	uint64_t address;
	char type; /* as nm(1) has it */
	const char *name, *name_end;
	const char *module, *module_end; /* equal: none */
};

static bool has_prefix(const char *text, const char *end, const char *prefix)
{
	size_t length = strlen(prefix);

	return (size_t)(end - text) >= length && !memcmp(text, prefix, length);
}

/* Value + 1 of each hexadecimal digit: 0 is every other byte. */
static const unsigned char hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static const char *parse_address(const char *at, const char *end, uint64_t *address)
{
	enum { MAX_DIGITS = 16 };
	const char *limit = end - at > MAX_DIGITS ? at + MAX_DIGITS : end;
	uint64_t value = 0;

	for (; at < limit && hex_digits[(unsigned char)*at]; at++)
		value = value << 4 | (hex_digits[(unsigned char)*at] - 1U);
	*address = value;
	return at;
}

/* "ADDRESS TYPE NAME", and "\t[MODULE]" where it is a module's. */
static bool parse_line(const char *at, const char *end, struct line *line)
{
	const char *type = parse_address(at, end, &line->address);

	if (type == at || end - type < 4 || type[0] != ' ' || type[2] != ' ')
		return false;
	line->type = type[1];
	line->name = type + 3;
	line->name_end = memchr(line->name, '\t', (size_t)(end - line->name));
	line->module = line->module_end = end;
	if (!line->name_end) {
		line->name_end = end;
	} else if (end - line->name_end > 3 && line->name_end[1] == '[' && end[-1] == ']') {
		line->module = line->name_end + 2;
		line->module_end = end - 1;
	}
	return line->name_end > line->name;
}

static uint32_t add_name(struct parser *parser, const char *text, const char *end)
{
	uint32_t offset = parser->names_size;
	size_t length = (size_t)(end - text);

	memcpy(parser->names + offset, text, length);
	parser->names[offset + length] = '\0';
	parser->names_size += (uint32_t)length + 1;
	return offset;
}

static uint32_t add_module(struct parser *parser, const char *text, const char *end)
{
	size_t length = (size_t)(end - text);

	if (length == 0)
		return 0;
	if (parser->module_length != length || memcmp(parser->names + parser->module, text, length) != 0) {
		parser->module = add_name(parser, text, end);
		parser->module_length = length;
	}
	return parser->module;
}

/* Padding before a function (__pfx_, __cfi_) and labels of the compiler's are nothing that a call returns into. */
static bool is_noise(const struct line *line)
{
	return has_prefix(line->name, line->name_end, "__pfx_") || has_prefix(line->name, line->name_end, "__cfi_") ||
	       has_prefix(line->name, line->name_end, ".L");
}

/* The type stands before the name, for choosing among aliases later. */
static void add_function(struct parser *parser, const struct line *line)
{
	if (line->address == 0) {
		parser->zeros = true;
		return;
	}
	if (is_noise(line))
		return;
	parser->names[parser->names_size++] = line->type;

	uint32_t name = add_name(parser, line->name, line->name_end);
	uint32_t module = add_module(parser, line->module, line->module_end);

	vector_push(&parser->symbols,
		    (struct kallsyms_symbol){.address = line->address, .name = name, .module = module});
}

/* Data ends the function before it; a run of data needs one mark alone. */
static void add_data(struct parser *parser, const struct line *line)
{
	size_t count = parser->symbols.count;

	if (line->address != 0 && count != 0 && parser->symbols.items[count - 1].name != 0)
		vector_push(&parser->symbols, (struct kallsyms_symbol){.address = line->address});
}

static void add_line(struct parser *parser, const struct line *line)
{
	switch (line->type) {
	case 't':
	case 'T':
	case 'w':
	case 'W':
		add_function(parser, line);
		break;
	case 'a':
	case 'A': /* a number, not a place (and offsets in the per-CPU area, on older kernels) */
		break;
	default:
		add_data(parser, line);
	}
}

static bool is_abi_name(const char *name, const char *end)
{
	static const char *const prefixes[] = {"__x64_sys_", "__ia32_", "__x32_", "SyS_", "compat_SyS_", "__pi_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (has_prefix(name, end, prefixes[i]))
			return true;
	}
	return false;
}

static bool is_section_bound(const char *name)
{
	return strstr(name, "_text_start") || strstr(name, "_text_end") || !strcmp(name, "_text") ||
	       !strcmp(name, "_stext") || !strcmp(name, "_etext");
}

/* How well a name serves a reader; less is better. */
static int name_rank(const struct parser *parser, const struct kallsyms_symbol *symbol)
{
	enum { RANK_GLOBAL, RANK_WEAK, RANK_LOCAL, RANK_ABI, RANK_BOUND, RANK_DATA };
	const char *name = parser->names + symbol->name;

	if (symbol->name == 0)
		return RANK_DATA;
	if (is_section_bound(name))
		return RANK_BOUND;
	if (is_abi_name(name, name + strlen(name)))
		return RANK_ABI;
	return name[-1] == 'T' ? RANK_GLOBAL : name[-1] == 't' ? RANK_LOCAL : RANK_WEAK;
}

/* The offset of the name keeps the order of the text among equals. */
static int compare(const void *left, const void *right)
{
	const struct kallsyms_symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

static bool is_sorted(const struct parser *parser)
{
	for (size_t i = 1; i < parser->symbols.count; i++) {
		if (parser->symbols.items[i].address < parser->symbols.items[i - 1].address)
			return false;
	}
	return true;
}

/* Leaves the best name of each address. */
static void drop_aliases(struct parser *parser)
{
	struct kallsyms_symbol *symbols = parser->symbols.items;
	size_t kept = 0;

	for (size_t i = 0; i < parser->symbols.count; i++) {
		if (kept == 0 || symbols[kept - 1].address != symbols[i].address) {
			symbols[kept++] = symbols[i];
			continue;
		}

		struct kallsyms_symbol other = symbols[i];

		if (name_rank(parser, &other) < name_rank(parser, &symbols[kept - 1])) {
			other = symbols[kept - 1];
			symbols[kept - 1] = symbols[i];
		}
		if (other.name)
			vector_push(&parser->aliases, other);
	}
	parser->symbols.count = kept;
}

void kallsyms_parse(const char *text, size_t size, struct kallsyms *kallsyms)
{
	struct parser parser = {0};
	const char *newline;

	if (size == 0)
		text = "";

	const char *end = text + (size < UINT32_MAX ? size : UINT32_MAX - 1);

	/* A line gives fewer bytes of names than it has: "1 t x\n" gives "tx\0". Offset 0 means "none". */
	parser.names = memory_resize(NULL, (size_t)(end - text) + 1, 1);
	parser.names[parser.names_size++] = '\0';
	for (const char *at = text; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		struct line line;

		if (parse_line(at, newline, &line))
			add_line(&parser, &line);
	}

	bool sorted = is_sorted(&parser);

	/* So that there is an array even where no line is a symbol. */
	vector_reserve(&parser.symbols, 1);
	if (!sorted)
		qsort(parser.symbols.items, parser.symbols.count, sizeof(parser.symbols.items[0]), compare);
	drop_aliases(&parser);
	*kallsyms = (struct kallsyms){
	    .symbols = memory_resize(parser.symbols.items, parser.symbols.count, sizeof(parser.symbols.items[0])),
	    .count = parser.symbols.count,
	    .aliases = parser.aliases.items,
	    .alias_count = parser.aliases.count,
	    .names = memory_resize(parser.names, parser.names_size, 1),
	    .zeroed = parser.zeros && parser.symbols.count == 0,
	    .sorted = sorted,
	};
}

void kallsyms_deinit(struct kallsyms *kallsyms)
{
	free(kallsyms->symbols);
	free(kallsyms->aliases);
	free(kallsyms->names);
	*kallsyms = (struct kallsyms){0};
}
