"""Programs that are hostile, large, odd or broken."""

import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

import live_support
import support

# ESC, BEL, newline, CSI as one byte, not UTF-8, an override of the writing direction.
HOSTILE = b"\x1b[31m\x07\n\x9b1m\xff\xe2\x80\xae"

HOSTILE_NAME = r"""
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **arguments)
{
	prctl(PR_SET_NAME, "\x1b]0;\a\n\r\x9b\xff\xe2\x80\xae" "x");
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "\xe2\x80\x8b\x7f\x01\t\"\\,");
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	if (count > 1)
		return 0;
	pid = fork();
	if (pid == 0)
		execl("/proc/self/exe", arguments[0], "\x1b[2J", NULL);
	waitpid(pid, NULL, 0);
	return 0;
}
"""

# A character that does something to a terminal, or hides what stands there.
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Hostile(unittest.TestCase):
    """Names and paths that a program chooses."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name

    def hostile_program(self):
        directory = os.path.join(self.directory.encode(), b"dir" + HOSTILE)
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, b"program" + HOSTILE)
        shutil.copy(live_support.compile_program(HOSTILE_NAME), path)
        return path

    def run_hostile(self, *options, env=None):
        """A report in a file, as bytes, of a program with a hostile name, path and argument."""
        report = os.path.join(self.directory, "report")
        run = live_support.run_prepared([support.FORKTRACE.encode(), *(option.encode() for option in options), b"-o",
                                         report.encode(), self.hostile_program()], env=env)
        self.assertEqual((run.returncode, run.stdout), (0, b""), run)
        self.assertIsNone(FORBIDDEN.search(run.stderr.decode("utf-8")), run.stderr)  # -v tells what forktrace does
        return pathlib.Path(report).read_bytes()

    def test_text(self):
        for options in [], ["-v"], ["-v", "-v"], ["-q"], ["--threads", "-v"]:
            with self.subTest(options=options):
                text = self.run_hostile("--color=never", *options).decode("utf-8")
                self.assertIsNone(FORBIDDEN.search(text), repr(text))
                if options != ["-q"]:
                    self.assertIn(r"\x1b", text)

    def test_ascii_text(self):
        """Where the locale is no UTF-8 one, every byte is plain."""
        text = self.run_hostile("--color=never", "-v", env=support.environment(LC_ALL="C"))
        self.assertIsNone(re.search(rb"[^\n\x20-\x7e]", text), text)

    def test_colored_text(self):
        """Escape sequences are colours alone: SGR."""
        text = self.run_hostile("--color=always", "-v").decode("utf-8")
        self.assertIn("\x1b[", text)
        self.assertIsNone(FORBIDDEN.search(re.sub("\x1b\\[[0-9;]*m", "", text)))

    def test_json(self):
        data = self.run_hostile("-f", "json", "--threads")
        text = data.decode("utf-8")
        self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f]", text))
        events = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        self.assertEqual(events[-1]["event"], "end")
        self.assertEqual(len(events), events[-1]["seq"])
        self.assertIn("\x1b[31m", events[0]["command"][0])
        self.assertTrue(any(event["event"] == "fork" and "\x1b" in event["parent"]["comm"] for event in events))

    def test_error_text(self):
        """forktrace's own messages too."""
        for words in [b"-f", HOSTILE], [b"-o", b"/nowhere/" + HOSTILE, b"true"], [b"/nowhere/" + HOSTILE], [HOSTILE]:
            status, _, stderr = support.run_command([support.FORKTRACE.encode(), *words])
            self.assertIn(status, (125, 127))
            self.assertIsNone(FORBIDDEN.search(stderr.decode("utf-8")), stderr)
            self.assertEqual(stderr.count(b"\n"), 1)


# --- size -------------------------------------------------------------------------------------------------------------


