/* kernel/lineage.c */
#include "kernel/lineage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

enum { NR_FORK = 2, NR_CLONE = 120, NR_VFORK = 190, NR_CLONE3 = 435 };

static void cleanup_symbols(struct kernel_symbols **symbols)
{
	kernel_symbols_destroy(*symbols);
}

static struct kernel_symbols *symbols_of(const char *text)
{
	return kernel_symbols_create(text, strlen(text));
}

static void expect_function(struct kernel_symbols *symbols, enum stage stage, enum stage_entry entry, unsigned nr,
			    const char *name, uint64_t address)
{
	uint64_t found_address = 0;
	const char *found = NULL;

	assert_true(lineage_find(symbols, stage, entry, nr, &found_address, &found));
	assert_string_equal(found, name);
	assert_int_equal(found_address, address);
}

static void expect_none(struct kernel_symbols *symbols, enum stage stage, unsigned nr)
{
	uint64_t address;
	const char *name;

	assert_false(lineage_find(symbols, stage, STAGE_ENTRY_SYSENTER, nr, &address, &name));
}

static const char linux_2_6_34[] = "c1001b4c T sys_vfork\n"
				   "c1001b6c T sys_clone\n"
				   "c1001b8c T sys_fork\n"
				   "c1002690 T ret_from_fork\n"
				   "c10026f0 T ia32_sysenter_target\n"
				   "c100271d t sysenter_past_esp\n"
				   "c1002752 t sysenter_do_call\n"
				   "c10027a0 T system_call\n"
				   "c10027d2 t syscall_call\n"
				   "c1002a20 t ptregs_fork\n"
				   "c1002a30 t ptregs_vfork\n"
				   "c1002ac0 t ptregs_clone\n"
				   "c102c530 T wake_up_new_task\n"
				   "c10301a0 t copy_process\n"
				   "c1030e90 T do_fork\n";

static void knows_2_6_34(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(linux_2_6_34);

	(void)state;
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_SYSENTER, NR_FORK, "ia32_sysenter_target", 0xc10026f0);
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_INT80, NR_FORK, "system_call", 0xc10027a0);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_SYSENTER, NR_FORK, "sysenter_do_call", 0xc1002752);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_INT80, NR_FORK, "syscall_call", 0xc10027d2);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_FORK, "sys_fork", 0xc1001b8c);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_INT80, NR_VFORK, "sys_vfork", 0xc1001b4c);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_INT80, NR_CLONE, "sys_clone", 0xc1001b6c);
	expect_none(symbols, STAGE_HANDLER, NR_CLONE3);
	expect_function(symbols, STAGE_WORKER, STAGE_ENTRY_SYSENTER, NR_FORK, "do_fork", 0xc1030e90);
	expect_function(symbols, STAGE_COPY, STAGE_ENTRY_SYSENTER, NR_FORK, "copy_process", 0xc10301a0);
	expect_function(symbols, STAGE_WAKE, STAGE_ENTRY_SYSENTER, NR_FORK, "wake_up_new_task", 0xc102c530);
	expect_function(symbols, STAGE_CHILD_FIRST, STAGE_ENTRY_SYSENTER, NR_FORK, "ret_from_fork", 0xc1002690);
}

static const char linux_3_16[] = "c104a2b0 t copy_process.part.24\n"
				 "c104b990 T do_fork\n"
				 "c104bc60 T sys_fork\n"
				 "c104bc90 T SyS_clone\n"
				 "c104bc90 T sys_clone\n"
				 "c10764f0 T wake_up_new_task\n"
				 "c1466e40 T ret_from_fork\n"
				 "c1466ef0 T ia32_sysenter_target\n"
				 "c1466f52 t sysenter_do_call\n"
				 "c1466f64 t sysenter_after_call\n"
				 "c1466fe0 T system_call\n"
				 "c1467011 t syscall_call\n"
				 "c1467018 t syscall_after_call\n";

static void knows_3_16_and_suffixes(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(linux_3_16);

	(void)state;
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_SYSENTER, NR_CLONE, "ia32_sysenter_target", 0xc1466ef0);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_SYSENTER, NR_CLONE, "sysenter_do_call", 0xc1466f52);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_CLONE, "sys_clone", 0xc104bc90);
	expect_function(symbols, STAGE_COPY, STAGE_ENTRY_SYSENTER, NR_CLONE, "copy_process.part.24", 0xc104a2b0);
}

/* do_syscall_32_irqs_on is inlined into do_fast_syscall_32: only int $0x80 passes its symbol. */
static const char linux_4_4[] = "c1001b40 T do_syscall_32_irqs_on\n"
				"c1001d00 T do_fast_syscall_32\n"
				"c15d2ad4 T entry_SYSENTER_32\n"
				"c15d2b80 T entry_INT80_32\n";

static void knows_4_4(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(linux_4_4);

	(void)state;
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_SYSENTER, NR_CLONE, "do_fast_syscall_32", 0xc1001d00);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_INT80, NR_CLONE, "do_syscall_32_irqs_on", 0xc1001b40);
}

static const char linux_4_8[] = "c1001a70 T do_int80_syscall_32\n"
				"c1001b10 T do_fast_syscall_32\n"
				"c10557a0 t copy_process.isra.0.part.1\n"
				"c1056f50 T _do_fork\n"
				"c1057200 T sys_fork\n"
				"c1057230 T SyS_clone\n"
				"c1057230 T sys_clone\n"
				"c107f4e0 T wake_up_new_task\n"
				"c15e5a40 T ret_from_fork\n"
				"c15e5b10 T entry_SYSENTER_32\n"
				"c15e5b30 T sysenter_past_esp\n"
				"c15e5bc4 T entry_INT80_32\n";

