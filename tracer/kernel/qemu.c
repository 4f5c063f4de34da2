/* A QEMU process and the channels to it: see qemu.h. */
#include "kernel/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"
#include "kernel/guest_protocol.h"

/* The ends that QEMU inherits; the numbers stay the same over its execve. */
struct qemu_ends {
	int stub, qmp, input, output, console;
};

struct argument_list {
	VECTOR(char *) list;
};

static void arguments_deinit(struct argument_list *arguments)
{
	for (size_t i = 0; i < arguments->list.count; i++)
		free(arguments->list.items[i]);
	vector_deinit(&arguments->list);
}

__attribute__((format(printf, 2, 3))) static void add(struct argument_list *arguments, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vector_push(&arguments->list, memory_vprintf(format, values));
	va_end(values);
}

static void add_pair(struct argument_list *arguments, const char *option, const char *value)
{
	add(arguments, "%s", option);
	add(arguments, "%s", value);
}

/* The machine: the same for a snapshot's maker and its user. */
static void add_machine(struct argument_list *arguments, const struct qemu_request *request)
{
	add_pair(arguments, "-machine", "pc");
	add_pair(arguments, "-accel", "tcg");
	add_pair(arguments, "-cpu", request->cpu);
	add(arguments, "-m");
	add(arguments, "%u", request->memory_mib);
	add(arguments, "-nodefaults");
	add(arguments, "-no-user-config");
	add_pair(arguments, "-display", "none");
	add(arguments, "-no-reboot");
	add(arguments, "-S");
	add_pair(arguments, "-serial", "chardev:console");
	add_pair(arguments, "-serial", "chardev:input");
	add(arguments, "-device");
	add(arguments, "isa-debugcon,iobase=0x%x,chardev=output", GUEST_PORT_OUT);
	add_pair(arguments, "-gdb", "chardev:stub");
	add_pair(arguments, "-qmp", "chardev:qmp");
}

/* Output goes through pipes, not sockets: a socket is full after some 280 writes of one byte, and a machine that waits
 * for room at the debug console holds the lock that the stub needs to answer. */
static void add_channels(struct argument_list *arguments, const struct qemu_ends *ends)
{
	const struct {
		const char *name;
		int fd;
	} sockets[] = {{"stub", ends->stub}, {"qmp", ends->qmp}, {"input", ends->input}},
	  pipes[] = {{"output", ends->output}, {"console", ends->console}};

	for (size_t i = 0; i < sizeof(sockets) / sizeof(*sockets); i++) {
		add(arguments, "-chardev");
		add(arguments, "socket,id=%s,fd=%d", sockets[i].name, sockets[i].fd);
	}
	for (size_t i = 0; i < sizeof(pipes) / sizeof(*pipes); i++) {
		add(arguments, "-chardev");
		add(arguments, "file,id=%s,path=/proc/self/fd/%d", pipes[i].name, pipes[i].fd);
	}
}

static void make_arguments(struct argument_list *arguments, const struct qemu_request *request,
			   const struct qemu_ends *ends)
{
	add(arguments, "%s", request->path);
	add_channels(arguments, ends);
	add_machine(arguments, request);
	add(arguments, "-fw_cfg");
	add(arguments, "name=%s,file=/proc/self/fd/%d", GUEST_PAYLOAD_NAME, request->payload);
	if (request->incoming) {
		add_pair(arguments, "-incoming", "defer");
	} else {
		add_pair(arguments, "-kernel", request->kernel);
		add(arguments, "-initrd");
		add(arguments, "/proc/self/fd/%d", request->initramfs);
		add_pair(arguments, "-append", request->append);
	}
	vector_push(&arguments->list, NULL);
}

char *qemu_options_text(const struct qemu_request *request)
{
	_cleanup_(arguments_deinit) struct argument_list arguments = {0};
	struct buffer text = {0};

	add_machine(&arguments, request);
	add_pair(&arguments, "-append", request->append);
	for (size_t i = 0; i < arguments.list.count; i++)
		buffer_printf(&text, "%s ", arguments.list.items[i]);
	return text.data;
}

/* --- the process --- */

static void keep_open(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

/* What the child needs to know. */
struct launch {
	char **arguments;
	const struct qemu_ends *ends;
	const struct qemu_request *request;
	int errors, failure;
	pid_t parent;
};

/* In the child, which shares the parent's memory until it executes, while the parent waits: system calls alone. */
static int run_child(void *context)
{
	struct launch *launch = context;
	const struct qemu_ends *ends = launch->ends;
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launch->parent)
		_exit(1);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(launch->errors, STDOUT_FILENO);
	dup2(launch->errors, STDERR_FILENO);
	/* What forktrace has open is close-on-exec; this is for what it was itself started with (Linux 5.11). */
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	keep_open(ends->stub);
	keep_open(ends->qmp);
	keep_open(ends->input);
	keep_open(ends->output);
	keep_open(ends->console);
	keep_open(launch->request->payload);
	keep_open(launch->request->initramfs);
	keep_open(launch->request->dump);
	execv(launch->request->path, launch->arguments);
	launch->failure = errno;
	_exit(127);
}

