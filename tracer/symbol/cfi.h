/* What the call frame information says at an address: whether there is some, and what an unwind step from there depends
 * on. The step itself is taken by libdwfl or libunwind. */
#ifndef FORKTRACE_SYMBOL_CFI_H
#define FORKTRACE_SYMBOL_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/abi.h"
#include "target/space.h"

/* Where the caller's value of a register is. */
enum cfi_place {
	CFI_UNDEFINED, /* lost; as the return address: this is the outermost frame */
	CFI_SAME,      /* still in the register */
	CFI_SAVED,     /* in memory, at the canonical frame address plus an offset */
	CFI_COMPUTED,  /* what an expression of registers (and perhaps memory) gives */
};

struct cfi_register {
	enum cfi_place place;
	int64_t offset;     /* CFI_SAVED, bytes */
	uint32_t registers; /* CFI_COMPUTED: bit n set: register n is read */
};

struct cfi {
	bool covered;           /* false: nothing is known at this address, the rest is meaningless */
	bool signal_frame;      /* the code that a signal handler returns to */
	uint32_t cfa_registers; /* that the canonical frame address is computed from */
	struct cfi_register registers[REGISTER_MAX]; /* by DWARF number; the pc's stands for the return address */
};

/* The rules at `address`, relative to the start of the module. Borrowed from the file. */
const struct cfi *cfi_lookup(struct module_file *file, uint64_t address);

#endif
