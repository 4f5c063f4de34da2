/* Process 1 of the guest: tells forktrace what kernel this is, waits for a program, runs it and passes on what it says.
 *
 * Without libc, and with no system call that Linux 2.6.29 lacks. It speaks tracer/kernel/guest_protocol.h over I/O
 * ports, so that the kernel needs no driver for it. While the program runs it sleeps in ppoll: forktrace's breakpoints
 * in the kernel's entry stop its calls too. */
#include "guest_init.h"

/* The execve of the program is an instruction with a name: forktrace gets its
 * address. The restorer is ours because the kernel's own may be missing (vdso=0) or not executable. */
extern const char execve_instruction[];
__attribute__((noreturn)) void begin(const u32 *stack);
long call_execve(const char *path, char **arguments, char **environment);
void restorer(void);
__asm__(".text\n"
	".global _start\n"
	"_start: xor %ebp, %ebp\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call begin\n"
	"call_execve: push %ebx\n"
	"	mov 8(%esp), %ebx\n"
	"	mov 12(%esp), %ecx\n"
	"	mov 16(%esp), %edx\n"
	"	mov $11, %eax\n"
	"execve_instruction: int $0x80\n"
	"	pop %ebx\n"
	"	ret\n"
	"restorer: mov $173, %eax\n"
	"	int $0x80\n");

enum { STRINGS_SIZE = 128 * 1024, POINTERS = 16 * 1024, CHUNK = 32768, SYMBOLS_SIZE = 16 << 20, VDSO_SIZE = 64 << 10 };

/* --- the machine ----------------------------------------------------------------------------------------------------
 */

static void mount(const char *type, const char *place)
{
	CALL2(SYS_mkdir, place, 0755);
	CALL5(SYS_mount, type, place, type, 0, 0);
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		u16 mode, major, minor;
	} devices[] = {
	    {"/dev/null", 0666, 1, 3},    {"/dev/zero", 0666, 1, 5},    {"/dev/full", 0666, 1, 7},
	    {"/dev/random", 0666, 1, 8},  {"/dev/urandom", 0666, 1, 9}, {"/dev/tty", 0666, 5, 0},
	    {"/dev/console", 0600, 5, 1}, {"/dev/ptmx", 0666, 5, 2},    {"/dev/ttyS0", 0600, 4, 64},
	    {"/dev/ttyS1", 0600, 4, 65},
	};

	for (u32 i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		CALL3(SYS_mknod, devices[i].path, S_IFCHR | devices[i].mode, devices[i].major << 8 | devices[i].minor);
	CALL2(SYS_symlink, "/proc/self/fd", "/dev/fd");
	CALL2(SYS_symlink, "/proc/self/fd/0", "/dev/stdin");
	CALL2(SYS_symlink, "/proc/self/fd/1", "/dev/stdout");
	CALL2(SYS_symlink, "/proc/self/fd/2", "/dev/stderr");
}

/* What cannot be mounted the kernel does not have. */
static void make_tree(void)
{
	CALL1(SYS_umask, 0);
	mount("proc", "/proc");
	mount("sysfs", "/sys");
	mount("devtmpfs", "/dev");
	make_devices();
	mount("devpts", "/dev/pts");
	mount("tmpfs", "/dev/shm");
	mount("tmpfs", "/tmp");
	CALL2(SYS_chmod, "/dev/shm", 01777);
	CALL2(SYS_chmod, "/tmp", 01777);

	long null = CALL3(SYS_open, "/dev/null", O_RDWR, 0);

	for (int fd = 0; fd <= 2; fd++)
		CALL2(SYS_dup2, null, fd);
	if (null > 2)
		CALL1(SYS_close, null);
}

/* --- before the program ---------------------------------------------------------------------------------------------
 */

static u8 chunk[CHUNK];

static u32 read_file(const char *path, u8 *bytes, u32 size)
{
	long fd = CALL3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	u32 at = 0;

	for (long got; fd >= 0 && (got = CALL3(SYS_read, fd, bytes + at, size - at)) > 0;)
		at += (u32)got;
	CALL1(SYS_close, fd);
	return at;
}

