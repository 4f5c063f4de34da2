/* A function in anonymous memory, without a symbol or call frame information, calls back into C, which forks: beyond
 * the callback only the frame pointer leads on. */
#include "expect.h"

enum { CODE_SIZE = 4096 };

/* push bp; mov bp, sp; call the argument; pop bp; ret. Both end up with an aligned stack at the call. */
static const unsigned char code[] = {
#ifdef __x86_64__
    0x55,             /* push %rbp */
    0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
    0xff, 0xd7,       /* call *%rdi */
    0x5d,             /* pop %rbp */
    0xc3,             /* ret */
#else
    0x55,             /* push %ebp */
    0x89, 0xe5,       /* mov %esp, %ebp */
    0x83, 0xec, 0x08, /* sub $8, %esp */
    0xff, 0x55, 0x08, /* call *8(%ebp) */
    0xc9,             /* leave */
    0xc3,             /* ret */
#endif
};

typedef pid_t callback(void);

static struct seen *seen;

static KEEP_FRAME pid_t fork_from_code(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

static KEEP_FRAME pid_t call_code(pid_t (*function)(callback *))
{
	pid_t pid = function(fork_from_code);
	return pid;
}

int main(void)
{
	expect_begin();
	void *memory = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(memory != MAP_FAILED))
		return expect_end();
	memcpy(memory, code, sizeof(code));
	if (!CHECK(mprotect(memory, CODE_SIZE, PROT_READ | PROT_EXEC) == 0))
		return expect_end();
	seen = seen_new(1);
	pid_t pid = call_code((pid_t(*)(callback *))memory);
	expect_libc_fork(pid, seen, "fork_from_code,call_code,main");
	expect_reap(pid);
	return expect_end();
}