/* Nothing of this process is copied for the moment until the child executes: a fork costs 5 ms here, and a page fault
 * for each page that is written afterwards. */
static pid_t launch_child(struct launch *launch)
{
	enum { STACK = 64 * 1024 };
	_cleanup_free_ char *stack = memory_alloc(STACK);

	return clone(run_child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, launch);
}

static struct error *exec_error(const char *path, int sys_errno)
{
	if (sys_errno == ENOENT)
		return error_create(ERROR_NOT_FOUND, sys_errno, path, "QEMU was not found at %s", path);
	return error_create(ERROR_NOT_EXEC, sys_errno, path, "QEMU (%s) cannot be executed: %s", path,
			    strerror(sys_errno));
}

static struct error *spawn(struct qemu *qemu, const struct qemu_request *request, const struct qemu_ends *ends)
{
	_cleanup_(arguments_deinit) struct argument_list arguments = {0};
	struct launch launch = {.ends = ends, .request = request, .errors = qemu->errors, .parent = getpid()};

	make_arguments(&arguments, request, ends);
	launch.arguments = arguments.list.items;

	pid_t pid = launch_child(&launch);

	if (pid < 0)
		return error_system(errno, NULL, "starting QEMU failed");
	qemu->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (qemu->pidfd < 0) {
		int failure = errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return error_system(failure, NULL, "pidfd_open failed (Linux 5.3 or newer is needed)");
	}
	return launch.failure ? exec_error(request->path, launch.failure) : NULL;
}

static struct error *open_socket(int *ours, int *theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return error_system(errno, NULL, "socketpair failed");
	*ours = pair[0];
	*theirs = pair[1];
	return NULL;
}

/* As large as an unprivileged user may have it: the guest then seldom waits for us. */
static struct error *open_pipe(int *ours, int *theirs)
{
	enum { CAPACITY = 1 << 20 };
	int pair[2];

	if (pipe2(pair, O_CLOEXEC))
		return error_system(errno, NULL, "pipe2 failed");
	*ours = pair[0];
	*theirs = pair[1];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	fcntl(*ours, F_SETPIPE_SZ, CAPACITY);
	return NULL;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void ends_deinit(struct qemu_ends *ends)
{
	close_end(&ends->stub);
	close_end(&ends->qmp);
	close_end(&ends->input);
	close_end(&ends->output);
	close_end(&ends->console);
}

struct error *qemu_start(const struct qemu_request *request, struct qemu *qemu)
{
	_cleanup_(ends_deinit) struct qemu_ends ends = {-1, -1, -1, -1, -1};

	*qemu = QEMU_NONE;
	qemu->name = request->path;
	qemu->errors = memfd_create("qemu-stderr", MFD_CLOEXEC);
	if (qemu->errors < 0)
		return error_system(errno, NULL, "memfd_create failed");

	struct error *error = open_socket(&qemu->stub, &ends.stub);

	error = error ? error : open_socket(&qemu->qmp, &ends.qmp);
	error = error ? error : open_socket(&qemu->input, &ends.input);
	error = error ? error : open_pipe(&qemu->output, &ends.output);
	error = error ? error : open_pipe(&qemu->console, &ends.console);
	return error ? error : spawn(qemu, request, &ends);
}

void qemu_deinit(struct qemu *qemu)
{
	if (qemu->pidfd >= 0) {
		siginfo_t status;

		syscall(SYS_pidfd_send_signal, qemu->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)qemu->pidfd, &status, WEXITED) < 0 && errno == EINTR)
			;
	}
	close_end(&qemu->pidfd);
	close_end(&qemu->stub);
	close_end(&qemu->qmp);
	close_end(&qemu->input);
	close_end(&qemu->output);
	close_end(&qemu->console);
	close_end(&qemu->errors);
}

bool qemu_ended(const struct qemu *qemu)
{
	struct pollfd polled = {.fd = qemu->pidfd, .events = POLLIN};

	return poll(&polled, 1, 0) > 0;
}

/* The last line that is no warning: the reason. */
static void take_reason(char *text, char reason[256])
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(line, "warning:"))
			snprintf(reason, 256, "%s", line);
	}
}

struct error *qemu_death(const struct qemu *qemu)
{
	char text[8192], reason[256] = "";
	ssize_t size = pread(qemu->errors, text, sizeof(text) - 1, 0);

	text[size > 0 ? size : 0] = '\0';
	take_reason(text, reason);
	return error_create(ERROR_SYSTEM, 0, qemu->name, "QEMU ended by itself%s%s", reason[0] ? ": " : "", reason);
}
