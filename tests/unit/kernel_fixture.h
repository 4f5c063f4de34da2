/* A small i386 kernel, assembled into the test, and a machine that runs it: it knows the true stack at each
 * instruction. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_KERNEL_FIXTURE_H
#define FORKTRACE_TESTS_UNIT_KERNEL_FIXTURE_H

#include <stdint.h>
#include <string.h>

#include "arch/disassemble.h"
#include "target/space.h"
#include "unwind/kernel_stack.h"

__asm__(".include \"tests/unit/kernel_code.s\"");

extern const uint8_t kernel_start[], kernel_end[];

#define NAMES(take)                                                                                                    \
	take(__fentry__) take(entry_SYSENTER_32) take(do_SYSENTER_32) take(ia32_sys_call) take(sys_clone)              \
	    take(kernel_clone) take(copy_process) take(leaf) take(__x86_indirect_thunk_eax) take(panic)                \
		take(sys_clone_tail) take(_do_fork) take(sysenter_do_call) take(ptregs_clone) take(sys_clone_old)      \
		    take(do_fork_old) take(copy_process_old) take(end)
#define DECLARE(name) extern const uint8_t k_##name[];
NAMES(DECLARE)
extern const uint8_t k_copy_process_cold[];

/* Places within functions. */
extern const uint8_t k___x86_indirect_thunk_eax_ret[], k_kernel_clone_ret[], k_do_fork_old_6[], k_do_fork_old_ret[],
    k_copy_process_old_ret[];

#define TEXT       UINT64_C(0xc1000000)
#define STACK_AREA UINT64_C(0xc8000000) /* two stacks of 8 KiB, the first is the task's */
enum { STACK_SIZE = 8192, PT_REGS = STACK_SIZE - 8 - 68 };

static const struct {
	const char *name;
	const uint8_t *start;
} kernel_symbols[] = {
#define ENTRY(name) {#name, k_##name},
    NAMES(ENTRY){"copy_process.cold", k_copy_process_cold}};

static inline uint64_t address_of(const uint8_t *place)
{
	return TEXT + (uint64_t)(place - kernel_start);
}

static bool find_function(void *context, uint64_t address, struct kernel_function *function)
{
	bool found = false;

	(void)context;
	*function = (struct kernel_function){.end = TEXT + (uint64_t)(kernel_end - kernel_start)};
	if (address >= function->end)
		return false;
	for (size_t i = 0; i < sizeof(kernel_symbols) / sizeof(*kernel_symbols); i++) {
		uint64_t start = address_of(kernel_symbols[i].start);

		if (start <= address && start >= function->start) {
			function->start = start;
			function->name = kernel_symbols[i].name;
			found = true;
		} else if (start > address && start < function->end) {
			function->end = start;
		}
	}
	return found;
}

static const struct kernel_code kernel_code = {.find = find_function};

/* The machine. */
struct machine {
	uint32_t registers[9]; /* by DWARF number */
	uint8_t stack[2 * STACK_SIZE];
	uint64_t stack_base;
	const uint8_t *indirect;
	uint32_t random;
	struct disassembler *disassembler;

	struct {
		uint32_t slot, pc;
	} calls[64]; /* outermost first */
	size_t depth;
	unsigned reads;
	bool gone;
};

static struct error *read_machine(void *context, uint64_t address, void *bytes, size_t size)
{
	struct machine *machine = context;

	machine->reads++;
	if (machine->gone)
		return &error_gone;
	if (address >= TEXT && address + size <= TEXT + (uint64_t)(kernel_end - kernel_start))
		memcpy(bytes, kernel_start + (address - TEXT), size);
	else if (address >= machine->stack_base && address + size <= machine->stack_base + sizeof(machine->stack))
		memcpy(bytes, machine->stack + (address - machine->stack_base), size);
	else
		return &error_fault;
	return NULL;
}

static inline uint32_t *stack_at(struct machine *machine, uint64_t address)
{
	assert_true(address >= machine->stack_base && address + 4 <= machine->stack_base + sizeof(machine->stack));
	return (uint32_t *)(void *)(machine->stack + (address - machine->stack_base));
}

enum { R_EAX, R_ECX, R_EDX, R_EBX, R_ESP, R_EBP, R_ESI, R_EDI, R_EIP };

static inline void machine_push(struct machine *machine, uint32_t word)
{
	machine->registers[R_ESP] -= 4;
	*stack_at(machine, machine->registers[R_ESP]) = word;
}

static inline uint32_t machine_pop(struct machine *machine)
{
	machine->registers[R_ESP] += 4;
	return *stack_at(machine, machine->registers[R_ESP] - 4);
}

static inline uint32_t machine_random(struct machine *machine)
{
	machine->random = machine->random * 1664525 + 1013904223;
	return machine->random >> 16;
}

/* The user's registers, as the entry saved them. */
static inline void put_border(struct machine *machine, uint64_t address)
{
	static const uint32_t words[] = {0x1200011, 2,    3,   0,          5,    0xbffff000, 0xffffffda, 0x7b, 0x7b,
					 0,         0x33, 120, 0xb7fd0549, 0x73, 0x246,      0xbffff000, 0x7b};

	memcpy(stack_at(machine, address), words, sizeof(words));
}

