/* What is seen of a task in a guest: see control_guest.h. */
#include <string.h>

#include "session/control_guest.h"
#include "unwind/kernel_naming.h"

enum { EAX = 0, ESP = 4, EBP = 5, EIP = 8 }; /* DWARF numbers */

/* --- the machine --- */

struct error *control_guest_pause(struct control_machine *machine)
{
	struct gdbstub *stub = machine->follow->stub;
	struct error *error;

	if (!stub || !gdbstub_running(stub))
		return stub ? NULL : error_create(ERROR_GONE, 0, NULL, "the guest has ended");
	error = gdbstub_interrupt(stub);
	if (!error)
		error = guest_await_stop(machine->follow, &machine->stop);
	if (error)
		return error;
	machine->queued = true;
	guest_kick(machine->follow);
	machine->cr3 = machine->shown_cr3 = guest_cr3(machine->follow);
	return NULL;
}

struct error *control_guest_stand(struct control *control)
{
	struct control_machine *machine = control ? control->machine : NULL;

	return machine && gdbstub_running(machine->follow->stub) ? control_guest_pause(machine) : NULL;
}

static struct error *show(struct control_machine *machine, uint64_t cr3)
{
	if (machine->shown_cr3 == cr3)
		return NULL;
	machine->shown_cr3 = cr3;
	return gdbstub_set_register(machine->follow->stub, "cr3", cr3);
}

struct error *control_guest_restore(struct control_machine *machine)
{
	return show(machine, machine->cr3);
}

/* Memory is read through the page table that the processor has. */
static struct error *look(const struct controlled *task)
{
	struct control_machine *machine = machine_of(task);
	struct error *error = control_guest_pause(machine);

	return error ? error : show(machine, task->cr3);
}

struct space *control_guest_space(const struct controlled *task)
{
	session_report(task->control->session, NULL, look(task));
	return task->guest->space;
}

struct error *control_guest_registers(struct controlled *task, struct registers *registers)
{
	*registers = task->standing;
	return NULL;
}

/* --- system calls --- */

bool control_guest_call_return(struct controlled *task, uint64_t address, uint64_t *after)
{
	enum { REACH = 24 };
	uint8_t code[REACH];
	struct error *error = space_read(control_guest_space(task), address, code, sizeof(code));
	size_t length = error ? 0 : system_call_length(code, sizeof(code));

	error_destroy(error);
	*after = address + length;
	return length;
}

/* --- the border, where the kernel's entry has not saved the user's registers yet --- */

static bool pad_of_vdso(struct controlled *task, uint64_t *after)
{
	enum { REACH = 64 };
	struct control_place place;
	struct error *error = control_find(task->control, task->shown.id, "__kernel_vsyscall", &place);

	error_destroy(error);
	for (uint64_t at = place.address; !error && at < place.address + REACH; at++) {
		if (control_guest_call_return(task, at, after))
			return true;
	}
	return false;
}

/* At the first instructions of the entry: an interrupt has left eip, cs, eflags, esp and ss on the stack; sysenter
 * nothing, but the vDSO has put the user's stack pointer into ebp. */
static void find_early_border(struct controlled *task, const struct registers *registers, struct kernel_border *border)
{
	enum { USER_CS = 0x73 };
	struct {
		uint32_t eip, cs, eflags, esp, ss;
	} left = {0};
	struct error *error = space_read(task->guest->space, registers_sp(registers), &left, sizeof(left));
	uint64_t after;

	error_destroy(error);
	border->user = *registers;
	border->user.cs = USER_CS;
	if (!error && (left.cs & UINT16_MAX) == USER_CS) {
		border->user.value[EIP] = left.eip;
		border->user.value[ESP] = left.esp;
		border->found = true;
	} else if (pad_of_vdso(task, &after)) {
		border->user.value[EIP] = after;
		border->user.value[ESP] = registers->value[EBP];
		border->found = true;
	}
}

static bool is_entry(const struct controlled *task, uint64_t pc)
{
	struct kernel_symbol symbol;

	if (!kernel_symbols_find(machine_of(task)->follow->symbols, pc, &symbol))
		return false;
	for (enum stage_entry way = STAGE_ENTRY_SYSENTER; way <= STAGE_ENTRY_INT80; way++) {
		for (const char *const *names = stage_names(STAGE_ENTRY, way, 0); *names; names++) {
			if (!strcmp(*names, symbol.name))
				return true;
		}
	}
	return false;
}

/* --- the stack --- */

/* New libraries, where the stack may lead through them. */
static void refresh_modules(struct controlled *task, uint64_t pc)
{
	const struct module_map *modules;
	bool changed;
	struct error *error = space_modules(task->guest->space, &modules);

	if (!error && (task->shown.stop == CONTROL_STOP_START || !module_map_find(modules, pc)))
		error = space_refresh_modules(task->guest->space, &changed);
	control_complain(task, error);
}

static struct error *user_stack(struct controlled *task, const struct registers *registers, bool in_call,
				struct stack **stack)
{
	struct capture_hint hint = {.in_syscall = in_call};

	refresh_modules(task, registers_pc(registers));
	return capture_stack(task->control->capture, task->guest->space, registers, &hint, stack);
}

/* Does it stand behind a system call's instruction? */
static bool behind_call(struct controlled *task, const struct registers *registers)
{
	return control_system_call_at(task, registers_pc(registers) - SYSTEM_CALL_SIZE);
}

static struct stack *join(const struct stack *kernel, const struct stack *user)
{
	size_t count = kernel->count + (user ? user->count : 0);
	struct stack *both = stack_create(count);

