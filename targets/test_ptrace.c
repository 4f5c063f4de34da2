/* A program that calls ptrace itself: a child asks to be traced, the parent attaches to another. Under a tracer both
 * get an error, which is printed. */
#include <sys/ptrace.h>

#include "expect.h"

enum { HELD_STATUS = 8 };

static void tell_request(const char *request, long ret, int error)
{
	expect_line("ptrace request=%s errno=%s", request, ret == 0 ? "0" : error_name(error));
}

static KEEP_FRAME pid_t fork_traceme(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		long ret = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		tell_request("PTRACE_TRACEME", ret, errno);
		_exit(0);
	}
	return pid;
}

static KEEP_FRAME pid_t fork_held(struct seen *seen, const int ends[2])
{
	char byte;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		seen_tell(seen, pid);
		while (read(ends[0], &byte, 1) < 0)
			;
		_exit(HELD_STATUS);
	}
	return pid;
}

static void attach_and_detach(pid_t pid)
{
	long ret = ptrace(PTRACE_ATTACH, pid, NULL, NULL);
	tell_request("PTRACE_ATTACH", ret, errno);
	if (ret != 0)
		return;
	int status = 0;
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);
}

int main(void)
{
	int ends[2];
	expect_begin();
	struct seen *seen = seen_new(2);
	pid_t pid = fork_traceme(&seen[0]);
	expect_libc_fork(pid, &seen[0], "fork_traceme,main");
	expect_reap(pid);
	CHECK(pipe(ends) == 0);
	pid = fork_held(&seen[1], ends);
	expect_libc_fork(pid, &seen[1], "fork_held,main");
	attach_and_detach(pid);
	close(ends[1]);
	expect_reap(pid);
	return expect_end();
}
