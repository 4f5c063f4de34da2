/* What step_test.c steps through, as gdb does beside it: calls, recursion, inlined bodies, loops, a jump to another
 * function in place of a call, a library bound at the first call, a signal. Built without and with optimisation. */
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "step_library.h"

#define KEEP __attribute__((noinline, noclone))
#if defined(__clang__)
#undef KEEP
#define KEEP __attribute__((noinline))
#endif
#define INLINE static inline __attribute__((always_inline))

static volatile int sink;
static jmp_buf back;

INLINE int innermost(int value)
{
	sink += value;
	return value * sink;
}

INLINE int middle(int value)
{
	int result = innermost(value) + 1;

	sink += result;
	return result;
}

static KEEP int leaf(int value)
{
	sink += value;
	return sink;
}

static KEEP int recurse(int depth)
{
	if (depth == 0)
		return sink;
	return depth + recurse(depth - 1);
}

static KEEP int tail(int value)
{
	sink += value;
	return leaf(value + 1);
}

static KEEP int with_inlined(int value)
{
	int sum = 0;

	for (int i = 0; i < 2; i++)
		sum += middle(value + i);
	sum += innermost(sum);
	return sum;
}

static KEEP int only_inlined(int value)
{
	return innermost(value);
}

static KEEP void copy(char *to, const char *from, unsigned long size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
	sink += 1;
}

/* All of it in one line. */
/* clang-format off */
static KEEP int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
/* clang-format on */

static void handler(int number)
{
	sink += number;
	sink += 1;
}

static KEEP void jump_back(int value)
{
	sink += value;
	longjmp(back, 1);
}

/* The signal comes at the end of a system call that stands in a line of this function. */
static KEEP int signalled(int pid)
{
	int result = 0;

#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(62 /* kill */), "D"(pid), "S"(SIGUSR1)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(37 /* kill */), "b"(pid), "c"(SIGUSR1) : "memory");
#endif
	sink += 1;
	return result;
}

static KEEP int everything(int value)
{
	int (*volatile pointer)(int) = leaf;
	char text[8];

	value += leaf(value);
	value += recurse(3);
	value += leaf(leaf(value)) + leaf(2);
	value += with_inlined(value);
	value += middle(value);
	value += only_inlined(value);
	value += tail(value);
	value += pointer(value);
	value += library_add(value);
	value += library_add(1);
	copy(text, "seven..", sizeof(text));
	value += (int)strlen(text);
	return value;
}

int main(int count, char **arguments)
{
	(void)arguments;
	signal(SIGUSR1, handler);
	if (count == 2)
		return fibonacci(count + 1);
	if (count == 3) {
		if (!setjmp(back))
			jump_back(count);
		sink += 2;
		return sink;
	}
	if (count == 4)
		return signalled(getpid_here());
	sink = everything(count);
	return 0;
}
