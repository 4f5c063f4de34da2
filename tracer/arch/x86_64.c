/* The x86_64 ABI. DWARF numbers: System V ABI, AMD64 supplement, figure 3.36; GDB's: gdb/features/i386/64bit-core.xml.
 */
#include <elf.h>
#include <linux/audit.h>

#include "arch/tables.h"

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, RIP, COUNT };

/* struct user_regs_struct, arch/x86/include/asm/user_64.h. */
enum {
	AT_R15,
	AT_R14,
	AT_R13,
	AT_R12,
	AT_RBP,
	AT_RBX,
	AT_R11,
	AT_R10,
	AT_R9,
	AT_R8,
	AT_RAX,
	AT_RCX,
	AT_RDX,
	AT_RSI,
	AT_RDI,
	AT_ORIG_RAX,
	AT_RIP,
	AT_CS,
	AT_EFLAGS,
	AT_RSP,
	AT_SS,
	AT_FS_BASE,
	AT_GS_BASE,
	AT_DS,
	AT_ES,
	AT_FS,
	AT_GS,
	WORDS,
};

enum { WORD_SIZE = 8 };

_Static_assert((int)COUNT <= (int)REGISTER_MAX, "struct registers has room for every register");

static const char *const names[COUNT] = {
    [RAX] = "rax", [RDX] = "rdx", [RCX] = "rcx", [RBX] = "rbx", [RSI] = "rsi", [RDI] = "rdi",
    [RBP] = "rbp", [RSP] = "rsp", [R8] = "r8",   [R9] = "r9",   [R10] = "r10", [R11] = "r11",
    [R12] = "r12", [R13] = "r13", [R14] = "r14", [R15] = "r15", [RIP] = "rip",
};

static const uint8_t gdb_order[COUNT] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8,
					 R9,  R10, R11, R12, R13, R14, R15, RIP};

static const uint8_t int3[] = {0xcc};

const struct arch arch_x86_64 = {
    .abi = ABI_X86_64,
    .name = "x86_64",
    .word_size = WORD_SIZE,
    .register_count = COUNT,
    .pc = RIP,
    .sp = RSP,
    .frame_pointer = RBP,
    .result = RAX,
    /* The syscall instruction puts rip into rcx and rflags into r11. */
    .clobbered = 1U << RAX | 1U << RCX | 1U << R11,
    .register_names = names,
    .gdb_to_dwarf = gdb_order,
    .audit_arch = AUDIT_ARCH_X86_64,
    .elf_machine = EM_X86_64,
    .prstatus_size = (size_t)WORDS * WORD_SIZE,
    .breakpoint = int3,
    .breakpoint_size = sizeof(int3),
};

const struct prstatus_layout prstatus_x86_64 = {
    .register_at = {[RAX] = AT_RAX,
		    [RDX] = AT_RDX,
		    [RCX] = AT_RCX,
		    [RBX] = AT_RBX,
		    [RSI] = AT_RSI,
		    [RDI] = AT_RDI,
		    [RBP] = AT_RBP,
		    [RSP] = AT_RSP,
		    [R8] = AT_R8,
		    [R9] = AT_R9,
		    [R10] = AT_R10,
		    [R11] = AT_R11,
		    [R12] = AT_R12,
		    [R13] = AT_R13,
		    [R14] = AT_R14,
		    [R15] = AT_R15,
		    [RIP] = AT_RIP},
    .flags_at = AT_EFLAGS,
    .cs_at = AT_CS,
    .original_result_at = AT_ORIG_RAX,
};
