/* Names of signals and of system-call errors: see fork_call.h. */
#include <signal.h>
#include <string.h>

#include "arch/fork_call.h"

/* The kernel's real-time signals; glibc's SIGRTMIN is higher, because it keeps the first two for itself. */
enum { KERNEL_SIGRTMIN = 32, KERNEL_SIGRTMAX = 64 };

/* Numbers of arch/x86/include/uapi/asm/signal.h, the same for all three ABIs. sigabbrev_np leaves out the "SIG". */
static const char *const signal_names[KERNEL_SIGRTMIN] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL",
    [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",     [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",
    [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM", [SIGSTKFLT] = "SIGSTKFLT",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",     [SIGSTOP] = "SIGSTOP", [SIGTSTP] = "SIGTSTP",
    [SIGTTIN] = "SIGTTIN", [SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",
    [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGWINCH] = "SIGWINCH",
    [SIGPOLL] = "SIGPOLL", [SIGPWR] = "SIGPWR",       [SIGSYS] = "SIGSYS",
};

static const char *const real_time_names[] = {
    "SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",  "SIGRTMIN+6",
    "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13",
    "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+16", "SIGRTMIN+17", "SIGRTMIN+18", "SIGRTMIN+19", "SIGRTMIN+20",
    "SIGRTMIN+21", "SIGRTMIN+22", "SIGRTMIN+23", "SIGRTMIN+24", "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27",
    "SIGRTMIN+28", "SIGRTMIN+29", "SIGRTMIN+30", "SIGRTMIN+31", "SIGRTMIN+32",
};

_Static_assert(sizeof(real_time_names) / sizeof(real_time_names[0]) == KERNEL_SIGRTMAX - KERNEL_SIGRTMIN + 1,
	       "every real-time signal has a name");

const char *signal_name(int number)
{
	if (number <= 0 || number > KERNEL_SIGRTMAX)
		return NULL;
	if (number >= KERNEL_SIGRTMIN)
		return real_time_names[number - KERNEL_SIGRTMIN];
	return signal_names[number];
}

const char *errno_name(int number)
{
	/* include/linux/errno.h: seen by tracers alone, so libc does not know them. */
	enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

	switch (number) {
	case ERESTARTSYS:
		return "ERESTARTSYS";
	case ERESTARTNOINTR:
		return "ERESTARTNOINTR";
	case ERESTARTNOHAND:
		return "ERESTARTNOHAND";
	case ERESTART_RESTARTBLOCK:
		return "ERESTART_RESTARTBLOCK";
	default:
		/* glibc names 0 too: "0". */
		return number > 0 ? strerrorname_np(number) : NULL;
	}
}
