"""What the end-to-end tests share. The standard library alone.

    run = support.trace([program, "argument"], ["-k", "live"])    forktrace from start to end
    run.status, run.stdout, run.stderr                            what it left behind
    run.forks(), run.of("exec"), run.end                          its events, parsed from JSON Lines

    with support.Background([program], ["-v"]) as run:            forktrace while it runs
        run.write(b"x"); run.read_line(); run.wait_event("fork"); run.finish()
    with support.Program([program]) as program:                   a program while it runs, to attach to: program.pid

    expected = support.parse_expect(run.stdout)                   the facts that a program of targets/ printed

callstack.py knows frames, referee.py asks gdb for the same stacks, records.py tells which of a record's facts are the
program's alone.

tests/check.py sets FORKTRACE (the program under test) and FORKTRACE_BUILD (the build directory); without it the
defaults of a plain `make` hold. Nothing here sleeps: a wait is for a condition, with a deadline.
"""

import contextlib
import ctypes
import dataclasses
import errno
import functools
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FORKTRACE_BUILD", ROOT / "build"))
FORKTRACE = os.environ.get("FORKTRACE", str(BUILD / "bin" / "forktrace"))
TARGETS = BUILD / "targets"
I386_ROOT = ROOT / "build/i386-root"  # .ci/deps unpacks packages there
ABIS = ("i386", "x86_64")  # those that everything is built for; which of them run here: runnable_abis
NO_32_BIT = "this kernel runs no 32-bit programs"

RUN_LIMIT_S = 50  # of one run; less than a test may take, so that the test can say what hung
EVENT_LIMIT_S = 20  # of a wait for one event
PATIENCE = int(os.environ.get("FORKTRACE_TEST_PATIENCE", 1))  # what all limits are multiplied by, on a slow machine


def deadline_after(seconds):
    """The time.monotonic() at which a wait of so many seconds, of a machine that is not slow, is over."""
    return time.monotonic() + seconds * PATIENCE


def time_limit(seconds):
    """Decorates a test method that needs more than check.py's limit."""

    def declare(function):
        function.time_limit_s = seconds
        return function

    return declare


def is_root():
    return os.geteuid() == 0


needs_root = unittest.skipUnless(is_root(), "the live kernel half needs root")


# --- the programs of targets/ -----------------------------------------------------------------------------------------


@functools.cache
def make_words(variable):
    """The words of a variable of targets/targets.mk."""
    text = (ROOT / "targets" / "targets.mk").read_text().replace("\\\n", " ")
    return re.search(rf"^{variable} := (.*)$", text, re.MULTILINE).group(1).split()


def target_names():
    return make_words("TARGETS")


def target_variants():
    """(name, variant) of each program that is built in several ways."""
    return [(name, variant) for name in make_words("TARGET_VARIED") for variant in make_words("TARGET_VARIANTS")]


def built_target(abi, name, variant=None):
    """The path of a program of targets/, as a string."""
    path = TARGETS / abi / name if variant is None else TARGETS / abi / "variants" / f"{name}.{variant}"
    return str(path)


def target(abi, name, variant=None):
    """The same of one that is to run: skips the test where this kernel cannot."""
    if abi == "i386":
        require_32_bit()
    elif name == "test_int80" and not has_int80():
        raise unittest.SkipTest("this kernel has no int $0x80 (IA-32 emulation is off)")
    return built_target(abi, name, variant)


def compile_c(directory, source, abi, *flags):
    """Compiles a C program to run and returns its path; the compiler is the one that the build uses."""
    if abi == "i386":
        require_32_bit()
    path = os.path.join(directory, "program")
    machine = {"i386": "-m32", "x86_64": "-m64"}[abi]
    compiler = os.environ.get("CC", "gcc")
    command = [compiler, machine, "-std=gnu17", "-D_GNU_SOURCE", "-g", *flags, "-o", path, "-xc", "-"]
    status, _, stderr = run_command(command, stdin=source.encode())
    assert status == 0, stderr.decode()
    return path


# --- the guest --------------------------------------------------------------------------------------------------------


