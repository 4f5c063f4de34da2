/* The ABIs' tables against golden values, and register sets against what the kernel gives for a stopped child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "arch/abi.h"
#include "parse/wait_status.h"
#include "tests/unit/skipping.h"
#include "tests/unit/tracee.h"

static void abis_have_names(void **state)
{
	(void)state;
	assert_string_equal(abi_name(ABI_I386), "i386");
	assert_string_equal(abi_name(ABI_X86_64), "x86_64");
	assert_string_equal(abi_name(ABI_X32), "x32");
	assert_string_equal(abi_name(ABI_UNKNOWN), "unknown");
	assert_null(arch_of(ABI_UNKNOWN));
	assert_ptr_equal(arch_of(ABI_X32), arch_of(ABI_X86_64));
}

static void assert_names(const struct arch *arch, const char *const *expected, unsigned count)
{
	assert_int_equal(arch->register_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(arch->register_names[i], expected[i]);
}

static void assert_gdb_order(const struct arch *arch, const char *const *expected)
{
	for (unsigned i = 0; i < arch->register_count; i++)
		assert_string_equal(arch->register_names[arch->gdb_to_dwarf[i]], expected[i]);
}

static void table_of_i386(void **state)
{
	static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"};
	const struct arch *arch = arch_of(ABI_I386);

	(void)state;
	assert_int_equal(arch->abi, ABI_I386);
	assert_string_equal(arch->name, "i386");
	assert_int_equal(arch->word_size, 4);
	assert_names(arch, names, 9);
	assert_gdb_order(arch, names);
	assert_string_equal(names[arch->pc], "eip");
	assert_string_equal(names[arch->sp], "esp");
	assert_string_equal(names[arch->frame_pointer], "ebp");
	assert_string_equal(names[arch->result], "eax");
	assert_int_equal(arch->clobbered, 1U << 0);
	assert_int_equal(arch->audit_arch, AUDIT_ARCH_I386);
	assert_int_equal(arch->elf_machine, EM_386);
	assert_int_equal(arch->prstatus_size, 68);
	assert_int_equal(arch->breakpoint_size, 1);
	assert_int_equal(arch->breakpoint[0], 0xcc);
}

static void table_of_x86_64(void **state)
{
	static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
					    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
	static const char *const gdb_names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8",
						"r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
	const struct arch *arch = arch_of(ABI_X86_64);

	(void)state;
	assert_int_equal(arch->abi, ABI_X86_64);
	assert_string_equal(arch->name, "x86_64");
	assert_int_equal(arch->word_size, 8);
	assert_names(arch, names, 17);
	assert_gdb_order(arch, gdb_names);
	assert_string_equal(names[arch->pc], "rip");
	assert_string_equal(names[arch->sp], "rsp");
	assert_string_equal(names[arch->frame_pointer], "rbp");
	assert_string_equal(names[arch->result], "rax");
	assert_int_equal(arch->clobbered, 1U << 0 | 1U << 2 | 1U << 11);
	assert_int_equal(arch->audit_arch, AUDIT_ARCH_X86_64);
	assert_int_equal(arch->elf_machine, EM_X86_64);
	assert_int_equal(arch->prstatus_size, sizeof(struct user_regs_struct));
	assert_int_equal(arch->breakpoint_size, 1);
	assert_int_equal(arch->breakpoint[0], 0xcc);
}

/* Word n of the layout holds 0xf0000000 + n: where each comes out tells whether it was looked for in the right place.
 */
static void golden_i386_set(void **state)
{
	/* eax ecx edx ebx esp ebp esi edi eip, as words of struct user_regs_struct */
	static const unsigned at[9] = {6, 1, 2, 0, 15, 5, 3, 4, 12};
	uint32_t words[17];
	struct registers registers;

	(void)state;
	for (uint32_t i = 0; i < 17; i++)
		words[i] = 0xf0000000 + i;
	memset(&registers, 0x55, sizeof(registers));
	assert_true(registers_decode_prstatus(words, sizeof(words), &registers));
	assert_int_equal(registers.abi, ABI_I386);
	assert_int_equal(registers.known, (1U << 9) - 1);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(registers.value[i], 0xf0000000 + at[i]);
	for (unsigned i = 9; i < REGISTER_MAX; i++)
		assert_int_equal(registers.value[i], 0);
	assert_int_equal(registers.original_result, 0xf0000000 + 11);
	assert_int_equal(registers.cs, 0xf0000000 + 13);
	assert_int_equal(registers.flags, 0xf0000000 + 14);
	assert_int_equal(registers_pc(&registers), 0xf0000000 + 12);
	assert_int_equal(registers_sp(&registers), 0xf0000000 + 15);
	assert_int_equal(registers_result(&registers), (int32_t)0xf0000006);
}

