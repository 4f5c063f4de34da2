/* Takes over a machine that somebody else runs, through its GDB stub: see guest_session.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel/foreign_kernel.h"
#include "session/guest_internal.h"

/* --- the stub --- */

static bool is_silent(const struct error *error)
{
	return error->code == ERROR_GONE || error->sys_errno == ETIMEDOUT;
}

static struct error *no_stub(const char *address, struct error *why)
{
	struct error *error;

	if (why->sys_errno == ETIMEDOUT)
		error = error_create(ERROR_SYSTEM, ETIMEDOUT, address,
				     "nothing at %s answers like a GDB stub: another debugger may be connected to it "
				     "already, or it is none",
				     address);
	else
		error = error_create(ERROR_SYSTEM, why->sys_errno, address,
				     "what is at %s is no GDB stub of an x86: %s", address, why->message);
	error_destroy(why);
	return error;
}

static struct error *connect_stub(struct guest_follow *follow)
{
	struct guest_foreign *foreign = follow->foreign;
	struct error *error = gdbstub_connect(foreign->address, &foreign->fd);

	if (!error)
		error = gdbstub_guard_start(foreign->fd, &foreign->guard);
	if (error)
		return error;
	error = gdbstub_create(foreign->fd, &follow->session->log, &follow->stub);
	if (!error)
		return NULL;
	/* One that said something may have stopped its machine for us. */
	if (!is_silent(error)) {
		cleanup_fd_(&foreign->fd);
		foreign->fd = -1;
		gdbstub_guard_end(&foreign->guard, false);
	}
	return no_stub(foreign->address, error);
}

static struct error *check_machine(struct guest_follow *follow)
{
	struct error *error = gdbstub_take_for_i386(follow->stub);
	uint64_t cr3;

	if (error) {
		error_destroy(error);
		return error_create(ERROR_UNSUPPORTED, 0, follow->foreign->address,
				    "the kernel behind %s is a 64-bit one: behind a GDB stub forktrace follows 32-bit "
				    "x86 kernels alone",
				    follow->foreign->address);
	}
	error = gdbstub_register(follow->stub, "cr3", &cr3);
	if (!error)
		return NULL;
	error_destroy(error);
	return error_create(ERROR_UNSUPPORTED, 0, follow->foreign->address,
			    "the stub at %s is a program's, not a machine's: forktrace needs QEMU's",
			    follow->foreign->address);
}

/* --- the kernel --- */

static bool is_in_kernel(struct guest_follow *follow)
{
	enum { PRIVILEGE_MASK = 3 };
	struct registers registers;
	struct error *error = gdbstub_registers(follow->stub, &registers);
	bool in_kernel = !error && !(registers.cs & PRIVILEGE_MASK);

	error_destroy(error);
	return in_kernel;
}

/* Lets the machine run for a moment. */
static struct error *run_on(struct guest_follow *follow, int milliseconds)
{
	enum { STOP_MS = 10000 };
	struct gdbstub_stop stop;
	struct error *error = gdbstub_resume(follow->stub);

	if (error)
		return error;
	error = gdbstub_wait(follow->stub, milliseconds, &stop);
	if (!error || error->sys_errno != ETIMEDOUT)
		return error;
	error_destroy(error);
	error = gdbstub_interrupt(follow->stub);
	return error ? error : gdbstub_wait(follow->stub, STOP_MS, &stop);
}

/* Where page tables are isolated the kernel cannot be read from within a program (arch/x86/mm/pti.c): then the machine
 * is stopped again and again until it is in the kernel, as an idle one always is. */
static struct error *check_kernel(struct guest_follow *follow)
{
	enum { TRIES = 200, SLICE_MS = 7 };
	const char *address = follow->foreign->address;
	enum foreign_kernel_fit fit = foreign_kernel_check(follow->kernel_space, follow->symbols);
	struct error *error = NULL;

	for (int i = 0; fit == FOREIGN_KERNEL_UNREADABLE && !is_in_kernel(follow) && i < TRIES && !error; i++) {
		error = run_on(follow, SLICE_MS);
		if (!error)
			fit = foreign_kernel_check(follow->kernel_space, follow->symbols);
	}
	if (error || fit == FOREIGN_KERNEL_FITS)
		return error;
	return error_create(ERROR_INPUT, 0, address,
			    "the symbols are not those of the kernel behind %s, as it runs now: save /proc/kallsyms "
			    "anew at each boot (KASLR moves the kernel), once it has booted",
			    address);
}

static void learn_release(struct guest_follow *follow)
{
	char release[128];
	bool found = foreign_kernel_release(follow->kernel_space, follow->symbols, release, sizeof(release));

	follow->release = found ? string_intern(follow->session->pool, release) : NULL;
	follow->session->kernel_release = follow->release;
}

/* --- all of it --- */

static struct error *watch(struct guest_follow *follow)
{
	struct epoll_event event = {.events = EPOLLIN};

	follow->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (follow->epoll < 0 || epoll_ctl(follow->epoll, EPOLL_CTL_ADD, follow->foreign->fd, &event))
		return error_system(errno, NULL, "the GDB stub cannot be watched");
	return NULL;
}

static struct error *take_over(struct guest_follow *follow)
{
	struct error *error = connect_stub(follow);

	if (!error)
		error = check_machine(follow);
	if (!error)
		error = guest_learn_kernel(follow);
	if (!error)
		error = check_kernel(follow);
	return error ? error : watch(follow);
}

struct error *session_attach_guest(struct session *session, const struct guest_attach_request *request)
{
	struct guest_follow *follow = memory_alloc(sizeof(*follow));
	struct error *error = NULL;

	follow->session = session;
	follow->foreign = memory_alloc(sizeof(*follow->foreign));
	follow->foreign->address = string_intern(session->pool, request->address);
	follow->foreign->fd = -1;
	follow->symbols = request->symbols;
	follow->epoll = follow->kick = -1;
	session->guest = follow;
	for (size_t i = 0; !error && i < request->file_count; i++)
		error = guest_files_add(&follow->files, request->files[i]);
	if (!error)
		error = take_over(follow);
	if (!error) {
		learn_release(follow);
		session_emit_start(session, NULL);
		guest_set_places(follow);
		error = gdbstub_resume(follow->stub);
	}
	/* The machine shall not wait for the sentence to be read. */
	if (error)
		guest_foreign_leave(follow);
	return error;
}
