"""What the tests of live processes share: processes found again by a mark in their environment and ended by their ids,
facts of /proc, terminals, forktrace as another user, and C programs that are compiled once.

    with live_support.Marked() as mark:                        whatever still runs at the end is killed
        with support.Program([...], env=mark.environment()) as program: ...
        mark.wait_none()                                       nothing is left of it
"""

import contextlib
import functools
import itertools
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import support

NOBODY = 65534
CLEAN_UP_LIMIT_S = 10
STOPPED = ("t", "T")

needs_root = unittest.skipUnless(support.is_root(), "becoming another user, mounts and namespaces need root")

marks = itertools.count()


# --- processes --------------------------------------------------------------------------------------------------------


class Marked:
    """The processes that inherit a mark in their environment: across fork, exec and setsid, until they end."""

    def __init__(self):
        self.variable = "FORKTRACE_TEST_MARK"
        self.value = f"{os.getpid()}.{next(marks)}"
        self.word = f"{self.variable}={self.value}".encode()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        deadline = support.deadline_after(CLEAN_UP_LIMIT_S)
        while (pids := self.processes()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            select.select([], [], [], 0.01)

    def environment(self, **changes):
        return support.environment(**{self.variable: self.value}, **changes)

    def processes(self):
        """{pid: state} of those that live; a zombie has lost its mark."""
        return {pid: state for pid in process_ids() if self.word in process_environment(pid)
                and (state := support.process_state(pid)) is not None}

    def stopped(self):
        """Those that stand still, stopped by a signal or for a tracer."""
        return {pid: state for pid, state in self.processes().items() if state in STOPPED}

    def wait_none(self, timeout=CLEAN_UP_LIMIT_S):
        """Fails when something still runs after `timeout` seconds."""
        try:
            support.wait_until(lambda: not self.processes(), "all had ended", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.processes()}") from None


def process_ids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def process_environment(pid):
    """The list of words that a process got at its exec, [] when it cannot be read."""
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def status_fields(pid):
    """/proc/PID/status as {name: text}."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(errors="replace")
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def thread_ids(pid):
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))


def traced_threads(pid):
    """Those of a process's threads that have a tracer."""
    return [tid for tid in thread_ids(pid) if support.tracer_of(f"{pid}/task/{tid}")]


def wait_state(pid, states, what):
    support.wait_until(lambda: support.process_state(pid) in states, what)


# --- programs ---------------------------------------------------------------------------------------------------------


@functools.cache
def program_directory():
    """A directory that everybody may read, for programs; it goes with this process."""
    directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
    os.chmod(directory.name, 0o755)
    return directory


@functools.cache
def compile_program(source, abi="x86_64", *flags):
    """Compiles a C program once and returns its path."""
    directory = tempfile.mkdtemp(dir=program_directory().name)
    os.chmod(directory, 0o755)
    return support.compile_c(directory, source, abi, *flags)


def echo_to(path):
    """A command that leaves the file `path` behind: the proof that it ran to its end."""
    return ["sh", "-c", '(exit 0); : >"$1"', "sh", str(path)]


# --- sentences --------------------------------------------------------------------------------------------------------


def check_sentence(test, text, *words):
    """`text` is what forktrace said: one line, which holds each of `words`."""
    test.assertRegex(text, r"\Aforktrace: [^\n]+[^\n.]\n\Z")
    for word in words:
        test.assertIn(word, text)


# --- as another user --------------------------------------------------------------------------------------------------


class Unprivileged:
    """Copies of forktrace and of programs that another user may run, and a directory that this user may write to; a
    context manager."""

    def __init__(self):
        self.wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.directory = pathlib.Path(self.temporary.name)
        self.directory.chmod(0o755)
        self.own = self.directory / "own"
        self.own.mkdir()
        os.chown(self.own, NOBODY, NOBODY)
        self.forktrace = self.copy(support.FORKTRACE)
        return self

    def __exit__(self, *exception):
        self.temporary.cleanup()

    def copy(self, path, name=None, mode=0o755):
        """A copy that belongs to root; returns its path as a string."""
        copied = self.directory / (name or os.path.basename(path))
        shutil.copyfile(path, copied)
        copied.chmod(mode)
        return str(copied)

    def trace(self, command, options=()):
        """As support.trace, by the other user."""
        report = self.own / "report.jsonl"
        words = [*self.wrapper, self.forktrace, *options, "-f", "json", "-o", str(report), *map(str, command)]
        status, stdout, stderr = support.run_command(words, cwd=self.own)
        data = report.read_bytes() if report.exists() else b""
        return support.Run(words, status, stdout, stderr.decode(errors="replace"), data)

    def honours_setuid(self):
        return not os.statvfs(self.directory).f_flag & os.ST_NOSUID


# --- terminals --------------------------------------------------------------------------------------------------------


class Terminal:
    """A command on a terminal of its own, the leader of a session; a context manager."""

    def __init__(self, command, env=None):
        self.command = command
        self.text = ""
        self.searched = 0
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            with contextlib.suppress(OSError):
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.execvpe(command[0], command, env or support.environment())
            os._exit(127)
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def read_more(self, deadline, what):
        """False at the end."""
        ready, _, _ = select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"waited in vain for {what!r}: {self.command}\n{self.text}")
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # EIO: nobody has the other end open
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, timeout=support.EVENT_LIMIT_S):
        """Waits for text behind the last match; returns the match."""
        deadline = support.deadline_after(timeout)
        while not (match := re.compile(pattern).search(self.text, self.searched)):
            if not self.read_more(deadline, pattern):
                raise AssertionError(f"the terminal closed without {pattern!r}: {self.text}")
        self.searched = match.end()
        return match

    def finish(self, timeout=support.EVENT_LIMIT_S):
        """Reads to the end and returns the exit status; negative: killed by that signal."""
        deadline = support.deadline_after(timeout)
        while self.read_more(deadline, "the end"):
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


# --- commands with a prepared process ---------------------------------------------------------------------------------


def run_prepared(command, prepare=None, *, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                 env=None, pass_fds=(), cwd=None, timeout=support.RUN_LIMIT_S):
    """Runs a command to its end in a session of its own, after `prepare` in the new process; returns a
    CompletedProcess. Python's own dispositions are taken back first."""

    def set_up():
        for number in signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
        if prepare:
            prepare()

    process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=env or support.environment(),
                               pass_fds=pass_fds, cwd=cwd, preexec_fn=set_up, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout * support.PATIENCE)
    except BaseException as error:
        support.kill_session(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise AssertionError(f"killed after {timeout} s: {command}") from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


