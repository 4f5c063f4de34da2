/* Where the registers of a GDB remote peer lie: see gdb_target.h. */
#include "parse/gdb_target.h"

#include <expat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Bounds that no machine's description comes near (x86_64 with AVX-512: 3 documents deep, 200 registers of up to 64
 * bytes; AMX has one of 1 KiB). */
enum { DEPTH_MAX = 8, DOCUMENTS_MAX = 64, REGISTERS_MAX = 4096, SIZE_MAX_BITS = 1 << 16, NAME_MAX_LENGTH = 63 };

struct reader {
	struct gdb_target *target;
	gdb_annex_reader *read;
	void *context;
	unsigned depth, documents;
	uint32_t next_number; /* of a register that does not tell its own */
	bool in_architecture;
	struct buffer architecture;
	struct error *error; /* the first one; the rest is not looked at */
};

/* One document being parsed. */
struct document {
	struct reader *reader;
	XML_Parser parser;
};

static struct error *read_document(struct reader *reader, const char *annex);

static void fail(struct document *document, struct error *error)
{
	struct reader *reader = document->reader;

	if (reader->error)
		error_destroy(error);
	else
		reader->error = error;
	XML_StopParser(document->parser, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2) {
		if (!strcmp(attributes[0], name))
			return attributes[1];
	}
	return NULL;
}

/* A decimal number that fills the text. */
static bool parse_number(const char *text, uint32_t limit, uint32_t *number)
{
	uint32_t value = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || value > limit / 10)
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*number = value;
	return value <= limit;
}

static void add_register(struct document *document, const char **attributes)
{
	struct reader *reader = document->reader;
	struct gdb_target *target = reader->target;
	const char *name = attribute(attributes, "name"), *number = attribute(attributes, "regnum");
	uint32_t bits;

	if (!name || !*name || strlen(name) > NAME_MAX_LENGTH ||
	    !parse_number(attribute(attributes, "bitsize"), SIZE_MAX_BITS, &bits) || bits == 0 ||
	    (number && !parse_number(number, INT32_MAX, &reader->next_number))) {
		fail(document, error_create(ERROR_INPUT, 0, NULL,
					    "the peer's target description has a register without a proper name, "
					    "size or number"));
		return;
	}
	if (target->registers.count == REGISTERS_MAX) {
		fail(document, error_create(ERROR_INPUT, 0, NULL,
					    "the peer's target description has more than %d registers", REGISTERS_MAX));
		return;
	}
	vector_push(
	    &target->registers,
	    (struct gdb_register){.name = memory_strdup(name), .number = reader->next_number, .size = (bits + 7) / 8});
	reader->next_number++;
}

static void include(struct document *document, const char **attributes)
{
	struct reader *reader = document->reader;
	const char *annex = attribute(attributes, "href");

	/* It goes into a request of ours, where a colon would end the name. */
	if (!annex || !*annex || strlen(annex) > NAME_MAX_LENGTH || strpbrk(annex, ":;,#$*}")) {
		fail(document, error_create(ERROR_INPUT, 0, NULL,
					    "the peer's target description includes something without a proper name"));
		return;
	}

	struct error *error = read_document(reader, annex);

	if (error)
		fail(document, error);
}

static void on_start(void *context, const char *name, const char **attributes)
{
	struct document *document = context;

	/* A stopped parser still finishes the call it is in: an empty element's end, for one. */
	if (document->reader->error)
		return;
	if (!strcmp(name, "reg"))
		add_register(document, attributes);
	else if (!strcmp(name, "xi:include"))
		include(document, attributes);
	else if (!strcmp(name, "architecture"))
		document->reader->in_architecture = document->reader->architecture.size == 0;
}

static void on_end(void *context, const char *name)
{
	struct document *document = context;

	if (!strcmp(name, "architecture"))
		document->reader->in_architecture = false;
}

static void on_text(void *context, const char *text, int size)
{
	struct document *document = context;
	struct reader *reader = document->reader;

	if (reader->in_architecture && reader->architecture.size + (size_t)size <= NAME_MAX_LENGTH)
		buffer_append(&reader->architecture, text, (size_t)size);
}

/* No description needs an entity of its own, and nested ones grow without bound. */
static void on_entity(void *context, const char *name, int is_parameter, const char *value, int value_size,
		      const char *base, const char *system_id, const char *public_id, const char *notation)
{
	(void)name;
	(void)is_parameter;
	(void)value;
	(void)value_size;
	(void)base;
	(void)system_id;
	(void)public_id;
	(void)notation;
	fail(context, error_create(ERROR_INPUT, 0, NULL, "the peer's target description declares entities"));
}

static void parse_xml(struct reader *reader, const char *annex, const struct buffer *xml)
{
	struct document document = {.reader = reader, .parser = XML_ParserCreate(NULL)};

	if (!document.parser)
		abort();
	XML_SetUserData(document.parser, &document);
	XML_SetElementHandler(document.parser, on_start, on_end);
	XML_SetCharacterDataHandler(document.parser, on_text);
	XML_SetEntityDeclHandler(document.parser, on_entity);
	if (xml->size > INT32_MAX || XML_Parse(document.parser, xml->data, (int)xml->size, true) != XML_STATUS_OK) {
		if (!reader->error)
			reader->error =
			    error_create(ERROR_INPUT, 0, annex, "the peer's target description is not well-formed: %s",
					 XML_ErrorString(XML_GetErrorCode(document.parser)));
	}
	XML_ParserFree(document.parser);
}

static struct error *read_document(struct reader *reader, const char *annex)
{
	struct buffer xml = {0};

