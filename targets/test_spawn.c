/* Children that libc makes on its own account, each of them another program: posix_spawn, system, popen. Which of clone
 * and clone3 libc uses depends on its version and on the kernel. */
#include <spawn.h>

#include "expect.h"

enum { PROGRAM_STATUS = 9 };

extern char **environ;

/* sysdeps/unix/sysv/linux/spawni.c; 2.38 may add CLONE_CLEAR_SIGHAND. */
#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 38)
#define LIBC_SPAWN_FLAGS (CLONE_VM | CLONE_VFORK)
#else
#define LIBC_SPAWN_FLAGS FLAGS_UNKNOWN
#endif

static KEEP_FRAME pid_t spawn_program(char *const arguments[])
{
	pid_t pid = -1;
	errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ);
	CHECK(errno == 0);
	return pid;
}

static KEEP_FRAME int run_command(const char *command)
{
	int status = system(command);
	return status;
}

static KEEP_FRAME FILE *open_command(const char *command)
{
	FILE *stream = popen(command, "re");
	return stream;
}

/* The new program ran, so the call did return 0 in the child. */
static void expect_spawn(pid_t pid, const char *stack, const char *path, const char *new_abi)
{
	static const struct seen zero = {.ret = 0};
	EXPECT_FORK(.kind = "vfork", .ret = pid, .seen = &zero, .flags = LIBC_SPAWN_FLAGS, .stack = stack,
		    .fresh_stack = true);
	expect_exec(pid, path, new_abi);
}

/* The shell tells its own process id through the pipe. */
static KEEP_FRAME void spawn_by_system(void)
{
	int ends[2];
	char text[64] = "";
	CHECK(pipe(ends) == 0);
	snprintf(text, sizeof(text), "echo $$ >&%d", ends[1]);
	int status = run_command(text);
	CHECK(status == 0);
	CHECK(read(ends[0], text, sizeof(text) - 1) > 0);
	expect_spawn(atoi(text), "run_command,spawn_by_system,main", "?", "?");
	expect_exit(atoi(text), status);
	close(ends[0]);
	close(ends[1]);
}

static KEEP_FRAME void spawn_by_popen(void)
{
	char text[64] = "";
	FILE *stream = open_command("echo $$");
	if (!CHECK(stream != NULL) || !CHECK(fgets(text, sizeof(text), stream) != NULL))
		return;
	int status = pclose(stream);
	expect_spawn(atoi(text), "open_command,spawn_by_popen,main", "?", "?");
	expect_exit(atoi(text), status);
}

int main(int count, char **arguments)
{
	(void)arguments;
	if (count > 1)
		return PROGRAM_STATUS;
	expect_begin();
	static char name[] = "test_spawn", argument[] = "program";
	static char *const program[] = {name, argument, NULL};
	pid_t pid = spawn_program(program);
	expect_spawn(pid, "spawn_program,main", own_name(), OWN_ABI);
	int status = expect_reap(pid);
	CHECK(WEXITSTATUS(status) == PROGRAM_STATUS);
	spawn_by_system();
	spawn_by_popen();
	return expect_end();
}
