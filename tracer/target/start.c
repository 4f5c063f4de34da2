/* Starts a program that is traced from its first instruction: see start.h. */
#include "target/start.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "parse/elf_header.h"
#include "target/process.h"
#include "target/ptrace.h"
#include "target/syscall_filter.h"

/* What the child tells before it execs (no_new_privs) or when it cannot. */
struct message {
	enum { MESSAGE_READY, MESSAGE_FILTER_FAILED, MESSAGE_EXEC_FAILED } kind;
	int value; /* no_new_privs, or an errno */
};

/* Both pipes are close-on-exec: their end tells the parent that the exec has happened. */
struct pipes {
	int go[2];   /* the parent writes a byte once it has seized the child; its end without one: forktrace died */
	int told[2]; /* struct message, child to parent */
};

static void tell(int fd, int kind, int value)
{
	struct message message = {.kind = kind, .value = value};

	if (write(fd, &message, sizeof(message)) < 0)
		_exit(127);
}

/* In the child, after fork in a process that may have threads: async-signal-safe calls alone. */
__attribute__((noreturn)) static void run_child(const struct start_request *request, const struct pipes *pipes)
{
	char byte;
	ssize_t got;
	int no_new_privs = 0;

	close(pipes->go[1]);
	do
		got = read(pipes->go[0], &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(127);
	if (request->filter) {
		int failure = syscall_filter_install(request->filter, &no_new_privs);

		if (failure) {
			tell(pipes->told[1], MESSAGE_FILTER_FAILED, failure);
			_exit(127);
		}
	}
	tell(pipes->told[1], MESSAGE_READY, no_new_privs);
	if (request->ignore_sigchld)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, request->signal_mask, NULL);
	for (int fd = 0; request->redirect && fd < 3; fd++) {
		if (dup2(request->standard[fd], fd) < 0)
			_exit(127);
	}
	execve(request->path, request->arguments, request->environment);
	tell(pipes->told[1], MESSAGE_EXEC_FAILED, errno);
	_exit(127);
}

/* An i386 ELF file of which load_elf_binary (fs/binfmt_elf.c of 6.18) dislikes nothing but the machine: what is refused
 * with ENOEXEC nevertheless is refused for the lack of IA-32 emulation. */
static bool is_i386_program(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char bytes[ELF_HEADER_SIZE];
	struct elf_header header;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) || pread(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return false;
	if (!elf_header_parse(bytes, sizeof(bytes), &header) || header.abi != ABI_I386)
		return false;

	uint64_t table_end = header.segment_table + (uint64_t)header.segment_count * header.segment_size;

	return (header.type == ET_EXEC || header.type == ET_DYN) && header.segment_count &&
	       header.segment_size == sizeof(Elf32_Phdr) && table_end <= (uint64_t)status.st_size;
}

static struct error *exec_error(const char *path, int sys_errno)
{
	switch (sys_errno) {
	case ENOENT:
		if (!access(path, F_OK))
			return error_create(ERROR_NOT_FOUND, sys_errno, path,
					    "%s exists, but the interpreter or loader that it names does not", path);
		return error_create(ERROR_NOT_FOUND, sys_errno, path, "%s: no such file", path);
	case ENOTDIR:
		return error_create(ERROR_NOT_FOUND, sys_errno, path, "%s: a part of the path is not a directory",
				    path);
	case ENOEXEC:
		if (is_i386_program(path))
			return error_create(ERROR_NOT_EXEC, sys_errno, path,
					    "%s is a 32-bit (i386) program, and this kernel runs none (IA-32 "
					    "emulation is off: boot with ia32_emulation=1, or use --kernel=guest)",
					    path);
		return error_create(
		    ERROR_NOT_EXEC, sys_errno, path,
		    "%s is not a program that this machine can run (neither ELF of its kind nor a script with #!)",
		    path);
	default:
		return error_create(ERROR_NOT_EXEC, sys_errno, path, "%s cannot be executed: %s", path,
				    strerror(sys_errno));
	}
}

/* A tracee's children are the tracer's to trace; otherwise the kernel or a sandbox forbids ptrace. */
static struct error *seize_error(struct error *error)
{
	struct proc_status status = {0};
	bool traced;

	if (error->code != ERROR_DENIED)
		return error;
	error_destroy(process_status(getpid(), &status));
	traced = status.tracer_pid != 0;
	error_destroy(error);
	if (traced)
		return error_create(
		    ERROR_DENIED, EPERM, NULL,
		    "the program cannot be traced: forktrace itself is traced by process %d, and so is what it starts",
		    status.tracer_pid);
	return error_create(ERROR_DENIED, EPERM, NULL,
			    "the program cannot be traced: ptrace is forbidden here (kernel.yama.ptrace_scope, or a "
			    "sandbox's seccomp filter)");
}

static struct error *message_error(const struct start_request *request, const struct message *message)
{
	if (message->kind == MESSAGE_EXEC_FAILED)
		return exec_error(request->path, message->value);
	if (message->kind == MESSAGE_FILTER_FAILED)
		return error_create(ERROR_UNSUPPORTED, message->value, NULL,
				    "the seccomp filter cannot be installed (%s): run with --no-seccomp",
				    strerror(message->value));
	return NULL;
}

/* Reads what the child tells until it execs (end of file) or gives up. */
static struct error *listen_to_child(const struct start_request *request, int fd, bool *no_new_privs)
{
	bool ready = false;

	for (;;) {
		struct message message;
		ssize_t got = read(fd, &message, sizeof(message));

		if (got < 0 && errno == EINTR)
			continue;
		if (got != (ssize_t)sizeof(message))
			break;

		struct error *error = message_error(request, &message);

		if (error)
			return error;
		ready = true;
		*no_new_privs = message.value;
	}
	return ready ? NULL
		     : error_create(ERROR_GONE, 0, request->path, "%s was killed before it could start", request->path);
}

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static void pipes_deinit(struct pipes *pipes)
{
	close_pair(pipes->go);
	close_pair(pipes->told);
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

struct error *start_program(const struct start_request *request, pid_t *pid, bool *no_new_privs)
{
	_cleanup_(pipes_deinit) struct pipes pipes = {{-1, -1}, {-1, -1}};

	*no_new_privs = false;
	if (pipe2(pipes.go, O_CLOEXEC) || pipe2(pipes.told, O_CLOEXEC))
		return error_system(errno, NULL, "pipe2 failed");

	pid_t child = fork();

	if (child < 0)
		return error_system(errno, NULL, "starting a process failed");
	if (child == 0)
		run_child(request, &pipes);
	close(pipes.told[1]);
	pipes.told[1] = -1;

	struct error *error = ptrace_seize(child, true);

	if (!error && write(pipes.go[1], "", 1) != 1)
		error = error_system(errno, NULL, "telling the started process to go on failed");
	if (error) {
		kill(child, SIGKILL);
		reap(child);
		return seize_error(error);
	}
	close_pair(pipes.go);
	error = listen_to_child(request, pipes.told[0], no_new_privs);
	if (error) {
		reap(child);
		return error;
	}
	*pid = child;
	return NULL;
}