static void golden_x86_64_set(void **state)
{
	/* rax rdx rcx rbx rsi rdi rbp rsp r8 ... r15 rip, as words of struct user_regs_struct */
	static const unsigned at[17] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16};
	const uint64_t base = UINT64_C(0xf000000000000000);
	uint64_t words[27];
	struct registers registers;

	(void)state;
	for (uint64_t i = 0; i < 27; i++)
		words[i] = base + i;
	assert_true(registers_decode_prstatus(words, sizeof(words), &registers));
	assert_int_equal(registers.abi, ABI_X86_64);
	assert_int_equal(registers.known, (1U << 17) - 1);
	for (unsigned i = 0; i < 17; i++)
		assert_int_equal(registers.value[i], base + at[i]);
	assert_int_equal(registers.original_result, base + 15);
	assert_int_equal(registers.cs, base + 17);
	assert_int_equal(registers.flags, base + 18);
	assert_int_equal(registers_pc(&registers), base + 16);
	assert_int_equal(registers_sp(&registers), base + 19);
	assert_true(registers_result(&registers) == (int64_t)(base + 10));
}

static void original_result_of_no_call(void **state)
{
	uint32_t words[17] = {0};
	struct registers registers;

	(void)state;
	words[11] = UINT32_MAX;
	assert_true(registers_decode_prstatus(words, sizeof(words), &registers));
	assert_true(registers.original_result == UINT64_MAX);
	words[11] = UINT32_MAX - 1;
	assert_true(registers_decode_prstatus(words, sizeof(words), &registers));
	assert_true(registers.original_result == UINT32_MAX - 1);
}

static void other_lengths_are_refused(void **state)
{
	char bytes[512] = {0};
	struct registers registers;
	unsigned accepted = 0;

	(void)state;
	for (size_t size = 0; size <= sizeof(bytes); size++)
		accepted += registers_decode_prstatus(bytes, size, &registers);
	assert_int_equal(accepted, 2);
}

static void unknown_abi_has_no_roles(void **state)
{
	struct registers registers = {.abi = ABI_UNKNOWN, .value = {1, 2, 3, 4, 5, 6, 7, 8, 9}};

	(void)state;
	assert_int_equal(registers_pc(&registers), 0);
	assert_int_equal(registers_sp(&registers), 0);
	assert_int_equal(registers_result(&registers), 0);
}

static struct registers read_registers(pid_t pid, size_t expected_size)
{
	char bytes[1024];
	struct iovec iovec = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct registers registers;

	/* A number and not an address, as ptrace(2) has it. */
	assert_int_equal(ptrace(PTRACE_GETREGSET, pid, (void *)(uintptr_t)NT_PRSTATUS, &iovec), 0);
	assert_int_equal(iovec.iov_len, expected_size);
	assert_true(registers_decode_prstatus(bytes, iovec.iov_len, &registers));
	return registers;
}

static int run_getppid(void)
{
	raise(SIGUSR1); /* the tracer's cue */
	syscall(SYS_getppid);
	return 0;
}

static void resume_to_getppid(pid_t pid)
{
	int status = tracee_wait(pid);

	while (read_registers(pid, sizeof(struct user_regs_struct)).original_result != SYS_getppid) {
		status = tracee_resume(PTRACE_SYSCALL, pid, 0);
		assert_true(WIFSTOPPED(status));
	}
	assert_int_equal(wait_status_decode(status).kind, WAIT_SYSCALL);
}

static void real_set_agrees_with_getregs(void **state)
{
	struct user_regs_struct regs;
	pid_t pid = tracee_start(run_getppid, PTRACE_O_TRACESYSGOOD);

	(void)state;
	resume_to_getppid(pid);

	struct registers registers = read_registers(pid, sizeof(regs));

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);

	const unsigned long long expected[] = {regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi,
					       regs.rbp, regs.rsp, regs.r8,  regs.r9,  regs.r10, regs.r11,
					       regs.r12, regs.r13, regs.r14, regs.r15, regs.rip};

	assert_int_equal(registers.abi, ABI_X86_64);
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(registers.value[i], expected[i]);
	assert_int_equal(registers.flags, regs.eflags);
	assert_int_equal(registers.cs, regs.cs);
	assert_int_equal(registers.original_result, regs.orig_rax);
	assert_int_equal(registers_pc(&registers), regs.rip);
	assert_int_equal(registers_sp(&registers), regs.rsp);

	/* The kernel puts -ENOSYS there at the entry, and the value at the exit. */
	assert_int_equal(registers_result(&registers), -ENOSYS);
	assert_true(WIFSTOPPED(tracee_resume(PTRACE_SYSCALL, pid, 0)));
	registers = read_registers(pid, sizeof(regs));
	assert_int_equal(registers.original_result, SYS_getppid);
	assert_int_equal(registers_result(&registers), getpid());
	tracee_kill(pid);
}

