"""Completion of forktrace's command line in bash, zsh and fish, installed as `make install` does it: every option that
--help lists and no other, the values that forktrace itself says it allows, files, processes, and PROGRAM's own words."""

import os
import pathlib
import re
import tempfile
import unittest

import shells
import support

# Where make install puts the completions, below share/.
INSTALLED = {
    shells.Bash: "bash-completion/completions/forktrace",
    shells.Zsh: "zsh/site-functions/_forktrace",
    shells.Fish: "fish/vendor_completions.d/forktrace.fish",
}

SHELL_LIMIT_S = 300


def valued_options():
    """The long ones whose value may be the next word."""
    _, stdout, _ = support.run_command([support.FORKTRACE, "--help"])
    return re.findall(r"^ {2,6}(?:-\S, )? *(--[\w-]+)=", stdout.decode(), re.MULTILINE)


class Completion:
    """For each shell; the class below names it."""

    shell = None

    @classmethod
    def setUpClass(cls):
        if cls.shell not in shells.present():
            raise unittest.SkipTest("this shell, or its completion, is not installed")
        cls.root = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        cls.addClassCleanup(cls.root.cleanup)
        # The files of data alone: the program that is tested need not be of this Makefile's defaults.
        status, _, stderr = support.run_command(
            ["make", "-s", "install-data", f"DESTDIR={cls.root.name}", "PREFIX=/usr"], cwd=support.ROOT)
        assert status == 0, stderr
        binary = pathlib.Path(support.FORKTRACE).resolve().parent
        path = f"{binary}:{os.environ['PATH']}"
        cls.running = cls.shell(f"{cls.root.name}/usr/share/{INSTALLED[cls.shell]}", path)
        cls.addClassCleanup(cls.running.close)

    def offers(self, line):
        return self.running.offers(f"forktrace {line}")

    def values(self, line):
        """What is offered behind the last of : and = and , in the word that is typed."""
        return {re.split("[:=,]", word.rstrip("="))[-1] for word in self.offers(line)}

    @support.time_limit(SHELL_LIMIT_S)
    def test_options(self):
        listed = support.options_of_help()
        self.assertGreater(len(listed), 40)
        offered = {word.rstrip("=") for word in self.offers("--") + self.offers("-")} - {"-", "--"}
        self.assertEqual(offered, listed)

    @support.time_limit(SHELL_LIMIT_S)
    def test_words(self):
        for option in support.WORD_OPTIONS:
            with self.subTest(option=option):
                allowed = support.allowed_words(option)
                self.assertGreater(len(allowed), 1)
                self.assertEqual(self.values(f"{option}="), allowed)
                self.assertEqual(self.values(f"-v {option} "), allowed)
        self.assertEqual(self.values("-k "), support.allowed_words("--kernel"))
        self.assertEqual(self.values("-f "), support.allowed_words("--format"))
        self.assertEqual(self.values("--kernel=li"), {"live"})
        self.assertIn("linux-image-686-pae", self.values("--guest-fetch="))
        self.assertEqual({word.split("#")[0] for word in self.values("--on=comm=sh,f")}, {"fork", "failed"})
        self.assertIn("qemu32", self.values("--guest-cpu="))

    @support.time_limit(SHELL_LIMIT_S)
    def test_inject(self):
        for begin in "--inject=", "--inject ":
            self.assertEqual(self.values(begin), {"fork", "vfork", "clone", "clone3", "%fork"})
            self.assertEqual(self.values(f"{begin}clone3,vf"), {"vfork"})
            self.assertEqual(self.values(f"{begin}%fork:"), {"error", "delay", "delay_enter", "when"})
            self.assertEqual(self.values(f"{begin}clone:error=EN"), {"ENOMEM", "ENOSYS", "ENOSPC"})
            self.assertEqual(self.values(f"{begin}clone:error=EAGAIN:wh"), {"when"})
            self.assertIn("10ms", self.values(f"{begin}clone:when=3:delay="))

    @support.time_limit(SHELL_LIMIT_S)
    def test_injections_are_allowed(self):
        """Every call, error, time and expression that is offered is one."""
        for part in "", "clone:error=", "clone:delay=", "clone:error=1:when=":
            for value in self.values(f"--inject={part}"):
                text = f"{part}{value}" if part else f"{value}:error=1"
                with self.subTest(injection=text):
                    status, _, stderr = support.run_command([support.FORKTRACE, "-q", "-k", "none", f"--inject={text}",
                                                             "true"])
                    self.assertEqual(status, 0, stderr)

    @support.time_limit(SHELL_LIMIT_S)
    def test_files(self):
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
            pathlib.Path(directory, "left.jsonl").touch()
            pathlib.Path(directory, "lesson").mkdir()
            for begin in ("-o ", "--output=", "--from=", "--keys=", "--kallsyms=", "--guest-kernel=", "--guest-file=",
                          "--guest-debug-info=", "-v --output "):
                with self.subTest(option=begin):
                    names = {os.path.basename(word.rstrip("/")) for word in self.offers(f"{begin}{directory}/le")}
                    self.assertEqual(names, {"left.jsonl", "lesson"})
            names = {os.path.basename(word.rstrip("/")) for word in self.offers(f"--source-path=/usr:{directory}/le")}
            self.assertEqual(names, {"lesson"})

    @support.time_limit(SHELL_LIMIT_S)
    def test_processes(self):
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            program.read_line()
            for begin in "-p ", "--attach=", "--attach=1,":
                self.assertIn(str(program.pid), self.values(f"{begin}{str(program.pid)[:-1]}"))

    @support.time_limit(SHELL_LIMIT_S)
    def test_program(self):
        """Its name, and what it completes itself: forktrace is such a program."""
        self.assertIn("forktrace", self.offers("-k none forktra"))
        for begin in ("forktrace ", "-k none forktrace ", "--inject=clone:error=1:when=2 -o file -- forktrace ",
                      "--source-path /usr:/tmp -- forktrace "):
            with self.subTest(begin=begin):
                self.assertEqual(self.values(f"{begin}--fol"), {"--follow"})
                self.assertEqual(self.values(f"{begin}--color="), support.allowed_words("--color"))
        for option in valued_options():
            with self.subTest(option=option):
                self.assertEqual(self.values(f"{option} word forktrace --fol"), {"--follow"})
        directory = str(support.TARGETS / "x86_64")
        self.assertIn(f"{directory}/test_nested", self.offers(f"{directory}/test_nest"))


class Bash(Completion, unittest.TestCase):
    shell = shells.Bash


class Zsh(Completion, unittest.TestCase):
    shell = shells.Zsh


class Fish(Completion, unittest.TestCase):
    shell = shells.Fish


del Completion
