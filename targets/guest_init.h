/* What the files of the guest's process 1 share: the kernel's numbers (asm/unistd_32.h and asm-generic of Linux, all in
 * 2.6.29), a way to call it, and each other. */
#ifndef TARGETS_GUEST_INIT_H
#define TARGETS_GUEST_INIT_H

#include "kernel/guest_protocol.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
	SYS_exit = 1,
	SYS_read = 3,
	SYS_write = 4,
	SYS_open = 5,
	SYS_close = 6,
	SYS_unlink = 10,
	SYS_chdir = 12,
	SYS_mknod = 14,
	SYS_chmod = 15,
	SYS_getpid = 20,
	SYS_mount = 21,
	SYS_mkdir = 39,
	SYS_ioctl = 54,
	SYS_fcntl = 55,
	SYS_umask = 60,
	SYS_dup2 = 63,
	SYS_setsid = 66,
	SYS_symlink = 83,
	SYS_reboot = 88,
	SYS_iopl = 110,
	SYS_munmap = 91,
	SYS_wait4 = 114,
	SYS_clone = 120,
	SYS_mlock = 150,
	SYS_rt_sigaction = 174,
	SYS_rt_sigprocmask = 175,
	SYS_pread64 = 180,
	SYS_mmap2 = 192,
	SYS_ppoll = 309,
	SYS_pipe2 = 331,
	SYS_ppoll_time64 = 414,
};
enum { EINTR = 4, EAGAIN = 11, ECHILD = 10, EEXIST = 17, ENOSYS = 38 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_NOCTTY = 0400, O_TRUNC = 01000 };
enum { O_NONBLOCK = 04000, O_CLOEXEC = 02000000 };
enum { S_IFMT = 0170000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFLNK = 0120000, S_IFCHR = 0020000 };
enum { SIGPIPE = 13, SIGCHLD = 17, CLONE_VFORK = 0x4000, WNOHANG = 1, POLLIN = 1, POLLOUT = 4, POLLERR = 8 };
enum { PAGE = 4096, F_SETFL = 4, SIG_SETMASK = 2 };

static inline long call6(long number, long a, long b, long c, long d, long e)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return result;
}
#define CALL5(number, a, b, c, d, e) call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))
#define CALL4(number, a, b, c, d)    CALL5(number, a, b, c, d, 0)
#define CALL3(number, a, b, c)       CALL5(number, a, b, c, 0, 0)
#define CALL2(number, a, b)          CALL5(number, a, b, 0, 0, 0)
#define CALL1(number, a)             CALL5(number, a, 0, 0, 0, 0)

struct pollfd {
	int fd;
	u16 events, revents;
};

/* Frames to the host. */
void send(char type, const void *bytes, u32 size);
void send_number(char type, u32 number);

/* Says "WHAT OBJECT: errno N" to the host and on the console, and restarts the machine, which ends QEMU. */
__attribute__((noreturn)) void fail(const char *what, const char *object, long result);

__attribute__((noreturn)) void restart(void);

/* Bytes from the host: those that have come, at most `size`. */
void input_open(void);
int input_fd(void); /* -1: not to be polled; sleep_on then looks every few milliseconds */
u32 input_read(void *bytes, u32 size);

/* Sleeps until a descriptor is ready, or a child has ended, or (with `input`) bytes may have come. */
void sleep_on(struct pollfd *polled, u32 count, int input);

/* The payload: open, then its parts in their order. */
void payload_open(void);
void payload_take(void *bytes, u32 size);
void payload_unpack(void);

void *memset(void *to, int byte, __SIZE_TYPE__ size);
void *memcpy(void *to, const void *from, __SIZE_TYPE__ size);

#endif
