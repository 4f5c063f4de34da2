/* Stacks read from JSON: see stacks.h. */
#include "ui/record/stacks.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"

void stack_pool_deinit(struct stack_pool *pool)
{
	for (size_t i = 0; i < STACK_POOL_SLOTS; i++)
		stack_unref(pool->slots[i]);
}

static void frame_read(struct stack_pool *pool, struct fields *fields, const json_t *object, struct frame *frame)
{
	int64_t number;

	frame->pc = field_address(fields, object, "pc");
	frame->symbol = string_intern(pool->strings, field_text_or_null(fields, object, "symbol"));
	field_integer_or_null(fields, object, "offset", 0, INT64_MAX, &number);
	frame->offset = (uint64_t)number;
	frame->module = string_intern(pool->strings, field_text_or_null(fields, object, "module"));
	frame->build_id = string_intern(pool->strings, field_text_or_null(fields, object, "build_id"));
	frame->file = string_intern(pool->strings, field_text_or_null(fields, object, "file"));
	field_integer_or_null(fields, object, "line", 1, INT_MAX, &number);
	frame->line = (int)number;
	frame->inlined = field_boolean(fields, object, "inlined");
	frame->method = (enum frame_method)field_word_or(fields, object, "method", frame_method_name,
							 METHOD_UNKNOWN + 1, METHOD_UNKNOWN);
	frame->certain = field_boolean(fields, object, "certain");
}

/* Of what two stacks must have in common. Texts are equal where their pointers are. */
static uint64_t stack_hash(const struct stack *stack)
{
	uint64_t hash = hash_bytes(stack->truncated, &stack->reason, sizeof(stack->reason));

	for (size_t i = 0; i < stack->count; i++) {
		const struct frame *frame = &stack->frames[i];
		const uint64_t words[] = {frame->pc,
					  frame->offset,
					  (uintptr_t)frame->symbol,
					  (uintptr_t)frame->module,
					  (uintptr_t)frame->build_id,
					  (uintptr_t)frame->file,
					  (uint64_t)frame->line << 32 | (uint64_t)frame->inlined << 16 |
					      (uint64_t)frame->certain << 8 | frame->method};

		hash = hash_bytes(hash, words, sizeof(words));
	}
	return hash;
}

static bool stack_equal(const struct stack *one, const struct stack *other)
{
	if (one->count != other->count || one->truncated != other->truncated || one->reason != other->reason)
		return false;
	for (size_t i = 0; i < one->count; i++) {
		const struct frame *mine = &one->frames[i], *yours = &other->frames[i];

		if (mine->pc != yours->pc || mine->symbol != yours->symbol || mine->offset != yours->offset ||
		    mine->module != yours->module || mine->build_id != yours->build_id || mine->file != yours->file ||
		    mine->line != yours->line || mine->inlined != yours->inlined || mine->certain != yours->certain ||
		    mine->method != yours->method)
			return false;
	}
	return true;
}

/* The one that is known already, in place of `stack`, whose reference is taken. */
static struct stack *stack_share(struct stack_pool *pool, struct stack *stack)
{
	struct stack **slot = &pool->slots[stack_hash(stack) % STACK_POOL_SLOTS];

	if (*slot && stack_equal(*slot, stack)) {
		stack_unref(stack);
	} else {
		stack_unref(*slot);
		*slot = stack;
	}
	return stack_ref(*slot);
}

static void end_read(struct stack_pool *pool, struct fields *fields, const json_t *object, const char *key,
		     struct stack *stack)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_truncated", key);
	stack->truncated = json_object_get(object, name) && field_boolean(fields, object, name);
	snprintf(name, sizeof(name), "%s_reason", key);
	stack->reason = string_intern(pool->strings, field_text_or_null(fields, object, name));
}

struct stack *stack_pool_read(struct stack_pool *pool, struct fields *fields, const json_t *object, const char *key)
{
	const json_t *frames = field_array_or_null(fields, object, key);
	struct stack *stack = frames ? stack_create(json_array_size(frames)) : NULL;

	if (!stack)
		return NULL;
	end_read(pool, fields, object, key, stack);
	for (size_t i = 0; i < stack->count && fields_ok(fields); i++) {
		size_t entered;
		const json_t *frame = field_item(fields, frames, key, i, &entered);

		if (frame)
			frame_read(pool, fields, frame, &stack->frames[i]);
		fields_leave(fields, entered);
	}
	if (!fields_ok(fields)) {
		stack_unref(stack);
		return NULL;
	}
	return stack_share(pool, stack);
}
