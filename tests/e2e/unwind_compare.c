/* Unwinds both processes at every fork of a program with libdw and with libunwind, prints both and compares.
 *
 *     unwind_compare PROGRAM [ARG...]    runs it to its end
 *     unwind_compare -p PID              one stack of a running process, which is let go afterwards
 *
 * Exit status: 0 the same everywhere, 1 they differ or a stack is not whole, 2 it could not be run. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <elf.h>

#include "base/map.h"
#include "base/memory.h"
#include "parse/wait_status.h"
#include "unwind/capture.h"

enum { DIFFERENT = 1, FAILED = 2, MAX_FRAMES = 4096 };

struct compare {
	struct string_pool *pool;
	struct capture *libdw, *libunwind;
	struct map spaces; /* tid -> struct space */
	bool different;
	size_t stacks;
};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(FAILED);
}

static void print_warning(void *context, enum log_level level, const char *message)
{
	(void)context;
	if (level == LOG_LEVEL_WARNING)
		fprintf(stderr, "%s\n", message);
}

static void print_stack(const char *title, const struct stack *stack)
{
	for (size_t i = 0; i < stack->count; i++) {
		const struct frame *frame = &stack->frames[i];

		printf("%s %#llx %s+%#llx %s %s%s%s", title, (unsigned long long)frame->pc,
		       frame->symbol ? frame->symbol : "?", (unsigned long long)frame->offset,
		       frame->module ? frame->module : "?", frame_method_name(frame->method), frame->certain ? "" : "?",
		       frame->inlined ? " inlined" : "");
		if (frame->file)
			printf(" %s:%d", frame->file, frame->line);
		printf("\n");
	}
	if (stack->reason)
		printf("%s ends: %s\n", title, stack->reason);
}

static bool same_stack(const struct stack *one, const struct stack *other)
{
	if (one->count != other->count || one->reason || other->reason)
		return false;
	for (size_t i = 0; i < one->count; i++) {
		if (one->frames[i].pc != other->frames[i].pc || one->frames[i].symbol != other->frames[i].symbol)
			return false;
	}
	return true;
}

/* Returns NULL where the process died. */
static struct stack *capture(struct capture *by, struct space *space, const struct registers *registers, bool fresh)
{
	struct stack *stack;
	struct capture_hint hint = {.in_syscall = true, .fresh_stack = fresh};
	struct error *error = capture_stack(by, space, registers, &hint, &stack);

	if (error && error->code != ERROR_GONE)
		fail("%s", error->message);
	error_destroy(error);
	return error ? NULL : stack;
}

static bool read_registers(pid_t tid, struct registers *registers)
{
	char bytes[512];
	struct iovec set = {bytes, sizeof(bytes)};

	return !ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set) &&
	       registers_decode_prstatus(bytes, set.iov_len, registers);
}

static void compare_task(struct compare *compare, pid_t tid, const char *what, const struct registers *registers,
			 bool fresh)
{
	struct space *space = map_get(&compare->spaces, (uint64_t)tid);

	printf("%s %d %s%s\n", what, tid, abi_name(registers->abi), fresh ? " fresh stack" : "");

	struct stack *libdw = capture(compare->libdw, space, registers, fresh);
	struct stack *libunwind = libdw ? capture(compare->libunwind, space, registers, fresh) : NULL;

	if (libunwind) {
		print_stack("LIBDW", libdw);
		print_stack("LIBUNWIND", libunwind);
		if (!same_stack(libdw, libunwind)) {
			printf("DIFFERENT\n");
			compare->different = true;
		}
		compare->stacks++;
	}
	stack_unref(libdw);
	stack_unref(libunwind);
}

static void put_space(struct compare *compare, pid_t tid, struct space *space)
{
	space_unref(map_put(&compare->spaces, (uint64_t)tid, space));
}

/* Waits for the first stop of a new task, unless it was there before its parent's event. */
static bool wait_first_stop(struct compare *compare, pid_t child)
{
	int status;

	if (map_get(&compare->spaces, (uint64_t)child))
		return true;
	return waitpid(child, &status, __WALL) == child && WIFSTOPPED(status);
}

