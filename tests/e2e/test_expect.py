"""Expectations, forktrace -e: what holds, what does not, what each mistake says."""

import os
import re
import signal
import sys
import unittest

import live_support
import support

ABI = "x86_64"
FORK = [support.target(ABI, "test_fork")]


def expect(*words, command=(), **keywords):
    """Runs forktrace with these words; returns (status, standard output, standard error), both text."""
    status, stdout, stderr = support.run_command([support.FORKTRACE, *words, *(command or FORK)], **keywords)
    return status, stdout.decode(), stderr.decode()


class Held(unittest.TestCase):
    def test_all(self):
        status, stdout, stderr = expect("-e", "child.ret == 0", "-e", "parent.ret == child.pid")
        self.assertEqual((status, stderr), (0, "forktrace: all held: 2 expectations, 1 fork\n"))
        self.assertIn("expect", stdout)  # the program's own output, untouched

    def test_quiet(self):
        self.assertEqual(expect("-q", "-e", "child.ret == 0")[::2], (0, ""))

    def test_in_every_fork_of_a_tree(self):
        status, _, stderr = expect("-e", "child.ret == 0 and parent.ret == child.pid and has(parent.frames, 'main')",
                                   command=[support.target(ABI, "test_nested")])
        self.assertEqual(status, 0, stderr)

    def test_says_nothing_of_the_program(self):
        """The program's own status is no matter of the expectations."""
        command = ["sh", "-c", "(exit 3); exit 7"]
        self.assertEqual(expect("-e", "child.ret == 0", command=command)[0], 0)
        self.assertEqual(expect("-e", "child.ret ~= 0", command=command)[0], 1)

    def test_program_that_is_not_there(self):
        status, _, stderr = expect("-e", "child.ret == 0", command=["/nonexistent/program"])
        self.assertEqual(status, 127, stderr)

    def test_i386(self):
        support.require_32_bit()
        status, _, stderr = expect("-e", "abi == 'i386' and child.ret == 0",
                                   command=[support.target("i386", "test_fork")])
        self.assertEqual(status, 0, stderr)

    def test_report_besides(self):
        run = support.trace(FORK, ["-e", "child.ret == 1"])
        self.assertEqual(run.status, 1)
        self.assertEqual(len(run.forks()), 1)
        self.assertIn("not held in fork 1: child.ret == 1", run.stderr)

    def test_report_that_cannot_be_written(self):
        status, _, stderr = expect("-e", "child.ret == 0", "-o", "/dev/full")
        self.assertEqual(status, 125)
        self.assertIn("/dev/full", stderr)


class NotHeld(unittest.TestCase):
    def test_shows_values_and_record(self):
        status, _, stderr = expect("-k", "none", "-e", "child.ret == 1 or not has(parent.frames, 'main')")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, r"\Aforktrace: not held in fork 1: child.ret == 1 or not has\(parent.frames, 'main'\)\n"
                                 r"    child\.ret = 0\n"
                                 r"    parent\.frames = main > spawn_child > .*fork")
        self.assertRegex(stderr, r"\n\nfork 1  test_fork (\d+) -> (\d+)  x86_64")
        self.assertRegex(stderr, r"\n\nforktrace: not all held: 1 expectation, 1 fork; not held in 1 of them\n\Z")

    def test_the_fork_has_its_number(self):
        status, _, stderr = expect("-e", "parent.ret ~= child.pid", "--on", "fork#3",
                                   command=[support.target(ABI, "test_nested")])
        self.assertEqual(status, 1)
        self.assertEqual(re.findall(r"^fork (\d+)", stderr, re.MULTILINE), ["3"])
        self.assertEqual(re.findall(r"not held in fork (\d+):", stderr), ["3"])

    def test_many_are_counted(self):
        command = [support.target(ABI, "test_storm"), "30", "serial"]
        status, _, stderr = expect("-k", "none", "-e", "child.ret == 1", command=command)
        self.assertEqual(status, 1)
        self.assertEqual(len(re.findall(r"^fork \d+ ", stderr, re.MULTILINE)), 10)
        self.assertIn("1 expectation, 30 forks; not held in 30 of them (the first 10 are shown; with -v all)", stderr)
        _, _, stderr = expect("-v", "-k", "none", "-e", "child.ret == 1", command=command)
        self.assertEqual(len(re.findall(r"^fork \d+ ", stderr, re.MULTILINE)), 30)

    def test_number_is_no_truth(self):
        status, _, stderr = expect("-e", "child.ret")
        self.assertEqual(status, 1)
        self.assertIn("the expression gives the number 0, neither true nor false", stderr)

    def test_error_while_it_is_looked_at(self):
        status, _, stderr = expect("-e", "child.ret_reason > 1")
        self.assertEqual(status, 1)
        self.assertIn("    attempt to compare number with nil", stderr)

    def test_a_failed_call(self):
        status, _, stderr = expect("-e", "child.ret == 0", command=[support.target(ABI, "test_fail")])
        self.assertEqual(status, 1)
        self.assertIn("not held in a call that failed: child.ret == 0\n    the call failed: Invalid argument\n", stderr)

    def test_failed_calls_that_are_expected(self):
        command = [support.target(ABI, "test_fail")]
        wanted = "(errno_nr == 22 or errno == 'E2BIG' or errno == 'EFAULT' or errno == 'EAGAIN') and has(parent.frames, 'main')"
        status, _, stderr = expect("-e", wanted, "--on", "failed", command=command)
        self.assertEqual(status, 0, stderr)
        status, _, stderr = expect("-e", "errno == 'EAGAIN'", "--on", "failed", command=command)
        self.assertEqual(status, 1)
        self.assertIn("    errno = 'EINVAL'\n", stderr)

    def test_value_that_is_not_known(self):
        """The parent is killed while its vfork child holds it: nobody sees what it returns."""
        source = r"""
            #include <signal.h>
            #include <unistd.h>
            int main(void)
            {
                if (vfork() == 0) {
                    kill(getppid(), SIGKILL);
                    _exit(5);
                }
                return 0;
            }"""
        status, _, stderr = expect("-e", "child.ret == 0", command=[live_support.compile_program(source, ABI)])
        self.assertEqual(status, 1)
        self.assertRegex(stderr, r"not held in fork 1: child.ret == 0\n    parent.ret is not known: .*SIGKILL")

    def test_no_fork(self):
        status, _, stderr = expect("-e", "child.ret == 0", command=["true"])
        self.assertEqual(status, 1)
        self.assertEqual(stderr, "forktrace: not held, as no fork matched (--allow-none permits that): child.ret == 0\n"
                                 "forktrace: not all held: 1 expectation, 0 forks\n")
        self.assertEqual(expect("--allow-none", "-e", "child.ret == 0", command=["true"])[0], 0)

    def test_no_fork_that_it_is_about(self):
        status, _, stderr = expect("-e", "child.ret == 0", "-e", "child.ret == 0", "--on", "comm=nobody")
        self.assertEqual(status, 1)
        self.assertEqual(len(re.findall("as no fork matched", stderr)), 1)

    def test_limits_the_one_before(self):
        command = ["sh", "-c", "(true); (true); (exit 1)"]
        status, _, stderr = expect("-e", "child.ret == 0", "-e", "parent.ret == 0", "--on", "fork#2", command=command)
        self.assertEqual(status, 1)
        self.assertEqual(re.findall(r"not held in (fork \d+): (.*)", stderr), [("fork 2", "parent.ret == 0")])

    def test_hostile_names(self):
        """What comes from programs is escaped in what is told."""
        code = ("import ctypes, os; ctypes.CDLL(None).prctl(15, b'\\n\\033[31m\\xff'); "
                "os.fork() or os._exit(0); os.wait()")
        status, _, stderr = expect("-k", "none", "-e", "parent.comm == 'x'", command=[sys.executable, "-c", code])
        self.assertEqual(status, 1)
        self.assertIn(r"    parent.comm = '\\x0a\\x1b[31m", stderr)
        self.assertNotIn("\x1b", stderr)


