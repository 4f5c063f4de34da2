/* Process 1 of a guest that is somebody else's: hands out /proc/kallsyms through QEMU's debug console (port 0xe9), then
 * takes lines from the second serial port: the words of each are a program and its arguments, which is run to its end.
 * Says "ready" before the first line, and "ended STATUS" behind each program, on the same port. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { DEBUG_CONSOLE = 0xe9, WORDS_MAX = 16, SECOND_SERIAL_MINOR = 65 };

static void hand_out(const char *path)
{
	static char bytes[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		outsb(DEBUG_CONSOLE, bytes, (unsigned long)got);
	close(fd);
}

static void run(char *line)
{
	char *words[WORDS_MAX + 1] = {0};
	int status = 0;

	for (int i = 0; i < WORDS_MAX && (words[i] = strtok(i ? NULL : line, " \n")); i++)
		;
	if (!words[0])
		return;

	pid_t pid = vfork();

	if (pid == 0) {
		execv(words[0], words);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	printf("ended %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(void)
{
	char line[256];
	struct termios raw;

	mkdir("/proc", 0755);
	mkdir("/tmp", 0777);
	mount("proc", "/proc", "proc", 0, NULL);
	if (mknod("/serial", S_IFCHR | 0600, makedev(4, SECOND_SERIAL_MINOR)) || iopl(3))
		return 1;
	for (int fd = 0; fd < 3; fd++) {
		close(fd);
		if (open("/serial", O_RDWR | O_NOCTTY) != fd)
			return 1;
	}
	tcgetattr(0, &raw);
	cfmakeraw(&raw);
	tcsetattr(0, TCSANOW, &raw);
	setvbuf(stdout, NULL, _IOLBF, 0);
	hand_out("/proc/kallsyms");
	puts("ready");
	while (fgets(line, sizeof(line), stdin))
		run(line);
	reboot(RB_POWER_OFF);
	return 1;
}