static void send_version(void)
{
	send(GUEST_VERSION, chunk, read_file("/proc/version", chunk, sizeof(chunk)));
}

/* The kernel's build id is among them. */
static void send_notes(void)
{
	send(GUEST_NOTES, chunk, read_file("/sys/kernel/notes", chunk, sizeof(chunk)));
}

/* The vDSO: in the auxiliary vector, behind the arguments and the environment; null: the kernel gives none. */
static const u8 *find_vdso(const u32 *stack)
{
	enum { AT_NULL = 0, AT_SYSINFO_EHDR = 33 };
	const u32 *at = stack + 1 + stack[0] + 1;

	while (*at++)
		;
	for (; at[0] != AT_NULL; at += 2) {
		if (at[0] == AT_SYSINFO_EHDR)
			return (const u8 *)at[1];
	}
	return 0;
}

/* Its sections end it: Elf32_Ehdr's e_shoff, e_shentsize and e_shnum. */
static u32 vdso_size(const u8 *vdso)
{
	const u32 *section_offset = (const u32 *)(vdso + 32);
	const u16 *section_size = (const u16 *)(vdso + 46);

	return vdso ? *section_offset + (u32)section_size[0] * section_size[1] : 0;
}

/* The host reads megabytes from memory in no time, but gets a million bytes a second through the port. */
static struct {
	u32 address, size, vdso_size;
} symbols;

/* The vDSO goes behind the text: of a traced program's own copy, pages that it has not used are absent. */
static void send_symbols(const u8 *vdso)
{
	enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };
	long memory = CALL5(SYS_mmap2, 0, SYMBOLS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (memory < 0 && memory > -PAGE)
		fail("no memory for the kernel's symbols", "", memory);
	symbols.address = (u32)memory;
	symbols.size = read_file("/proc/kallsyms", (u8 *)memory, SYMBOLS_SIZE - VDSO_SIZE);
	symbols.vdso_size = vdso_size(vdso);
	if (symbols.vdso_size > VDSO_SIZE)
		symbols.vdso_size = 0;
	memcpy((u8 *)memory + symbols.size, vdso, symbols.vdso_size);
	send(GUEST_KALLSYMS, &symbols, sizeof(symbols));
}

/* A kernel may hide the addresses from root too (kernel.kptr_restrict=2). */
static void show_addresses(void)
{
	long fd = CALL3(SYS_open, "/proc/sys/kernel/kptr_restrict", O_WRONLY | O_CLOEXEC, 0);

	CALL3(SYS_write, fd, "0", 1);
	CALL1(SYS_close, fd);
}

static void wait_for_go(void)
{
	u8 byte = 0;

	while (byte != GUEST_GO) {
		struct pollfd polled = {.fd = input_fd(), .events = POLLIN};

		if (!input_read(&byte, 1))
			sleep_on(&polled, 1, 1);
	}
}

/* --- the program ----------------------------------------------------------------------------------------------------
 */

static struct {
	const char *path, *directory;
	char *arguments[POINTERS], *environment[POINTERS];
} program;
static char strings[STRINGS_SIZE];
static u32 strings_used;

static char *take_string(void)
{
	char *text = strings + strings_used;

	do {
		if (strings_used == sizeof(strings))
			fail("the program's arguments and environment are too long", "", 0);
		payload_take(strings + strings_used, 1);
	} while (strings[strings_used++]);
	return text;
}

static void take_program(void)
{
	char magic[GUEST_PAYLOAD_MAGIC_SIZE];
	u32 counts[2];

	payload_take(magic, sizeof(magic));
	payload_take(counts, sizeof(counts));
	for (u32 i = 0; i < sizeof(magic); i++) {
		if (magic[i] != GUEST_PAYLOAD_MAGIC[i])
			fail("the payload does not begin with ", GUEST_PAYLOAD_MAGIC, 0);
	}
	if (counts[0] >= POINTERS || counts[1] >= POINTERS)
		fail("too many arguments or environment strings", "", 0);
	program.path = take_string();
	program.directory = take_string();
	for (u32 i = 0; i < counts[0]; i++)
		program.arguments[i] = take_string();
	for (u32 i = 0; i < counts[1]; i++)
		program.environment[i] = take_string();
}

