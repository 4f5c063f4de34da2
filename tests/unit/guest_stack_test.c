/* session/guest_current.c: how large a kernel's stacks are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small_ones_in_either_half),
	    cmocka_unit_test(large_ones_with_and_without_thread_info),
	    cmocka_unit_test(a_word_in_the_middle_does_not_tell),
	    cmocka_unit_test(unreadable_memory_is_no_small_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