class Size(unittest.TestCase):
    def test_many_at_once(self):
        for abi in support.runnable_abis():
            run = support.trace([support.target(abi, "test_storm"), "200"])
            self.assertEqual((run.status, run.stderr), (0, ""))
            self.assertEqual(len(run.forks()), 200)
            self.assertEqual(len(run.of("exit")), 201)
            self.assertEqual(run.of("error"), [])
            self.assertEqual(run.end["lost_samples"], 0)

    def test_many_threads(self):
        source = r"""
            #include <pthread.h>
            #include <stdlib.h>
            static void *nothing(void *argument)
            {
                return argument;
            }
            int main(int count, char **arguments)
            {
                pthread_t threads[1000];
                pthread_attr_t small;
                int number = atoi(arguments[1]);
                pthread_attr_init(&small);
                pthread_attr_setstacksize(&small, 65536);
                for (int i = 0; i < number; i++)
                    if (pthread_create(&threads[i], &small, nothing, NULL))
                        abort();
                for (int i = 0; i < number; i++)
                    pthread_join(threads[i], NULL);
                return 0;
            }"""
        for abi in support.runnable_abis():
            program = live_support.compile_program(source, abi, "-pthread")
            for options in [], ["--no-seccomp", "-k", "none"]:
                run = support.trace([program, "500"], ["--threads", *options])
                self.assertEqual((run.status, run.stderr), (0, ""))
                self.assertEqual(len(run.forks()), 500)
                self.assertTrue(all(record["thread"] and record["child"]["ret"] == 0 for record in run.forks()))
                self.assertEqual((run.end["threads"], run.end["forks"], run.end["lost_samples"]), (500, 0, 0))
                run = support.trace([program, "500"], options)
                self.assertEqual((run.forks(), run.end["threads"]), ([], 500))

    def peak_kib(self, forks, *options):
        """The largest resident size that forktrace had."""
        words = [support.FORKTRACE, *options, "-o", "/dev/null", support.target("x86_64", "test_storm"), str(forks),
                 "serial"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                support.kill_session(process)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss

    @support.time_limit(180)
    def test_memory_is_flat(self):
        """3,000 forks take no more than 300, but for 4 MiB."""
        support.need_freed_memory()
        for options in ["-f", "text"], ["-f", "json"], ["-k", "none"], ["-k", "none", "--no-seccomp"]:
            with self.subTest(options=options):
                small, large = self.peak_kib(300, *options), self.peak_kib(3000, *options)
                self.assertLess(large - small, 4096, f"{small} KiB at 300 forks, {large} KiB at 3,000")

    @support.time_limit(120)
    def test_descriptors_are_flat(self):
        """Each exec drops what was open for the old program."""
        script = 'i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done; echo done; read x'
        with support.Background(["sh", "-c", script], ["-k", "none"]) as run:
            run.wait_event("fork", lambda event: len(run.of("fork")) == 150)
            self.assertEqual(run.read_line(), b"done")
            self.assertLess(len(os.listdir(f"/proc/{run.pid}/fd")), 50)
            self.assertEqual(run.finish(), 1)
            self.assertEqual(len(run.of("exec")), 151)

    def test_few_descriptors(self):
        """With hardly any descriptor left a record may lack names; the program runs as ever."""
        few = 12 + 2 * os.cpu_count()  # two perf events a CPU
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
        with tempfile.NamedTemporaryFile() as report:
            run = live_support.run_prepared([support.FORKTRACE, "-f", "json", "-o", report.name,
                                             support.target("x86_64", "test_storm"), "30"], limit)
            self.assertEqual(run.returncode, 0, run)
            self.assertIn(b"expect total forks=30 ", run.stdout)
            events = [json.loads(line) for line in report.read().splitlines()]
        self.assertEqual(len([event for event in events if event["event"] == "fork"]), 30)

    DEEP = r"""
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static __attribute__((noipa)) int descend(int depth)
        {
            volatile int here = depth;
            if (depth > 0)
                return descend(depth - 1) + here;
            pid_t pid = fork();
            if (pid == 0)
                _exit(0);
            return waitpid(pid, NULL, 0) == pid;
        }
        int main(int count, char **arguments)
        {
            return descend(atoi(arguments[1])) == 0;
        }"""

    @support.time_limit(120)
    def test_deep_recursion(self):
        for abi in support.runnable_abis():
            program = live_support.compile_program(self.DEEP, abi, "-O1", "-fno-optimize-sibling-calls")
            for unwinder in ("auto", "libdw", "libunwind") if abi == "x86_64" else ("auto", "libdw"):
                with self.subTest(abi=abi, unwinder=unwinder):
                    run = support.trace([program, "4999"], ["--max-frames=6000", f"--unwinder={unwinder}"])
                    self.assertEqual(run.status, 0, run)
                    (record,) = run.forks()
                    for side in "parent", "child":
                        names = [frame["symbol"] for frame in record[side]["frames"]]
                        self.assertEqual(names.count("descend"), 5000)
                        self.assertEqual(names[-1], "_start")
                        self.assertFalse(record[side]["frames_truncated"])

    def test_deep_recursion_is_cut(self):
        for options, limit in ([], 256), (["--max-frames=1"], 1), (["--max-frames=100"], 100):
            run = support.trace([live_support.compile_program(self.DEEP, support.any_abi(), "-O1"), "4999"], options)
            (record,) = run.forks()
            for side in "parent", "child":
                # what was inlined into a frame is not counted: libc's debug information tells such functions
                self.assertEqual(sum(not frame["inlined"] for frame in record[side]["frames"]), limit)
                self.assertTrue(record[side]["frames_truncated"])


# --- families ---------------------------------------------------------------------------------------------------------

# The child forks, and so does the grandchild; each status tells whether all went well below.
GENERATIONS = r"""
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static int grow(int depth)
{
	int status, i;
	if (depth == 0)
		return 0;
	for (i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(grow(depth - 1));
		if (pid < 0)
			return errno;
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			return 99;
		if (WEXITSTATUS(status) != 0)
			return WEXITSTATUS(status);
	}
	return 0;
}
int main(void)
{
	return grow(3);
}
"""


class Families(unittest.TestCase):
    def test_follow(self):
        """Children that were let go fork again: a filter left behind would fail them with ENOSYS (38)."""
        counts = {"all": 14, "first": 6, "none": 2}
        for abi in support.runnable_abis():
            program = live_support.compile_program(GENERATIONS, abi)
            for whom, count in counts.items():
                for threads in [], ["--threads"]:
                    with self.subTest(abi=abi, whom=whom):
                        run = support.trace([program], [f"--follow={whom}", *threads])
                        self.assertEqual((run.status, run.stderr), (0, ""), run)
                        self.assertEqual(len(run.forks()), count)
                        self.assertEqual(run.of("error"), [])
                        for record in run.forks():
                            self.assertEqual(record["child"]["ret"], 0)
                            self.assertTrue(record["child"]["frames"])
                            self.assertEqual(record["parent"]["ret"], record["child"]["pid"])
                        detached = [event for event in run.of("detach")]
                        self.assertEqual(len(detached), {"all": 0, "first": 4, "none": 2}[whom])
                        self.assertEqual({event["reason"] for event in detached},
                                         set() if whom == "all" else {f"--follow={whom}"})

    def test_follow_threads(self):
        """Threads belong to their process: they are followed even where children are not."""
        for abi in support.runnable_abis():
            run = support.trace([support.target(abi, "test_threads")], ["--follow=none", "--threads"])
            self.assertEqual(run.status, 0, run)
            expected = support.parse_expect(run.stdout)
            self.assertEqual(run.stdout.count(b"does not hold"), 0)
            self.assertEqual(len([record for record in run.forks() if record["thread"]]), expected.total["threads"])
            self.assertEqual(len([record for record in run.forks() if not record["thread"]]), expected.total["forks"])

    def test_child_outlives_parent(self):
        """The run ends when the last process ends; the status is the started one's."""
        with support.Background(["sh", "-c", "{ read x; exit 5; } <&3 & exit 3"], ["-k", "none"],
                                wrapper=["sh", "-c", 'exec "$@" 3<&0', "sh"]) as run:
            run.wait_event("exit", lambda event: event["root"])
            child = run.wait_event("fork")["child"]["pid"]
            self.assertEqual(support.tracer_of(child), run.pid)
            self.assertIsNone(run.process.poll())
            run.write(b"x\n")
            self.assertEqual(run.finish(), 3)
            (end,) = (event for event in run.of("exit") if event["pid"] == child)
            self.assertEqual(end["status"], 5)

    def test_daemon(self):
        """A session of its own, all descriptors closed."""
        source = r"""
            #include <fcntl.h>
            #include <unistd.h>
            int main(int count, char **arguments)
            {
                if (daemon(0, 0))
                    return 1;
                char byte;
                int fifo = open(arguments[1], O_RDONLY);
                while (read(fifo, &byte, 1) > 0)
                    ;
                _exit(6);
            }"""
        with tempfile.TemporaryDirectory() as directory, live_support.Marked() as mark:
            fifo = os.path.join(directory, "fifo")
            os.mkfifo(fifo)
            with support.Background([live_support.compile_program(source), fifo], ["-k", "none"],
                                    env=mark.environment()) as run:
                run.wait_event("exit", lambda event: event["root"] and event["status"] == 0)
                daemon = run.wait_event("fork")["child"]["pid"]
                self.assertIn(daemon, mark.processes())
                with open(fifo, "wb"):
                    pass
                self.assertEqual(run.finish(), 0)
                self.assertEqual([event["status"] for event in run.of("exit") if event["pid"] == daemon], [6])

    def test_inherited_children(self):
        """Children that the shell had before it became forktrace: neither waited for, nor told."""
        with live_support.Marked() as mark, tempfile.TemporaryDirectory() as directory:
            for before in "sleep 60 &", "true & true & (exit 9) &", "sleep 60 & true &":
                report = os.path.join(directory, "report")
                with self.subTest(before=before):
                    status, _, _ = support.run_command(
                        ["sh", "-c", f'exec >/dev/null 2>"$2"; {before} exec "$0" -f json -o "$1" sh -c '
                         '"(exit 4); exit 6"', support.FORKTRACE, report, report + ".errors"],
                        timeout=20, env=mark.environment())
                    self.assertEqual((status, pathlib.Path(report + ".errors").read_text()), (6, ""))
                    events = [json.loads(line) for line in pathlib.Path(report).read_text().splitlines()]
                    self.assertEqual([event["status"] for event in events if event["event"] == "exit"], [4, 6])
                    self.assertEqual([event for event in events if event["event"] == "error"], [])

    def test_inherited_children_and_attach(self):
        """The same with -p: the end of an inherited child is not the end of the run."""
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            wrapper = ["sh", "-c", 'true & exec "$@"', "sh"]
            with support.Background([], ["-p", str(program.pid)], wrapper=wrapper) as run:
                run.wait_event("attach")
                program.write(b"x")
                run.wait_event("fork")
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
                self.assertEqual(run.of("error"), [])
            self.assertEqual(program.finish(), 0)

    def test_forktrace_under_forktrace(self):
        """The outer one has the tracees; the inner one fails with a sentence, and is told in the outer report."""
        program = support.target("x86_64", "test_fork")
        # The leak sanitizer cannot work in the inner one.
        run = support.trace([support.FORKTRACE, "-k", "none", program], timeout=20,
                            env=support.environment(ASAN_OPTIONS="detect_leaks=0"))
        self.assertEqual(run.status, 125, run)
        self.assertEqual(run.stdout, b"")
        live_support.check_sentence(self, run.stderr, "cannot be traced")
        self.assertRegex(run.stderr, r"traced by process \d+")
        (notice,) = run.of("error")
        self.assertRegex(notice["message"], "ptrace.*PTRACE_SEIZE.*EPERM")
        self.assertEqual(run.end["errors"], 1)

    def test_program_that_traces(self):
        """strace under forktrace gets EPERM, and forktrace says so."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        run = support.trace(["strace", "-o", "/dev/null", "true"], ["-k", "none"], timeout=30)
        self.assertNotEqual(run.status, 0)
        self.assertTrue(run.of("error"))
        for notice in run.of("error"):
            self.assertIn("ptrace", notice["message"])


# --- odd programs -----------------------------------------------------------------------------------------------------

CLOSES_ALL = r"""
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	int status;
	syscall(SYS_close_range, 0, ~0U, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(9);
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9 ? 4 : 1;
}
"""

LEADER_EXITS = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static pthread_t leader;
static void *other(void *argument)
{
	pthread_join(leader, NULL);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(10 + i);
		waitpid(pid, NULL, 0);
	}
	write(1, "forked\n", 7);
	_exit(17);
	return argument;
}
int main(void)
{
	pthread_t thread;
	leader = pthread_self();
	if (pthread_create(&thread, NULL, other, NULL))
		return 1;
	pthread_exit(NULL);
}
"""

THREAD_EXECS = r"""
#include <pthread.h>
#include <unistd.h>
static char **command;
static void *idle(void *argument)
{
	for (;;)
		pause();
	return argument;
}
static void *exec_thread(void *argument)
{
	execv(command[0], command);
	_exit(1);
	return argument;
}
int main(int count, char **arguments)
{
	pthread_t thread;
	command = arguments + 1;
	for (int i = 0; i < 5; i++)
		pthread_create(&thread, NULL, idle, NULL);
	pthread_create(&thread, NULL, exec_thread, NULL);
	for (;;)
		pause();
}
"""

# A number of the x32 table in 64-bit code; prints what it returns.
X32_CALLS = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
enum { X32 = 0x40000000 };
int main(void)
{
	long pid;
	printf("getpid %d errno %d\n", syscall(X32 + SYS_getpid) == getpid(), errno);
	fflush(stdout);
	pid = syscall(X32 + SYS_fork);
	if (pid == 0)
		_exit(0);
	printf("fork %d errno %d\n", pid > 0, errno);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return 0;
}
"""

X32_PROGRAM = r"""
enum { X32 = 0x40000000, FORK = 57, WAIT4 = 61, EXIT = 60 };
static long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "0"(X32 + number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}
void _start(void)
{
	long pid = call(FORK, 0, 0, 0, 0);
	if (pid > 0)
		call(WAIT4, pid, 0, 0, 0);
	call(EXIT, pid == 0 ? 3 : 5, 0, 0, 0);
}
"""

# The bare fork with a stack pointer and a frame pointer that lead nowhere. 1: no memory; 2: a frame pointer chain that
# goes round in a circle; 3: return addresses that are noise; 4: the last word before a page without access.
BAD_STACK = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static uintptr_t words[4096] __attribute__((aligned(64)));
int main(int count, char **arguments)
{
	uintptr_t stack = 16, frame = 16;
	long result;
	int status;
	switch (atoi(arguments[1])) {
	case 2:
		stack = frame = (uintptr_t)&words[2048];
		words[2048] = frame;
		words[2049] = (uintptr_t)main + 8;
		break;
	case 3:
		srand(7);
		for (int i = 0; i < 4096; i++)
			words[i] = i % 3 ? (uintptr_t)main + (uintptr_t)(rand() % 64) : (uintptr_t)&words[rand() % 4096];
		stack = (uintptr_t)&words[100];
		frame = (uintptr_t)&words[102];
		break;
	case 4: {
		char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(page + 4096, 4096, PROT_NONE);
		stack = frame = (uintptr_t)page + 4096 - sizeof(uintptr_t);
		break;
	}
	}
#ifdef __x86_64__
	__asm__ volatile("mov %%rsp, %%r12; mov %%rbp, %%r13; mov %2, %%rsp; mov %3, %%rbp; syscall; mov %%r12, %%rsp;"
			 "mov %%r13, %%rbp"
			 : "=a"(result) : "0"((long)SYS_fork), "r"(stack), "r"(frame)
			 : "rcx", "r11", "r12", "r13", "memory");
#else
	__asm__ volatile("mov %%esp, %%edi; mov %%ebp, %%esi; mov %2, %%esp; mov %3, %%ebp; int $0x80; mov %%edi, %%esp;"
			 "mov %%esi, %%ebp"
			 : "=a"(result) : "0"((long)SYS_fork), "r"(stack), "d"(frame) : "edi", "esi", "memory");
#endif
	if (result == 0)
		_exit(0);
	return waitpid((pid_t)result, &status, 0) == result && status == 0 ? 0 : 1;
}
"""


# Filters of the program's own: fork fails with EPERM, getpriority with 77.
OWN_FILTER = r"""
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 9;
	errno = 0;
	getpriority(PRIO_PROCESS, 0);
	printf("getpriority %d\n", errno);
	errno = 0;
	long pid = syscall(SYS_fork);
	printf("fork %ld %d\n", pid, errno);
	return 0;
}
"""


class Odd(unittest.TestCase):
    def test_own_filter(self):
        """A program that filters its own calls: the same results, and the failed fork is told."""
        for abi in support.runnable_abis():
            program = live_support.compile_program(OWN_FILTER, abi)
            natively = support.run_command([program])
            self.assertEqual(natively[1], b"getpriority 77\nfork -1 1\n")
            for options in [], ["--no-seccomp"]:
                with self.subTest(abi=abi, options=options):
                    run = support.trace([program], options)
                    self.assertEqual((run.status, run.stdout), natively[:2])
                    self.assertEqual([event["errno"] for event in run.of("fork-failed")], ["EPERM"])

    def test_closes_all_descriptors(self):
        for abi in support.runnable_abis():
            for options in [], ["--no-seccomp"]:
                run = support.trace([live_support.compile_program(CLOSES_ALL, abi)], options)
                self.assertEqual(run.status, 4, run)
                (record,) = run.forks()
                self.assertEqual(record["parent"]["frames"][-1]["symbol"], "_start")

    def test_leader_exits(self):
        """The first thread ends; the process and its number live on in the others, which fork."""
        for abi in support.runnable_abis():
            for options in [], ["--no-seccomp"], ["-k", "none", "--follow=first"]:
                with self.subTest(abi=abi, options=options):
                    run = support.trace([live_support.compile_program(LEADER_EXITS, abi, "-pthread")],
                                        ["--threads", *options])
                    self.assertEqual((run.status, run.stdout), (17, b"forked\n"), run)
                    records = [record for record in run.forks() if not record["thread"]]
                    self.assertEqual(len(records), 3)
                    for record in records:
                        self.assertNotEqual(record["parent"]["tid"], record["parent"]["pid"])
                        self.assertIn("other", [frame["symbol"] for frame in record["parent"]["frames"]])
                        self.assertIn("other", [frame["symbol"] for frame in record["child"]["frames"]])
                    self.assertEqual(run.of("error"), [])
                    (end,) = (event for event in run.of("exit") if event["root"] and not event["thread"])
                    self.assertEqual(end["status"], 17)

    def test_attach_to_process_whose_leader_exited(self):
        """The leader is a zombie, its process is not."""
        source = LEADER_EXITS.replace("pthread_join(leader, NULL);", "char byte; pthread_join(leader, NULL);"
                                      ' write(1, "ready\\n", 6); read(0, &byte, 1);')
        with support.Program([live_support.compile_program(source, "x86_64", "-pthread")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            live_support.wait_state(program.pid, "Z", "the leader ended")
            with support.Background([], ["-p", str(program.pid)]) as run:
                try:
                    run.wait_event("attach")
                except AssertionError:  # refused: then with a sentence, and the program is left alone
                    self.assertEqual(run.finish(), 125)
                    live_support.check_sentence(self, run.stderr, str(program.pid))
                    program.write(b"x")
                else:
                    program.write(b"x")
                    self.assertEqual(run.finish(), 0)
                    self.assertEqual(len(run.forks()), 3)
            self.assertEqual(program.finish(), 17)

    def test_thread_execs(self):
        """A thread that is not the first calls exec: it takes the leader's number."""
        for old in support.runnable_abis():
            for new in support.runnable_abis():
                for options in [], ["--no-seccomp"], ["--threads"]:
                    with self.subTest(old=old, new=new, options=options):
                        run = support.trace([live_support.compile_program(THREAD_EXECS, old, "-pthread"),
                                             support.target(new, "test_fork")], options)
                        self.assertEqual((run.status, run.stderr), (0, ""), run)
                        self.assertEqual(run.of("error"), [])
                        _, event = run.of("exec")
                        self.assertEqual((event["old_abi"], event["new_abi"]), (old, new))
                        self.assertNotIn(event["former_tid"], (None, event["tid"]))
                        (record,) = (record for record in run.forks() if not record["thread"])
                        self.assertEqual(record["abi"], new)
                        (fact,) = support.parse_expect(run.stdout).forks
                        self.assertEqual(record["child"]["pid"], fact["child"])

    def test_thread_execs_again(self):
        """Eighty times: three threads call exec while the leader still makes them, and one wins."""
        source = r"""
            #include <pthread.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <unistd.h>
            static char left[16];
            static char *command[] = {"again", left, NULL};
            static void *exec_thread(void *argument)
            {
                execv("/proc/self/exe", command);
                return argument;
            }
            int main(int count, char **arguments)
            {
                pthread_t thread;
                if (atoi(arguments[1]) == 0)
                    return 23;
                snprintf(left, sizeof(left), "%d", atoi(arguments[1]) - 1);
                for (int i = 0; i < 3; i++)
                    pthread_create(&thread, NULL, exec_thread, NULL);
                for (;;)
                    pause();
            }"""
        for abi in support.runnable_abis():
            program = live_support.compile_program(source, abi, "-pthread")
            for options in [], ["--threads"], ["--no-seccomp"]:
                with self.subTest(abi=abi, options=options):
                    run = support.trace([program, "80"], [*options, "-k", "none"], timeout=20)
                    self.assertEqual((run.status, run.stderr), (23, ""))
                    self.assertEqual(run.of("error"), [])
                    first, *others = run.of("exec")
                    self.assertEqual(len(others), 80)
                    self.assertIsNone(first["former_tid"])
                    self.assertEqual([event["seq"] for event in others if event["former_tid"] is None], [])

    def test_untraced(self):
        """CLONE_UNTRACED hides no child."""
        for abi in support.runnable_abis():
            for options in [], ["--no-seccomp"], ["--follow=first"]:
                with self.subTest(abi=abi, options=options):
                    run = support.trace([support.target(abi, "test_untraced")], options)
                    self.assertEqual(run.status, 0, run)
                    facts = support.parse_expect(run.stdout)
                    self.assertEqual(len(run.forks()), facts.total["forks"])
                    self.assertTrue(any(record["untraced"] for record in run.forks()))

    def test_exec_between_abis(self):
        support.require_32_bit()
        for abi in support.ABIS:
            run = support.trace([support.target(abi, "test_exec")])
            self.assertEqual((run.status, run.stderr), (0, ""), run)
            self.assertEqual(run.of("error"), [])
            changes = [(event["old_abi"], event["new_abi"]) for event in run.of("exec")]
            self.assertIn(("i386", "x86_64"), changes)
            self.assertIn(("x86_64", "i386"), changes)

    def test_x32_calls(self):
        """Numbers of the x32 table are named as such, and nothing happens to them that would not without forktrace."""
        program = live_support.compile_program(X32_CALLS)
        status, natively, _ = support.run_command([program])
        self.assertEqual(status, 0)
        for options in [], ["--no-seccomp"]:
            with self.subTest(options=options):
                run = support.trace([program], options)
                self.assertEqual((run.status, run.stdout), (0, natively), run)
                (event,) = run.of("fork") + run.of("fork-failed")
                self.assertEqual((event["abi"], event["syscall"]), ("x32", "fork"))
                if b"fork 0" in natively:
                    self.assertEqual((event["event"], event["errno"]), ("fork-failed", "ENOSYS"))

    def test_x32_program(self):
        path = os.path.join(live_support.program_directory().name, "x32")
        status, _, stderr = support.run_command(
            ["gcc", "-mx32", "-nostdlib", "-static", "-O1", "-fno-stack-protector", "-o", path, "-xc", "-"],
            stdin=X32_PROGRAM.encode())
        if status != 0:
            self.skipTest(f"gcc makes no x32 programs here: {stderr.decode().strip().splitlines()[-1]}")
        try:
            status, _, _ = support.run_command([path])
        except OSError as error:
            run = support.trace([path])
            self.assertEqual(run.status, 126, run)
            self.skipTest(f"this kernel runs no x32 programs: {error.strerror}")
        self.assertEqual(status, 5)
        run = support.trace([path])
        self.assertEqual(run.status, 5, run)
        (record,) = run.forks()
        self.assertEqual((record["abi"], record["syscall"]), ("x32", "fork"))

    def test_bad_stacks(self):
        """An unwinder that is led astray ends, with what is certain first."""
        for abi in support.runnable_abis():
            program = live_support.compile_program(BAD_STACK, abi, "-O1", "-fno-pie", "-no-pie")
            unwinders = ["auto", "libdw", "frame-pointer"] + ["libunwind"] * (abi == "x86_64")
            for kind in 1, 2, 3, 4:
                for unwinder in unwinders:
                    with self.subTest(abi=abi, kind=kind, unwinder=unwinder):
                        run = support.trace([program, kind], ["-k", "none", f"--unwinder={unwinder}"], timeout=20)
                        self.assertEqual((run.status, run.stderr), (0, ""), run)
                        (record,) = run.forks()
                        self.assertEqual(record["child"]["ret"], 0)
                        self.assertEqual(record["parent"]["frames"][0]["symbol"], "main")
                        self.assertLessEqual(len(record["parent"]["frames"]), 256)
                        self.assertEqual(run.of("error"), [])

    def test_program_is_gone(self):
        """The file is deleted, or replaced by another one, while the program runs: its own symbols or none, never the
        other's."""
        source = r"""
            #include <sys/wait.h>
            #include <unistd.h>
            static __attribute__((noipa)) int NAME(void)
            {
                pid_t pid = fork();
                if (pid == 0)
                    _exit(0);
                return waitpid(pid, NULL, 0) != pid;
            }
            int main(int count, char **arguments)
            {
                if (count > 2)
                    rename(arguments[2], arguments[1]);
                else
                    unlink(arguments[1]);
                return NAME();
            }"""
        one, two = (live_support.compile_program("#include <stdio.h>\n" + source.replace("NAME", name))
                    for name in ("own_function", "other_function"))
        with tempfile.TemporaryDirectory() as directory:
            program, other = os.path.join(directory, "program"), os.path.join(directory, "other")
            for replaced in False, True:
                shutil.copy(one, program)
                shutil.copy(two, other)
                run = support.trace([program, program] + [other] * replaced)
                self.assertEqual((run.status, run.stderr), (0, ""), run)
                self.assertEqual(run.of("error"), [])
                (record,) = run.forks()
                for side in "parent", "child":
                    names = [frame["symbol"] for frame in record[side]["frames"]]
                    self.assertNotIn("other_function", names)
                    self.assertIn("own_function", names)
                    self.assertEqual(names[-1], "_start")


class Corrupt(unittest.TestCase):
    """Debug information that is noise: fewer names, wrong at worst, and never the end of forktrace."""

    SECTIONS = (".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_rnglists", ".debug_aranges",
                ".symtab", ".strtab", ".eh_frame", ".eh_frame_hdr", ".note.gnu.build-id", ".debug_line_str")
    ROUNDS = 24

    def sections(self, path):
        """{name: (offset, size)}"""
        status, text, _ = support.run_command(["readelf", "-SW", path])
        self.assertEqual(status, 0)
        found = re.findall(r"^\s*\[\s*\d+\] (\S+)\s+\S+\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) ", text.decode(),
                           re.MULTILINE)
        return {name: (int(offset, 16), int(size, 16)) for name, offset, size in found}

    def damage(self, data, sections, source):
        """Noise in some bytes, or in all, of one to three sections; one time in four the section headers too."""
        names = [name for name in self.SECTIONS if name in sections]
        chosen = source.sample(names, source.randint(1, 3))
        for name in chosen:
            offset, size = sections[name]
            share = source.choice((0.02, 0.3, 1))
            for at in range(offset, offset + size):
                if source.random() < share:
                    data[at] = source.randrange(256)
        if source.random() < 0.25:
            for _ in range(8):
                data[source.randrange(len(data) - 1024, len(data))] = source.randrange(256)
            chosen.append("section headers")
        return chosen

    @support.time_limit(120)
    def test_noise(self):
        source, abis = random.Random(20261122), support.runnable_abis()
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
            for turn in range(self.ROUNDS):
                original = support.target(abis[turn % len(abis)], "test_fork")
                data = bytearray(pathlib.Path(original).read_bytes())
                chosen = self.damage(data, self.sections(original), source)
                path = pathlib.Path(directory) / f"program{turn}"
                path.write_bytes(data)
                path.chmod(0o755)
                with self.subTest(turn=turn, chosen=chosen):
                    run = support.trace([path], ["-k", "none", *source.choice(([], ["--unwinder=libdw"],
                                                                              ["--unwinder=libunwind"]))])
                    self.assertEqual(run.status, 0, run)
                    (record,) = run.forks()
                    self.assertEqual(record["parent"]["ret"], record["child"]["pid"])
                    self.assertTrue(record["parent"]["frames"])
                    self.assertTrue(record["child"]["frames"])


if __name__ == "__main__":
    unittest.main()
