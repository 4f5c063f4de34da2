/* Files, lines and inlined functions for a kernel's stack: see kernel_naming.h. */
#include "unwind/kernel_naming.h"

/* NULL: the debug information does not know the place; a kernel module's, for one. */
static const struct name_list *names_of(const struct stack *stack, size_t index, const struct kernel_debug *debug)
{
	const struct frame *frame = &stack->frames[index];

	return frame->module ? NULL : kernel_debug_lookup(debug, index ? frame->pc - 1 : frame->pc);
}

static struct frame *put_frames(struct frame *to, const struct frame *from, const struct name_list *names,
				const struct kernel_debug *debug, struct string_pool *pool)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct name *name = &names->names[i];

		*to = *from;
		to->file = string_intern(pool, name->file);
		to->line = name->line;
		to->inlined = name->inlined;
		if (name->inlined || (!from->symbol && name->symbol)) {
			to->symbol = string_intern(pool, name->symbol);
			to->offset = name->symbol ? from->pc - kernel_debug_address(debug, name->start) : 0;
		}
		to++;
	}
	return to;
}

struct stack *kernel_naming_stack(const struct stack *stack, const struct kernel_debug *debug, struct string_pool *pool)
{
	struct stack *named;
	struct frame *to;
	size_t count = 0;

	for (size_t i = 0; i < stack->count; i++) {
		const struct name_list *names = names_of(stack, i, debug);

		count += names ? names->count : 1;
	}
	named = stack_create(count);
	named->truncated = stack->truncated;
	named->reason = stack->reason;
	to = named->frames;
	for (size_t i = 0; i < stack->count; i++) {
		const struct name_list *names = names_of(stack, i, debug);

		if (names)
			to = put_frames(to, &stack->frames[i], names, debug, pool);
		else
			*to++ = stack->frames[i];
	}
	return named;
}

void kernel_naming_line(const struct kernel_debug *debug, uint64_t address, bool returns, struct string_pool *pool,
			const char **file, int *line)
{
	const struct name_list *names = kernel_debug_lookup(debug, returns ? address - 1 : address);
	const struct name *function = names ? &names->names[names->count - 1] : NULL;

	*file = function ? string_intern(pool, function->file) : NULL;
	*line = *file ? function->line : 0;
}
