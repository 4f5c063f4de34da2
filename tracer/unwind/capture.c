/* From registers to a named stack: see capture.h. */
#include "unwind/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "symbol/symbols.h"
#include "unwind/memo.h"
#include "unwind/naming.h"
#include "unwind/walk.h"

struct capture {
	struct capture_options options;
	struct string_pool *pool;
	const struct log *log;
	struct page_cache memory;
	struct walk walk;  /* its vectors are used again */
	struct memo *memo; /* NULL: not wanted */
	bool told_foreign; /* said that libunwind does not know the ABI */
};

struct capture *capture_create(const struct capture_options *options, struct string_pool *pool, const struct log *log)
{
	struct capture *capture = memory_alloc(sizeof(*capture));

	capture->options = *options;
	capture->pool = pool;
	capture->log = log;
	if (options->memo)
		capture->memo = memo_create();
	return capture;
}

void capture_destroy(struct capture *capture)
{
	if (!capture)
		return;
	memo_destroy(capture->memo);
	page_cache_deinit(&capture->memory);
	vector_deinit(&capture->walk.frames);
	free(capture);
}

/* The method that follows the call frame information. */
static enum walk_end walk_by_cfi(struct capture *capture)
{
	enum unwinder_kind unwinder = capture->options.unwinder;
	struct walk *walk = &capture->walk;

	if (unwinder == UNWINDER_FRAME_POINTER)
		return WALK_NO_CFI;
	if (unwinder != UNWINDER_LIBUNWIND)
		return walk_libdw(walk);
	if (walk_libunwind_knows(walk->modules->abi))
		return walk_libunwind(walk);
	if (!capture->told_foreign)
		log_write(capture->log, LOG_LEVEL_WARNING, "libunwind knows no %s here, libdw unwinds these processes",
			  abi_name(walk->modules->abi));
	capture->told_foreign = true;
	return walk_libdw(walk);
}

/* One step where the call frame information does not lead on. Returns false where there is none to take. */
static bool step_by_hand(struct capture *capture, const struct capture_hint *hint, enum walk_end end,
			 enum frame_method *method)
{
	struct walk *walk = &capture->walk;
	enum unwinder_kind unwinder = capture->options.unwinder;
	bool guess = unwinder == UNWINDER_AUTO || unwinder == UNWINDER_FRAME_POINTER;

	if (end != WALK_NO_CFI && end != WALK_NO_MODULE)
		return false;
	*method = METHOD_SYSCALL_STUB;
	if (walk->frames.count == 1 && hint->in_syscall && walk_syscall_stub(walk))
		return true;
	*method = METHOD_FRAME_POINTER;
	return guess && walk_frame_pointer(walk);
}

/* The first code of a program, and of the dynamic loader, has nothing above it. Where its author wrote no call frame
 * information nothing else says so. */
static bool is_entry_code(const struct walk_frame *frame)
{
	enum { ENTRY_CODE_SIZE = 128 };

	return frame->module && frame->module->starts &&
	       frame->pc - (frame->module->start + frame->module->file->entry) < ENTRY_CODE_SIZE;
}

/* A start that was written in C has call frame information for a caller that it has not: takes off what that led to.
 * Returns false where no frame is a start by its name's address. */
static bool cut_at_start(struct walk *walk)
{
	for (size_t i = 0; i < walk->frames.count; i++) {
		const struct walk_frame *frame = &walk->frames.items[i];

		if (!is_entry_code(frame))
			continue;

		struct module_file *file = frame->module->file;
		const struct name_list *names = symbols_lookup(file, walk_lookup_address(frame) - frame->module->start);
		const struct name *function = &names->names[names->count - 1];

		if (!function->symbol || function->start != file->entry)
			continue;
		walk->frames.count = i + 1;
		return true;
	}
	return false;
}