	memcpy(both->frames, kernel->frames, kernel->count * sizeof(*kernel->frames));
	if (user)
		memcpy(both->frames + kernel->count, user->frames, user->count * sizeof(*user->frames));
	both->reason = user ? user->reason : kernel->reason;
	both->truncated = user && user->truncated;
	return both;
}

static struct stack *kernel_stack(struct controlled *task, const struct registers *registers,
				  struct kernel_border *border, const char **reason)
{
	struct guest_follow *follow = machine_of(task)->follow;
	struct stack *bare = guest_kernel_stack(follow, registers, border, reason), *named;

	if (bare && !border->found && bare->count == 1 && is_entry(task, registers_pc(registers)))
		find_early_border(task, registers, border);
	if (!bare || !follow->debug)
		return bare;
	named = kernel_naming_stack(bare, follow->debug, task->control->session->pool);
	stack_unref(bare);
	return named;
}

struct error *control_guest_stack(struct controlled *task, struct stack **stack)
{
	struct registers registers;
	struct kernel_border border = {0};
	const char *reason = NULL;
	struct stack *kernel, *user = NULL;
	struct entry_fact entry = {.kind = ENTRY_UNKNOWN};
	struct error *error = look(task);

	task->shown.kernel_frames = 0;
	if (!error)
		error = control_guest_registers(task, &registers);
	if (error)
		return error;
	if (guest_is_user(&registers))
		return user_stack(task, &registers, behind_call(task, &registers), stack);
	kernel = kernel_stack(task, &registers, &border, &reason);
	if (!kernel)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "the kernel's stack cannot be read: %s", reason);
	if (border.found)
		error = user_stack(task, &border.user, true, &user);
	if (!error) {
		*stack = join(kernel, user);
		task->shown.kernel_frames = (unsigned)kernel->count;
		entry_from_kernel(kernel, ABI_I386, &entry);
		task->shown.entry = entry.kind;
	}
	stack_unref(kernel);
	stack_unref(user);
	return error;
}

/* Where a frame of the kernel's returns to: to the next, or to the user's registers. *left: how many frames of the
 * user's are to be left besides, from `user` on; -1: it was the kernel's. */
static bool kernel_caller(struct controlled *task, const struct registers *registers, unsigned frame, uint64_t *pc,
			  uint64_t *sp, struct registers *user, long *left)
{
	struct guest_follow *follow = machine_of(task)->follow;
	kernel_frames frames = {0};
	struct kernel_border border = {0};
	struct error *error = kernel_stack_unwind(follow->kernel_space, &follow->code, KERNEL_UNWINDER_AUTO, registers,
						  task->control->session->options.max_frames, &frames, &border);
	bool found = !error;

	error_destroy(error);
	if (found && !border.found && frames.count == 1 && is_entry(task, registers_pc(registers)))
		find_early_border(task, registers, &border);
	*user = border.user;
	*left = -1;
	if (found && frame + 1 < frames.count) {
		*pc = frames.items[frame + 1].pc;
		*sp = frames.items[frame + 1].sp;
	} else if (found && border.found) {
		*left = (long)frame + 1 - (long)frames.count;
		*pc = registers_pc(&border.user);
		*sp = registers_sp(&border.user);
	} else {
		found = false;
	}
	vector_deinit(&frames);
	return found;
}

bool control_guest_caller(struct controlled *task, unsigned frame, uint64_t *pc, uint64_t *sp)
{
	struct registers registers, user;
	struct capture_hint hint = {.in_syscall = true};
	struct error *error = look(task);
	long left;

	if (!error)
		error = control_guest_registers(task, &registers);
	error_destroy(error);
	if (error)
		return false;
	if (!guest_is_user(&registers)) {
		if (!kernel_caller(task, &registers, frame, pc, sp, &user, &left))
			return false;
		if (left <= 0)
			return true;
		registers = user;
		frame = (unsigned)left - 1;
	} else {
		hint.in_syscall = behind_call(task, &registers);
	}
	refresh_modules(task, registers_pc(&registers));
	return capture_caller(task->control->capture, task->guest->space, &registers, &hint, frame, pc, sp);
}

/* --- the kernel's places --- */

bool control_guest_kernel_place(struct controlled *task, uint64_t address, struct control_place *place)
{
	struct guest_follow *follow = machine_of(task)->follow;
	struct string_pool *pool = task->control->session->pool;
	const struct name_list *names = follow->debug ? kernel_debug_lookup(follow->debug, address) : NULL;
	struct kernel_symbol symbol;

	if (!kernel_symbols_find(follow->symbols, address, &symbol))
		return false;
	*place = (struct control_place){.address = address,
					.module = string_intern(pool, symbol.module),
					.symbol = string_intern(pool, symbol.name),
					.offset = symbol.offset};
	if (names) {
		place->file = string_intern(pool, names->names[0].file);
		place->line = names->names[0].line;
	}
	return true;
}

bool control_guest_kernel_find(struct controlled *task, const char *symbol, uint64_t *address)
{
	return kernel_symbols_by_name(machine_of(task)->follow->symbols, symbol, address, NULL);
}

bool control_guest_kernel_line(struct controlled *task, uint64_t address, struct step_line *line)
{
	const struct kernel_debug *debug = machine_of(task)->follow->debug;
	struct line_place place;
	uint64_t start;

	if (!debug || !kernel_debug_line(debug, address, &place, &start))
		return false;
	step_line_init(line, &place, start);
	return true;
}
