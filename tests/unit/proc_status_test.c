/* /proc/PID/status: golden texts, cut and mangled ones, and the real file of this process and others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/buffer.h"
#include "parse/proc_status.h"
#include "tests/unit/skipping.h"
#include "tests/unit/tracee.h"

/* Linux 6.1, a traced process three pid namespaces deep. */
static const char nested[] = "Name:\tsh\nUmask:\t0022\nState:\tt (tracing stop)\nTgid:\t4711\nNgid:\t0\nPid:\t4712\n"
			     "PPid:\t4700\nTracerPid:\t4699\nUid:\t1000\t1001\t1002\t4294967295\n"
			     "Gid:\t100\t100\t100\t100\nFDSize:\t64\nGroups:\t24 25 \nNStgid:\t4711\t17\t1\n"
			     "NSpid:\t4712\t18\t2\nNSpgid:\t4711\t17\t1\nNSsid:\t4711\t17\t1\n"
			     "VmPeak:\t    2480 kB\nVmSize:\t    2480 kB\nThreads:\t2\nSigQ:\t0/95\n"
			     "SigIgn:\t0000000000001006\nSigCgt:\t8000000180014aef\nNoNewPrivs:\t1\nSeccomp:\t2\n"
			     "Seccomp_filters:\t1\n";

/* Linux 6.1: nothing about memory. */
static const char kernel_thread[] = "Name:\tkthreadd\nUmask:\t0000\nState:\tS (sleeping)\nTgid:\t2\nNgid:\t0\nPid:\t2\n"
				    "PPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nNSpid:\t2\nThreads:\t1\n"
				    "NoNewPrivs:\t0\nSeccomp:\t0\n";

static const char zombie[] = "Name:\tgone\nState:\tZ (zombie)\nTgid:\t90\nPid:\t90\nPPid:\t89\nTracerPid:\t0\n"
			     "Uid:\t5\t5\t5\t5\nNSpid:\t90\nThreads:\t1\n";

static bool parse(const char *text, struct proc_status *status)
{
	return proc_status_parse(text, strlen(text), status);
}

static void golden_nested(void **state)
{
	struct proc_status status;

	(void)state;
	assert_true(parse(nested, &status));
	assert_string_equal(status.comm, "sh");
	assert_int_equal(status.state, 't');
	assert_int_equal(status.tgid, 4711);
	assert_int_equal(status.pid, 4712);
	assert_int_equal(status.ppid, 4700);
	assert_int_equal(status.tracer_pid, 4699);
	assert_int_equal(status.ns_pid, 2);
	assert_int_equal(status.ns_depth, 3);
	assert_int_equal(status.uid[0], 1000);
	assert_int_equal(status.uid[1], 1001);
	assert_int_equal(status.uid[2], 1002);
	assert_int_equal(status.uid[3], 4294967295);
	assert_false(status.kernel_thread);
	assert_true(status.no_new_privs);
	assert_int_equal(status.seccomp, 2);
	assert_true(status.ignored == 0x1006);
	assert_true(status.caught == UINT64_C(0x8000000180014aef));
}

static void golden_kernel_thread(void **state)
{
	struct proc_status status;

	(void)state;
	assert_true(parse(kernel_thread, &status));
	assert_string_equal(status.comm, "kthreadd");
	assert_true(status.kernel_thread);
	assert_int_equal(status.ns_pid, 2);
	assert_int_equal(status.ns_depth, 1);
	assert_false(status.no_new_privs);
	assert_int_equal(status.seccomp, 0);
}

/* It has no memory any more either, and is no kernel thread. */
static void golden_zombie(void **state)
{
	struct proc_status status;

	(void)state;
	assert_true(parse(zombie, &status));
	assert_int_equal(status.state, 'Z');
	assert_false(status.kernel_thread);
	assert_true(parse("State:\tX (dead)\nPid:\t90\n", &status));
	assert_int_equal(status.state, 'X');
	assert_false(status.kernel_thread);
}

static void kthread_line_decides(void **state)
{
	struct proc_status status;

	(void)state;
	assert_true(parse("State:\tS (sleeping)\nPid:\t90\nKthread:\t0\n", &status));
	assert_false(status.kernel_thread);
	assert_true(parse("State:\tS (sleeping)\nPid:\t90\nKthread:\t1\nVmSize:\t 1 kB\n", &status));
	assert_true(status.kernel_thread);
	assert_true(parse("State:\tS (sleeping)\nPid:\t90\nVmSize:\t 1 kB\n", &status));
	assert_false(status.kernel_thread);
}