static void knows_4_8(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(linux_4_8);

	(void)state;
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_SYSENTER, NR_CLONE, "entry_SYSENTER_32", 0xc15e5b10);
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_INT80, NR_CLONE, "entry_INT80_32", 0xc15e5bc4);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_SYSENTER, NR_CLONE, "do_fast_syscall_32", 0xc1001b10);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_INT80, NR_CLONE, "do_int80_syscall_32", 0xc1001a70);
	expect_function(symbols, STAGE_WORKER, STAGE_ENTRY_INT80, NR_CLONE, "_do_fork", 0xc1056f50);
	expect_function(symbols, STAGE_COPY, STAGE_ENTRY_INT80, NR_CLONE, "copy_process.isra.0.part.1", 0xc10557a0);
}

/* As Debian's 6.1, and with the names that 6.5 brought. */
static const char linux_6[] = "c1001000 t ret_from_fork\n"
			      "c1001100 T ret_from_fork_asm\n"
			      "c1062d50 T copy_process\n"
			      "c1064600 T kernel_clone\n"
			      "c1064b20 T __ia32_sys_fork\n"
			      "c1064b90 T __ia32_sys_vfork\n"
			      "c1064c00 T __ia32_sys_clone\n"
			      "c1064d50 T __ia32_sys_clone3\n"
			      "c10a1c60 T wake_up_new_task\n"
			      "c10ff000 T ia32_sys_call\n"
			      "c1b2a000 T do_int80_syscall_32\n"
			      "c1b2a100 t __do_fast_syscall_32\n"
			      "c1b2a200 T do_fast_syscall_32\n"
			      "c1b2a280 T do_SYSENTER_32\n"
			      "c1b3b000 T entry_SYSENTER_32\n"
			      "c1b3b100 T entry_INT80_32\n"
			      "c1b3b200 t copy_process.cold\n";

static void knows_6(void **state)
{
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(linux_6);

	(void)state;
	expect_function(symbols, STAGE_ENTRY, STAGE_ENTRY_SYSENTER, NR_CLONE, "entry_SYSENTER_32", 0xc1b3b000);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_SYSENTER, NR_CLONE, "ia32_sys_call", 0xc10ff000);
	expect_function(symbols, STAGE_DISPATCH, STAGE_ENTRY_INT80, NR_CLONE, "ia32_sys_call", 0xc10ff000);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_FORK, "__ia32_sys_fork", 0xc1064b20);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_VFORK, "__ia32_sys_vfork", 0xc1064b90);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_CLONE, "__ia32_sys_clone", 0xc1064c00);
	expect_function(symbols, STAGE_HANDLER, STAGE_ENTRY_SYSENTER, NR_CLONE3, "__ia32_sys_clone3", 0xc1064d50);
	expect_function(symbols, STAGE_WORKER, STAGE_ENTRY_SYSENTER, NR_CLONE, "kernel_clone", 0xc1064600);
	expect_function(symbols, STAGE_COPY, STAGE_ENTRY_SYSENTER, NR_CLONE, "copy_process", 0xc1062d50);
	expect_function(symbols, STAGE_CHILD_FIRST, STAGE_ENTRY_SYSENTER, NR_CLONE, "ret_from_fork_asm", 0xc1001100);
}

static void finds_nothing_that_is_not_the_kernels(void **state)
{
	static const char strange[] = "c1000000 T fork\nc1000100 T __kernel_vsyscall\nc1000200 t copy_process.cold\n";
	_cleanup_(cleanup_symbols) struct kernel_symbols *symbols = symbols_of(strange);
	_cleanup_(cleanup_symbols) struct kernel_symbols *newest = symbols_of(linux_6);

	(void)state;
	for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
		expect_none(symbols, stage, NR_FORK);
	expect_none(newest, STAGE_WRAPPER, NR_FORK);
	expect_none(newest, STAGE_VSYSCALL, NR_FORK);
	expect_none(newest, STAGE_RETURN_CHILD, NR_FORK);
	expect_none(newest, STAGE_RETURN_PARENT, NR_FORK);
	expect_none(newest, STAGE_HANDLER, 0);
	expect_none(newest, STAGE_HANDLER, 1);
}

static bool contains(const char *const *names, const char *name)
{
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

/* What a stage may be called is listed in its description, whatever the way in. */
static void descriptions_are_complete(void **state)
{
	static const unsigned numbers[] = {NR_FORK, NR_CLONE, NR_VFORK, NR_CLONE3};

	(void)state;
	for (enum stage stage = 0; stage < STAGE_COUNT; stage++) {
		const struct stage_info *info = stage_info(stage);

		assert_true(strlen(info->name) > 0 && strlen(info->name) <= strlen("return-parent"));
		assert_true(info->note[strlen(info->note) - 1] == '.');
		assert_non_null(info->names);
		for (int way = STAGE_ENTRY_SYSENTER; way <= STAGE_ENTRY_INT80; way++) {
			for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
				const char *const *names = stage_names(stage, (enum stage_entry)way, numbers[i]);

				for (; *names; names++)
					assert_true(contains(info->names, *names));
			}
		}
	}
	assert_true(contains(stage_info(STAGE_WRAPPER)->names, "_Fork"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_2_6_34),
	    cmocka_unit_test(knows_3_16_and_suffixes),
	    cmocka_unit_test(knows_4_4),
	    cmocka_unit_test(knows_4_8),
	    cmocka_unit_test(knows_6),
	    cmocka_unit_test(finds_nothing_that_is_not_the_kernels),
	    cmocka_unit_test(descriptions_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