class Mistakes(unittest.TestCase):
    """One sentence, status 125, and the program is not started."""

    def check(self, words, sentence):
        marker = "it was started"
        status, stdout, stderr = expect(*words, command=["echo", marker])
        self.assertEqual((status, stdout), (125, ""))
        self.assertEqual(stderr.splitlines()[0], f"forktrace: {sentence}")

    def test_expression(self):
        for expression, sentence in (
                ("child.ret =", "character 11: the expression should end near '='"),
                ("child.ret ==", "the expression ends too early, behind character 12"),
                ("(child.ret == 0", "the expression ends too early, behind character 15"),
                ("child.ret === 0", "character 13: unexpected symbol near '='"),
                ("chld.ret == 0", "character 1: a 'fork' record has no member 'chld': did you mean 'child'?"),
                ("0 == child.rett",
                 "character 12: 'child' of a 'fork' record has no member 'rett': did you mean 'ret'?"),
                ("parent.frames[1].sybmol", "character 18: 'parent.frames[1]' of a 'fork' record has no member "
                                            "'sybmol': did you mean 'symbol'?"),
                ("os.exit(0)", "character 1: a 'fork' record has no member 'os'")):
            with self.subTest(expression=expression):
                self.check(["-e", expression], f"--expect '{expression}': {sentence}")
        self.check(["-e", ""], "--expect: the expression is empty")

    def test_on(self):
        good = ["-e", "child.ret == 0"]
        self.check([*good, "--on", "cmm=sh"], "--on: a 'fork' record has no member 'cmm': did you mean 'comm'?")
        self.check([*good, "--on", "fork#0"], "--on: 'fork#0' is not valid: the forks are numbered from 1")
        self.check(["--on", "fork#1", *good], "--on stands behind the --expect (-e) that it limits")

    def test_together(self):
        self.check(["--allow-none"], "--allow-none goes with --expect (-e)")
        self.check(["-i", "-e", "true"], "--interactive and --expect exclude one another")
        self.check(["-f", "json", "-e", "true"],
                   "with --expect, --format needs --output=FILE: standard error tells what did not hold")


class Endless(unittest.TestCase):
    def test_interrupt(self):
        """Ctrl-C ends an expression that would go on for ever."""
        loop = "(function() while true do end end)() == 1"
        with support.Background(FORK, ["-e", loop]) as run:
            run.read_line()
            support.wait_until(lambda: not children(run.pid), "the program has ended")
            run.signal(signal.SIGINT)
            self.assertEqual(run.finish(), 1)
            self.assertIn("    interrupted", run.stderr)


def children(pid):
    """The processes whose parent it is."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    if int(stat.read().rpartition(b")")[2].split()[1]) == pid:
                        found.append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


if __name__ == "__main__":
    unittest.main()
