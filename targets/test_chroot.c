/* A program whose files are not ours: a copy of this one and of its libraries, in a directory of its own that becomes
 * its root, runs and forks there under a path that does not exist outside. `test_chroot before`: the files are deleted
 * before it forks; `test_chroot after` (the default): when it has ended. Without root the child makes a user
 * namespace. */
#include <fcntl.h>
#include <ftw.h>
#include <link.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "expect.h"

#define INSIDE_PATH "/only_inside/program"
enum { CHILD_STATUS = 14, INSIDE_STATUS = 15, CHILD_LIFETIME_S = 10, DIRECTORIES_OPEN = 8, COPY_SIZE = 65536 };

/* Where the inside, after its exec, talks with the outside: it says that it is there, and hears when to go on. */
enum { TALK_FD = 20 };

static char root[PATH_MAX / 2];
static char library_path[PATH_MAX] = "LD_LIBRARY_PATH=";

/* --- the copy ----------------------------------------------------------------------------------------------------- */

static bool write_copy(int from, int to)
{
	static char buffer[COPY_SIZE];
	ssize_t length;
	while ((length = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, (size_t)length) != length)
			return false;
	return length == 0;
}

/* Copies `source` to `path` below the new root, whose directories are made. */
static void copy_inside(const char *source, const char *path)
{
	char target[PATH_MAX];
	snprintf(target, sizeof(target), "%s%s", root, path);
	for (char *slash = strchr(target + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		CHECK(mkdir(target, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	int from = open(source, O_RDONLY | O_CLOEXEC);
	int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	CHECK(from >= 0 && to >= 0 && write_copy(from, to));
	close(from);
	close(to);
}

static void copy_interpreter(const struct dl_phdr_info *object)
{
	for (int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_INTERP) {
			const char *path = (const char *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
			copy_inside(path, path);
		}
}

/* The dynamic linker finds the libraries by LD_LIBRARY_PATH: its cache is not copied. */
static int copy_object(struct dl_phdr_info *object, size_t size, void *context)
{
	(void)size;
	(void)context;
	copy_interpreter(object);
	if (object->dlpi_name[0] != '/')
		return 0;
	copy_inside(object->dlpi_name, object->dlpi_name);
	size_t used = strlen(library_path);
	snprintf(library_path + used, sizeof(library_path) - used,
		 "%.*s:", (int)(strrchr(object->dlpi_name, '/') - object->dlpi_name), object->dlpi_name);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
	(void)status;
	(void)type;
	(void)position;
	return remove(path);
}

static void remove_root(void)
{
	CHECK(nftw(root, remove_entry, DIRECTORIES_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0);
}

/* --- the inside --------------------------------------------------------------------------------------------------- */

static KEEP_FRAME pid_t fork_inside(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(CHILD_STATUS);
	}
	return pid;
}

static KEEP_FRAME int run_inside(void)
{
	char byte = 0;
	expect_begin();
	alarm(expect_patience(CHILD_LIFETIME_S));
	CHECK(write(TALK_FD, &byte, 1) == 1);
	CHECK(read(TALK_FD, &byte, 1) == 1);
	struct seen *seen = seen_new(1);
	pid_t pid = fork_inside(seen);
	expect_libc_fork(pid, seen, "fork_inside,run_inside,main");
	expect_reap(pid);
	return atomic_load(&expect_totals->wrong) == 0 ? INSIDE_STATUS : EXIT_FAILURE;
}

static _Noreturn void enter(int talk)
{
	static char name[] = "program", argument[] = "inside";
	static char *const arguments[] = {name, argument, NULL}, *const environment[] = {library_path, NULL};
	alarm(expect_patience(CHILD_LIFETIME_S));
	if (geteuid() != 0)
		CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(dup2(talk, TALK_FD) == TALK_FD);
	if (CHECK(chroot(root) == 0 && chdir("/") == 0))
		execve(INSIDE_PATH, arguments, environment);
	CHECK(!"execve");
	_exit(EXIT_FAILURE);
}

/* --- the outside -------------------------------------------------------------------------------------------------- */

static void make_root(void)
{
	const char *directory = getenv("TMPDIR");
	snprintf(root, sizeof(root), "%s/test_chroot.XXXXXX", directory != NULL ? directory : "/tmp");
	if (mkdtemp(root) == NULL) {
		perror(root);
		_exit(EXIT_FAILURE);
	}
	CHECK(chmod(root, 0755) == 0);
	copy_inside("/proc/self/exe", INSIDE_PATH);
	dl_iterate_phdr(copy_object, NULL);
}

int main(int count, char **arguments)
{
	char byte;
	int talk[2];
	if (count > 1 && strcmp(arguments[1], "inside") == 0)
		return run_inside();
	bool before = count > 1 && strcmp(arguments[1], "before") == 0;
	expect_begin();
	make_root();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) == 0);
	struct seen *seen = seen_new(1);
	pid_t pid = fork();
	if (pid == 0) {
		close(talk[0]);
		seen_tell(seen, pid);
		enter(talk[1]);
	}
	close(talk[1]);
	expect_libc_fork(pid, seen, "main");
	CHECK(read(talk[0], &byte, 1) == 1);
	expect_exec(pid, INSIDE_PATH, OWN_ABI);
	if (before)
		remove_root();
	CHECK(send(talk[0], "", 1, MSG_NOSIGNAL) == 1);
	int status = expect_reap(pid);
	CHECK(WEXITSTATUS(status) == INSIDE_STATUS);
	if (!before)
		remove_root();
	expect_more_forks(1);
	return expect_end();
}
