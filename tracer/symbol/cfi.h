/* What the call frame information says at an address: whether there is some, and what an unwind step from there depends
 * on. The step itself is taken by libdwfl or libunwind. */
#ifndef FORKTRACE_SYMBOL_CFI_H
#define FORKTRACE_SYMBOL_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/map.h"
#include "symbol/file_view.h"
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

/* What call frame information is asked of. Internal to symbol/, and the tracing thread's alone. */
struct cfi_rules {
	Elf *elf; /* that all Dwfls of the tracing thread share; NULL: not needed yet, or the file is an image */
	struct file_view view;
	struct map by_address; /* relative address -> struct cfi */
};
struct cfi_rules *cfi_rules_of(struct module_file *file);

/* The rules at `address`, relative to the start of the module. Borrowed from the file. */
const struct cfi *cfi_lookup(struct module_file *file, uint64_t address);

#endif
