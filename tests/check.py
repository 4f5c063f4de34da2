#!/usr/bin/python3
"""Runs the tests: the cmocka programs of BIN/unit and the unittest classes of tests/e2e/test_*.py.

One line a test; the details of those that fail; a last line `N passed, N failed, N skipped`. Exit status 1 when
anything failed or nothing ran. A unit program and a class of end-to-end tests are jobs that run side by side; a class
runs in a process of its own (this file with --worker), so that a test that crashes or hangs costs only itself.

What this machine lacks the kernel or the processor for is run in an emulated one (tests/vm/left.py): --vm says how much.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import importlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
E2E = ROOT / "tests" / "e2e"
sys.path.insert(0, str(ROOT / "tests" / "vm"))

import left  # noqa: E402 (needs the path)

PATIENCE = int(os.environ.get("FORKTRACE_TEST_PATIENCE", 1))  # as in tests/e2e/support.py
TIME_LIMIT_S = 60  # of one end-to-end test and of one unit program; support.time_limit declares another one
GRACE_S = 15 * PATIENCE  # what a test that was interrupted has to clean up, before its process is killed
DETAILS_MAX = 20000  # characters shown of a failing test


# --- results ----------------------------------------------------------------------------------------------------------


class Results:
    """Counts and prints; used by several threads."""

    MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}

    def __init__(self):
        self.counts = dict.fromkeys(self.MARKS, 0)
        self.failures = []
        self.narrowed = {}  # tests that ran for one ABI alone: why
        self.left = {}  # tests that this machine cannot run: why
        self.keep_left = False  # they wait for another machine; else they are skipped
        self.lock = threading.Lock()

    def add(self, name, outcome, details="", seconds=None, narrowed=None):
        with self.lock:
            if narrowed and outcome != "skipped":
                self.narrowed[name] = narrowed
            if self.keep_left and outcome == "skipped" and left.is_left(details):
                self.left[name] = details
                return
            self.counts[outcome] += 1
            line = f"{self.MARKS[outcome]} {name}"
            if seconds is not None and seconds >= 0.1:
                line += f" ({seconds:.1f} s)"
            if outcome == "skipped":
                line += f" # {details}"
            if outcome == "failed":
                self.failures.append(name)
                line += "\n" + indent(shorten(details))
            print(line, flush=True)

    def finish(self):
        """Prints the end; returns the exit status."""
        if len(self.failures) > 1:
            print("failed:")
            for name in self.failures:
                print(f"  {name}")
        for reason, number in collections.Counter(self.narrowed.values()).items():
            print(f"note: {reason}: {number} {'tests' if number != 1 else 'test'} ran for x86_64 alone")
        print(", ".join(f"{number} {word}" for word, number in self.counts.items()), flush=True)
        return 1 if self.counts["failed"] or not sum(self.counts.values()) else 0


class Messages:
    """Instead of Results: each result as a JSON line, for the check.py of another machine; of the tests `wanted` and
    those that fail."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.failures = []

    def add(self, name, outcome, details="", seconds=None, narrowed=None):
        if name in self.wanted or outcome == "failed":
            fields = {"name": name, "outcome": outcome, "details": details, "seconds": seconds, "narrowed": narrowed}
            sys.stdout.write(json.dumps(fields) + "\n")
            sys.stdout.flush()

    def finish(self):
        return 0


def shorten(text):
    if len(text) <= DETAILS_MAX:
        return text
    half = DETAILS_MAX // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def indent(text):
    return "\n".join(f"     {line}" for line in text.rstrip("\n").split("\n"))