static void take_fork(struct compare *compare, pid_t parent)
{
	struct registers of_parent, of_child;
	unsigned long child;

	if (!read_registers(parent, &of_parent) || ptrace(PTRACE_GETEVENTMSG, parent, 0, &child))
		return;
	compare_task(compare, parent, "PARENT", &of_parent, false);
	if (!wait_first_stop(compare, (pid_t)child) || !read_registers((pid_t)child, &of_child))
		return;
	put_space(compare, (pid_t)child, space_copy(map_get(&compare->spaces, (uint64_t)parent), (pid_t)child));
	compare_task(compare, (pid_t)child, "CHILD", &of_child, registers_sp(&of_child) != registers_sp(&of_parent));
	ptrace(PTRACE_CONT, (pid_t)child, 0, 0);
}

static void take_stop(struct compare *compare, pid_t tid, struct wait_status status)
{
	long request = PTRACE_CONT;
	long signal_number = 0;

	if (!map_get(&compare->spaces, (uint64_t)tid)) {
		put_space(compare, tid, space_create(tid));
		return; /* a child before its parent's event: it goes on with that */
	}
	if (status.kind == WAIT_SIGNAL)
		signal_number = status.value;
	else if (status.kind == WAIT_GROUP_STOP)
		request = PTRACE_LISTEN;
	else if (status.kind == WAIT_EVENT && status.value == PTRACE_EVENT_EXEC)
		put_space(compare, tid, space_create(tid));
	else if (status.kind == WAIT_EVENT)
		take_fork(compare, tid);
	ptrace((enum __ptrace_request)request, tid, 0, (void *)signal_number);
}

/* Until the last process has ended. Returns a wait status: of `first`. */
static int follow(struct compare *compare, pid_t first)
{
	int first_status = 0;

	for (;;) {
		int raw;
		pid_t tid = waitpid(-1, &raw, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return first_status;

		struct wait_status status = wait_status_decode(raw);

		if (status.kind == WAIT_EXITED || status.kind == WAIT_KILLED) {
			space_unref(map_remove(&compare->spaces, (uint64_t)tid));
			if (tid == first)
				first_status = raw;
		} else {
			take_stop(compare, tid, status);
		}
	}
}

static int run(struct compare *compare, char **arguments)
{
	const long options =
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		raise(SIGSTOP);
		execvp(arguments[0], arguments);
		fail("%s", arguments[0]);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || ptrace(PTRACE_SEIZE, pid, 0, (void *)options))
		fail("cannot trace %s", arguments[0]);
	put_space(compare, pid, space_create(pid));
	kill(pid, SIGCONT);
	status = follow(compare, pid);
	if (!WIFEXITED(status))
		fail("%s was killed", arguments[0]);
	return WEXITSTATUS(status);
}

static void attach_once(struct compare *compare, pid_t pid)
{
	struct registers registers;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    waitpid(pid, &status, __WALL) != pid || !read_registers(pid, &registers))
		fail("cannot trace %d", pid);
	put_space(compare, pid, space_create(pid));
	compare_task(compare, pid, "TASK", &registers, false);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	space_unref(map_remove(&compare->spaces, (uint64_t)pid));
}

int main(int argc, char **argv)
{
	struct log log = {.write = print_warning};
	struct capture_options options = {.unwinder = UNWINDER_LIBDW, .max_frames = MAX_FRAMES, .memo = true};
	struct compare compare = {.pool = string_pool_create()};

	if (argc < 2) {
		fprintf(stderr, "usage: unwind_compare PROGRAM [ARG...] | unwind_compare -p PID\n");
		return FAILED;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	compare.libdw = capture_create(&options, compare.pool, &log);
	options.unwinder = UNWINDER_LIBUNWIND;
	compare.libunwind = capture_create(&options, compare.pool, &log);
	if (argc == 3 && !strcmp(argv[1], "-p"))
		attach_once(&compare, (pid_t)atoi(argv[2]));
	else
		run(&compare, argv + 1);
	printf("%zu stacks%s\n", compare.stacks, compare.different ? ", DIFFERENT" : "");
	map_deinit(&compare.spaces);
	capture_destroy(compare.libdw);
	capture_destroy(compare.libunwind);
	string_pool_destroy(compare.pool);
	return compare.different ? DIFFERENT : 0;
}
