/* The i386 ABI. DWARF numbers: System V ABI, Intel386 supplement, table 2.14; GDB's: gdb/features/i386/32bit-core.xml.
 */
#include <elf.h>
#include <linux/audit.h>

#include "arch/tables.h"

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, EIP, COUNT };

/* struct user_regs_struct, arch/x86/include/asm/user_32.h. */
enum {
	AT_EBX,
	AT_ECX,
	AT_EDX,
	AT_ESI,
	AT_EDI,
	AT_EBP,
	AT_EAX,
	AT_DS,
	AT_ES,
	AT_FS,
	AT_GS,
	AT_ORIG_EAX,
	AT_EIP,
	AT_CS,
	AT_EFLAGS,
	AT_ESP,
	AT_SS,
	WORDS,
};

enum { WORD_SIZE = 4 };

static const char *const names[COUNT] = {
    [EAX] = "eax", [ECX] = "ecx", [EDX] = "edx", [EBX] = "ebx", [ESP] = "esp",
    [EBP] = "ebp", [ESI] = "esi", [EDI] = "edi", [EIP] = "eip",
};

/* GDB took i386's numbers from the same source as DWARF. */
static const uint8_t gdb_order[COUNT] = {EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, EIP};

static const uint8_t int3[] = {0xcc};

const struct arch arch_i386 = {
    .abi = ABI_I386,
    .name = "i386",
    .word_size = WORD_SIZE,
    .register_count = COUNT,
    .pc = EIP,
    .sp = ESP,
    .frame_pointer = EBP,
    .result = EAX,
    /* int $0x80 keeps all others; what sysenter does not keep, the vDSO saves and restores. */
    .clobbered = 1U << EAX,
    .register_names = names,
    .gdb_to_dwarf = gdb_order,
    .audit_arch = AUDIT_ARCH_I386,
    .elf_machine = EM_386,
    .prstatus_size = (size_t)WORDS * WORD_SIZE,
    .breakpoint = int3,
    .breakpoint_size = sizeof(int3),
};

const struct prstatus_layout prstatus_i386 = {
    .register_at = {[EAX] = AT_EAX,
		    [ECX] = AT_ECX,
		    [EDX] = AT_EDX,
		    [EBX] = AT_EBX,
		    [ESP] = AT_ESP,
		    [EBP] = AT_EBP,
		    [ESI] = AT_ESI,
		    [EDI] = AT_EDI,
		    [EIP] = AT_EIP},
    .flags_at = AT_EFLAGS,
    .cs_at = AT_CS,
    .original_result_at = AT_ORIG_EAX,
};