def guest_options(flavour="", suite=None):
    """Options that run a program in a guest; skips the test where there is no kernel for it. flavour: "" or "-pae".
    suite: another release of Debian's, whose one kernel is taken."""
    kernel = BUILD / "cache/forktrace/guest" / f"vmlinuz{flavour}"
    if not flavour and not suite and "FORKTRACE_GUEST_KERNEL" in os.environ:
        kernel = pathlib.Path(os.environ["FORKTRACE_GUEST_KERNEL"])
    if suite:
        links = [path for path in (BUILD / "cache/kernels" / suite / "forktrace/guest").glob("*") if path.is_symlink()]
        kernel = links[0] if links else BUILD / "cache/kernels" / suite
    if not kernel.is_file():
        raise unittest.SkipTest(f"there is no kernel {kernel}: make check-kernels fetches it")
    return ["--kernel=guest", f"--guest-kernel={kernel}"]


def is_other_kernel():
    """Does FORKTRACE_GUEST_KERNEL name another kernel than the one that is fetched? Of that one more is known."""
    kernel = os.environ.get("FORKTRACE_GUEST_KERNEL")
    return kernel is not None and os.path.realpath(kernel) != os.path.realpath(BUILD / "cache/forktrace/guest/vmlinuz")


def guest_environment():
    """The snapshots of the tests' guests lie in the build directory."""
    return environment(XDG_CACHE_HOME=str(BUILD / "cache"))


def i386_file(path):
    """A file of Debian's i386 packages, which .ci/deps unpacks; skips the test where it is not there."""
    full = I386_ROOT / path
    if not full.exists():
        raise unittest.SkipTest(f"there is no {full}: make check-deps unpacks it")
    return str(full)


# --- which of them run here -------------------------------------------------------------------------------------------

narrowed = None  # why the running test did less than elsewhere, which check.py counts; None: it did all


@functools.cache
def runs_32_bit():
    """Does this kernel run i386 programs? Known by running one."""
    try:
        run_command([built_target("i386", "test_fork")])
    except OSError as error:
        return error.errno != errno.ENOEXEC
    return True


@functools.cache
def has_int80():
    """May 64-bit code use int $0x80? Where it may not, it is a fault like any other."""
    return run_command([built_target("x86_64", "test_int80")])[0] != -signal.SIGSEGV


def require_32_bit():
    """Skips a test that is all about 32-bit programs where they do not run."""
    if not runs_32_bit():
        raise unittest.SkipTest(f"{NO_32_BIT} (IA-32 emulation is off)")


def runnable_abis():
    """For a test of each ABI: those that run here."""
    global narrowed
    if runs_32_bit():
        return ABIS
    narrowed = NO_32_BIT
    return tuple(abi for abi in ABIS if abi != "i386")


def any_abi():
    """For a test of one ABI, no matter which: i386, the harder one, where it runs."""
    return runnable_abis()[0]


# --- facts that these programs print ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Expected:
    """The lines that a program of targets/ printed (targets/expect.h), each a dict of its words."""

    forks: list = dataclasses.field(default_factory=list)  # numbers are integers, lists are lists, `?` is None
    failed: list = dataclasses.field(default_factory=list)
    execs: list = dataclasses.field(default_factory=list)
    exits: list = dataclasses.field(default_factory=list)
    total: dict = None
    skip: str = None  # why the program could not do all that it is for


NUMBERS = {"parent", "child", "parent_ret", "child_ret", "pid", "status", "ns_pid", "parent_tid", "thread",
           "fresh_stack", "forks", "threads", "failed"}


def parse_word(key, text):
    if text == "?":
        return None
    if key in NUMBERS:
        return int(text)
    if key == "flags":
        return [] if text == "-" else text.split("|")
    if key == "stack":
        return text.split(",")
    return text


def parse_expect(output):
    """Reads a program's standard output (bytes)."""
    expected = Expected()
    lists = {"fork": expected.forks, "fork-failed": expected.failed, "exec": expected.execs, "exit": expected.exits}
    for line in output.decode().splitlines():
        word, _, rest = line.partition(" ")
        if word == "skip":
            expected.skip = rest
        if word != "expect":
            continue
        kind, *pairs = rest.split(" ")
        fields = {key: parse_word(key, text) for key, _, text in (pair.partition("=") for pair in pairs)}
        if kind in lists:
            lists[kind].append(fields)
        elif kind == "total":
            expected.total = fields
    return expected


# --- running forktrace ------------------------------------------------------------------------------------------------


class Events:
    """Questions about a list of events (dicts)."""

    def __init__(self, events):
        self.events = events

    def of(self, kind):
        """The events of a kind: "fork", "exec", …"""
        return [event for event in self.events if event["event"] == kind]

    def forks(self):
        """The fork records in the order of their happening."""
        return sorted(self.of("fork"), key=lambda event: event["seq"])

    @property
    def end(self):
        """The totals."""
        (event,) = self.of("end")
        return event


