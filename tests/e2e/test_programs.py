"""Real programs: as many fork records as the kernel counts, and nothing else changed."""

import pathlib
import re
import shutil
import tempfile
import unittest

import support

PYTHON = "/usr/bin/python3"
SHELL_COMMAND = f"""ls | wc -l; (sleep 0.1 &) ; {PYTHON} -c 'import subprocess; subprocess.run(["true"])'"""

C_PROGRAM = "#include <stdio.h>\nint main(void) { return puts(\"made\") < 0; }\n"

MAKEFILE = """all: one two three
one two three: %: %.c
\tgcc -o $@ $<
\t./$@ | cat
"""


def perf():
    """The path of a perf that runs, or None: Debian's is a script that asks for the running kernel's version."""
    path = shutil.which("perf")
    if path is None:
        return None
    status, _, _ = support.run_command([path, "--version"])
    return path if status == 0 else None


class Programs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def count_by_kernel(self, command):
        """How many tasks the kernel counts for the command, threads included, run without forktrace."""
        if not support.is_root():
            self.skipTest("perf's tracepoints need root")
        if perf() is None:
            self.skipTest("perf is not installed (Debian: linux-perf)")
        counts = self.directory.parent / f"{self.directory.name}.counts"
        self.addCleanup(counts.unlink, missing_ok=True)
        words = [perf(), "stat", "-x", ";", "-e", "sched:sched_process_fork", "-o", str(counts), "--", *command]
        status, stdout, stderr = support.run_command(words, cwd=self.directory)
        match = re.search(r"^(\d+);[^;]*;sched:sched_process_fork", counts.read_text(), re.MULTILINE)
        if match is None:
            self.skipTest(f"perf cannot count forks here: {stderr.decode().strip() or counts.read_text().strip()}")
        return int(match.group(1)), status, stdout

    def check(self, command, reset=lambda: None, normal=lambda output: output):
        """`reset` undoes what a run left; `normal` takes out of the output what differs between any two runs."""
        counted, status, stdout = self.count_by_kernel(command)
        reset()
        run = support.trace(command, ["--threads"], cwd=self.directory)
        self.assertEqual(run.of("error"), [])
        self.assertEqual(run.status, status, run)
        self.assertEqual(normal(run.stdout), normal(stdout))
        self.assertEqual(run.stderr, "")
        records = run.forks()
        self.assertEqual(len(records), counted, f"{counted} forks in the kernel, {len(records)} records")
        self.assertEqual(len({record["child"]["tid"] for record in records}), counted)
        end = run.end
        self.assertEqual(end["forks"] + end["vforks"] + end["clones"] + end["threads"], counted)
        self.assertEqual(end["lost_samples"], 0)
        for record in records:
            for side in "parent", "child":
                self.assertTrue(record[side]["frames"], record)
                self.assertTrue(record[side]["ret"] is not None or record[side]["ret_reason"], record)
        return run

    def test_shell(self):
        run = self.check(["sh", "-c", SHELL_COMMAND])
        self.assertGreaterEqual(len(run.forks()), 5)

    def test_make(self):
        for name in "one", "two", "three":
            (self.directory / f"{name}.c").write_text(C_PROGRAM)
        (self.directory / "Makefile").write_text(MAKEFILE)

        def reset():
            for name in "one", "two", "three":
                (self.directory / name).unlink()

        self.check(["make", "-j2"], reset, normal=lambda output: sorted(output.splitlines()))
        self.assertTrue((self.directory / "three").exists())

    def test_compiler(self):
        (self.directory / "x.c").write_text(C_PROGRAM)
        program = self.directory / "a.out"
        self.check(["gcc", "x.c"], reset=program.unlink)
        self.assertEqual(support.run_command([str(program)])[1], b"made\n")

    def test_failing_command(self):
        """The exit status is the program's."""
        self.check(["sh", "-c", "true & wait; sh -c 'exit 3'"])

    def test_storm(self):
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                command = [support.target(abi, "test_storm"), "200"]
                run = self.check(command, normal=lambda output: len(output.splitlines()))
                self.assertEqual(len(run.forks()), 200)

    def test_threads(self):
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                self.check([support.target(abi, "test_threads")], normal=lambda output: len(output.splitlines()))
