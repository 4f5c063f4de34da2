/* Unwinds by call frame information with libdwfl, both ABIs.
 *
 * One Dwfl serves all processes that have the same modules: its callbacks read through the walk of the moment.
 * libdwfl's own guess at code without CFI, by the frame pointer and unchecked, is never reached: each frame is looked
 * at first. */
#include <elfutils/libdwfl.h>
#include <stdlib.h>

#include "base/memory.h"
#include "symbol/unwinding.h"
#include "unwind/walk.h"

/* Hangs on the Dwfl. */
struct attachment {
	struct walk *walk; /* at work */
	enum walk_end end;
	bool started; /* the first frame, which the walk knows already, was passed */
	bool memory_failed;
};

static pid_t next_thread(Dwfl *dwfl, void *argument, void **thread_argument)
{
	(void)dwfl;
	(void)argument;
	(void)thread_argument;
	return 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *argument, void **thread_argument)
{
	(void)dwfl;
	(void)tid;
	*thread_argument = argument;
	return true;
}

/* One word of the tracee's, never more: reading 8 bytes of an i386 stack gives no address at all. Once memory failed,
 * it fails for good, so that libdwfl has nothing to guess from. */
static bool memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *argument)
{
	struct attachment *attachment = argument;
	struct walk *walk = attachment->walk;

	(void)dwfl;
	if (attachment->memory_failed || !page_cache_word(walk->memory, address, walk->frames.count - 1, result))
		attachment->memory_failed = true;
	return !attachment->memory_failed;
}

static bool set_initial_registers(Dwfl_Thread *thread, void *argument)
{
	const struct walk *walk = ((struct attachment *)argument)->walk;

	dwfl_thread_state_register_pc(thread, walk_lookup_address(walk_last(walk)));
	/* The pc has its own call, and is none of libdw's numbered registers for i386. */
	for (unsigned i = 0; i < walk->arch->pc; i++) {
		Dwarf_Word value = walk->registers.value[i];

		if ((walk->registers.known & (UINT32_C(1) << i)) &&
		    !dwfl_thread_state_registers(thread, (int)i, 1, &value))
			return false;
	}
	return true;
}

static struct attachment *attach(struct unwinding *unwinding)
{
	static const Dwfl_Thread_Callbacks callbacks = {
	    .next_thread = next_thread,
	    .get_thread = get_thread,
	    .memory_read = memory_read,
	    .set_initial_registers = set_initial_registers,
	};
	enum { ANY_PID = 1 }; /* never looked at: the callbacks know better */

	if (unwinding->libdw.data)
		return unwinding->libdw.data;

	struct attachment *attachment = memory_alloc(sizeof(*attachment));

	if (!dwfl_attach_state(unwinding->dwfl, NULL, ANY_PID, &callbacks, attachment)) {
		free(attachment);
		return NULL;
	}
	unwinding->libdw = (struct unwinding_part){attachment, free};
	return attachment;
}

/* Keeps the registers of the frame at which libdwfl stops, for whoever goes on. */
static void save_registers(struct walk *walk, Dwfl_Frame *state)
{
	struct registers *registers = &walk->registers;

	registers->known = 0;
	for (unsigned i = 0; i < walk->arch->register_count; i++) {
		Dwarf_Word value;

		registers->value[i] = 0;
		if (i == walk->arch->pc) {
			registers->value[i] = walk_last(walk)->pc;
		} else if (!dwfl_frame_reg(state, i, &value)) {
			registers->value[i] = value;
		} else {
			continue;
		}
		registers->known |= UINT32_C(1) << i;
	}
}

static int take_frame(Dwfl_Frame *state, void *argument)
{
	struct attachment *attachment = argument;
	struct walk *walk = attachment->walk;
	Dwarf_Addr pc;
	Dwarf_Word sp;

	if (!attachment->started) {
		attachment->started = true;
		return DWARF_CB_OK;
	}
	if (!dwfl_frame_pc(state, &pc, NULL) || dwfl_frame_reg(state, walk->arch->sp, &sp)) {
		attachment->end = WALK_FAILED;
		return DWARF_CB_ABORT;
	}

	int end = walk_add(walk, pc, sp, walk_cfi_method(walk_last(walk)), true);

	if (end == WALK_GOES_ON)
		return DWARF_CB_OK;
	attachment->end = (enum walk_end)end;
	if (end == WALK_NO_CFI || end == WALK_NO_MODULE || end == WALK_FROM_HERE)
		save_registers(walk, state);
	return DWARF_CB_ABORT;
}

enum walk_end walk_libdw(struct walk *walk)
{
	enum { ANY_TID = 1 };
	struct unwinding *unwinding = unwinding_of(walk->modules);
	struct attachment *attachment = attach(unwinding);

	if (!attachment)
		return WALK_FAILED;
	*attachment = (struct attachment){.walk = walk, .end = WALK_FAILED};

	int result = dwfl_getthread_frames(unwinding->dwfl, ANY_TID, take_frame, attachment);

	attachment->walk = NULL;
	if (result == DWARF_CB_ABORT)
		return attachment->end;
	if (attachment->memory_failed)
		return WALK_MEMORY;
	return result == 0 ? WALK_OUTERMOST : WALK_FAILED;
}