static void absent_fields(void **state)
{
	struct proc_status status;

	(void)state;
	memset(&status, 0x55, sizeof(status));
	assert_true(parse("Pid:\t7\n", &status));
	assert_int_equal(status.pid, 7);
	assert_string_equal(status.comm, "");
	assert_int_equal(status.state, 0);
	assert_int_equal(status.tgid, 0);
	assert_int_equal(status.ns_pid, 0);
	assert_int_equal(status.ns_depth, 0);
	assert_int_equal(status.seccomp, -1);
	assert_false(status.no_new_privs);
}

static void not_a_status(void **state)
{
	static const char *const texts[] = {
	    "",
	    "\n\n\n",
	    "Pid:",
	    "Pid:\n",
	    "Pid:\t7", /* cut off: it may have been 71 */
	    "Pid:\t\n",
	    "Pid:\t-7\n",
	    "Pid:\t7x\n",
	    "Pid:\t2147483648\n",
	    "Pid:\t99999999999999999999999999999999\n",
	    "Name:\tPid:\t7\n",
	    "PPid:\t7\nTracerPid:\t7\nNSpid:\t7\n",
	    "Name:\tcat\nState:\tR (running)\n",
	};
	struct proc_status status;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(parse(texts[i], &status));
	assert_true(parse("Pid:\t2147483647\n", &status));
	assert_int_equal(status.pid, 2147483647);
}

static void assert_comm(const char *written, const char *expected)
{
	struct proc_status status;
	char text[128];

	snprintf(text, sizeof(text), "Name:\t%s\nPid:\t1\n", written);
	memset(&status, 0x55, sizeof(status));
	assert_true(parse(text, &status));
	assert_string_equal(status.comm, expected);
	assert_int_equal(status.comm[sizeof(status.comm) - 1], 0);
}

static void names_are_unescaped(void **state)
{
	(void)state;
	assert_comm("", "");
	assert_comm("a\\nb", "a\nb");
	assert_comm("a\\\\nb", "a\\nb");
	assert_comm("\\\\\\n\\\\", "\\\n\\");
	assert_comm("a\\", "a\\");
	assert_comm("a\\tb", "a\\tb"); /* no escape of the kernel's */
	assert_comm("  two  ", "  two  ");
	assert_comm("\ttab", "\ttab");
	assert_comm("Pid:\t9", "Pid:\t9");
	assert_comm("exactly15bytes!", "exactly15bytes!");
	assert_comm("kworker/u8:2-events_unbound", "kworker/u8:2-ev");
	assert_comm("fourteen bytes\\\\\\n", "fourteen bytes\\");
	assert_comm("\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
	assert_comm("\xff\x01\x1b[31m", "\xff\x01\x1b[31m");
}

/* Memory that ends at a page nobody may read, so that reading past `size` is the end of the test. */
struct guarded {
	char *pages;
	size_t size;
};

static struct guarded guarded_create(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guarded guarded = {.size = page};

	guarded.pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(guarded.pages != MAP_FAILED);
	assert_int_equal(mprotect(guarded.pages + page, page, PROT_NONE), 0);
	return guarded;
}

static char *guarded_put(const struct guarded *guarded, const char *text, size_t size)
{
	assert_true(size <= guarded->size);
	return memcpy(guarded->pages + guarded->size - size, text, size);
}

static void guarded_destroy(const struct guarded *guarded)
{
	assert_int_equal(munmap(guarded->pages, 2 * guarded->size), 0);
}

static void cut_off_at_every_byte(void **state)
{
	static const char *const texts[] = {nested, kernel_thread, zombie};
	struct guarded guarded = guarded_create();
	struct proc_status status;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *pid_line = strstr(texts[i], "\nPid:");
		size_t pid_end = (size_t)(strchr(pid_line + 1, '\n') - texts[i]) + 1;

		for (size_t size = 0; size <= strlen(texts[i]); size++) {
			const char *text = guarded_put(&guarded, texts[i], size);

			assert_int_equal(proc_status_parse(text, size, &status), size >= pid_end);
			/* Half a number is never taken for one. */
			assert_true(status.ns_depth == 0 || status.ns_depth == (i == 0 ? 3 : 1));
		}
	}
	guarded_destroy(&guarded);
}

