/* Where tasks of a guest wait that are held while others go on: in a loop of ours, which sleeps. It lies between two
 * functions of the vDSO, or behind them, which all processes share: nothing of a program's own memory is changed. */
#include <gelf.h>
#include <string.h>

#include "session/control_guest.h"

enum { EAX = 0, ECX = 1, EDX = 2, EBX = 3, EIP = 8 }; /* DWARF numbers */

/* poll(NULL, 0, 2 ms), for ever; the registers hold its arguments. Where it wakes it can be stopped. */
static const uint8_t loop[] = {
    0xcd, 0x80,                   /* 0: int $0x80 */
    0xb8, 0xa8, 0x00, 0x00, 0x00, /* 2: mov $__NR_poll,%eax */
    0xeb, 0xf7,                   /* 7: jmp 0 */
};
enum { POLL = 168, POLL_MS = 2, WAKES = 2 };

/* How many bytes of padding begin here. */
static size_t padding_at(struct control_machine *machine, const uint8_t *image, size_t size, size_t at)
{
	struct instruction instruction;
	size_t start = at;

	while (at < size && disassemble(machine->disassembler, image + at, size - at, at, &instruction) &&
	       instruction.kind == INSTRUCTION_NOTHING)
		at += instruction.length;
	return at - start;
}

/* Behind a function: a return, or the system call that a signal's handler returns by. 0: there is none. */
static uint64_t find_padding(struct control_machine *machine, const uint8_t *image, size_t size)
{
	enum { RETURN = 0xc3, INT = 0xcd, SYSTEM_CALL = 0x80 };

	for (size_t at = 2; at < size; at++) {
		if ((image[at - 1] == RETURN || (image[at - 2] == INT && image[at - 1] == SYSTEM_CALL)) &&
		    padding_at(machine, image, size, at) >= sizeof(loop))
			return at;
	}
	return 0;
}

/* What the kernel reads but once, when it boots (apply_alternatives in arch/x86/kernel/alternative.c). It follows the
 * code. Linux 7.2 has no other room, where its functions are not aligned to more than four bytes. */
static uint64_t find_alternatives(const uint8_t *image, size_t size)
{
	Elf *elf = elf_memory((char *)(uintptr_t)image, size); /* is only read */
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	uint64_t found = 0;
	size_t names;

	if (elf && !elf_getshdrstrndx(elf, &names)) {
		while (!found && (section = elf_nextscn(elf, section))) {
			const char *name =
			    gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

			if (name && !strcmp(name, ".altinstructions") && header.sh_size >= sizeof(loop))
				found = header.sh_offset; /* as it is mapped */
		}
	}
	elf_end(elf);
	return found;
}

/* Behind its end, in the rest of its page: of a vDSO of one page, which every process has in use. 0: there is none. */
static uint64_t find_rest(size_t size)
{
	enum { PAGE = 4096, ALIGNMENT = 16 };
	uint64_t at = (size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);

	return size && at + sizeof(loop) <= PAGE ? at : 0;
}

static void find_room(struct control_machine *machine)
{
	size_t size;
	const uint8_t *image = guest_vdso(machine->follow->guest, &size);

	machine->park = find_padding(machine, image, size);
	if (!machine->park)
		machine->park = find_alternatives(image, size);
	if (!machine->park)
		machine->park = find_rest(size);
	machine->no_park = !machine->park;
}

static struct error *no_room(const struct controlled *task)
{
	return error_create(ERROR_UNSUPPORTED, 0, NULL,
			    "process %d cannot be kept where it stands while another one goes on: its vDSO has no room",
			    task->shown.tid);
}

static struct error *find_loop(struct controlled *task, uint64_t *address)
{
	struct control_machine *machine = machine_of(task);
	const struct guest_image *image = task->guest->image;

	if (!machine->park && !machine->no_park)
		find_room(machine);
	if (machine->no_park || !image || !image->auxv.vdso)
		return no_room(task);
	*address = image->auxv.vdso + machine->park;
	return NULL;
}

/* In one process it is written for all: a new one has not mapped the page yet. */
struct error *control_guest_prepare(struct controlled *task)
{
	struct control_machine *machine = machine_of(task);
	uint64_t address = 0;
	struct error *error = machine->prepared ? NULL : find_loop(task, &address);

	if (error || machine->prepared)
		return error;
	error = gdbstub_write(machine->follow->stub, address, loop, sizeof(loop));
	machine->prepared = !error;
	return error;
}

static struct error *set_registers(struct controlled *task, const struct registers *wanted)
{
	static const unsigned changed[] = {EAX, EBX, ECX, EDX, EIP};
	const struct arch *arch = arch_of(ABI_I386);
	struct error *error = NULL;

	for (size_t i = 0; !error && i < sizeof(changed) / sizeof(*changed); i++)
		error = gdbstub_set_register(machine_of(task)->follow->stub, arch->register_names[changed[i]],
					     wanted->value[changed[i]]);
	return error;
}

struct error *control_guest_park(struct controlled *task)
{
	struct control_machine *machine = machine_of(task);
	struct error *error = gdbstub_registers(machine->follow->stub, &task->standing);
	struct registers waiting = task->standing;
	uint64_t address = 0;

	if (!error)
		error = find_loop(task, &address);
	if (!error)
		error = control_guest_prepare(task);
	if (error)
		return error;
	waiting.value[EAX] = POLL;
	waiting.value[EBX] = waiting.value[ECX] = 0;
	waiting.value[EDX] = POLL_MS;
	waiting.value[EIP] = address;
	error = set_registers(task, &waiting);
	if (error)
		return error;
	task->parked = true;
	task->wakes = address + WAKES;
	return NULL;
}

void control_guest_call(struct controlled *task)
{
	if (!task->called)
		guest_breakpoint(machine_of(task)->follow, task->wakes, true);
	task->called = true;
}

bool control_guest_unpark(struct controlled *task, uint64_t pc)
{
	if (pc != task->wakes || !task->called)
		return false;
	guest_breakpoint(machine_of(task)->follow, task->wakes, false);
	task->parked = task->called = false;
	control_complain(task, set_registers(task, &task->standing));
	return true;
}
