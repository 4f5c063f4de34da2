"""--inject: calls of the fork family that fail or wait, in real programs; against strace's own, where a single process
makes the calls, so that both count alike."""

import errno
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import unittest

import callstack
import support

QUIET = ["-k", "none"]

# Forks eight times, and prints what each gave: 0 or the error.
EIGHT_FORKS = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		int error = pid < 0 ? errno : 0;
		if (pid == 0)
			_exit(0);
		if (pid > 0 && waitpid(pid, NULL, 0) != pid)
			return 1;
		printf("%d\n", error);
	}
	return 0;
}
"""

# Each process forks the next, down to a depth of five; the one whose fork fails prints its depth and the error.
CHAIN = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	for (int depth = 0; depth < 5; depth++) {
		pid_t pid = fork();
		if (pid < 0)
			return printf("%d %d\n", depth, errno) < 0;
		if (pid > 0)
			return waitpid(pid, NULL, 0) != pid;
	}
	return 0;
}
"""

# One child calls fork by its own number and is held there; the parent forks on by libc's call, and kills it at last.
HELD_BESIDE = r"""
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char state_of(pid_t pid)
{
	char path[64], text[256] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "r");
	fgets(text, sizeof(text), file);
	fclose(file);
	return strrchr(text, ')')[2];
}
int main(void)
{
	atomic_int *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t held = fork();
	if (held == 0) {
		*told = 1;
		syscall(SYS_fork);
		*told = 2;
		_exit(0);
	}
	while (*told != 1 || state_of(held) != 't')
		sched_yield();
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	kill(held, SIGKILL);
	if (waitpid(held, &status, 0) != held || !WIFSIGNALED(status) || *told != 1)
		return 2;
	return 0;
}
"""


class Programs(unittest.TestCase):
    """Programs made for one test each."""

    def compile(self, source, abi):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        return support.compile_c(directory.name, source, abi)


class AgainstStrace(Programs):
    """The same forks of one process fail, with the same error, as under strace."""

    EXPRESSIONS = ("", ":when=1", ":when=3", ":when=3+", ":when=2+3", ":when=1+1", ":when=3..5", ":when=3..5+",
                   ":when=2..7+2", ":when=8..9", ":when=100")

    def check(self, program, injection):
        with tempfile.NamedTemporaryFile() as log:
            words = ["strace", "-o", log.name, "-e", "trace=clone,fork", "-e", f"inject={injection}", program]
            status, theirs, stderr = support.run_command(words)
            self.assertEqual(status, 0, stderr)
        for options in [], ["--no-seccomp"]:
            with self.subTest(injection=injection, options=options):
                run = support.trace([program], [*QUIET, *options, f"--inject={injection}"])
                self.assertEqual((run.status, run.stdout), (0, theirs), run)
                failed = run.of("fork-failed")
                self.assertEqual([event["errno_nr"] for event in failed], [int(word) for word in theirs.split()
                                                                           if word != b"0"])
                self.assertTrue(all(event["injected"] for event in failed))
                self.assertEqual(len(run.forks()) + len(failed), 8)
                self.assertEqual(run.end["failed"], len(failed))

    @support.time_limit(300)
    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_when(self):
        for abi in support.runnable_abis():
            program = self.compile(EIGHT_FORKS, abi)
            for expression in self.EXPRESSIONS:
                self.check(program, f"clone:error=EAGAIN{expression}")

    @support.time_limit(120)
    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_errors(self):
        """By name and by number."""
        program = self.compile(EIGHT_FORKS, support.any_abi())
        for error in "ENOMEM", "ENOSYS", "12", "1", "511":
            self.check(program, f"clone:error={error}:when=2")