static void every_byte_mangled(void **state)
{
	static const char bytes[] = {'\0', '\n', '\t', ' ', '\\', ':', '-', '9', 'N', '\x7f', '\xff'};
	struct guarded guarded = guarded_create();
	struct proc_status status;
	size_t size = strlen(nested);
	char *text = guarded_put(&guarded, nested, size);

	(void)state;
	for (size_t i = 0; i < size; i++) {
		for (size_t j = 0; j < sizeof(bytes); j++) {
			text[i] = bytes[j];
			proc_status_parse(text, size, &status);
			assert_int_equal(status.comm[sizeof(status.comm) - 1], 0);
			assert_true(status.pid >= 0 && status.ns_pid >= 0 && status.ns_depth <= 4);
		}
		text[i] = nested[i];
	}
	assert_true(proc_status_parse(text, size, &status));
	guarded_destroy(&guarded);
}

static bool read_status(pid_t pid, struct proc_status *status)
{
	struct buffer text = {0};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);

	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;

	struct error *error = buffer_read_fd(&text, fd);

	assert_null(error);
	close(fd);

	bool parsed = proc_status_parse(text.data, text.size, status);

	buffer_deinit(&text);
	assert_true(parsed);
	return true;
}

static void real_self(void **state)
{
	struct proc_status status;
	uid_t real, effective, saved;

	(void)state;
	assert_int_equal(getresuid(&real, &effective, &saved), 0);
	assert_int_equal(prctl(PR_SET_NAME, " a\\n\n\\ "), 0);
	assert_true(read_status(getpid(), &status));
	assert_string_equal(status.comm, " a\\n\n\\ ");
	assert_int_equal(status.state, 'R');
	assert_int_equal(status.tgid, getpid());
	assert_int_equal(status.pid, gettid());
	assert_int_equal(status.ppid, getppid());
	assert_int_equal(status.uid[0], real);
	assert_int_equal(status.uid[1], effective);
	assert_int_equal(status.uid[2], saved);
	assert_int_equal(status.ns_pid, getpid());
	assert_int_equal(status.ns_depth, 1);
	assert_false(status.kernel_thread);
	assert_int_equal(status.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	assert_int_equal(status.seccomp, prctl(PR_GET_SECCOMP));
}

static int run_no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	raise(SIGUSR1);
	return 0;
}

static void real_tracee_and_zombie(void **state)
{
	struct proc_status status;
	pid_t pid = tracee_start(run_no_new_privs, 0);

	(void)state;
	assert_true(WIFSTOPPED(tracee_wait(pid)));
	assert_true(read_status(pid, &status));
	assert_int_equal(status.state, 't');
	assert_int_equal(status.pid, pid);
	assert_int_equal(status.ppid, getpid());
	assert_int_equal(status.tracer_pid, getpid());
	assert_true(status.no_new_privs);
	assert_false(status.kernel_thread);

	siginfo_t end;

	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
	assert_true(read_status(pid, &status));
	assert_int_equal(status.state, 'Z');
	assert_false(status.kernel_thread);
	assert_int_equal(tracee_wait(pid), 0);
}

static void real_kernel_thread(void **state)
{
	struct proc_status status;

	(void)state;
	/* It is there in the initial pid namespace alone. */
	if (!read_status(2, &status) || strcmp(status.comm, "kthreadd") != 0)
		skip_because("no kernel thread is to be seen here");
	assert_true(status.kernel_thread);
	assert_int_equal(status.ppid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_nested),          cmocka_unit_test(golden_kernel_thread),
	    cmocka_unit_test(golden_zombie),          cmocka_unit_test(kthread_line_decides),
	    cmocka_unit_test(absent_fields),          cmocka_unit_test(not_a_status),
	    cmocka_unit_test(names_are_unescaped),    cmocka_unit_test(cut_off_at_every_byte),
	    cmocka_unit_test(every_byte_mangled),     cmocka_unit_test(real_self),
	    cmocka_unit_test(real_tracee_and_zombie), cmocka_unit_test(real_kernel_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
