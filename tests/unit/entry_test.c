/* session/entry.c: how the kernel was entered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/internal.h"
#include "unwind/stack.h"

/* --- by the kernel's frames --- */

static struct entry_fact of_outermost(const char *symbol, enum abi kernel)
{
	struct entry_fact fact = {.kind = ENTRY_UNKNOWN};
	struct stack *stack = stack_create(2);

	stack->frames[0].symbol = "copy_process";
	stack->frames[1].symbol = symbol;
	entry_from_kernel(stack, kernel, &fact);
	stack_unref(stack);
	return fact;
}

static void kernels_of_all_ages(void **state)
{
	static const struct {
		const char *symbol;
		enum abi kernel;
		enum entry_kind kind;
	} cases[] = {
	    {"entry_SYSENTER_32", ABI_I386, ENTRY_SYSENTER},
	    {"ia32_sysenter_target", ABI_I386, ENTRY_SYSENTER},
	    {"sysenter_do_call", ABI_I386, ENTRY_SYSENTER},
	    {"sysenter_after_call", ABI_I386, ENTRY_SYSENTER},
	    {"entry_INT80_32", ABI_I386, ENTRY_INT80},
	    {"system_call", ABI_I386, ENTRY_INT80},
	    {"syscall_call", ABI_I386, ENTRY_INT80},
	    {"syscall_after_call", ABI_I386, ENTRY_INT80},
	    {"entry_SYSENTER_compat_after_hwframe", ABI_X86_64, ENTRY_SYSENTER},
	    {"sysenter_dispatch", ABI_X86_64, ENTRY_SYSENTER},
	    {"asm_int80_emulation", ABI_X86_64, ENTRY_INT80},
	    {"ia32_do_call", ABI_X86_64, ENTRY_INT80},
	    {"entry_SYSCALL_64_after_hwframe", ABI_X86_64, ENTRY_SYSCALL},
	    {"entry_SYSCALL_compat_after_hwframe", ABI_X86_64, ENTRY_SYSCALL},
	    {"cstar_dispatch", ABI_X86_64, ENTRY_SYSCALL},
	    {"system_call_fastpath", ABI_X86_64, ENTRY_SYSCALL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct entry_fact fact = of_outermost(cases[i].symbol, cases[i].kernel);

		if (fact.kind != cases[i].kind || !fact.certain)
			fail_msg("%s: %s", cases[i].symbol, entry_kind_name(fact.kind));
	}
}

/* What was known before stays. */
static void frames_that_do_not_tell(void **state)
{
	struct entry_fact fact = {.kind = ENTRY_SYSENTER};

	(void)state;
	assert_int_equal(of_outermost("ret_from_fork", ABI_I386).kind, ENTRY_UNKNOWN);
	assert_int_equal(of_outermost(NULL, ABI_I386).kind, ENTRY_UNKNOWN);
	entry_from_kernel(NULL, ABI_X86_64, &fact);
	assert_int_equal(fact.kind, ENTRY_SYSENTER);
	assert_false(fact.certain);
}

/* --- by the code in front of the pc --- */

enum { CODE = 0x1000, CODE_SIZE = 32, EIP_NUMBER = 8 /* in DWARF */ };

static uint8_t code[CODE_SIZE];

static struct error *read_code(void *context, uint64_t address, void *bytes, size_t size)
{
	(void)context;
	if (address < CODE || address + size > CODE + CODE_SIZE)
		return error_create(ERROR_SYSTEM, 0, NULL, "not mapped");
	memcpy(bytes, code + (address - CODE), size);
	return NULL;
}

/* The bytes end at the pc; in front of them are nops. */
static enum entry_kind of_code(const char *bytes, size_t size)
{
	static const struct space_source source = {.read = read_code};
	struct fork_call call = {.abi = ABI_I386};
	struct registers registers = {.abi = ABI_I386};
	struct entry_memo memo = {0};
	struct space *space = space_create_foreign(&source, NULL);
	struct entry_fact fact;

	memset(code, 0x90, sizeof(code));
	memcpy(code + CODE_SIZE - size, bytes, size);
	registers.value[EIP_NUMBER] = CODE + CODE_SIZE;
	fact = entry_from_code(&memo, &call, &registers, space);
	assert_false(fact.certain);
	space_unref(space);
	return fact.kind;
}

#define OF_CODE(bytes) of_code(bytes, sizeof(bytes) - 1)

static void vdsos_of_all_ages(void **state)
{
	(void)state;
	/* push %ecx; push %edx; push %ebp; mov %esp,%ebp; sysenter; int $0x80 */
	assert_int_equal(OF_CODE("\x51\x52\x55\x89\xe5\x0f\x34\xcd\x80"), ENTRY_SYSENTER);
	/* mov %ecx,%ebp; syscall; int $0x80 */
	assert_int_equal(OF_CODE("\x51\x52\x55\x89\xcd\x0f\x05\xcd\x80"), ENTRY_SYSCALL);
	/* 2.6: sysenter; seven nops; jmp back to the mov */
	assert_int_equal(OF_CODE("\x51\x52\x55\x89\xe5\x0f\x34\x90\x90\x90\x90\x90\x90\x90\xeb\xf3"), ENTRY_SYSENTER);
	assert_int_equal(OF_CODE("\x55\x89\xcd\x0f\x05"), ENTRY_SYSCALL);
}

static void programs_that_call_by_themselves(void **state)
{
	(void)state;
	/* mov $2,%eax; int $0x80 */
	assert_int_equal(OF_CODE("\xb8\x02\x00\x00\x00\xcd\x80"), ENTRY_INT80);
	/* A jump behind nothing that enters the kernel. */
	assert_int_equal(OF_CODE("\xb8\x02\x00\x00\x00\xeb\xf3"), ENTRY_UNKNOWN);
	assert_int_equal(OF_CODE(""), ENTRY_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kernels_of_all_ages),
	    cmocka_unit_test(frames_that_do_not_tell),
	    cmocka_unit_test(vdsos_of_all_ages),
	    cmocka_unit_test(programs_that_call_by_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
