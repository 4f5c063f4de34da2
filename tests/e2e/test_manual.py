"""The manual pages: they tell of every option, every member of a record and every word that one can hold, and of every
exit status; and the commands of their examples run, and do what is said of them."""

import functools
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import manual
import support

SCHEMA = json.loads((support.ROOT / "ui" / "report" / "record.schema.json").read_text())

# The section of forktrace-records(5) for each kind of event has its name; those of all, and of parts, are called:
EVERY, WHO, SIDE, FRAME, STEP = "Every event", "Whom it is about", "A side of a fork", "A frame", "The walk"

# Members that are told of at "fork", and that fork-failed has too.
SHARED = {"syscall", "syscall_nr", "abi", "entry", "entry_certain", "flags", "exit_signal", "child_stack", "thread",
          "restarts", "delay_ns"}


def resolve(definition):
    """A definition of the schema without the reference that it may be."""
    return SCHEMA["$defs"][definition["$ref"].rpartition("/")[2]] if "$ref" in definition else definition


@functools.cache
def told(heading):
    """{member: what is said of it} of a section of forktrace-records(5)."""
    found = {}
    for item in manual.items(manual.sections("forktrace-records.5")[heading]):
        for name in item.tag.split(", "):
            assert name not in found, f"{heading}: {name} is told of twice"
            found[name] = item.text
    return found


class Records(unittest.TestCase):
    """forktrace-records(5) against the schema, which real output is held against in test_schema.py."""

    def events(self):
        names = SCHEMA["properties"]["event"]["enum"]
        return {name: SCHEMA["$defs"][name]["properties"] for name in names}

    def test_every_event(self):
        for name, members in self.events().items():
            self.assertLessEqual(set(told(EVERY)), set(members), name)

    def test_members(self):
        for name, members in self.events().items():
            with self.subTest(event=name):
                expected = set(members) - set(told(EVERY))
                if "pid" in members:
                    self.assertLessEqual(set(told(WHO)), expected)
                    expected -= set(told(WHO))
                if name == "fork-failed":
                    self.assertLessEqual(SHARED, expected)
                    self.assertLessEqual(SHARED, set(told("fork")))
                    expected -= SHARED
                kernel = resolve(members.get("kernel", {})).get("properties", {})
                expected |= {f"kernel.{member}" for member in kernel}
                self.assertEqual(set(told(name)), expected)

    def test_parts(self):
        events = self.events()
        side = set(told(WHO)) | set(told(SIDE))
        for whose in "parent", "child":
            self.assertEqual(set(resolve(events["fork"][whose])["properties"]), side)
        self.assertLessEqual(set(resolve(events["fork-failed"]["parent"])["properties"]), side)
        self.assertEqual(set(SCHEMA["$defs"]["frame"]["properties"]), set(told(FRAME)))
        self.assertEqual(set(SCHEMA["$defs"]["step"]["properties"]), set(told(STEP)))

    def words(self, heading, members, prefix=""):
        """(member, its words, what is said of it) where the schema lists the words that it can hold."""
        for name, definition in members.items():
            definition = resolve(definition)
            if "enum" in definition:
                text = told(heading).get(prefix + name) or told("fork").get(prefix + name) or told(EVERY)[name]
                yield name, [word for word in definition["enum"] if word is not None], text
            if name == "kernel":
                yield from self.words(heading, definition["properties"], "kernel.")

    def test_words(self):
        """Each word that a member can hold stands where the member is told of."""
        parts = dict(self.events())
        parts[FRAME] = SCHEMA["$defs"]["frame"]["properties"]
        parts[STEP] = SCHEMA["$defs"]["step"]["properties"]
        parts[SIDE] = {name: definition for name, definition in resolve(parts["fork"]["child"])["properties"].items()
                       if name in told(SIDE)}
        checked = 0
        for heading, members in parts.items():
            for name, words, text in self.words(heading, members):
                for word in words:
                    checked += 1
                    self.assertRegex(text, rf"(?<![\w-]){re.escape(word)}(?![\w-])", f"{heading}: {name}")
        self.assertGreater(checked, 60)

    def test_event_names(self):
        for name in self.events():
            self.assertRegex(told(EVERY)["event"], rf"(?<![\w-]){name}(?![\w-])")


class Options(unittest.TestCase):
    def test_options(self):
        self.assertEqual(manual.options(), support.options_of_help())

    def test_values(self):
        """Where forktrace names the words that it allows, the page does."""
        explained = {}
        for lines in manual.between("forktrace.1", "OPTIONS", "THE TEXT REPORT").values():
            for item in manual.items(lines):
                for option in re.findall(r"--[\w-]+", item.tag):
                    explained[option] = item.text
        for option in support.WORD_OPTIONS:
            for word in support.allowed_words(option):
                self.assertRegex(explained[option], rf"(?<![\w-]){word}(?![\w-])", option)

    def test_exit_status(self):
        tags = " ".join(item.tag for item in manual.items(manual.sections("forktrace.1")["EXIT STATUS"]))
        _, stdout, _ = support.run_command([support.FORKTRACE, "--help"])
        last = stdout.decode().strip().split("\n\n")[-1]
        numbers = [number for number in re.findall(r"\b\d{1,3}\b", last) if number != "128"]
        self.assertIn("125", numbers)
        for number in numbers:
            self.assertRegex(tags, rf"\b{number}\b")

    def test_pages_are_well_formed(self):
        if not shutil.which("man"):
            self.skipTest("man is not installed")
        for path in manual.PAGES.values():
            status, stdout, stderr = support.run_command(["man", "--warnings", "-l", str(path)],
                                                         env=support.environment(MANPAGER="cat", MANWIDTH="80"))
            self.assertEqual((status, stderr), (0, b""))
            self.assertGreater(len(stdout), 2000)