/* At the entry's first instruction. */
static inline void machine_start(struct machine *machine, const uint8_t *entry, const uint8_t *indirect, uint32_t seed)
{
	struct disassembler *disassembler = machine->disassembler;

	*machine = (struct machine){.stack_base = STACK_AREA, .indirect = indirect, .random = seed};
	machine->disassembler = disassembler;
	if (!disassembler)
		assert_null(disassembler_create(ABI_I386, &machine->disassembler));
	for (uint64_t at = 0; at < sizeof(machine->stack); at += 4)
		*stack_at(machine, STACK_AREA + at) = machine_random(machine);
	put_border(machine, STACK_AREA + PT_REGS);
	for (unsigned i = 0; i < 8; i++)
		machine->registers[i] = machine_random(machine);
	machine->registers[R_ESP] = STACK_AREA + PT_REGS;
	machine->registers[R_EBP] = 0xbffff000; /* the user's */
	machine->registers[R_EIP] = (uint32_t)address_of(entry);
}

static inline uint32_t operand_address(const struct machine *machine, const struct instruction *instruction)
{
	return machine->registers[instruction->memory.base] + (uint32_t)instruction->memory.displacement;
}

static inline void machine_call(struct machine *machine, const struct instruction *instruction, uint32_t next)
{
	uint32_t target = (uint32_t)(instruction->direct ? instruction->target : address_of(machine->indirect));
	struct kernel_function from, to;

	machine_push(machine, next);
	assert_true(find_function(NULL, instruction->address, &from) && find_function(NULL, target, &to));
	if (from.start != to.start) {
		assert_true(machine->depth < sizeof(machine->calls) / sizeof(*machine->calls));
		machine->calls[machine->depth].slot = machine->registers[R_ESP];
		machine->calls[machine->depth++].pc = next;
	}
	if (target == address_of(k___x86_indirect_thunk_eax))
		machine->registers[R_EAX] = (uint32_t)address_of(k_leaf);
	machine->registers[R_EIP] = target;
}

static inline void machine_return(struct machine *machine)
{
	uint32_t slot = machine->registers[R_ESP];

	machine->registers[R_EIP] = machine_pop(machine);
	if (machine->depth && machine->calls[machine->depth - 1].slot == slot)
		machine->depth--;
}

static inline void machine_store(struct machine *machine, const struct instruction *instruction)
{
	uint32_t address = operand_address(machine, instruction);

	/* The entry's own notes in struct pt_regs are not of interest. */
	if (address < STACK_AREA + PT_REGS && address >= STACK_AREA)
		*stack_at(machine, address) = machine->registers[instruction->source];
}

static inline uint32_t machine_load(struct machine *machine, const struct instruction *instruction)
{
	uint32_t address = operand_address(machine, instruction);

	return address >= STACK_AREA && address < STACK_AREA + STACK_SIZE ? *stack_at(machine, address) : 0;
}

static inline void machine_push_or_pop(struct machine *machine, const struct instruction *instruction)
{
	uint32_t *registers = machine->registers, word;

	switch (instruction->kind) {
	case INSTRUCTION_PUSH:
		word = instruction->source >= 0   ? registers[instruction->source]
		       : instruction->memory.used ? machine_load(machine, instruction)
						  : 1;
		machine_push(machine, word);
		break;
	case INSTRUCTION_POP:
		registers[instruction->destination] = machine_pop(machine);
		break;
	case INSTRUCTION_PUSH_FLAGS:
		machine_push(machine, 0x246);
		break;
	case INSTRUCTION_POP_FLAGS:
		machine_pop(machine);
		break;
	case INSTRUCTION_PUSH_ALL:
		registers[R_ESP] -= 32;
		break;
	case INSTRUCTION_POP_ALL:
		registers[R_ESP] += 32;
		break;
	default:
		break;
	}
}

/* Runs one instruction; false: the entry is reached again, or a call that does not return. */
static inline bool machine_step(struct machine *machine)
{
	uint32_t *registers = machine->registers;
	struct instruction instruction;

	assert_true(registers[R_EIP] >= TEXT);
	assert_true(disassemble(machine->disassembler, kernel_start + (registers[R_EIP] - TEXT), 15, registers[R_EIP],
				&instruction));
	registers[R_EIP] += instruction.length;
	switch (instruction.kind) {
	case INSTRUCTION_CALL:
		machine_call(machine, &instruction, registers[R_EIP]);
		break;
	case INSTRUCTION_RETURN:
		machine_return(machine);
		break;
	case INSTRUCTION_JUMP:
		registers[R_EIP] = (uint32_t)instruction.target;
		return machine->depth;
	case INSTRUCTION_BRANCH:
		if (machine_random(machine) % 3 == 0)
			registers[R_EIP] = (uint32_t)instruction.target;
		break;
	case INSTRUCTION_STOP:
		return false;
	case INSTRUCTION_SET:
		registers[instruction.destination] = registers[instruction.source] + (uint32_t)instruction.immediate;
		break;
	case INSTRUCTION_AND:
		registers[instruction.destination] &= (uint32_t)instruction.immediate;
		break;
	case INSTRUCTION_LOAD:
		registers[instruction.destination] = machine_load(machine, &instruction);
		break;
	case INSTRUCTION_STORE:
		machine_store(machine, &instruction);
		break;
	case INSTRUCTION_LEAVE:
		registers[R_ESP] = registers[R_EBP];
		registers[R_EBP] = machine_pop(machine);
		break;
	case INSTRUCTION_OTHER:
		/* An alloca: the only one of these that matters. */
		if (instruction.written & 1U << R_ESP)
			registers[R_ESP] -= machine_random(machine) % 8 * 4;
		break;
	default:
		machine_push_or_pop(machine, &instruction);
		break;
	}
	return true;
}

static inline struct registers machine_registers(const struct machine *machine)
{
	struct registers registers = {.abi = ABI_I386, .known = 0x1ff, .cs = 0x60};

	for (unsigned i = 0; i < 9; i++)
		registers.value[i] = machine->registers[i];
	return registers;
}

#endif
