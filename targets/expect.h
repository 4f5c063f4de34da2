/* What the programs of this folder share: they tell, on standard output, what a tracer must observe. One fact is one
 * line, one write(2): nothing lies in a buffer that a fork could double. Every value is a word; `?` is what the program
 * cannot know. */
#ifndef TARGETS_EXPECT_H
#define TARGETS_EXPECT_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The function keeps its name, its arguments and its frame. */
#ifdef __clang__
#define KEEP_FRAME __attribute__((noinline))
#else
#define KEEP_FRAME __attribute__((noipa))
#endif

#ifdef __x86_64__
#define OWN_ABI   "x86_64"
#define OTHER_ABI "i386"
#else
#define OWN_ABI   "i386"
#define OTHER_ABI "x86_64"
#endif

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* linux/sched.h of 5.7; the value is ABI. */
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

enum { EXPECT_LIFETIME_S = 20, SLOW_FORKS_PER_S = 25 };
#define FLAGS_UNKNOWN UINT64_MAX

/* How glibc forks and makes threads (sysdeps/nptl/_Fork.c, nptl/pthread_create.c); another libc may do it its own way.
 * Which of clone and clone3 makes a thread depends on the kernel. */
#ifdef __GLIBC__
#define LIBC_FORK_SYSCALL "clone"
#define LIBC_FORK_FLAGS   (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)
#define LIBC_THREAD_FLAGS                                                                                              \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |             \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#else
#define LIBC_FORK_SYSCALL NULL
#define LIBC_FORK_FLAGS   FLAGS_UNKNOWN
#define LIBC_THREAD_FLAGS FLAGS_UNKNOWN
#endif

/* --- lines -------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static inline void expect_line(const char *format, ...)
{
	char line[4096];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(line) - 1)
		abort();
	line[length++] = '\n';
	ssize_t written;
	do
		written = write(STDOUT_FILENO, line, (size_t)length);
	while (written < 0 && errno == EINTR);
	if (written != length)
		_exit(EXIT_FAILURE);
}

/* --- what the program checks itself ------------------------------------------------------------------------------- */

struct expect_totals {
	atomic_uint forks, threads, failed, wrong;
};

/* In memory that every process of the tree shares, so that the totals are those of all of them. */
static struct expect_totals *expect_totals;

static inline void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		_exit(EXIT_FAILURE);
	}
	return memory;
}

/* For alarm. On a slow machine everything may take as many times as long as the tests say there. */
static inline unsigned expect_patience(unsigned seconds)
{
	const char *factor = getenv("FORKTRACE_TEST_PATIENCE");
	return factor ? seconds * (unsigned)atoi(factor) : seconds;
}

/* The first call of every program. One that hangs is ended by SIGALRM. */
static inline void expect_begin(void)
{
	expect_totals = shared_memory(sizeof(*expect_totals));
	alarm(expect_patience(EXPECT_LIFETIME_S));
}

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

static inline bool check(bool holds, const char *condition, const char *file, int line)
{
	if (!holds) {
		int error = errno;
		atomic_fetch_add(&expect_totals->wrong, 1);
		dprintf(STDERR_FILENO, "%s:%d: does not hold: %s (errno %d)\n", file, line, condition, error);
	}
	return holds;
}

/* The last call of every program: the totals, and the program's own exit status, which is returned. */
static inline int expect_end(void)
{
	int status = atomic_load(&expect_totals->wrong) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	expect_line("expect exit pid=%d status=%d", getpid(), status);
	expect_line("expect total forks=%u threads=%u failed=%u", atomic_load(&expect_totals->forks),
		    atomic_load(&expect_totals->threads), atomic_load(&expect_totals->failed));
	return status;
}

/* Replaces the limit on the program's lifetime by one for `count` forks under a slow tracer. */
static inline void expect_long_life(long count)
{
	alarm(expect_patience(EXPECT_LIFETIME_S + (unsigned)(count / SLOW_FORKS_PER_S)));
}

/* For forks that are too many to be told one by one, or told by a program that this one became. */
static inline void expect_more_forks(unsigned count)
{
	atomic_fetch_add(&expect_totals->forks, count);
}

/* --- what a child saw --------------------------------------------------------------------------------------------- */

