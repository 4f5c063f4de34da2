/* The const tables of arch/, one pair a file: what abi.h shows of an ABI, and how the kernel lays out its registers. */
#ifndef FORKTRACE_ARCH_TABLES_H
#define FORKTRACE_ARCH_TABLES_H

#include "arch/abi.h"

/* Where each value stands in NT_PRSTATUS, counted in words of the ABI's size. */
struct prstatus_layout {
	uint8_t register_at[REGISTER_MAX]; /* by DWARF number */
	uint8_t flags_at;
	uint8_t cs_at;
	uint8_t original_result_at;
};

extern const struct arch arch_i386;
extern const struct arch arch_x86_64;
extern const struct prstatus_layout prstatus_i386;
extern const struct prstatus_layout prstatus_x86_64;

#endif
