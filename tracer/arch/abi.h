/* The ABIs a process can use, and the constant table that describes each.
 *
 * To add one: a const table in a file of its own, a line in arch_of(), its fork family in fork_call.c. */
#ifndef FORKTRACE_ARCH_ABI_H
#define FORKTRACE_ARCH_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum abi {
	ABI_UNKNOWN,
	ABI_I386,
	ABI_X86_64,
	ABI_X32, /* named only: its system calls are x86_64's with bit 30 set */
};

/* The most registers that an ABI numbers for DWARF, the pc among them (x86_64: 16 and the pc). */
enum { REGISTER_MAX = 17 };

/* A register set, as a plain value. Registers stand in DWARF order; an i386 set is zero-extended. */
struct registers {
	enum abi abi;                 /* of the code segment: a 64-bit process in 32-bit code is ABI_I386 */
	uint32_t known;               /* bit n: value[n] is known */
	uint64_t value[REGISTER_MAX]; /* by DWARF number; i386 uses 0 to 8, 8 being the pc */
	uint64_t flags;               /* eflags/rflags */
	uint64_t cs;
	uint64_t original_result; /* orig_eax/orig_rax: the system call's number, or -1 */
};

struct arch {
	enum abi abi;
	const char *name;                  /* "i386" */
	unsigned word_size;                /* bytes of a pointer: 4 or 8 */
	unsigned register_count;           /* DWARF-numbered registers, the pc included */
	unsigned pc, sp, frame_pointer;    /* DWARF numbers */
	unsigned result;                   /* where a system call leaves its value */
	uint32_t clobbered;                /* bit n: a system call does not keep register n (x86_64: rax, rcx, r11) */
	const char *const *register_names; /* [register_count], "eax" */
	const uint8_t *gdb_to_dwarf;       /* [register_count]: number in GDB's order -> DWARF number */
	uint32_t audit_arch;               /* AUDIT_ARCH_* of linux/audit.h */
	uint16_t elf_machine;              /* EM_* */
	size_t prstatus_size;              /* length of NT_PRSTATUS from PTRACE_GETREGSET */
	const uint8_t *breakpoint;         /* the breakpoint instruction */
	size_t breakpoint_size;
};

/* The table of an ABI; that of x86_64 for ABI_X32; NULL for ABI_UNKNOWN. */
const struct arch *arch_of(enum abi abi);

/* "i386", "x86_64", "x32" or "unknown". */
const char *abi_name(enum abi abi);

/* Decodes what PTRACE_GETREGSET(NT_PRSTATUS) returned: the length tells the layout (68 bytes: i386; 216: x86_64,
 * ptrace(2)). Returns false for any other length. A set of the x86_64 layout with cs 0x23 cannot occur (the kernel
 * chooses the layout by cs, arch/x86/kernel/ptrace.c, task_user_regset_view). */
bool registers_decode_prstatus(const void *bytes, size_t size, struct registers *registers);

/* Are these two bytes an instruction that enters the kernel: syscall, sysenter, int $0x80? */
enum { SYSTEM_CALL_SIZE = 2 };
bool is_system_call_instruction(const uint8_t code[SYSTEM_CALL_SIZE]);
/* How far behind such an instruction, with which the code begins, its system call returns to: to the next one, but for
 * sysenter, behind which the vDSO has what restarts the call first. 0: it is none, or that does not stand there. */
size_t system_call_length(const uint8_t *code, size_t size);

/* Accessors by role. */
uint64_t registers_pc(const struct registers *registers);
uint64_t registers_sp(const struct registers *registers);

/* The value a system call left, as the program sees it: sign-extended from the ABI's word. */
int64_t registers_result(const struct registers *registers);

#endif
