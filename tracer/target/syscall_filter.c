/* A seccomp filter on the fork family alone: see syscall_filter.h. */
#include "target/syscall_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

static void release(scmp_filter_ctx *context)
{
	seccomp_release(*context);
}

static int add_rules(scmp_filter_ctx context)
{
	static const char *const calls[] = {"fork",   "vfork",   "clone", "clone3",
					    "ptrace", "unshare", "setns", "seccomp"};
	static const uint32_t other_arches[] = {SCMP_ARCH_X86, SCMP_ARCH_X32};

	for (size_t i = 0; i < sizeof(other_arches) / sizeof(other_arches[0]); i++) {
		int result = seccomp_arch_add(context, other_arches[i]);

		if (result < 0 && result != -EEXIST)
			return result;
	}
	/* A call by the numbers of an architecture that the filter does not know is none of ours: let it be. */
	int result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);

	for (size_t i = 0; result >= 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		result = seccomp_rule_add(context, SCMP_ACT_TRACE(0), seccomp_syscall_resolve_name(calls[i]), 0);
	/* The older way to install a filter; other calls of prctl run free. */
	if (result >= 0)
		result = seccomp_rule_add(context, SCMP_ACT_TRACE(0), SCMP_SYS(prctl), 1,
					  SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP, 0));
	return result;
}

static struct error *export_program(scmp_filter_ctx context, struct sock_fprog *program)
{
	_cleanup_fd_ int fd = memfd_create("forktrace-filter", MFD_CLOEXEC);

	if (fd < 0)
		return error_system(errno, NULL, "memfd_create failed");

	int result = seccomp_export_bpf(context, fd);

	if (result < 0)
		return error_system(-result, NULL, "making the seccomp filter failed");
	lseek(fd, 0, SEEK_SET);

	struct buffer bytes = {0};
	struct error *error = buffer_read_fd(&bytes, fd);

	if (error) {
		buffer_deinit(&bytes);
		return error;
	}
	program->len = (unsigned short)(bytes.size / sizeof(struct sock_filter));
	program->filter = (void *)bytes.data;
	return NULL;
}

struct error *syscall_filter_create(struct sock_fprog *program)
{
	_cleanup_(release) scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);

	if (!context)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "libseccomp cannot make a filter here");

	int result = add_rules(context);

	if (result < 0)
		return error_system(-result, NULL, "making the seccomp filter failed");
	return export_program(context, program);
}

int syscall_filter_install(const struct sock_fprog *program, int *no_new_privs)
{
	*no_new_privs = 0;
	if (!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program))
		return 0;
	if (errno != EACCES)
		return errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	*no_new_privs = 1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) ? errno : 0;
}