/* Finds all frames. Returns how the stack ended: WALK_OUTERMOST where it is whole. */
static enum walk_end walk_stack(struct capture *capture, const struct capture_hint *hint)
{
	struct walk *walk = &capture->walk;
	enum frame_method method;
	int end = walk_add(walk, registers_pc(&walk->registers), registers_sp(&walk->registers), METHOD_PT_REGS, true);

	if (hint->fresh_stack)
		return WALK_OUTERMOST;
	for (;;) {
		while (end == WALK_GOES_ON || end == WALK_FROM_HERE)
			end = (int)walk_by_cfi(capture);
		if (end == WALK_OUTERMOST || (end == WALK_NO_CFI && is_entry_code(walk_last(walk))))
			return WALK_OUTERMOST;
		if (!step_by_hand(capture, hint, (enum walk_end)end, &method))
			return (enum walk_end)end;
		end = walk_add(walk, registers_pc(&walk->registers), registers_sp(&walk->registers), method,
			       method == METHOD_SYSCALL_STUB);
		if (end == WALK_LIMIT || end == WALK_LOOP || end == WALK_ASTRAY)
			return (enum walk_end)end;
	}
}

static enum walk_end walk_to_start(struct capture *capture, const struct capture_hint *hint)
{
	enum walk_end end = walk_stack(capture, hint);

	return end != WALK_OUTERMOST && cut_at_start(&capture->walk) ? WALK_OUTERMOST : end;
}

/* Are the frames' modules still what the map says? A library can be replaced by another at the same address. */
static bool modules_current(const struct capture *capture, const struct space *space)
{
	const struct walk *walk = &capture->walk;
	const struct module *known = NULL;

	/* A guest's pages may be absent, and its modules are read anew for each fork. */
	if (space->source)
		return true;
	for (size_t i = 0; i < walk->frames.count; i++) {
		const struct module *module = walk->frames.items[i].module;

		if (!module)
			return false;
		if (module == known)
			continue;
		known = module;

		const struct module_file *file = module->file;
		uint8_t bytes[sizeof(file->identity)];
		struct error *error =
		    space_read(space, module->start + file->identity_offset, bytes, file->identity_size);
		bool same = !error && !memcmp(bytes, file->identity, file->identity_size);

		error_destroy(error);
		if (!same)
			return false;
	}
	return true;
}

static void walk_prepare(struct capture *capture, struct space *space, const struct registers *registers)
{
	struct walk *walk = &capture->walk;
	const struct arch *arch = arch_of(registers->abi);
	/* x32 has x86_64's registers; its addresses fit into half of a word. */
	unsigned word_size = space->modules->abi == ABI_X32 ? sizeof(uint32_t) : arch->word_size;

	page_cache_reset(&capture->memory, space, word_size);
	walk->memory = &capture->memory;
	walk->modules = space->modules;
	walk->arch = arch;
	walk->max_frames = capture->options.max_frames;
	walk->registers = *registers;
	walk->frames.count = 0;
}

static bool abi_fits(enum abi registers, enum abi modules)
{
	return registers == modules || modules == ABI_UNKNOWN || (registers == ABI_X86_64 && modules == ABI_X32);
}

static const char *end_reason(const struct capture *capture, enum walk_end end)
{
	const struct walk *walk = &capture->walk;
	const struct walk_frame *last = walk_last(walk);
	const char *module = last->module ? last->module->file->path : "";
	_cleanup_free_ char *text = NULL;

	switch (end) {
	case WALK_OUTERMOST:
	case WALK_FROM_HERE:
		return NULL;
	case WALK_NO_CFI:
		if (capture->options.unwinder == UNWINDER_FRAME_POINTER)
			return string_intern(capture->pool, "the frame pointer does not lead on from here");
		if (last->module->file->open_error && !last->module->file->image)
			return string_intern(capture->pool, last->module->file->open_error);
		text = memory_printf("no call frame information at this place of %s", module);
		break;
	case WALK_NO_MODULE:
		return string_intern(capture->pool, "the code lies in no file that is mapped");
	case WALK_MEMORY:
		return string_intern(capture->pool, "the memory of the stack is not readable there");
	case WALK_LOOP:
		return string_intern(capture->pool, "the next frame would lie beneath this one");
	case WALK_LIMIT:
		text = memory_printf("the limit of %zu frames was reached", walk->max_frames);
		break;
	case WALK_ASTRAY:
		return string_intern(capture->pool, "after a guess the stack does not lead on");
	case WALK_FAILED:
		text = memory_printf("the call frame information of %s does not lead on", module);
		break;
	}
	return string_intern(capture->pool, text);
}

