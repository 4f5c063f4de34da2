"""--from: reports from saved records, without running anything."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

import live_support
import support

PROGRAMS = ("test_fork", "test_vfork", "test_clone", "test_clone3", "test_spawn", "test_exec", "test_threads",
            "test_nested", "test_fail", "test_signal", "test_namespace", "test_untraced", "test_ptrace", "test_dlopen",
            "test_deep", "test_int80")


class From(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.saved = self.directory / "r.jsonl"

    def replay(self, *words, **arguments):
        """(status, stdout in bytes, stderr as text) of forktrace --from with a file that `words` begin with."""
        status, stdout, stderr = support.run_command([support.FORKTRACE, f"--from={words[0]}", *words[1:]],
                                                     **arguments)
        return status, stdout, stderr.decode(errors="replace")

    def save(self, data):
        self.saved.write_bytes(data)
        return data

    def check_same(self, run):
        self.save(run.report)
        self.assertEqual(self.replay(self.saved, "-f", "json"), (0, run.report, ""))

    def record(self):
        return support.trace([support.target("x86_64", "test_fork")], ["-k", "none"]).report


class Same(From):
    """What was written comes back, byte for byte."""

    def test_programs(self):
        for abi in support.runnable_abis():
            for name in PROGRAMS:
                if abi == "x86_64" and name == "test_int80" and not support.has_int80():
                    continue
                with self.subTest(name=name, abi=abi):
                    self.check_same(support.trace([support.target(abi, name)], ["--threads"]))

    def test_let_go_and_cut(self):
        for options in ["--follow=first"], ["--follow=none"], ["--max-frames=2"], ["--unwinder=frame-pointer"]:
            with self.subTest(options=options):
                self.check_same(support.trace([support.target("x86_64", "test_nested")], options))

    def test_guest(self):
        run = support.trace([support.built_target("i386", "test_fork")], support.guest_options(),
                            env=support.guest_environment())
        self.assertTrue(run.forks()[0]["kernel"]["walk"])
        self.check_same(run)
        text = self.replay(self.saved)[1].decode()
        self.assertIn("step by step, in the order seen", text)

    def test_attached(self):
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            with support.Background([], ["-p", str(program.pid)]) as run:
                run.wait_event("attach")
                program.write(b"x")
                run.wait_event("fork")
                run.signal(signal.SIGTERM)
                self.assertEqual(run.finish(), 0, run.stderr)
                data = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in run.events).encode()
            self.save(data)
            self.assertEqual(self.replay(self.saved, "-f", "json"), (0, data, ""))

    def test_text(self):
        """One run, whose forks are reported twice: as JSON, and, for what is expected does not hold, as text. The text of
        the saved record is the same, byte for byte."""
        for name in ("test_fork", "test_vfork", "test_nested", "test_fail", "test_clone3", "test_deep"):
            with self.subTest(name=name):
                command = ["-e", "false", "-f", "json", "-o", str(self.saved), support.target("x86_64", name)]
                status, _, told = support.run_command([support.FORKTRACE, *command])
                self.assertEqual(status, 1)
                self.assertIn(b"main", told)
                self.assertEqual(self.replay(self.saved, "-e", "false"), (1, b"", told.decode()))

    def test_standard_input(self):
        data = self.record()
        self.assertEqual(self.replay("-", "-f", "json", stdin=data), (0, data, ""))

    def test_pipe_of_two(self):
        """One forktrace reads what another one writes, while it does."""
        script = '"$1" -f json -o /dev/fd/3 "$2" 3>&1 >/dev/null | "$1" --from=- -q'
        status, stdout, stderr = support.run_command(
            ["sh", "-c", script, "sh", support.FORKTRACE, support.target("x86_64", "test_storm")])
        self.assertEqual((status, stderr), (0, b""))
        self.assertIn(b"200 forks, 0 failed", stdout)

    def test_expectations(self):
        """A saved record can be held against what is expected, as a run can."""
        self.save(self.record())
        self.assertEqual(self.replay(self.saved, "-e", "child.ret == 0"),
                         (0, b"", "forktrace: all held: 1 expectation, 1 fork\n"))
        status, stdout, stderr = self.replay(self.saved, "-e", "child.ret == 1")
        self.assertEqual((status, stdout), (1, b""))
        self.assertIn("not held in fork 1: child.ret == 1", stderr)

    def test_nothing_runs(self):
        mark = self.directory / "mark"
        run = support.trace(live_support.echo_to(mark), ["-k", "none"])
        mark.unlink()
        self.check_same(run)
        self.assertFalse(mark.exists())

    def test_bytes_that_are_no_text(self):
        self.check_same(support.trace([support.target("x86_64", "test_loop"), "\udcff\udcfe\x1b[31m"]))


class Damaged(From):
    """What can be read is shown; what cannot is told in one sentence, and by the exit status."""

    def check_told(self, data, *words, options=("-f", "json")):
        self.save(data)
        status, stdout, stderr = self.replay(self.saved, *options)
        self.assertEqual(status, 125, stderr)
        live_support.check_sentence(self, stderr, str(self.saved), *words)
        return stdout

    def test_cut_off(self):
        data = self.record()
        *whole, last = data.splitlines(keepends=True)
        stdout = self.check_told(data[:-len(last) // 2], f"line {len(whole) + 1}", "cut off")
        self.assertEqual(stdout, b"".join(whole))
        text = self.check_told(b"".join(whole), "not the end of a run", options=[]).decode()
        self.assertIn("fork 1  test_fork", text)
        self.assertRegex(text, r"(?m)^└─ test_fork \d+  exited 7$")
        self.assertNotIn("0 failed", text)

    def test_cut_off_in_a_killed_run(self):
        with support.Background([support.target("x86_64", "test_loop")], ["-k", "none"]) as run:
            self.assertEqual(run.read_line(), b"ready")
            run.write(b"x")
            run.wait_event("fork")
            os.kill(run.pid, signal.SIGKILL)
            run.process.wait()
        data = "".join(json.dumps(event) + "\n" for event in run.events).encode()
        text = self.check_told(data, "not the end of a run", options=[]).decode()
        self.assertRegex(text, r"(?m)^test_loop \d+  runs on$")

    def test_lines_amid(self):
        lines = self.record().splitlines(keepends=True)
        fork = next(line for line in lines if b'"event":"fork"' in line)
        wrong = fork.replace(b'"pid":', b'"pid":"me","was":', 1)
        stdout = self.check_told(b"".join([lines[0], wrong, b"garbage\n", *lines[1:]]),
                                 f"2 of {len(lines) + 2} lines", "line 2: parent.pid is a string, not an integer")
        self.assertEqual(stdout, b"".join(lines))

    def test_newer_version(self):
        lines = [json.loads(line) for line in self.record().splitlines()]
        for event in lines:
            event["novelty"] = {"of": ["a", "newer", "version"]}
        dump = lambda: "".join(json.dumps(event) + "\n" for event in lines).encode()
        self.save(dump())
        self.assertEqual(self.replay(self.saved, "-f", "json"), (0, self.record_without_novelty(lines), ""))
        lines[0]["schema"] = 2
        lines.insert(1, {"event": "migrate", "seq": 9, "time_ns": 9})
        self.check_told(dump(), "schema 2", "line 2", "'migrate'")

    def test_words_of_a_newer_version(self):
        """A frame's method, the way into the kernel, a stage: the rest of the record is shown."""
        lines = [json.loads(line) for line in self.record().splitlines()]
        (fork,) = [event for event in lines if event["event"] == "fork"]
        for frame in fork["parent"]["frames"]:
            frame["method"] = "orc"
        fork["entry"] = "fred"
        fork["kernel"]["walk"] = [{"stage": "teleport", "process": "parent", "address": None}]
        self.save("".join(json.dumps(event) + "\n" for event in lines).encode())
        number = 1 + lines.index(fork)
        status, told, stderr = self.replay(self.saved, "-f", "json")
        self.assertEqual(status, 125)
        live_support.check_sentence(self, stderr, f"line {number}: entry is 'fred', which this version does not know")
        (read,) = [event for event in map(json.loads, told.splitlines()) if event["event"] == "fork"]
        self.assertEqual({frame["method"] for frame in read["parent"]["frames"]}, {"unknown"})
        self.assertEqual((read["entry"], read["kernel"].get("walk")), ("unknown", None))
        self.assertEqual([frame["symbol"] for frame in read["parent"]["frames"]],
                         [frame["symbol"] for frame in fork["parent"]["frames"]])
        self.assertIn("values could not be taken over", stderr)

    @staticmethod
    def record_without_novelty(lines):
        plain = [{key: value for key, value in event.items() if key != "novelty"} for event in lines]
        return "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in plain).encode()

    def test_untrusted(self):
        """A file's words do not reach the terminal as they are."""
        self.check_told(b'{"event":"\\u001b[31m","seq":1,"time_ns":0}\n', r"\x1b[31m")
        self.check_told("\u202e\x1b[2J\n".encode(), "line 1", "not JSON")

    def test_empty(self):
        for data in b"", b"\n \n":
            self.assertEqual(self.check_told(data, "no events"), b"")

    def test_deep(self):
        self.check_told(b"[" * 1000000 + b"\n", "line 1", "not JSON")

    def test_no_file(self):
        for path, words in ((self.directory / "none", ["No such file"]), (self.directory, ["directory"])):
            status, stdout, stderr = self.replay(path)
            self.assertEqual((status, stdout), (125, b""))
            live_support.check_sentence(self, stderr, str(path), *words)

    def test_same_file(self):
        data = self.save(self.record())
        os.symlink("r.jsonl", self.directory / "link")
        status, _, stderr = self.replay(self.saved, "-o", self.directory / "link")
        self.assertEqual(status, 125)
        live_support.check_sentence(self, stderr, "same file")
        self.assertEqual(self.saved.read_bytes(), data)

    def test_output_fails(self):
        self.save(self.record())
        status, _, stderr = self.replay(self.saved, "-o", "/dev/full")
        self.assertEqual(status, 125)
        live_support.check_sentence(self, stderr, "/dev/full", "No space left")

    def test_nobody_reads(self):
        """An endless record ends with its reader."""
        self.save(self.record() * 5000)
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as pipe:
            run = subprocess.run([support.FORKTRACE, f"--from={self.saved}"], stdout=pipe, stderr=subprocess.PIPE,
                                 timeout=support.RUN_LIMIT_S)
        self.assertEqual(run.returncode, 125)
        live_support.check_sentence(self, run.stderr.decode(), "standard output", "Broken pipe")
