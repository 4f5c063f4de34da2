/* Runs the program in a guest: see guest_run.h. */
#include "ui/guest_run.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "session/guest_session.h"
#include "ui/cache_directory.h"
#include "ui/find_program.h"
#include "ui/guest_kernel.h"

enum { READY_TIMEOUT_MS = 120 * 1000 }; /* emulated, on a busy machine */

static struct error *find_qemu(char **path)
{
	struct error *error = find_program("qemu-system-i386", getenv("PATH"), path);

	if (!error)
		return NULL;
	error_destroy(error);
	return error_create(
	    ERROR_SYSTEM, 0, NULL,
	    "qemu-system-i386 is not on PATH: install Debian's qemu-system-x86 (--kernel=guest runs the "
	    "program in QEMU)");
}

static struct error *find_kernel(const struct options *options, char **path)
{
	if (options->guest.kernel) {
		*path = memory_strdup(options->guest.kernel);
		return NULL;
	}
	*path = guest_kernel_default();
	if (*path)
		return NULL;
	return error_create(ERROR_SYSTEM, 0, NULL,
			    "there is no kernel for the guest: run forktrace --guest-fetch (it fetches Debian's "
			    "linux-image-686), or name one with --guest-kernel=FILE");
}

/* Where the program's own output goes is no concern of the report: a closed pipe is the program's loss, as without us.
 */
static void write_output(void *context, int fd, const void *bytes, size_t size)
{
	const struct guest_streams *streams = context;
	const char *at = bytes;

	if (streams->output) {
		streams->output(streams->context, fd, bytes, size);
		return;
	}
	while (size) {
		ssize_t put = write(fd, at, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN) {
			struct pollfd full = {.fd = fd, .events = POLLOUT};

			poll(&full, 1, -1);
			continue;
		}
		if (put <= 0)
			return;
		at += put;
		size -= (size_t)put;
	}
}

/* Some come for other reasons. */
static bool wants_end(void *context)
{
	static const uint32_t other[] = {SIGCHLD, SIGIO, SIGWINCH, SIGTSTP};
	const struct guest_streams *streams = context;
	struct signalfd_siginfo info;
	bool wanted = false;

	while (!wanted && read(streams->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		wanted = true;
		for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
			wanted = wanted && info.ssi_signo != other[i];
	}
	return wanted;
}

static const char *variable(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; *environment; environment++) {
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	}
	return NULL;
}

struct error *guest_run_start(struct session *session, const struct options *options, const char *program,
			      char *const *environment, struct guest_streams *streams)
{
	_cleanup_free_ char *qemu = NULL, *kernel = NULL, *cache = cache_directory();
	_cleanup_free_ char *path = realpath(program, NULL), *directory = getcwd(NULL, 0);
	struct error *error = find_qemu(&qemu);

	if (!error)
		error = find_kernel(options, &kernel);
	if (error)
		return error;

	struct guest_request request = {
	    .machine = {.qemu = qemu,
			.kernel = kernel,
			.cpu = options->guest.cpu,
			.memory_mib = options->guest.memory_mib,
			.append = options->guest.append,
			.cache = cache,
			.cold = options->guest.cold},
	    .debug_info = options->guest.debug_info,
	    .program = path ? path : program,
	    .arguments = options->command,
	    .environment = environment,
	    .directory = directory ? directory : "/",
	    .library_path = variable(environment, "LD_LIBRARY_PATH"),
	    .files = options->guest.files.items,
	    .file_count = options->guest.files.count,
	    .timeout_ms = READY_TIMEOUT_MS,
	    .input = streams->input,
	    .output = write_output,
	    .interrupted = wants_end,
	    .context = streams,
	};

	return session_start_guest(session, &request);
}

struct error *guest_run_attach(struct session *session, const struct options *options, struct kernel_symbols *symbols)
{
	struct guest_attach_request request = {
	    .address = options->guest.stub,
	    .symbols = symbols,
	    .files = options->guest.files.items,
	    .file_count = options->guest.files.count,
	};

	return session_attach_guest(session, &request);
}