/* Where not even the modules are known: the first frame, as an address. */
static struct unwound *bare_stack(const struct capture *capture, const struct registers *registers, const char *reason)
{
	struct unwound *unwound = unwound_create_bare(registers_pc(registers));

	unwound->reason = string_intern(capture->pool, reason);
	return unwound;
}

/* Unwinds anew. Where the modules turn out to be out of date they are read again, once. */
static struct error *unwind(struct capture *capture, struct space *space, const struct registers *registers,
			    const struct capture_hint *hint, struct unwound **unwound)
{
	walk_prepare(capture, space, registers);

	enum walk_end end = walk_to_start(capture, hint);

	if (!modules_current(capture, space)) {
		bool changed;
		struct error *error = space_refresh_modules(space, &changed);

		if (error)
			return error;
		if (changed) {
			walk_prepare(capture, space, registers);
			end = walk_to_start(capture, hint);
		}
	}
	*unwound = unwound_create(&capture->walk);
	(*unwound)->truncated = end == WALK_LIMIT;
	(*unwound)->reason = end_reason(capture, end);
	return NULL;
}

struct error *capture_unwind(struct capture *capture, struct space *space, const struct registers *registers,
			     const struct capture_hint *hint, struct unwound **unwound)
{
	const struct module_map *modules;
	struct error *error = space_modules(space, &modules);

	*unwound = NULL;
	if (!error && !abi_fits(registers->abi, modules->abi)) {
		*unwound = bare_stack(capture, registers, "the code is of another ABI than the program");
		return NULL;
	}
	if (!error && capture->memo && (*unwound = memo_find(capture->memo, space, registers, hint)))
		return NULL;
	if (!error)
		error = unwind(capture, space, registers, hint, unwound);
	if (!error) {
		if (capture->memo)
			memo_add(capture->memo, &capture->walk, registers, hint, *unwound);
		return NULL;
	}
	if (error->code == ERROR_GONE)
		return error;
	*unwound = bare_stack(capture, registers, error->message);
	error_destroy(error);
	return NULL;
}

bool capture_caller(struct capture *capture, struct space *space, const struct registers *registers,
		    const struct capture_hint *hint, size_t frame, uint64_t *pc, uint64_t *sp)
{
	const struct module_map *modules;
	struct unwound *unwound;
	struct error *error = space_modules(space, &modules);

	if (!error && !abi_fits(registers->abi, modules->abi))
		return false;
	if (!error)
		error = unwind(capture, space, registers, hint, &unwound);
	if (error) {
		error_destroy(error);
		return false;
	}
	unwound_unref(unwound);
	if (frame + 1 >= capture->walk.frames.count)
		return false;
	*pc = capture->walk.frames.items[frame + 1].pc;
	*sp = capture->walk.frames.items[frame + 1].sp;
	return true;
}

struct stack *capture_name(struct capture *capture, struct unwound *unwound)
{
	if (!unwound->named)
		unwound->named = naming_stack(unwound, capture->pool);
	return stack_ref(unwound->named);
}

struct error *capture_stack(struct capture *capture, struct space *space, const struct registers *registers,
			    const struct capture_hint *hint, struct stack **stack)
{
	struct unwound *unwound;
	struct error *error = capture_unwind(capture, space, registers, hint, &unwound);

	*stack = NULL;
	if (error)
		return error;
	*stack = capture_name(capture, unwound);
	unwound_unref(unwound);
	return NULL;
}
