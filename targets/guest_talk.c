/* The guest's process 1: talking to the host over I/O ports. */
#include "guest_init.h"

/* gcc and clang may call these of their own accord. */
void *memset(void *to, int byte, __SIZE_TYPE__ size)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ size)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

static void out_bytes(const void *bytes, u32 size)
{
	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(size) : "d"(GUEST_PORT_OUT) : "memory");
}

static u8 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port) : "memory");
	return value;
}

void send(char type, const void *bytes, u32 size)
{
	out_bytes(&type, 1);
	out_bytes(&size, 4);
	out_bytes(bytes, size);
}

void send_number(char type, u32 number)
{
	send(type, &number, sizeof(number));
}

enum { TEXT_MAX = 4096 };

static void add_text(char *to, u32 *length, const char *text)
{
	while (*text && *length < TEXT_MAX - 1)
		to[(*length)++] = *text++;
	to[*length] = '\0';
}

/* With -no-reboot this ends QEMU; should it not, the end of process 1 is a panic, which does. */
__attribute__((noreturn)) void restart(void)
{
	CALL4(SYS_reboot, 0xfee1dead, 672274793, 0x01234567, 0);
	for (;;)
		CALL1(SYS_exit, 1);
}

__attribute__((noreturn)) void fail(const char *what, const char *object, long result)
{
	static char text[TEXT_MAX];
	char digits[12], *digit = digits + sizeof(digits) - 1;
	u32 length = 0;

	add_text(text, &length, what);
	add_text(text, &length, object);
	if (result < 0) {
		*digit = '\0';
		for (u32 number = (u32)-result; number || !*digit; number /= 10)
			*--digit = (char)('0' + number % 10);
		add_text(text, &length, ": errno ");
		add_text(text, &length, digit);
	}
	if (CALL1(SYS_iopl, 3) >= 0)
		send(GUEST_FAILED, text, length);
	add_text(text, &length, "\n");

	long console = CALL3(SYS_open, "/dev/console", O_WRONLY | O_NOCTTY, 0);

	CALL3(SYS_write, console, "forktrace: ", 11);
	CALL3(SYS_write, console, text, length);
	restart();
}

/* The second serial port is read through the kernel's driver, which sleeps until a byte comes; where the kernel has
 * none for it (CONFIG_SERIAL_8250_NR_UARTS=1), by looking every few milliseconds. */
static int input_tty = -1;

/* Interrupts at 14 bytes instead of 8, where the kernel lets it be chosen (3.17). */
static void raise_trigger(void)
{
	long fd = CALL3(SYS_open, "/sys/class/tty/ttyS1/rx_trig_bytes", O_WRONLY | O_CLOEXEC, 0);

	CALL3(SYS_write, fd, "14", 2);
	CALL1(SYS_close, fd);
}

void input_open(void)
{
	enum { TCSETS = 0x5402, TIOCGSERIAL = 0x541e, B115200 = 0x1002, CS8 = 0x30, CREAD = 0x80, CLOCAL = 0x800 };
	struct {
		u32 iflag, oflag, cflag, lflag;
		u8 line, characters[19];
	} raw = {.cflag = B115200 | CS8 | CREAD | CLOCAL};
	struct {
		u32 type, line, port, rest[13];
	} serial = {0};

	input_tty = (int)CALL3(SYS_open, "/dev/ttyS1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);
	if (input_tty < 0)
		return;
	if (CALL3(SYS_ioctl, input_tty, TIOCGSERIAL, &serial) < 0 || !serial.type || serial.port != GUEST_PORT_IN ||
	    CALL3(SYS_ioctl, input_tty, TCSETS, &raw) < 0) {
		CALL1(SYS_close, input_tty);
		input_tty = -1;
		return;
	}
	raise_trigger();
}

u32 input_read(void *bytes, u32 size)
{
	u32 got = 0;

	if (input_tty >= 0) {
		long result = CALL3(SYS_read, input_tty, bytes, size);

		return result > 0 ? (u32)result : 0;
	}
	while (got < size && in8(GUEST_PORT_IN + 5) & 1)
		((u8 *)bytes)[got++] = in8(GUEST_PORT_IN);
	return got;
}

int input_fd(void)
{
	return input_tty;
}

/* A kernel without CONFIG_COMPAT_32BIT_TIME has the newer call alone (Linux 5.1), an older one the other. */
void sleep_on(struct pollfd *polled, u32 count, int input)
{
	static const u32 no_signals[2];
	static const struct {
		long seconds, nanoseconds;
	} look = {0, 2000000};
	static const struct {
		long long seconds, nanoseconds;
	} look64 = {0, 2000000};
	int is_timed = input && input_tty < 0;

	if (CALL5(SYS_ppoll, polled, count, is_timed ? &look : 0, no_signals, sizeof(no_signals)) == -ENOSYS)
		CALL5(SYS_ppoll_time64, polled, count, is_timed ? &look64 : 0, no_signals, sizeof(no_signals));
}