struct signal_action { /* the kernel's own, not libc's */
	u32 handler, flags, restorer, mask[2];
};

enum { PIPE_IN, PIPE_OUT, PIPE_ERROR, PIPES };
static int pipes[PIPES][2];

/* In the child. What PID 1 has changed of what execve keeps is put back: signals, the mask, the privilege to use ports.
 */
__attribute__((noreturn)) static void become_program(void)
{
	struct signal_action standard = {0};
	long result;

	CALL1(SYS_setsid, 0);
	for (int i = 0; i < PIPES; i++)
		CALL2(SYS_dup2, pipes[i][i != PIPE_IN], i);
	CALL4(SYS_rt_sigaction, SIGPIPE, &standard, 0, sizeof(standard.mask));
	CALL4(SYS_rt_sigprocmask, SIG_SETMASK, standard.mask, 0, sizeof(standard.mask));
	CALL1(SYS_umask, 022);
	send_number(GUEST_STARTED, (u32)CALL1(SYS_getpid, 0));
	result = CALL1(SYS_chdir, program.directory);
	CALL1(SYS_iopl, 0);
	if (result >= 0)
		result = call_execve(program.path, program.arguments, program.environment);
	CALL1(SYS_iopl, 3);
	send_number(GUEST_NOEXEC, (u32)-result);
	for (;;)
		CALL1(SYS_exit, 127);
}

