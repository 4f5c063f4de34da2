/* Process 1 of the machine that tests/vm/run starts: makes the host's files the root, writable in memory alone, runs
 * the command there and hands on what it prints and how it ends.
 *
 * The initramfs holds this program, /modules (NAME of each in the order of loading, a line each; the files beside it),
 * and /command, /environment (words, each ended by a NUL) and /places. What goes out through the virtio port is a
 * sequence of messages: a letter, four bytes of length in the machine's order, the bytes. o: the command's standard
 * output; e: its standard error; s: its exit status in decimal digits; f: a sentence, why nothing could be run.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "/dev/vport0p1"

extern char **environ;

enum { OUTPUTS = 2, WORDS_MAX = 4096 };

static int port = -1;

static void write_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length) {
		ssize_t written = write(fd, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		at += written;
		length -= (size_t)written;
	}
}

static void send_message(char kind, const void *data, size_t length)
{
	uint32_t size = (uint32_t)length;
	char head[5] = {kind};

	memcpy(head + 1, &size, sizeof(size));
	write_all(port, head, sizeof(head));
	write_all(port, data, length);
}

static _Noreturn void finish(void)
{
	for (;;) {
		reboot(RB_POWER_OFF);
		pause();
	}
}

/* On the console too: before the modules are loaded there is no port. */
__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	printf("init: %s\n", text);
	fflush(stdout);
	if (port >= 0)
		send_message('f', text, strlen(text));
	finish();
}

static void must(bool done, const char *what)
{
	if (!done)
		fail("%s: %s", what, strerror(errno));
}

static void make_directories(const char *path)
{
	char part[4096];

	for (size_t i = 1; path[i - 1] && i < sizeof(part); i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) && errno != EEXIST && errno != EROFS)
			fail("mkdir %s: %s", part, strerror(errno));
	}
}

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *options)
{
	make_directories(target);
	if (mount(source, target, type, flags, options))
		fail("mount %s on %s: %s", source, target, strerror(errno));
}

/* The words of a file, each ended by a NUL, and NULL behind the last. They live as long as this program. */
static char **read_words(const char *path)
{
	static const size_t ROOM = WORDS_MAX * sizeof(char *);
	FILE *file = fopen(path, "re");
	char **words = malloc(ROOM);
	size_t count = 0;

	must(file && words, path);
	for (size_t capacity = 0; count < WORDS_MAX - 1; count++, capacity = 0) {
		words[count] = NULL;
		if (getdelim(&words[count], &capacity, '\0', file) < 0)
			break;
	}
	words[count] = NULL;
	fclose(file);
	return words;
}

static void load_modules(void)
{
	char line[256];
	FILE *list = fopen("/modules", "re");

	must(list, "/modules");
	while (fgets(line, sizeof(line), list)) {
		int fd;

		line[strcspn(line, "\n")] = '\0';
		fd = open(line, O_RDONLY | O_CLOEXEC);
		must(fd >= 0, line);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail("the module %s: %s", line, strerror(errno));
		close(fd);
	}
	fclose(list);
}

/* The port appears in devtmpfs when its driver has talked with the host. */
static void open_port(void)
{
	for (int tries = 0; port < 0 && tries < 10000; tries++) {
		port = open(PORT, O_RDWR | O_CLOEXEC);
		if (port < 0)
			usleep(1000);
	}
	must(port >= 0, PORT);
}

/* The host's files at /host; over them, at /root, what is written here; then the file systems of a machine of its own.
 * /tmp is empty but for the directory `shown`, unless that is NULL. */
