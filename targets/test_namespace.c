/* Processes with two numbers: a new pid namespace by clone, where the first process forks itself; by unshare, which
 * counts for later children; and a fork into a namespace whose first process is dead, which fails. Without root it is
 * done in a new user namespace, or skipped. */
#include <sys/socket.h>

#include "expect.h"

/* What the first process of a namespace tells the outside. */
struct inside {
	struct seen first, second;
	long second_ret; /* what fork returned to the first process: a number of its namespace */
};

static KEEP_FRAME long clone_into_namespace(uint64_t flags)
{
	long ret = syscall(SYS_clone, (unsigned long)flags | SIGCHLD, NULL, NULL, NULL, NULL);
	return ret;
}

static KEEP_FRAME pid_t fork_inside(struct inside *inside, int channel)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(&inside->second, pid);
		_exit(write(channel, "", 1) == 1 ? 0 : EXIT_FAILURE);
	}
	return pid;
}

static KEEP_FRAME pid_t fork_into_namespace(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

/* The sender's process id as the kernel translates it to the reader's namespace: SO_PASSCRED, unix(7). */
static pid_t sender_of(int channel)
{
	char byte;
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec data = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct ucred credentials = {0};
	if (!CHECK(recvmsg(channel, &message, 0) == 1))
		return 0;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (CHECK(header != NULL && header->cmsg_type == SCM_CREDENTIALS))
		memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
	return credentials.pid;
}

static KEEP_FRAME _Noreturn void live_inside(struct inside *inside, int channel)
{
	seen_tell(&inside->first, 0);
	inside->second_ret = fork_inside(inside, channel);
	CHECK(waitpid((pid_t)inside->second_ret, NULL, 0) == inside->second_ret);
	_exit(0);
}

/* Returns false when it is not permitted. */
static KEEP_FRAME bool namespace_by_clone(uint64_t flags)
{
	static const char stack[] = "clone_into_namespace,namespace_by_clone,main";
	const int on = 1;
	int channel[2];
	struct inside *inside = shared_memory(sizeof(*inside));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0);
	CHECK(setsockopt(channel[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	long ret = clone_into_namespace(flags);
	if (ret == 0)
		live_inside(inside, channel[1]);
	if (ret < 0) {
		expect_fork_failed(errno, "clone", stack);
		return false;
	}
	pid_t grandchild = sender_of(channel[0]);
	int status = expect_reap((pid_t)ret);
	CHECK(status == 0 && inside->first.pid == 1);
	EXPECT_FORK(.syscall = "clone", .ret = ret, .seen = &inside->first, .flags = flags, .stack = stack,
		    .ns_pid = inside->first.pid);
	EXPECT_FORK(.syscall = LIBC_FORK_SYSCALL, .parent = (pid_t)ret, .child = grandchild, .ret = inside->second_ret,
		    .seen = &inside->second, .flags = LIBC_FORK_FLAGS,
		    .stack = "fork_inside,live_inside,namespace_by_clone,main", .ns_pid = inside->second.pid);
	expect_line("expect exit pid=%d status=0", grandchild);
	return true;
}

/* In a process of its own: the namespace is for all its later children. */
static KEEP_FRAME _Noreturn void live_beside(int flags)
{
	static const char stack[] = "fork_into_namespace,live_beside,main";
	struct seen *seen = seen_new(2);
	if (unshare(flags) != 0)
		_exit(EXIT_FAILURE);
	pid_t pid = fork_into_namespace(&seen[0]);
	if (CHECK(pid > 0)) {
		seen_wait(&seen[0]);
		CHECK(seen[0].pid == 1);
		EXPECT_FORK(.syscall = LIBC_FORK_SYSCALL, .ret = pid, .seen = &seen[0], .flags = LIBC_FORK_FLAGS,
			    .stack = stack, .ns_pid = seen[0].pid);
		expect_reap(pid);
	}
	pid = fork_into_namespace(&seen[1]);
	if (CHECK(pid == -1 && errno == ENOMEM))
		expect_fork_failed(errno, LIBC_FORK_SYSCALL, stack);
	_exit(0);
}

int main(void)
{
	int flags = CLONE_NEWPID;
	expect_begin();
	if (!namespace_by_clone((uint64_t)flags)) {
		flags |= CLONE_NEWUSER;
		if (!namespace_by_clone((uint64_t)flags)) {
			expect_line("skip a pid namespace is not permitted");
			return expect_end();
		}
	}
	struct seen *seen = seen_new(1);
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		live_beside(flags);
	}
	expect_libc_fork(pid, seen, "main");
	int status = expect_reap(pid);
	CHECK(status == 0);
	return expect_end();
}