class Run(Events):
    """A finished run of forktrace."""

    def __init__(self, command, status, stdout, stderr, report):
        super().__init__([json.loads(line) for line in report.splitlines()])
        self.command = command
        self.status = status  # negative: killed by that signal
        self.stdout = stdout  # bytes: the traced program's, unless the report goes there
        self.stderr = stderr  # str
        self.report = report  # bytes

    def __str__(self):
        return f"{' '.join(self.command)}\nstatus {self.status}\nstandard error:\n{self.stderr}"


def environment(**changes):
    """This process's environment without what make leaves in it; a value None removes a variable."""
    result = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    result["LC_ALL"] = "C.UTF-8"
    result.update(changes)
    return {key: value for key, value in result.items() if value is not None}


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_tests():
    """In a new process, before its exec: it does not outlive the tests, even if they are killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_command(command, *, timeout=RUN_LIMIT_S, stdin=b"", cwd=None, env=None):
    """Runs a command to its end; returns (status, stdout, stderr), both bytes. A command that hangs is killed with its
    process group, and the test fails."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                               env=env or environment(), start_new_session=True, preexec_fn=die_with_tests)
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout * PATIENCE)
    except BaseException as error:
        kill_session(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        stdout, stderr = process.communicate()
        text = f"{stdout.decode(errors='replace')}\n{stderr.decode(errors='replace')}"
        raise AssertionError(f"killed after {timeout} s: {' '.join(map(str, command))}\n{text}") from None
    return process.returncode, stdout, stderr


def kill_session(process):
    """Kills a process that leads a session, with its group, and reaps it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def trace(command, options=(), *, wrapper=(), timeout=RUN_LIMIT_S, stdin=b"", cwd=None, env=None):
    """Runs `forktrace OPTIONS -f json -o FILE COMMAND` to its end and returns a Run.

    wrapper: words before forktrace, such as ["setarch", "-R"]. stdin: bytes. With `-p PID` among the options, `command`
    is empty.
    """
    with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
        report = pathlib.Path(directory) / "report.jsonl"
        words = [*wrapper, FORKTRACE, *options, "-f", "json", "-o", str(report), *map(str, command)]
        status, stdout, stderr = run_command(words, timeout=timeout, stdin=stdin, cwd=cwd, env=env)
        data = report.read_bytes() if report.exists() else b""
    return Run(words, status, stdout, stderr.decode(errors="replace"), data)


class Program:
    """A program while it runs, with pipes for its standard input and output; a context manager that leaves no process
    behind."""

    def __init__(self, command, *, cwd=None, env=None):
        self.command = list(map(str, command))
        self.output_text = b""  # standard output that was not taken by read_line
        self.error_text = b""
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, cwd=cwd, env=env or environment(),
                                        start_new_session=True, preexec_fn=die_with_tests)
        self.pid = self.process.pid
        self.endless = set()  # sources that may have no end; what they hold after the program's is read then
        self.status = None  # set by finish; negative: killed by that signal
        self.stderr = None  # set by finish; str

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            kill_session(self.process)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    def __str__(self):
        return " ".join(self.command)

    def write(self, data):
        """To the program's standard input."""
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close_input(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def signal(self, number):
        """Sends a signal to this process alone."""
        os.kill(self.pid, number)

    def read_line(self, timeout=EVENT_LIMIT_S):
        """The next line of standard output, as bytes without its end; b"" at the end of file."""
        deadline = deadline_after(timeout)
        while b"\n" not in self.output_text:
            data = read_ready(self.process.stdout.fileno(), deadline, "a line of standard output", self)
            if not data:
                line, self.output_text = self.output_text, b""
                return line
            self.output_text += data
        line, _, self.output_text = self.output_text.partition(b"\n")
        return line

    def sources(self):
        """{descriptor: what to do with its data}; read until all have ended."""
        return {self.process.stdout.fileno(): self.take_output, self.process.stderr.fileno(): self.take_error}

    def take_output(self, data):
        self.output_text += data

    def take_error(self, data):
        self.error_text += data

    def finish(self, timeout=RUN_LIMIT_S):
        """Closes the program's input, reads all that is left and waits for the end; returns the exit status."""
        deadline = deadline_after(timeout)
        self.close_input()
        sources = self.sources()
        ended = os.pidfd_open(self.pid)
        sources[ended] = None
        try:
            while set(sources) - self.endless:
                ready, _, _ = select.select(list(sources), [], [], max(0, deadline - time.monotonic()))
                if not ready:
                    raise AssertionError(f"still running after {timeout} s: {self}")
                for source in ready:
                    data = b"" if source == ended else os.read(source, 65536)
                    if data:
                        sources[source](data)
                    else:
                        del sources[source]
        finally:
            os.close(ended)
        self.status = self.process.wait()
        self.stderr = self.error_text.decode(errors="replace")
        return self.status


class Background(Program, Events):
    """forktrace while it runs; a context manager that leaves no process behind.

    Its report comes through a FIFO: wait_event reads it as it grows. Standard input, output and error are pipes, of
    which input and output are the traced program's too. With `-p PID` among the options, `command` is empty.
    """

    def __init__(self, command, options=(), *, wrapper=(), cwd=None, env=None):
        Events.__init__(self, [])
        self.directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        fifo = os.path.join(self.directory.name, "report.fifo")
        os.mkfifo(fifo)
        self.report = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.report_text = b""
        words = [*wrapper, FORKTRACE, *options, "-f", "json", "-o", fifo, *command]
        Program.__init__(self, words, cwd=cwd, env=env)
        self.endless = {self.report}  # when forktrace fails early, it never opens it

    def __exit__(self, *exception):
        super().__exit__(*exception)
        os.close(self.report)
        self.directory.cleanup()

    def wait_event(self, kind, condition=lambda event: True, timeout=EVENT_LIMIT_S):
        """The first event of this kind for which `condition` holds, past or future."""
        deadline = deadline_after(timeout)
        checked = 0
        while True:
            for event in self.events[checked:]:
                if event["event"] == kind and condition(event):
                    return event
            checked = len(self.events)
            data = read_ready(self.report, deadline, f"an event {kind!r}", self)
            if not data:
                raise AssertionError(f"the report ended without the awaited event {kind!r}: {self.events}")
            self.take_report(data)

    def drain(self):
        """Reads what of the report is there, so that forktrace does not wait for its reader."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.report, 65536):
                self.take_report(data)

    def take_report(self, data):
        *lines, self.report_text = (self.report_text + data).split(b"\n")
        self.events += [json.loads(line) for line in lines]

    def sources(self):
        return {**super().sources(), self.report: self.take_report}

    def finish(self, timeout=RUN_LIMIT_S):
        super().finish(timeout)
        while data := os.read(self.report, 65536):
            self.take_report(data)
        return self.status


def read_ready(source, deadline, what, run):
    """What can be read from `source`, b"" at its end; fails when nothing comes before the deadline."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
        raise AssertionError(f"waited in vain for {what}: {run}; {getattr(run, 'events', '')}")
    return os.read(source, 65536)


# --- what forktrace says of its options -------------------------------------------------------------------------------


def options_of_help():
    """The short and the long ones that --help lists."""
    status, stdout, _ = run_command([FORKTRACE, "--help"])
    assert status == 0
    found = set()
    for line in stdout.decode().splitlines():
        # "  -k, --kernel=SOURCE   Where…" and "      --guest-fetch[=PACKAGE]   Fetch…"
        match = re.match(r"^ {2,6}(-\S), (--[\w-]+)|^ {6}(--[\w-]+)", line)
        if match:
            found |= {word for word in match.groups() if word}
    return found


# Options whose values are words of a list that forktrace names when it gets another.
WORD_OPTIONS = ("--kernel", "--follow", "--unwinder", "--format", "--color")


def allowed_words(option):
    """What forktrace says that it allows."""
    _, _, stderr = run_command([FORKTRACE, f"{option}=?", "true"])
    return set(re.search(r"allowed: (.*)", stderr.decode()).group(1).split(", "))


def need_freed_memory():
    """For tests that measure memory: skips them where freed memory is not used again."""
    if b"__asan_init" in pathlib.Path(FORKTRACE).read_bytes():
        raise unittest.SkipTest("the address sanitizer keeps freed memory back")


# --- processes --------------------------------------------------------------------------------------------------------


def process_state(pid):
    """The letter of /proc/PID/stat ("R", "S", "t", "T", "Z", …), or None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()[0]


def tracer_of(pid):
    """The process that traces `pid`; 0: none; None: there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(re.search(r"^TracerPid:\s*(\d+)$", text, re.MULTILINE).group(1))


def wait_until(condition, what, timeout=EVENT_LIMIT_S):
    """Waits for something that no descriptor tells: asks again until it holds, giving way to others in between."""
    deadline = deadline_after(timeout)
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        select.select([], [], [], 0.005)