/* Written by the child, read by the parent; in shared memory. */
struct seen {
	atomic_int told;
	long ret;
	pid_t pid; /* in the child's own pid namespace */
	pid_t tid;
};

static inline struct seen *seen_new(size_t count)
{
	return shared_memory(count * sizeof(struct seen));
}

/* The child: what the call returned to it. */
static inline void seen_tell(struct seen *seen, long ret)
{
	seen->ret = ret;
	seen->pid = getpid();
	seen->tid = (pid_t)syscall(SYS_gettid);
	atomic_store(&seen->told, 1);
	syscall(SYS_futex, &seen->told, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The parent: waits until the child has told. */
static inline const struct seen *seen_wait(struct seen *seen)
{
	while (atomic_load(&seen->told) == 0)
		syscall(SYS_futex, &seen->told, FUTEX_WAIT, 0, NULL, NULL, 0);
	return seen;
}

/* --- facts -------------------------------------------------------------------------------------------------------- */

/* Names of flags joined by `|`, written to `text`, which is returned; `-` for none, `?` for FLAGS_UNKNOWN. */
enum { FLAGS_NAME_SIZE = 512 };
static inline const char *flags_name(uint64_t flags, char text[static FLAGS_NAME_SIZE])
{
#define FLAG(name)                                                                                                     \
	{                                                                                                              \
		name, #name                                                                                            \
	}
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {
	    FLAG(CLONE_VM),
	    FLAG(CLONE_FS),
	    FLAG(CLONE_FILES),
	    FLAG(CLONE_SIGHAND),
	    FLAG(CLONE_PIDFD),
	    FLAG(CLONE_VFORK),
	    FLAG(CLONE_PARENT),
	    FLAG(CLONE_THREAD),
	    FLAG(CLONE_SYSVSEM),
	    FLAG(CLONE_SETTLS),
	    FLAG(CLONE_PARENT_SETTID),
	    FLAG(CLONE_CHILD_CLEARTID),
	    FLAG(CLONE_UNTRACED),
	    FLAG(CLONE_CHILD_SETTID),
	    FLAG(CLONE_NEWUSER),
	    FLAG(CLONE_NEWPID),
	    FLAG(CLONE_CLEAR_SIGHAND),
	};
#undef FLAG
	if (flags == FLAGS_UNKNOWN)
		return "?";
	if (flags == 0)
		return "-";
	text[0] = '\0';
	for (size_t i = 0; i < LENGTH(names); i++) {
		if ((flags & names[i].bit) == 0)
			continue;
		if (text[0] != '\0')
			strcat(text, "|");
		strcat(text, names[i].name);
		flags &= ~names[i].bit;
	}
	if (flags != 0)
		abort();
	return text;
}

static inline const char *error_name(int error)
{
	switch (error) {
	case EPERM:
		return "EPERM";
	case ENOENT:
		return "ENOENT";
	case ESRCH:
		return "ESRCH";
	case E2BIG:
		return "E2BIG";
	case EAGAIN:
		return "EAGAIN";
	case ENOMEM:
		return "ENOMEM";
	case EFAULT:
		return "EFAULT";
	case EINVAL:
		return "EINVAL";
	case ENOSPC:
		return "ENOSPC";
	case ENOSYS:
		return "ENOSYS";
	case EUSERS:
		return "EUSERS";
	default:
		return "?";
	}
}

/* One creation. Fields that are left out: see the comments. */
struct expect_fork {
	const char *kind;        /* fork, vfork, clone: fork */
	const char *syscall;     /* `?` */
	const char *abi;         /* whose table of system calls: the program's own */
	const char *entry;       /* sysenter, int80, syscall: `?` */
	pid_t parent;            /* the calling process: this one */
	pid_t parent_tid;        /* the calling thread, where it is not the leader */
	pid_t child;             /* the new task's id: what the call returned */
	long ret;                /* what it returned to the parent */
	const struct seen *seen; /* what it returned to the child: `?` */
	uint64_t flags;
	const char *exit_signal; /* SIGCHLD */
	bool thread;
	const char *stack; /* the program's own functions, innermost first */
	bool fresh_stack;  /* these are not on the child's stack */
	pid_t ns_pid;      /* where the child has another number in its own pid namespace */
};

#define EXPECT_FORK(...) expect_fork(&(struct expect_fork){__VA_ARGS__})

static inline void expect_fork(const struct expect_fork *fact)
{
	char optional[128] = "";
	char child_ret[24] = "?";
	char flags[FLAGS_NAME_SIZE];
	size_t used = 0;
	if (fact->seen != NULL)
		snprintf(child_ret, sizeof(child_ret), "%ld", fact->seen->ret);
	if (fact->fresh_stack)
		used += (size_t)snprintf(optional + used, sizeof(optional) - used, " fresh_stack=1");
	if (fact->ns_pid != 0)
		used += (size_t)snprintf(optional + used, sizeof(optional) - used, " ns_pid=%d", fact->ns_pid);
	if (fact->parent_tid != 0)
		used += (size_t)snprintf(optional + used, sizeof(optional) - used, " parent_tid=%d", fact->parent_tid);
	if (fact->entry != NULL)
		used += (size_t)snprintf(optional + used, sizeof(optional) - used, " entry=%s", fact->entry);
	expect_line("expect fork kind=%s syscall=%s parent=%d child=%d parent_ret=%ld child_ret=%s flags=%s "
		    "exit_signal=%s thread=%d stack=%s abi=%s%s",
		    fact->kind != NULL ? fact->kind : "fork", fact->syscall != NULL ? fact->syscall : "?",
		    fact->parent != 0 ? fact->parent : getpid(), fact->child != 0 ? fact->child : (pid_t)fact->ret,
		    fact->ret, child_ret, flags_name(fact->flags, flags),
		    fact->exit_signal != NULL ? fact->exit_signal : "SIGCHLD", fact->thread, fact->stack,
		    fact->abi != NULL ? fact->abi : OWN_ABI, optional);
	atomic_fetch_add(fact->thread ? &expect_totals->threads : &expect_totals->forks, 1);
}

/* A fork by libc's fork(), made by this process. */
static inline void expect_libc_fork(pid_t pid, struct seen *seen, const char *stack)
{
	if (!CHECK(pid > 0))
		return;
	EXPECT_FORK(.syscall = LIBC_FORK_SYSCALL, .ret = pid, .seen = seen_wait(seen), .flags = LIBC_FORK_FLAGS,
		    .stack = stack);
	CHECK(seen->ret == 0);
}

/* Process `pid` became another program; the path ends in `path_suffix`. */
static inline void expect_exec(pid_t pid, const char *path_suffix, const char *new_abi)
{
	expect_line("expect exec pid=%d path_suffix=%s old=" OWN_ABI " new=%s", pid, path_suffix, new_abi);
}

/* A call that returned -1 and set errno to `error`, made by this process. */
static inline void expect_fork_failed(int error, const char *syscall_name, const char *stack)
{
	expect_line("expect fork-failed errno=%s syscall=%s pid=%d stack=%s", error_name(error),
		    syscall_name != NULL ? syscall_name : "?", getpid(), stack);
	atomic_fetch_add(&expect_totals->failed, 1);
}

static inline void expect_exit(pid_t pid, int wait_status)
{
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL)
		expect_line("expect exit pid=%d signal=SIGKILL", pid);
	else if (CHECK(WIFEXITED(wait_status)))
		expect_line("expect exit pid=%d status=%d", pid, WEXITSTATUS(wait_status));
}

/* Waits for a child, whatever its exit signal; returns its wait status, or -1. */
static inline int expect_reap(pid_t pid)
{
	int status = -1;
	pid_t reaped;
	do
		reaped = waitpid(pid, &status, __WALL);
	while (reaped < 0 && errno == EINTR);
	if (!CHECK(reaped == pid))
		return -1;
	expect_exit(pid, status);
	return status;
}

/* --- this program's own file -------------------------------------------------------------------------------------- */

/* The absolute path of the running program, in static storage. */
static inline const char *own_path(void)
{
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length < 0) {
		perror("/proc/self/exe");
		_exit(EXIT_FAILURE);
	}
	path[length] = '\0';
	return path;
}

static inline const char *own_name(void)
{
	return strrchr(own_path(), '/') + 1;
}

/* The path of `relative`, beside the running program; in static storage. */
static inline const char *path_beside(const char *relative)
{
	static char path[PATH_MAX];
	const char *own = own_path();
	int length = snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(own, '/') - own), own, relative);
	if (length < 0 || (size_t)length >= sizeof(path))
		abort();
	return path;
}

#endif
