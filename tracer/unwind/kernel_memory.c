/* Memory of a stopped kernel: its stack, its code. All of it is untrusted: see kernel_walk.h. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "unwind/kernel_walk.h"

enum { CODE_PAGE = 1024, CALL_LENGTH_MAX = 8 };

struct code_page {
	bool readable;
	uint8_t bytes[CODE_PAGE];
};

bool kernel_read(struct kernel_walk *walk, uint64_t address, void *bytes, size_t size)
{
	if (walk->error || address + size < address || address + size > UINT64_C(1) << 32)
		return false;

	struct error *error = space_read(walk->space, address, bytes, size);

	if (!error)
		return true;
	if (error->code == ERROR_FAULT)
		error_destroy(error);
	else
		walk->error = error;
	return false;
}

static const struct code_page *code_page(struct kernel_walk *walk, uint64_t number)
{
	struct code_page *page = map_get(&walk->code_pages, number);

	if (!page) {
		page = memory_alloc(sizeof(*page));
		page->readable = kernel_read(walk, number * CODE_PAGE, page->bytes, CODE_PAGE);
		map_put(&walk->code_pages, number, page);
	}
	return page;
}

bool kernel_read_code(struct kernel_walk *walk, uint64_t address, void *bytes, size_t size)
{
	uint8_t *to = bytes;

	while (size) {
		const struct code_page *page = code_page(walk, address / CODE_PAGE);
		size_t offset = address % CODE_PAGE;
		size_t part = CODE_PAGE - offset < size ? CODE_PAGE - offset : size;

		if (!page->readable)
			return false;
		memcpy(to, page->bytes + offset, part);
		to += part;
		address += part;
		size -= part;
	}
	return true;
}

static bool stack_read_to(struct kernel_walk *walk, uint64_t start, uint64_t end)
{
	walk->stack_start = walk->stack_end = start;
	walk->stack = memory_resize(walk->stack, 1, end - start);
	if (!kernel_read(walk, start, walk->stack, end - start))
		return false;
	walk->stack_end = end;
	return true;
}

void kernel_stack_read(struct kernel_walk *walk, uint64_t sp)
{
	uint64_t start = sp - sp % WORD;

	/* The user's registers lie at the stack's end, which is a page's. */
	if (walk->candidate_count)
		stack_read_to(walk, start, (walk->candidates[0].address | (STACK_SIZE_MIN - 1)) + 1);
	else if (!stack_read_to(walk, start, (start | (STACK_SIZE_MAX - 1)) + 1))
		stack_read_to(walk, start, (start | (STACK_SIZE_MIN - 1)) + 1);
}

bool kernel_stack_word(const struct kernel_walk *walk, uint64_t address, uint32_t *word)
{
	if (address % WORD || address < walk->stack_start || address >= walk->stack_end ||
	    walk->stack_end - address < WORD)
		return false;
	memcpy(word, walk->stack + (address - walk->stack_start), sizeof(*word));
	return true;
}

bool kernel_function_at(const struct kernel_walk *walk, uint64_t pc, bool exact, struct kernel_function *function)
{
	return walk->code->find(walk->code->context, exact ? pc : pc - 1, function) && function->start < function->end;
}

bool kernel_is_thunk(const char *name)
{
	return !strncmp(name, "__x86_indirect_", strlen("__x86_indirect_"));
}

bool kernel_is_cold_part(const char *name, const char *function)
{
	size_t length = strlen(function);

	return !strncmp(name, function, length) && !strncmp(name + length, ".cold", strlen(".cold"));
}

bool kernel_call_before(struct kernel_walk *walk, uint64_t address, struct instruction *call)
{
	/* A call with an address of its own is the likeliest; the others are shorter, or longer by prefixes. */
	static const uint8_t lengths[] = {5, 2, 3, 6, 7, 4, 8};
	uint8_t bytes[CALL_LENGTH_MAX];
	struct kernel_function function;

	if (address < CALL_LENGTH_MAX || !kernel_function_at(walk, address, false, &function) ||
	    !kernel_read_code(walk, address - CALL_LENGTH_MAX, bytes, sizeof(bytes)))
		return false;
	for (size_t i = 0; i < sizeof(lengths); i++) {
		unsigned length = lengths[i];

		if (address - length >= function.start &&
		    disassemble(walk->disassembler, bytes + CALL_LENGTH_MAX - length, length, address - length, call) &&
		    call->kind == INSTRUCTION_CALL && call->length == length)
			return true;
	}
	return false;
}

void kernel_memory_deinit(struct kernel_walk *walk)
{
	void *page;

	for (size_t i = 0; (page = map_next(&walk->code_pages, &i));)
		free(page);
	map_deinit(&walk->code_pages);
	free(walk->stack);
}