/* What the code below leaves in the registers. -11 is a system call's -EAGAIN. */
enum { VALUE_EAX = -11, VALUE_ECX = 0x11, VALUE_EDX, VALUE_EBX, VALUE_ESP, VALUE_EBP, VALUE_ESI, VALUE_EDI };

static void put_mov(unsigned char **at, unsigned char opcode, int value)
{
	*(*at)++ = opcode;
	memcpy(*at, &value, sizeof(value));
	*at += sizeof(value);
}

/* A 64-bit process goes over to 32-bit code: loads every register and breaks. */
static int run_32_bit_code(void)
{
	enum { CODE_SEGMENT_32 = 0x23, PAGE = 4096 };
	unsigned char *code =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned char *at = code;

	if (code == MAP_FAILED)
		return 98;
	put_mov(&at, 0xb8, VALUE_EAX);
	put_mov(&at, 0xb9, VALUE_ECX);
	put_mov(&at, 0xba, VALUE_EDX);
	put_mov(&at, 0xbb, VALUE_EBX);
	put_mov(&at, 0xbc, VALUE_ESP);
	put_mov(&at, 0xbd, VALUE_EBP);
	put_mov(&at, 0xbe, VALUE_ESI);
	put_mov(&at, 0xbf, VALUE_EDI);
	*at = 0xcc;
	__asm__ volatile("pushq %0; pushq %1; lretq" ::"r"((uint64_t)CODE_SEGMENT_32), "r"(code) : "memory");
	return 97;
}

static void real_32_bit_code(void **state)
{
	enum { CODE_SIZE = 8 * 5 + 1, COUNT = 8 };
	static const int expected[COUNT] = {VALUE_EAX, VALUE_ECX, VALUE_EDX, VALUE_EBX,
					    VALUE_ESP, VALUE_EBP, VALUE_ESI, VALUE_EDI};

	(void)state;
	need_ia32_emulation();

	pid_t pid = tracee_start(run_32_bit_code, 0);
	struct wait_status status = wait_status_decode(tracee_wait(pid));

	assert_int_equal(status.kind, WAIT_SIGNAL);
	assert_int_equal(status.value, SIGTRAP);

	struct registers registers = read_registers(pid, 68);

	assert_int_equal(registers.abi, ABI_I386);
	assert_int_equal(registers.cs, 0x23);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(registers.value[i], (uint32_t)expected[i]);
	assert_int_equal(registers_result(&registers), -11);
	assert_int_equal(registers_sp(&registers), VALUE_ESP);
	assert_true(registers.original_result == UINT64_MAX);
	/* The page's start is the kernel's choice; int3 stops behind itself. */
	assert_int_equal(registers_pc(&registers) % 4096, CODE_SIZE);
	tracee_kill(pid);
}

static void test_system_call_length(void **state)
{
	static const uint8_t int80[] = {0xcd, 0x80, 0x51};
	static const uint8_t today[] = {0x0f, 0x34, 0xcd, 0x80, 0x5d};
	static const uint8_t old[] = {0x0f, 0x34, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xeb, 0xf3, 0x5d};
	static const uint8_t bare[] = {0x0f, 0x34, 0x5d, 0xc3};

	(void)state;
	assert_int_equal(system_call_length(int80, sizeof(int80)), 2);
	assert_int_equal(system_call_length(today, sizeof(today)), 4);
	assert_int_equal(system_call_length(old, sizeof(old)), 11);
	/* Nothing that restarts the call; cut short; no call. */
	assert_int_equal(system_call_length(bare, sizeof(bare)), 0);
	for (size_t size = 0; size < 11; size++)
		assert_int_equal(system_call_length(old, size), 0);
	assert_int_equal(system_call_length(today + 1, sizeof(today) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_system_call_length),
	    cmocka_unit_test(abis_have_names),
	    cmocka_unit_test(table_of_i386),
	    cmocka_unit_test(table_of_x86_64),
	    cmocka_unit_test(golden_i386_set),
	    cmocka_unit_test(golden_x86_64_set),
	    cmocka_unit_test(original_result_of_no_call),
	    cmocka_unit_test(other_lengths_are_refused),
	    cmocka_unit_test(unknown_abi_has_no_roles),
	    cmocka_unit_test(real_set_agrees_with_getregs),
	    cmocka_unit_test(real_32_bit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