MAKEFILE = "all: " + " ".join(f"part{number}" for number in range(12)) + "\npart%: ; @sh -c 'exit 0'; true\n"


class Examples(unittest.TestCase):
    """In a directory with the programs that the examples name."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        binaries = self.directory / "bin"
        binaries.mkdir()
        (binaries / "forktrace").symlink_to(pathlib.Path(support.FORKTRACE).resolve())
        self.environment = support.environment(PATH=f"{binaries}:{os.environ['PATH']}", TERM="xterm",
                                               XDG_CACHE_HOME=str(support.BUILD / "cache"))
        (self.directory / "Makefile").write_text(MAKEFILE)
        shutil.copy(support.ROOT / "targets/check_fork.lua", self.directory / "check.lua")
        self.link("x86_64")
        shutil.copy(support.target("x86_64", "test_loop"), self.directory / "server")

    def link(self, abi):
        for name in support.target_names():
            path = self.directory / name
            path.unlink(missing_ok=True)
            path.symlink_to(support.built_target(abi, name))

    def run_example(self, command):
        """(status, output), the files that it wrote included."""
        before = set(self.directory.iterdir())
        if " -i " in command:
            status, output = self.on_terminal(command)
        elif "pidof" in command:
            status, output = self.attached(command)
        else:
            status, stdout, stderr = support.run_command(["bash", "-c", command], stdin=b"xx", cwd=self.directory,
                                                         env=self.environment)
            output = stdout + stderr
        for path in set(self.directory.iterdir()) - before:
            output += path.read_bytes()
        return status, output

    def on_terminal(self, command):
        """The stepper: its program is killed when the screen is there."""
        master, slave = pty.openpty()
        process = subprocess.Popen(["bash", "-c", command], stdin=slave, stdout=slave, stderr=slave,
                                   cwd=self.directory, env={**self.environment, "LINES": "40", "COLUMNS": "100"},
                                   start_new_session=True, preexec_fn=support.die_with_tests)
        os.close(slave)
        output = b""
        os.write(master, b":quit kill\r")
        try:
            while data := os.read(master, 65536):
                output += data
        except OSError:  # the last one has closed the terminal
            pass
        finally:
            os.close(master)
        return process.wait(support.RUN_LIMIT_S), output

    def attached(self, command):
        """To a program that ends when forktrace has attached to it, and it has forked."""
        with support.Program(["./server"], cwd=self.directory, env=self.environment) as server:
            self.assertEqual(server.read_line(), b"ready")
            command = command.replace("$(pidof server)", str(server.pid))
            with support.Program(["bash", "-c", command], cwd=self.directory, env=self.environment) as run:
                support.wait_until(lambda: support.tracer_of(server.pid), "forktrace has attached")
                server.write(b"x")
                self.assertEqual(server.finish(), 0)
                return run.finish(), run.output_text + run.error_text

    @support.time_limit(300)
    def test_commands(self):
        commands = manual.examples("forktrace.1")
        self.assertGreater(len(commands), 12)
        for command, text in commands:
            with self.subTest(command=command):
                self.assertTrue(text)
                self.link("i386" if " -g " in command else "x86_64")
                if " -g " in command and not (support.BUILD / "cache/forktrace/guest/vmlinuz").exists():
                    continue  # make check-kernels fetches it
                expected = re.search(r"exit status (\d+)", text)
                status, output = self.run_example(command)
                self.assertEqual(status, int(expected.group(1)) if expected else 0, output.decode(errors="replace"))
                self.assertNotEqual(output.strip(), b"")
                self.assertNotIn(b"changed nothing", output)
                self.assertNotIn(b"not valid", output)

    @support.time_limit(120)
    def test_programs_that_read_records(self):
        report = self.directory / "r.jsonl"
        support.run_command([support.FORKTRACE, "-f", "json", "-o", str(report), "./test_nested"], cwd=self.directory)
        children = report.read_text().count('"event":"fork",')
        self.assertGreater(children, 5)
        texts = manual.displays(manual.sections("forktrace-records.5")["EXAMPLES"])
        self.assertEqual(len(texts), 2)
        for text in texts:
            words = ["bash", "-c", text] if text.startswith("jq") else [sys.executable, "-c", text]
            if words[0] == "bash" and not shutil.which("jq"):
                continue
            status, stdout, stderr = support.run_command(words, cwd=self.directory)
            self.assertEqual((status, stderr), (0, b""))
            self.assertEqual(len(stdout.splitlines()), children)