def status_text(status):
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def kill_group(process, number=signal.SIGKILL, timeout=None):
    """Ends a process that was started in a session of its own, with all that is in its group."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
    process.wait(timeout)


class Running:
    """The processes that run tests at present, for Ctrl-C: it does not reach sessions of their own."""

    def __init__(self):
        self.processes = set()
        self.interrupted = False

    def start(self, *arguments, **options):
        if self.interrupted:
            raise KeyboardInterrupt
        process = subprocess.Popen(*arguments, **options, stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
        self.processes.add(process)
        return process

    def end(self, process):
        self.processes.discard(process)

    def interrupt(self):
        """Lets tests clean up, but not for long."""
        self.interrupted = True
        for process in list(self.processes):
            try:
                kill_group(process, signal.SIGINT, GRACE_S)
            except subprocess.TimeoutExpired:
                kill_group(process)


RUNNING = Running()


# --- unit programs ----------------------------------------------------------------------------------------------------

TAP_LINE = re.compile(r"^(not )?ok\s+\d+\s*(?:-\s*)?(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)")
TAP_SKIP = re.compile(r"#\s*skip\b\s*(.*)$", re.IGNORECASE)
SKIP_REASON = re.compile(r"^# skip: (.*)$")  # tests/unit/skipping.h


def unit_outcomes(name, output, errors, status):
    """Yields (test, outcome, details) for the TAP output of a cmocka program."""
    planned = told = failed = 0
    reason = None
    lines = output.splitlines()
    for index, line in enumerate(lines):
        plan = TAP_PLAN.match(line)
        planned += int(plan.group(1)) if plan else 0
        if match := SKIP_REASON.match(line):
            reason = match.group(1)
        match = TAP_LINE.match(line)
        if not match:
            continue
        told += 1
        skip = TAP_SKIP.match(match.group(2))
        test = f"{name}.{(skip.group(1) if skip else match.group(2)) or told}"
        if skip:  # cmocka 1.1.5 gives the name there, and knows no reason: the test printed it
            yield test, "skipped", reason or "the test printed no reason"
            reason = None
        elif match.group(1):
            failed += 1
            notes = []
            printed, errors = errors, ""  # shown once
            for note in lines[index + 1:]:
                if TAP_LINE.match(note):
                    break
                notes.append(note)
            yield test, "failed", "\n".join(notes) + "\n" + printed
        else:
            yield test, "passed", ""
    if told == 0 or planned != told:
        yield name, "failed", f"{planned} tests were planned, {told} told their end; {status}\n{output}{errors}"
    elif status != "exit status 0" and failed == 0:
        yield name, "failed", f"{status}, though no test failed\n{output}{errors}"


def run_unit(program, results, only=None):
    """only: the test that is wanted, by its name; a program that takes long then runs no other."""
    name = f"unit.{program.name}"
    if not program.exists():
        results.add(name, "failed", f"{program} was not built")
        return
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    if only:
        environment["FORKTRACE_TEST_FILTER"] = only
    process = RUNNING.start([program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        output, errors = process.communicate(timeout=TIME_LIMIT_S * PATIENCE)
        status = status_text(process.returncode)
    except subprocess.TimeoutExpired:
        kill_group(process)
        output, errors = process.communicate()
        status = f"killed after {TIME_LIMIT_S * PATIENCE} s"
    RUNNING.end(process)
    for outcome in unit_outcomes(name, output.decode(errors="replace"), errors.decode(errors="replace"), status):
        results.add(*outcome)


# --- end-to-end classes: the worker -----------------------------------------------------------------------------------


class TimeUp(Exception):
    """A test took longer than it may."""


class WorkerResult(unittest.TestResult):
    """Tells each test's beginning and end as a JSON line on `channel`. `support` is tests/e2e/support.py."""

    def __init__(self, channel, support):
        super().__init__()
        self.channel = channel
        self.support = support
        self.details = []
        self.skip = None
        self.began = 0

    def tell(self, **message):
        self.channel.write(json.dumps(message) + "\n")
        self.channel.flush()

    def startTest(self, test):
        super().startTest(test)
        self.details, self.skip, self.began, self.failfast = [], None, time.monotonic(), False
        self.support.narrowed = None
        limit = getattr(getattr(test, test._testMethodName), "time_limit_s", TIME_LIMIT_S) * PATIENCE
        self.tell(begin=test.id(), limit=limit)
        signal.alarm(limit)

    def time_is_up(self, number, frame):
        """On SIGALRM: ends the test where it stands. subTest would take that for the end of one part."""
        self.failfast = True
        raise TimeUp("the time limit of this test is over")

    def stopTest(self, test):
        signal.alarm(0)
        outcome = "failed" if self.details else "skipped" if self.skip is not None else "passed"
        details = self.skip if outcome == "skipped" else "\n".join(self.details)
        self.tell(end=test.id(), outcome=outcome, details=details, seconds=time.monotonic() - self.began,
                  narrowed=self.support.narrowed)
        super().stopTest(test)

    def fail_with(self, test, error):
        """`test` may stand for a class whose set-up failed: then no test was begun."""
        text = self._exc_info_to_string(error, test) if hasattr(test, "_testMethodName") else \
            "".join(traceback.format_exception(*error))
        if hasattr(test, "_testMethodName"):
            self.details.append(text)
        else:
            self.tell(end=str(test), outcome="failed", details=text, seconds=0)

    def addError(self, test, error):
        self.fail_with(test, error)

    addFailure = addError

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.details.append(f"{subtest._subDescription()}:\n" + self._exc_info_to_string(error, test))

    def addSkip(self, test, reason):
        if hasattr(test, "_testMethodName"):
            self.skip = reason
        else:
            self.tell(end=str(test), outcome="skipped", details=reason, seconds=0)

    def addUnexpectedSuccess(self, test):
        self.details.append("succeeded, against the expectation")


