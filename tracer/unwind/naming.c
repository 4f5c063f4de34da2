/* From a finished walk to a stack with names: see naming.h. */
#include "unwind/naming.h"

#include <stdio.h>

#include "base/memory.h"
#include "symbol/symbols.h"

/* What the frames of one module have in common, in the session's strings. */
struct module_strings {
	const struct module *module;
	const char *path, *build_id;
};

static void use_module(struct module_strings *strings, const struct module *module, struct string_pool *pool)
{
	if (module == strings->module)
		return;

	const struct module_file *file = module->file;
	char hex[2 * sizeof(file->build_id) + 1];

	for (size_t i = 0; i < file->build_id_size; i++)
		snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", file->build_id[i]);
	strings->module = module;
	strings->path = string_intern(pool, file->path);
	strings->build_id = file->build_id_size ? string_intern(pool, hex) : NULL;
}

static const struct name_list *names_of(const struct walk_frame *frame)
{
	return frame->module ? symbols_lookup(frame->module->file, walk_lookup_address(frame) - frame->module->start)
			     : NULL;
}

static size_t count_frames(const struct unwound *unwound)
{
	size_t count = 0;

	for (size_t i = 0; i < unwound->count; i++) {
		const struct name_list *names = names_of(&unwound->frames[i]);

		count += names ? names->count : 1;
	}
	return count;
}

static struct frame *put_frame(struct frame *to, const struct walk_frame *from, struct module_strings *strings,
			       struct string_pool *pool)
{
	const struct name_list *names = names_of(from);
	struct frame frame = {.pc = from->pc, .certain = from->certain, .method = from->method};

	if (!names) {
		*to++ = frame;
		return to;
	}
	use_module(strings, from->module, pool);
	frame.module = strings->path;
	frame.build_id = strings->build_id;
	for (size_t i = 0; i < names->count; i++) {
		const struct name *name = &names->names[i];

		frame.symbol = string_intern(pool, name->symbol);
		frame.offset = name->symbol ? from->pc - from->module->start - name->start : 0;
		frame.file = string_intern(pool, name->file);
		frame.line = name->line;
		frame.inlined = name->inlined;
		*to++ = frame;
	}
	return to;
}

struct stack *naming_stack(const struct unwound *unwound, struct string_pool *pool)
{
	struct stack *stack = stack_create(count_frames(unwound));
	struct module_strings strings = {0};
	struct frame *to = stack->frames;

	for (size_t i = 0; i < unwound->count; i++)
		to = put_frame(to, &unwound->frames[i], &strings, pool);
	stack->truncated = unwound->truncated;
	stack->reason = unwound->reason;
	return stack;
}