class Failing(Programs):
    def test_record(self):
        """The call is not made, the program sees the error, and the event says whose doing it is."""
        for abi in support.runnable_abis():
            run = support.trace([support.target(abi, "test_storm"), "5"],
                                [*QUIET, "--inject=clone:error=EAGAIN:when=3"])
            self.assertEqual(run.status, 1, run)
            self.assertRegex(run.stderr, rf"children\[made\] > 0 \(errno {errno.EAGAIN}\)")
            (failed,) = run.of("fork-failed")
            self.assertEqual((failed["injected"], failed["errno"], failed["delay_ns"]), (True, "EAGAIN", None))
            self.assertEqual(failed["syscall"], "clone")
            self.assertIn("CLONE_CHILD_SETTID", failed["flags"])
            self.assertIn("fork_held", callstack.symbols(failed["parent"]["frames"]))
            self.assertEqual([record["injected"] for record in run.forks()], [False, False])
            self.assertEqual(len(run.of("exit")), 3)

    def test_own_failures_are_not_injected(self):
        run = support.trace([support.target("x86_64", "test_fail")], [*QUIET, "--inject=fork:error=EAGAIN:when=1000"])
        self.assertEqual(run.status, 0, run)
        self.assertEqual({event["injected"] for event in run.of("fork-failed")}, {False})

    def test_whole_tree(self):
        """The third fork of all is that of the parent's grandchild, whose own first it is."""
        for options in [], ["--no-seccomp"]:
            for abi in support.runnable_abis():
                run = support.trace([self.compile(CHAIN, abi)], [*QUIET, *options, "--inject=%fork:error=ENOMEM:when=3"])
                self.assertEqual((run.status, run.stdout), (0, b"2 %d\n" % errno.ENOMEM), run)
                (failed,) = run.of("fork-failed")
                self.assertEqual(failed["parent"]["pid"], run.forks()[1]["child"]["pid"])

    def test_shell(self):
        for options in [], ["--no-seccomp"], ["--follow=first"], ["--follow=none"]:
            run = support.trace(["sh", "-c", "ls / | wc -l; echo not reached"],
                                [*QUIET, *options, "--inject=%fork:error=EAGAIN:when=2"])
            self.assertIn("fork", run.stderr.lower(), run)
            self.assertNotEqual(run.status, 0)
            self.assertEqual([event["injected"] for event in run.of("fork-failed")], [True])
            self.assertEqual(len(run.forks()), 1)

    def test_python(self):
        """However subprocess makes its children: where vfork fails, it tries fork."""
        script = ("import subprocess\n"
                  "for i in range(3):\n"
                  "    try: print(subprocess.run(['true']).returncode)\n"
                  "    except OSError as error: print(error.errno)\n")
        run = support.trace([sys.executable, "-c", script], [*QUIET, "--inject=%fork:error=EAGAIN:when=2+"])
        self.assertEqual(run.stdout.split(), [b"0", b"%d" % errno.EAGAIN, b"%d" % errno.EAGAIN], run)
        self.assertEqual(run.status, 0)

    def test_threads(self):
        """Their creation counts, also where it makes no record; libc tells it as it tells a true failure."""
        for abi in support.runnable_abis():
            run = support.trace([support.target(abi, "test_threads")], [*QUIET, "--inject=%fork:error=EAGAIN:when=2"])
            self.assertNotEqual(run.status, 0, run)
            (failed,) = run.of("fork-failed")
            self.assertTrue(failed["thread"] and failed["injected"])
            self.assertEqual(run.end["threads"], 1)

    def test_clone3_fallback(self):
        """libc tries clone where clone3 is unknown: two entries of %fork for one thread."""
        program = [support.target(support.any_abi(), "test_threads")]
        run = support.trace(program, [*QUIET, "--threads", "--inject=clone3:error=ENOSYS"])
        self.assertEqual(run.status, 0, run)
        threads = [record for record in run.forks() if record["thread"]]
        failed = run.of("fork-failed")
        if not failed:
            self.skipTest("this libc makes threads without clone3")
        self.assertEqual({record["syscall"] for record in threads}, {"clone"})
        self.assertEqual(len(failed), len(threads))
        run = support.trace(program, [*QUIET, "--threads", "--inject=%fork:error=ENOSYS:when=1..2"])
        self.assertEqual([event["syscall"] for event in run.of("fork-failed")], ["clone3", "clone"])

    def test_several(self):
        """Each option counts for itself; of two that meet, the first one's error holds."""
        program = self.compile(EIGHT_FORKS, "x86_64")
        run = support.trace([program], [*QUIET, "--inject=clone:error=1:when=2", "--inject=fork,clone:error=2:when=2..3",
                                        "--inject=%fork:error=3:when=8"])
        self.assertEqual(run.stdout.split(), b"0 1 2 0 0 0 0 3".split())

    def test_restarts_count_once(self):
        """A call that a signal interrupts is entered twice, and is one. (That some are depends on the machine.)"""
        run = support.trace([support.target("x86_64", "test_signal"), "100"],
                            [*QUIET, "--inject=%fork:error=EAGAIN:when=1000000"])
        self.assertEqual(run.status, 0, run)
        entered = int(re.search(r"entered (\d+) times", run.stderr).group(1))
        self.assertEqual(entered, len(run.forks()) + run.end["threads"])

    def test_nothing_changed(self):
        run = support.trace(["true"], [*QUIET, "--inject=%fork:error=EAGAIN"])
        self.assertEqual((run.status, run.stderr),
                         (0, "forktrace: warning: --inject=%fork:error=EAGAIN changed nothing: its calls were entered "
                             "0 times\n"))

    def test_text(self):
        status, _, stderr = support.run_command([support.FORKTRACE, "-q", *QUIET, "--inject=%fork:error=ENOMEM:when=1",
                                                 support.target("x86_64", "test_fork")])
        self.assertNotEqual(status, 0)
        self.assertRegex(stderr.decode(), r"(?s)failed  test_fork .*ENOMEM \(.*\)\s+injected\s")