static void make_root(const char *shown)
{
	char inside[4096], outside[4096];

	mount_at("host", "/host", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,cache=loose,msize=512000,posixacl");
	mount_at("tmpfs", "/memory", "tmpfs", 0, "mode=755,size=80%");
	make_directories("/memory/upper");
	make_directories("/memory/work");
	mount_at("overlay", "/root", "overlay", 0,
		 "lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work,xino=on");
	mount_at("/root", "/plain", NULL, MS_BIND, NULL);
	mount_at("proc", "/root/proc", "proc", 0, NULL);
	mount_at("sysfs", "/root/sys", "sysfs", 0, NULL);
	mount_at("tracefs", "/root/sys/kernel/tracing", "tracefs", 0, NULL);
	mount_at("devtmpfs", "/root/dev", "devtmpfs", 0, NULL);
	mount_at("devpts", "/root/dev/pts", "devpts", 0, "mode=620,ptmxmode=666");
	mount_at("tmpfs", "/root/dev/shm", "tmpfs", 0, "mode=1777");
	mount_at("tmpfs", "/root/run", "tmpfs", 0, "mode=755");
	mount_at("tmpfs", "/root/tmp", "tmpfs", 0, "mode=1777");
	if (symlink("/proc/self/fd", "/root/dev/fd") && errno != EEXIST)
		fail("/dev/fd: %s", strerror(errno));
	if (shown) {
		snprintf(outside, sizeof(outside), "/plain%s", shown);
		snprintf(inside, sizeof(inside), "/root%s", shown);
		mount_at(outside, inside, NULL, MS_BIND, NULL);
	}
}

static void enter_root(void)
{
	must(!umount2("/plain", MNT_DETACH), "umount /plain");
	must(!chdir("/root") && !mount(".", "/", NULL, MS_MOVE, NULL) && !chroot("."), "the new root");
}

/* 127.0.0.1, and nothing else. */
static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request), "the loopback interface");
	close(fd);
}

static pid_t start(char *const *command, char **environment, const char *directory, int pipes[][2])
{
	pid_t pid = fork();
	sigset_t none;

	if (pid)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	for (int i = 0; i < OUTPUTS; i++)
		dup2(pipes[i][1], i + 1);
	environ = environment;
	if (!chdir(directory))
		execvp(command[0], command);
	dprintf(2, "init: %s in %s: %s\n", command[0], directory, strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* False when there is nothing more, or not now. */
static bool pass_on(int fd, char kind)
{
	static char data[65536];
	ssize_t length = read(fd, data, sizeof(data));

	if (length > 0)
		send_message(kind, data, (size_t)length);
	return length > 0;
}

/* Reaps what has ended; true when `pid` has, and *status is how. */
static bool reap(int ended, pid_t pid, int *status)
{
	struct signalfd_siginfo child;
	bool over = false;
	pid_t reaped;

	must(read(ended, &child, sizeof(child)) > 0, "signalfd");
	for (int how; (reaped = waitpid(-1, &how, WNOHANG)) > 0;) {
		if (reaped != pid)
			continue;
		*status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
		over = true;
	}
	return over;
}

/* Passes on what is printed until `pid` has ended; returns its exit status as a shell has it. */
static int watch(pid_t pid, int ended, int pipes[][2])
{
	static const char KINDS[OUTPUTS] = {'o', 'e'};
	struct pollfd polled[OUTPUTS + 1];
	int status = 0;

	for (int i = 0; i < OUTPUTS; i++)
		polled[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
	polled[OUTPUTS] = (struct pollfd){.fd = ended, .events = POLLIN};
	do {
		poll(polled, OUTPUTS + 1, -1);
		for (int i = 0; i < OUTPUTS; i++)
			if (polled[i].revents)
				pass_on(polled[i].fd, KINDS[i]);
	} while (!polled[OUTPUTS].revents || !reap(ended, pid, &status));
	for (int i = 0; i < OUTPUTS; i++)
		while (pass_on(pipes[i][0], KINDS[i]))
			;
	return status;
}

int main(void)
{
	char **command = read_words("/command"), **environment = read_words("/environment");
	char **places = read_words("/places"); /* the directory of the command, and what is seen of /tmp */
	int pipes[OUTPUTS][2], ended;
	char text[16];
	sigset_t child;

	mount_at("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	open_port();
	make_root(places[1]);
	enter_root();
	raise_loopback();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	ended = signalfd(-1, &child, SFD_CLOEXEC);
	must(ended >= 0, "signalfd");
	for (int i = 0; i < OUTPUTS; i++)
		must(!pipe2(pipes[i], O_CLOEXEC) && !fcntl(pipes[i][0], F_SETFL, O_NONBLOCK), "pipe");
	snprintf(text, sizeof(text), "%d", watch(start(command, environment, places[0], pipes), ended, pipes));
	send_message('s', text, strlen(text));
	finish();
}
