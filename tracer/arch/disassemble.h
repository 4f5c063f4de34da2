/* Disassembling: bytes in, one instruction out. What an unwinder and a stepper ask of an instruction is decoded; the
 * rest of it is a text. */
#ifndef FORKTRACE_ARCH_DISASSEMBLE_H
#define FORKTRACE_ARCH_DISASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/error.h"

enum instruction_kind {
	INSTRUCTION_OTHER,
	INSTRUCTION_CALL,
	INSTRUCTION_JUMP,   /* always taken */
	INSTRUCTION_BRANCH, /* a conditional jump */
	INSTRUCTION_RETURN, /* `immediate`: the bytes of arguments that it takes off the stack */
	INSTRUCTION_STOP,   /* ud2, hlt, int3, iret, sysexit: what follows is not reached from here */
	INSTRUCTION_PUSH,   /* of `source`, of `memory` or of a constant */
	INSTRUCTION_POP,    /* into `destination`, or into `memory` */
	INSTRUCTION_PUSH_FLAGS,
	INSTRUCTION_POP_FLAGS,
	INSTRUCTION_PUSH_ALL, /* the eight registers of i386 */
	INSTRUCTION_POP_ALL,
	INSTRUCTION_SET,     /* destination = source + immediate: mov, lea, add, sub, inc, dec */
	INSTRUCTION_AND,     /* destination &= immediate */
	INSTRUCTION_LOAD,    /* destination = a word of `memory` */
	INSTRUCTION_STORE,   /* a word of `memory` = source, or a constant where source is REGISTER_NONE */
	INSTRUCTION_NOTHING, /* nop, and what compilers pad with: lea 0(%esi),%esi */
	INSTRUCTION_LEAVE,   /* sp = frame pointer, then pops the frame pointer */
};

enum { REGISTER_NONE = -1 };

/* Registers are DWARF numbers of the ABI, and whole words: what touches a part of one is INSTRUCTION_OTHER. */
struct instruction {
	uint64_t address;
	unsigned length; /* bytes */
	enum instruction_kind kind;
	bool direct;     /* a call, jump or branch to `target` */
	uint64_t target; /* wrapped to the ABI's word */
	int destination, source;
	int64_t immediate;
	struct {
		bool used;
		int base, index; /* REGISTER_NONE: none; of a segment other than the flat ones: used is false */
		unsigned scale;
		int64_t displacement;
	} memory;
	uint32_t written; /* bit n: the instruction may change register n, the sp by a push included */
};

struct disassembler;

/* NULL and an error where the ABI cannot be disassembled. Owned by the caller; for one thread at a time. */
struct error *disassembler_create(enum abi abi, struct disassembler **disassembler);
void disassembler_destroy(struct disassembler *disassembler); /* accepts NULL */

/* How disassemble_text writes operands from now on: Intel's way (the default) or AT&T's. */
void disassembler_syntax(struct disassembler *disassembler, bool att);

/* Decodes the instruction at `address`, whose bytes are given (15 are always enough). False: they are no instruction,
 * or they end within it. */
bool disassemble(struct disassembler *disassembler, const void *bytes, size_t size, uint64_t address,
		 struct instruction *instruction);

/* Writes the instruction as a text, "mov    ebp, esp", into `text` (cut to `text_size` bytes, terminated). Returns its
 * length in bytes, 0 where the bytes are no instruction. */
unsigned disassemble_text(struct disassembler *disassembler, const void *bytes, size_t size, uint64_t address,
			  char *text, size_t text_size);

#endif