class Waiting(Programs):
    def wait_in_call(self, pid):
        """Until the process stands at the entry of a call of the family: clone, fork, vfork, clone3."""
        path = pathlib.Path(f"/proc/{pid}/syscall")
        support.wait_until(lambda: path.read_text().split()[0] in ("56", "57", "58", "435"), "it is held in its call")

    def test_record(self):
        for options in [], ["--no-seccomp"]:
            for abi in support.runnable_abis():
                run = support.trace([support.target(abi, "test_fork")],
                                    [*QUIET, *options, "--inject=clone:delay=20ms:when=1"])
                self.assertEqual(run.status, 0, run)
                (record,) = run.forks()
                self.assertTrue(record["injected"])
                self.assertGreaterEqual(record["delay_ns"], 20_000_000)
                self.assertGreaterEqual(record["time_ns"], 20_000_000)
                self.assertEqual(record["parent"]["ret"], record["child"]["pid"])

    def test_failing_too(self):
        run = support.trace([support.target("x86_64", "test_fork")],
                            [*QUIET, "--inject=clone:delay_enter=1000:error=EAGAIN"])
        (failed,) = run.of("fork-failed")
        self.assertTrue(failed["injected"])
        self.assertGreaterEqual(failed["delay_ns"], 1_000_000)

    def test_text(self):
        _, _, stderr = support.run_command([support.FORKTRACE, *QUIET, "--inject=%fork:delay=5ms",
                                            support.target("x86_64", "test_fork")])
        self.assertRegex(stderr.decode(), r"the call was held for \d[\d.]* ms at its entry \(--inject\)")

    def test_others_go_on(self):
        """While one process is held, its parent forks on; it can be killed, and no child of it comes."""
        program = self.compile(HELD_BESIDE, "x86_64")
        for options in [], ["--no-seccomp"]:
            run = support.trace([program], [*QUIET, *options, "--inject=fork:delay=3600s"])
            self.assertEqual(run.status, 0, run)
            self.assertEqual(len(run.forks()), 4)
            self.assertEqual(run.of("error"), [])
            self.assertIn("SIGKILL", [event["signal"] for event in run.of("exit")])

    def test_interrupt(self):
        """The user need not wait for the end of the delay."""
        with support.Background(["sh", "-c", "ls | wc -l"], [*QUIET, "--inject=%fork:delay=3600s"]) as run:
            self.wait_in_call(run.wait_event("exec")["pid"])
            run.signal(signal.SIGINT)
            self.assertEqual(run.finish(), 128 + signal.SIGINT, run.stderr)

    def held_while_attached(self, end):
        """The run, after the signal `end` came while a call was held: the program lives on, and its call was made."""
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            with support.Background([], ["-p", str(program.pid), *QUIET, "--inject=%fork:delay=3600s"]) as run:
                run.wait_event("attach")
                program.write(b"x")
                self.wait_in_call(program.pid)
                run.signal(end)
                status = run.finish()
            self.assertEqual(program.finish(), 0)
        return status, run

    def test_attached(self):
        status, run = self.held_while_attached(signal.SIGTERM)
        self.assertEqual(status, 0, run.stderr)
        self.assertTrue(all(record["injected"] for record in run.forks()))

    def test_attached_and_killed(self):
        self.held_while_attached(signal.SIGKILL)


class Misuse(unittest.TestCase):
    def check(self, words, sentence):
        status, stdout, stderr = support.run_command([support.FORKTRACE, *words])
        self.assertEqual((status, stdout, stderr.decode()), (125, b"", f"forktrace: {sentence}\n"))

    def test_syntax(self):
        self.check(["--inject=clone:error=EFOO", "ls"],
                   "--inject: 'clone:error=EFOO' is not valid at character 13, 'EFOO'; allowed there: the name of an "
                   "error, such as EAGAIN, or its number, 1 to 511")
        self.check(["--inject=clone", "ls"],
                   "--inject: 'clone' is not valid at character 6; allowed there: ':error=ERRNO', ':delay=TIME' or "
                   "both: what is to happen to the call")

    def test_elsewhere(self):
        for words in ["-g", "ls"], ["-i", "ls"], ["--gdb=localhost:1", "--kallsyms=f"]:
            self.check(["--inject=%fork:error=1", *words],
                       "--inject changes calls of programs that run on this machine, unstepped: it goes without "
                       "--interactive (-i), --kernel=guest (-g) and --gdb")
