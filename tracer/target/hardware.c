/* The processor's breakpoints: see hardware.h. */
#include "target/hardware.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

/* asm-generic/siginfo.h, TRAP_PERF; newer than Debian 12's headers of libc. */
enum { CODE_PERF = 6 };

static int open_event(pid_t tid, unsigned kind, uint64_t address, uint64_t size, bool trap)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_BREAKPOINT,
	    .size = sizeof(attr),
	    .bp_type = kind,
	    .bp_addr = address,
	    .bp_len = size,
	    .sample_period = trap,
	    .sigtrap = trap,
	    .remove_on_exec = trap,
	    .sig_data = trap ? address : 0,
	    .exclude_kernel = 1,
	    .exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Some virtual machines take the debug registers and never use them: counts one write of our own. */
static bool fires(void)
{
	static volatile uint64_t watched;
	uint64_t count = 0;
	_cleanup_fd_ int fd = open_event(0, HW_BREAKPOINT_W, (uint64_t)(uintptr_t)&watched, sizeof(watched), false);

	if (fd < 0)
		return true; /* the reason is told by the one that is wanted */
	watched = 1;
	return read(fd, &count, sizeof(count)) == sizeof(count) && count == 1;
}

struct error *hardware_open(pid_t tid, enum hardware_kind kind, uint64_t address, unsigned size, int *fd)
{
	static int works = -1;

	if (works < 0)
		works = fires();
	*fd = -1;
	if (!works)
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "this machine's processor has no debug registers that work (a virtual machine may "
				    "hide them): hardware breakpoints and watchpoints are not to be had");
	*fd = kind == HARDWARE_WRITE ? open_event(tid, HW_BREAKPOINT_W, address, size, true)
				     : open_event(tid, HW_BREAKPOINT_X, address, sizeof(long), true);
	if (*fd >= 0)
		return NULL;
	if (errno == ENOSPC)
		return error_create(ERROR_SYSTEM, ENOSPC, NULL,
				    "all %d hardware breakpoints of task %d are in use: take one back first",
				    HARDWARE_POINTS, tid);
	if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOENT)
		return error_create(ERROR_UNSUPPORTED, errno, NULL,
				    "hardware breakpoints that end with forktrace need Linux 5.13 or newer");
	return error_system(errno, NULL, "no hardware breakpoint in task %d: perf_event_open failed", tid);
}

bool hardware_hit(const siginfo_t *info, uint64_t *address)
{
	unsigned long data;

	if (info->si_signo != SIGTRAP || info->si_code != CODE_PERF)
		return false;
	/* struct siginfo, _sigfault._perf._data: behind the address (include/uapi/asm-generic/siginfo.h). */
	memcpy(&data, (const char *)info + offsetof(siginfo_t, si_addr) + sizeof(void *), sizeof(data));
	*address = data;
	return true;
}