	if (reader->depth == DEPTH_MAX || reader->documents == DOCUMENTS_MAX)
		return error_create(ERROR_INPUT, 0, annex,
				    "the peer's target description includes itself, or too much");
	reader->depth++;
	reader->documents++;

	struct error *error = reader->read(reader->context, annex, &xml);

	if (!error) {
		parse_xml(reader, annex, &xml);
		error = no_cleanup_pointer(reader->error);
	}
	buffer_deinit(&xml);
	reader->depth--;
	return error;
}

/* Until they are laid out, `offset` is the place in the description: the first of two with one number counts. */
static int by_number(const void *left, const void *right)
{
	const struct gdb_register *a = left, *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Puts them into order, and where they lie in g. */
static void lay_out(struct gdb_target *target)
{
	struct gdb_register *registers = target->registers.items;
	size_t kept = 0, offset = 0;

	if (target->registers.count)
		qsort(registers, target->registers.count, sizeof(*registers), by_number);
	for (size_t i = 0; i < target->registers.count; i++) {
		if (kept && registers[kept - 1].number == registers[i].number) {
			free(registers[i].name);
			continue;
		}
		registers[kept] = registers[i];
		registers[kept].offset = offset;
		offset += registers[kept].size;
		kept++;
	}
	target->registers.count = kept;
}

static enum abi abi_by_registers(const struct gdb_target *target)
{
	const struct gdb_register *rip = gdb_target_find(target, "rip"), *eip = gdb_target_find(target, "eip");

	if (rip && rip->size == 8)
		return ABI_X86_64;
	return eip && eip->size == 4 ? ABI_I386 : ABI_UNKNOWN;
}

struct error *gdb_target_parse(gdb_annex_reader *read, void *context, struct gdb_target *target)
{
	struct reader reader = {.target = target, .read = read, .context = context};

	*target = (struct gdb_target){0};

	struct error *error = read_document(&reader, "target.xml");

	if (error) {
		gdb_target_deinit(target);
	} else {
		lay_out(target);
		target->abi = abi_by_registers(target);
		if (reader.architecture.size)
			target->architecture = memory_strdup(reader.architecture.data);
	}
	buffer_deinit(&reader.architecture);
	return error;
}

struct layout {
	enum abi abi;
	const char *const *names; /* of the registers from the start on, NULL at the end */
	unsigned wide;            /* how many of them are of the pc's size; the rest have 4 bytes */
	const char *original;     /* Linux's, the last one of the longest layout */
	uint32_t original_number;
};

static const char *const names_i386[] = {"eax",    "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip",
					 "eflags", "cs",  "ss",  "ds",  "es",  "fs",  "gs",  NULL};
static const char *const names_x86_64[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8",
					   "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip", "eflags",
					   "cs",  "ss",  "ds",  "es",  "fs",  "gs",  NULL};

static const struct layout layout_i386 = {ABI_I386, names_i386, 9, "orig_eax", 41};
static const struct layout layout_x86_64 = {ABI_X86_64, names_x86_64, 17, "orig_rax", 57};

/* x87 has 8 registers of 10 bytes and 8 of 4; SSE has 8 (16) of 16 bytes and mxcsr. */
enum { X87 = 8 * 10 + 8 * 4, SSE_I386 = 8 * 16 + 4, SSE_X86_64 = 16 * 16 + 4 };
enum { CORE_I386 = 16 * 4, CORE_X86_64 = 17 * 8 + 7 * 4 };

static const struct layout *layout_of(size_t size, bool *with_original)
{
	*with_original = false;
	switch (size) {
	case CORE_I386:
	case CORE_I386 + X87:
	case CORE_I386 + X87 + SSE_I386:
		return &layout_i386;
	case CORE_I386 + X87 + SSE_I386 + 4:
		*with_original = true;
		return &layout_i386;
	case CORE_X86_64:
	case CORE_X86_64 + X87:
	case CORE_X86_64 + X87 + SSE_X86_64:
		return &layout_x86_64;
	case CORE_X86_64 + X87 + SSE_X86_64 + 8:
		*with_original = true;
		return &layout_x86_64;
	default:
		return NULL;
	}
}

static void assume_register(struct gdb_target *target, const char *name, uint32_t number, uint32_t size, size_t offset)
{
	vector_push(
	    &target->registers,
	    (struct gdb_register){.name = memory_strdup(name), .number = number, .size = size, .offset = offset});
}

struct error *gdb_target_assume(size_t size, struct gdb_target *target)
{
	bool with_original;
	const struct layout *layout = layout_of(size, &with_original);
	size_t offset = 0;

	*target = (struct gdb_target){0};
	if (!layout)
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "the peer has no target description, and %zu bytes of registers are neither "
				    "i386's nor x86_64's",
				    size);
	target->abi = layout->abi;

	uint32_t word_size = arch_of(layout->abi)->word_size;

	for (uint32_t i = 0; layout->names[i]; i++) {
		uint32_t register_size = i < layout->wide ? word_size : sizeof(uint32_t);

		assume_register(target, layout->names[i], i, register_size, offset);
		offset += register_size;
	}
	if (with_original)
		assume_register(target, layout->original, layout->original_number, word_size, size - word_size);
	return NULL;
}

void gdb_target_deinit(struct gdb_target *target)
{
	for (size_t i = 0; i < target->registers.count; i++)
		free(target->registers.items[i].name);
	vector_deinit(&target->registers);
	free(target->architecture);
	*target = (struct gdb_target){0};
}

const struct gdb_register *gdb_target_find(const struct gdb_target *target, const char *name)
{
	for (size_t i = 0; i < target->registers.count; i++) {
		if (!strcmp(target->registers.items[i].name, name))
			return &target->registers.items[i];
	}
	return NULL;
}