def worker(job, names, channel_fd):
    """Runs the tests `names` of the class `job` ("module.Class") in this process."""
    sys.path.insert(0, str(E2E))
    module, class_name = job.split(".")
    test_class = getattr(importlib.import_module(module), class_name)
    suite = unittest.TestSuite(test_class(name) for name in names)
    with os.fdopen(channel_fd, "w", encoding="utf-8") as channel:
        result = WorkerResult(channel, importlib.import_module("support"))
        signal.signal(signal.SIGALRM, result.time_is_up)
        suite.run(result)
    return 0


# --- end-to-end classes: the side that watches ------------------------------------------------------------------------


class WorkerRun:
    """One process that runs tests of a class."""

    def __init__(self, job, names):
        self.job = job
        self.output = tempfile.TemporaryFile()
        self.channel, write_end = os.pipe()
        command = [sys.executable, __file__, "--worker", job, "--channel", str(write_end), *names]
        self.process = RUNNING.start(command, stdout=self.output, stderr=self.output, pass_fds=[write_end])
        os.close(write_end)
        self.pending = b""
        self.shown = 0  # bytes of the output

    def messages(self):
        """Yields the worker's messages; ends when it is gone or silent for longer than the test in work may be."""
        limit = TIME_LIMIT_S * PATIENCE
        while True:
            ready, _, _ = select.select([self.channel], [], [], limit + GRACE_S)
            data = os.read(self.channel, 65536) if ready else b""
            if not data:
                return
            *lines, self.pending = (self.pending + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                limit = message.get("limit", limit)
                yield message

    def close(self):
        """Ends the process and returns how it ended."""
        try:
            self.process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        hung = self.process.poll() is None
        kill_group(self.process)
        RUNNING.end(self.process)
        os.close(self.channel)
        return "did not end within its time limit and was killed" if hung else status_text(self.process.returncode)

    def printed(self):
        """What the tests wrote since the last call."""
        size = os.fstat(self.output.fileno()).st_size
        data = os.pread(self.output.fileno(), size - self.shown, self.shown)
        self.shown = size
        return data.decode(errors="replace")


def run_class(job, names, results):
    left = list(names)
    while left:
        run = WorkerRun(job, left)
        current = None
        for message in run.messages():
            if "begin" in message:
                current = message["begin"]
                continue
            current = None
            details = message["details"]
            printed = run.printed()
            if message["outcome"] == "failed" and printed:
                details += "\noutput:\n" + printed
            results.add(message["end"], message["outcome"], details, message["seconds"], message.get("narrowed"))
            name = message["end"].rsplit(".", 1)[-1]
            left = left[left.index(name) + 1:] if name in left else []
        status = run.close()
        if current is None:
            if left or status != "exit status 0":
                results.add(job, "failed", f"the process that runs the tests: {status}\n" + run.printed())
            return
        results.add(current, "failed", f"the process that runs the tests: {status}\n" + run.printed())
        name = current.rsplit(".", 1)[-1]
        left = left[left.index(name) + 1:]


def find_classes(results):
    """Returns {"module.Class": [test method, ...]}; a module that cannot be imported is a failure."""
    sys.path.insert(0, str(E2E))
    classes = {}
    for path in sorted(E2E.glob("test_*.py")):
        try:
            module = importlib.import_module(path.stem)
        except Exception:
            results.add(path.stem, "failed", traceback.format_exc())
            continue
        for class_name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == path.stem:
                names = unittest.defaultTestLoader.getTestCaseNames(value)
                if names:
                    classes[f"{path.stem}.{class_name}"] = names
    return classes


# --- the command ------------------------------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs the unit and end-to-end tests.")
    parser.add_argument("--bin", default="build/bin", help="where forktrace and unit/ are (default: %(default)s)")
    parser.add_argument("--build", default="build", help="the build directory (default: %(default)s)")
    parser.add_argument("-k", dest="pattern", default="", help="only tests whose name contains PATTERN")
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="jobs side by side (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="list the tests and end")
    parser.add_argument("--vm", choices=left.EXTENTS, default="none",
                        help="what of the tests that this machine cannot run is run in an emulated one: none, the core, "
                        "all; only: all that the last run left, and nothing here (default: %(default)s)")
    parser.add_argument("--names", help=argparse.SUPPRESS)  # a file: the tests to run, whose results go out as messages
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--channel", type=int, help=argparse.SUPPRESS)
    parser.add_argument("tests", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def set_environment(arguments):
    """What the tests find in it; returns where the programs are."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    binaries = (ROOT / arguments.bin).resolve()
    os.environ.setdefault("FORKTRACE", str(binaries / "forktrace"))
    os.environ.setdefault("FORKTRACE_BUILD", str((ROOT / arguments.build).resolve()))
    kernel = ROOT / arguments.build / "cache/forktrace/guest/vmlinuz"  # the PAE one has its name and -pae
    if kernel.exists():
        os.environ.setdefault("FORKTRACE_GUEST_KERNEL", str(kernel))
    others = (ROOT / arguments.build / "cache/kernels").glob("*/forktrace/guest/vmlinuz*")
    os.environ.setdefault("FORKTRACE_OTHER_KERNELS", ":".join(str(path) for path in others if path.is_symlink()))
    return binaries


def choose_units(binaries, pattern, wanted):
    """[(program, the one test that is wanted or None)]; wanted is None: all programs."""
    units = [binaries / "unit" / path.stem for path in sorted((ROOT / "tests" / "unit").glob("*_test.c"))]
    if wanted is None:
        return [(path, None) for path in units if pattern in f"unit.{path.name}"]
    chosen = []
    for path in units:
        tests = [name.rsplit(".", 1)[1] for name in wanted if name.startswith(f"unit.{path.name}.")]
        if tests:
            chosen.append((path, tests[0] if len(tests) == 1 else None))
    return chosen


def choose_classes(results, pattern, wanted):
    """[("module.Class", [test method, ...])]; those wanted for another machine in small parts, which keep it busy."""
    chosen = []
    for job, names in find_classes(results).items():
        names = [name for name in names if pattern in f"{job}.{name}" and (wanted is None or f"{job}.{name}" in wanted)]
        size = len(names) if wanted is None else left.PART
        chosen += [(job, names[at:at + size]) for at in range(0, len(names), max(1, size))]
    return chosen


def list_tests(units, classes, results):
    for path, _ in units:
        print(f"unit.{path.name}")
    for job, names in classes:
        for name in names:
            print(f"{job}.{name}")
    return results.finish() if results.failures else 0


@contextlib.contextmanager
def temporary_files():
    """A directory of their own for all tests: programs that are killed in the middle leave files there."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="forktrace-check.", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o1777)  # as /tmp: some tests are another user's
        os.environ["TMPDIR"] = directory
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


@temporary_files()
def run_jobs(units, classes, results, jobs):
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        futures = [pool.submit(run_unit, path, results, only) for path, only in units]
        futures += [pool.submit(run_class, job, names, results) for job, names in classes]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            RUNNING.interrupt()
            print("interrupted", flush=True)
            shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
            os._exit(130)


def main():
    arguments = parse_arguments()
    if arguments.worker:
        return worker(arguments.worker, arguments.tests, arguments.channel)
    if arguments.tests:
        sys.exit("check.py: it takes no arguments but options: name tests with -k")
    # A shell without job control starts what runs in the background with SIGINT ignored: programs under test inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    binaries = set_environment(arguments)
    wanted = None if arguments.names is None else set(json.loads(pathlib.Path(arguments.names).read_text()))
    results = Results() if wanted is None else Messages(wanted)
    visit = left.Visit(results, arguments)
    if not visit.known():
        units = choose_units(binaries, arguments.pattern, wanted)
        classes = choose_classes(results, arguments.pattern, wanted)
        if arguments.list:
            return list_tests(units, classes, results)
        run_jobs(units, classes, results, arguments.jobs)
    visit.run()
    return results.finish()


if __name__ == "__main__":
    sys.exit(main())