/* CLONE_VFORK: the parent sleeps until the child has called execve, so that only one of them talks. */
static long start_program(void)
{
	for (int i = 0; i < PIPES; i++) {
		long result = CALL2(SYS_pipe2, pipes[i], O_CLOEXEC);

		if (result < 0)
			fail("pipe2 failed", "", result);
	}

	long pid = CALL5(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		become_program();
	if (pid < 0)
		fail("the program cannot be forked", "", pid);
	for (int i = 0; i < PIPES; i++) {
		int ours = pipes[i][i == PIPE_IN];

		CALL1(SYS_close, pipes[i][i != PIPE_IN]);
		CALL3(SYS_fcntl, ours, F_SETFL, O_NONBLOCK);
		pipes[i][0] = ours;
	}
	return pid;
}

/* --- while it runs --------------------------------------------------------------------------------------------------
 */

/* Standard input that its pipe has not taken yet: never more than was credited. */
static struct {
	u8 bytes[GUEST_INPUT_MAX];
	u32 held;
	u8 head[2];           /* of the frame that is coming, as far as it has come */
	u32 head_size, frame; /* `frame`: bytes of it that are still to come */
	int ended;
} input;
static int child_ended;

static void on_child(int signal)
{
	(void)signal;
	child_ended = 1;
}

/* The signal is blocked but during ppoll: none is missed between looking and sleeping. */
static void watch_children(void)
{
	enum { SA_RESTORER = 0x04000000, SA_SIGINFO = 4, SA_NOCLDSTOP = 1, SIG_IGN = 1 };
	struct signal_action child = {(u32)on_child, SA_RESTORER | SA_SIGINFO | SA_NOCLDSTOP, (u32)restorer, {0, 0}};
	struct signal_action ignore = {.handler = SIG_IGN};
	u32 blocked[2] = {1u << (SIGCHLD - 1), 0};

	CALL4(SYS_rt_sigaction, SIGCHLD, &child, 0, sizeof(child.mask));
	CALL4(SYS_rt_sigaction, SIGPIPE, &ignore, 0, sizeof(ignore.mask));
	CALL4(SYS_rt_sigprocmask, SIG_SETMASK, blocked, 0, sizeof(blocked));
}

static void close_pipe(int which)
{
	CALL1(SYS_close, pipes[which][0]);
	pipes[which][0] = -1;
}

/* No credit is given for what nobody will read. */
static void push_input(void)
{
	long written = 0;

	if (pipes[PIPE_IN][0] < 0) {
		input.held = 0;
		return;
	}
	if (input.held)
		written = CALL3(SYS_write, pipes[PIPE_IN][0], input.bytes, input.held);
	if (written > 0) {
		input.held -= (u32)written;
		memcpy(input.bytes, input.bytes + written, input.held);
		send_number(GUEST_CREDIT, (u32)written);
	}
	if ((written < 0 && written != -EAGAIN && written != -EINTR) || (input.ended && !input.held))
		close_pipe(PIPE_IN);
}

static void take_input(void)
{
	u8 raw[256];

	for (u32 got; (got = input_read(raw, sizeof(raw)));) {
		for (u32 i = 0; i < got && !input.ended; i++) {
			if (input.frame) {
				if (input.held == sizeof(input.bytes))
					fail("more input came than was credited", "", 0);
				input.bytes[input.held++] = raw[i];
				input.frame--;
				continue;
			}
			input.head[input.head_size++] = raw[i];
			if (input.head_size == sizeof(input.head)) {
				input.frame = input.head[0] | (u32)input.head[1] << 8;
				input.head_size = 0;
				input.ended = !input.frame;
			}
		}
	}
	push_input();
}

/* Passes on what a pipe holds now. */
static void drain(int which, char type)
{
	while (pipes[which][0] >= 0) {
		long got = CALL3(SYS_read, pipes[which][0], chunk, sizeof(chunk));

		if (got <= 0) {
			if (got != -EAGAIN && got != -EINTR)
				close_pipe(which);
			return;
		}
		send(type, chunk, (u32)got);
		if (got < (long)sizeof(chunk))
			return;
	}
}

/* Reaps what has ended; false when no process is left. The program's output is sent before its end. */
static int reap(long pid)
{
	u32 status = 0;

	for (;;) {
		long ended = CALL4(SYS_wait4, -1, &status, WNOHANG, 0);

		if (ended == -ECHILD)
			return 0;
		if (ended <= 0)
			return 1;
		if (ended != pid)
			continue;
		drain(PIPE_OUT, GUEST_OUTPUT);
		drain(PIPE_ERROR, GUEST_ERROR);
		send_number(GUEST_EXIT, status);
	}
}

static void attend(long pid)
{
	send_number(GUEST_CREDIT, GUEST_INPUT_MAX);
	do {
		struct pollfd polled[] = {
		    {.fd = pipes[PIPE_OUT][0], .events = POLLIN},
		    {.fd = pipes[PIPE_ERROR][0], .events = POLLIN},
		    {.fd = pipes[PIPE_IN][0], .events = input.held ? POLLOUT : 0},
		    {.fd = input.ended ? -1 : input_fd(), .events = POLLIN},
		};

		child_ended = 0;
		sleep_on(polled, sizeof(polled) / sizeof(*polled), !input.ended);
		if (polled[0].revents)
			drain(PIPE_OUT, GUEST_OUTPUT);
		if (polled[1].revents)
			drain(PIPE_ERROR, GUEST_ERROR);
		if (polled[2].revents & POLLERR)
			close_pipe(PIPE_IN);
		else if (polled[2].revents)
			push_input();
		if (polled[3].revents || (input_fd() < 0 && !input.ended))
			take_input();
	} while (!child_ended || reap(pid));
}

__attribute__((used)) void begin(const u32 *stack)
{
	long result = CALL1(SYS_iopl, 3);

	make_tree();
	if (result < 0)
		fail("the kernel lets no program use I/O ports (it needs CONFIG_X86_IOPL_IOPERM, and no lockdown)", "",
		     result);
	send_number(GUEST_HELLO, GUEST_PROTOCOL_VERSION);
	show_addresses();
	send_version();
	send_notes();
	send_symbols(find_vdso(stack));
	input_open();
	send_number(GUEST_READY, (u32)execve_instruction);
	wait_for_go();
	CALL2(SYS_munmap, symbols.address, SYMBOLS_SIZE);
	payload_open();
	take_program();
	payload_unpack();
	watch_children();
	attend(start_program());
	drain(PIPE_OUT, GUEST_OUTPUT);
	drain(PIPE_ERROR, GUEST_ERROR);
	send(GUEST_DONE, "", 0);
	restart();
}
