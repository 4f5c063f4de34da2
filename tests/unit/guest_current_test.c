/* session/guest_current.c: how large a kernel's stacks are, and which task the processor is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub_fixture.h"

#include "session/guest_internal.h"

/* 16 KiB of a kernel's memory, from here on. */
#define BASE UINT32_C(0xc1230000)
enum { SIZE = 0x4000, TASK = 0x3000, STACK_FIELD = 6, SAVED = 0x1000 - 8 - 68, LARGE_SAVED = 0x2000 - 8 - 68 };

static uint32_t memory[SIZE / 4];

static struct error *read_memory(void *context, uint64_t address, void *bytes, size_t size)
{
	(void)context;
	if (address < BASE || size > SIZE || address - BASE > SIZE - size)
		return error_create(ERROR_SYSTEM, 0, NULL, "no memory at %#llx", (unsigned long long)address);
	memcpy(bytes, (const char *)memory + (address - BASE), size);
	return NULL;
}

static uint32_t size_from(uint32_t saved)
{
	static const struct space_source source = {.read = read_memory};
	struct guest_follow follow = {.kernel_space = space_create_foreign(&source, NULL)};
	uint32_t size = guest_stack_size_of(&follow, BASE + saved);

	space_unref(follow.kernel_space);
	return size;
}

/* A task whose struct is at TASK and tells this stack, which has a thread_info at its low end or not. */
static void put_task(uint32_t stack, bool thread_info)
{
	memset(memory, 0, sizeof(memory));
	memory[TASK / 4 + STACK_FIELD] = BASE + stack;
	memory[stack / 4] = thread_info ? BASE + TASK : 0;
}

static void small_ones_in_either_half(void **state)
{
	(void)state;
	put_task(0, true);
	assert_int_equal(size_from(SAVED), GUEST_STACK_SIZE_SMALL);
	put_task(0x1000, true);
	assert_int_equal(size_from(0x1000 + SAVED), GUEST_STACK_SIZE_SMALL);
}

static void large_ones_with_and_without_thread_info(void **state)
{
	(void)state;
	put_task(0, true);
	assert_int_equal(size_from(LARGE_SAVED), GUEST_STACK_SIZE);
	put_task(0, false);
	assert_int_equal(size_from(LARGE_SAVED), GUEST_STACK_SIZE);
}

/* What lies in a large stack's middle may be the task's address, but the task says where the stack begins. */
static void a_word_in_the_middle_does_not_tell(void **state)
{
	(void)state;
	put_task(0, true);
	memory[0x1000 / 4] = BASE + TASK;
	assert_int_equal(size_from(LARGE_SAVED), GUEST_STACK_SIZE);
}

static void unreadable_memory_is_no_small_one(void **state)
{
	(void)state;
	put_task(0, true);
	assert_int_equal(size_from(SIZE + LARGE_SAVED), GUEST_STACK_SIZE);
}

/* --- current --- */

enum { CODE = 0x2000, VARIABLE = 0x2f00 };

/* In the middle of other code: the load of `current`, from the variable itself. */
static void put_code(const uint8_t *load, size_t size)
{
	uint32_t address = BASE + VARIABLE;
	uint8_t *code = (uint8_t *)memory + CODE;

	memset(code, 0x90, VARIABLE - CODE);
	memcpy(code + 0x120, load, size);
	memcpy(code + 0x120 + size, &address, sizeof(address));
	memory[VARIABLE / 4] = BASE + TASK;
}

static uint32_t current_of(uint32_t stack)
{
	static const char symbols[] = "c1232000 T copy_process\n"; /* BASE + CODE */
	static const struct space_source source = {.read = read_memory};
	static const struct peer_line script[] = {HELLO, END};
	struct scripted_peer peer;
	struct guest_follow follow = {
	    .kernel_space = space_create_foreign(&source, NULL),
	    .symbols = kernel_symbols_create(symbols, strlen(symbols)),
	    .stub = start(&peer, script),
	};
	uint32_t task = guest_current_find(&follow, BASE + stack);

	end(&peer, follow.stub);
	kernel_symbols_destroy(follow.symbols);
	space_unref(follow.kernel_space);
	return task;
}

static void a_kernel_for_one_processor_has_a_plain_variable(void **state)
{
	static const uint8_t to_eax[] = {0xa1}, to_edi[] = {0x8b, 0x3d}, store[] = {0xa3};

	(void)state;
	put_task(0, false);
	put_code(to_eax, sizeof(to_eax));
	assert_int_equal(current_of(0), BASE + TASK);
	put_code(to_edi, sizeof(to_edi));
	assert_int_equal(current_of(0), BASE + TASK);
	put_code(store, sizeof(store));
	assert_int_equal(current_of(0), 0);
}

/* What is loaded must be a task, and this stack its. */
static void what_leads_nowhere_is_not_taken(void **state)
{
	static const uint8_t to_eax[] = {0xa1};

	(void)state;
	put_task(0, false);
	put_code(to_eax, sizeof(to_eax));
	assert_int_equal(current_of(0x1000), 0);
	memory[VARIABLE / 4] = BASE;
	assert_int_equal(current_of(0), 0);
}

static void thread_info_tells_where_it_is(void **state)
{
	(void)state;
	put_task(0x1000, true);
	assert_int_equal(current_of(0x1000), BASE + TASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small_ones_in_either_half),
	    cmocka_unit_test(large_ones_with_and_without_thread_info),
	    cmocka_unit_test(a_word_in_the_middle_does_not_tell),
	    cmocka_unit_test(unreadable_memory_is_no_small_one),
	    cmocka_unit_test(a_kernel_for_one_processor_has_a_plain_variable),
	    cmocka_unit_test(what_leads_nowhere_is_not_taken),
	    cmocka_unit_test(thread_info_tells_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
