/* The two halves of a stopped guest task's stack. */
#include "session/guest_internal.h"
#include "unwind/kernel_naming.h"

static struct stack *name_kernel_stack(struct guest_follow *follow, const kernel_frames *frames)
{
	struct stack *stack = stack_create(frames->count);
	struct string_pool *pool = follow->session->pool;

	for (size_t i = 0; i < frames->count; i++) {
		const struct kernel_frame *from = &frames->items[i];
		struct frame *to = &stack->frames[i];
		struct kernel_symbol symbol;
		bool known = i == 0 ? kernel_symbols_find(follow->symbols, from->pc, &symbol)
				    : kernel_symbols_find_caller(follow->symbols, from->pc, &symbol);

		to->pc = from->pc;
		to->method = from->method;
		to->certain = from->certain;
		if (!known)
			continue;
		to->symbol = string_intern(pool, symbol.name);
		to->module = string_intern(pool, symbol.module);
		to->offset = symbol.offset;
	}
	return stack;
}

struct stack *guest_kernel_stack(struct guest_follow *follow, const struct registers *registers,
				 struct kernel_border *border, const char **reason)
{
	kernel_frames frames = {0};
	struct stack *stack = NULL;
	struct error *error = kernel_stack_unwind(follow->kernel_space, &follow->code, KERNEL_UNWINDER_AUTO, registers,
						  follow->session->options.max_frames, &frames, border);

	if (error) {
		*reason = string_intern(follow->session->pool, error->message);
		error_destroy(error);
	} else {
		stack = name_kernel_stack(follow, &frames);
		if (!border->found)
			stack->reason = border->reason;
	}
	vector_deinit(&frames);
	return stack;
}

static void name_half(const struct guest_follow *follow, struct stack **stack)
{
	struct stack *bare = *stack;

	if (!bare)
		return;
	*stack = kernel_naming_stack(bare, follow->debug, follow->session->pool);
	stack_unref(bare);
}

void guest_kernel_name(const struct guest_follow *follow, struct fork_kernel *kernel)
{
	if (!follow->debug)
		return;
	name_half(follow, &kernel->parent_frames);
	name_half(follow, &kernel->child_frames);
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		struct walk_step *step = &kernel->walk->steps[i];

		kernel_naming_line(follow->debug, step->address, step->on_stack, follow->session->pool, &step->file,
				   &step->line);
	}
}

struct unwound *guest_user_stack(struct guest_follow *follow, struct guest_task *task,
				 const struct registers *registers, const struct guest_fork *fork, bool child)
{
	struct capture_hint hint = {.in_syscall = true, .fresh_stack = child && fork->record->call.child_stack != 0};
	struct unwound *unwound = NULL;
	bool changed;
	/* A child has its parent's modules, and few pages to find others from. */
	struct error *error = child ? NULL : space_refresh_modules(task->space, &changed);

	if (!error)
		error = capture_unwind(follow->session->capture, task->space, registers, &hint, &unwound);
	session_report(follow->session, NULL, error);
	return unwound;
}
