"""The house's rules, read from the sources: who includes whom, what the engine must not do, what lies where; and that
gcc and clang compile the tree without a warning."""

import os
import re
import subprocess
import unittest

import support

ROOT = support.ROOT

# The folders of tracer/: each may include itself and those before it.
ENGINE_FOLDERS = ("base", "arch", "parse", "target", "symbol", "unwind", "step", "kernel", "session")
# The engine's public headers are made for whoever uses a session.
ENGINE_HEADERS_LEVEL = "session"

TOP_LEVEL = {"tracer", "ui", "targets", "tests", "Makefile", "README.md", "LICENSE"}

# What a report sees of the engine: plain data.
REPORT_MAY_INCLUDE = ("base/", "arch/", "unwind/stack.h", "forktrace.h", "ui/")

# The engine neither prints nor ends the process nor looks at the environment. (The child of a fork may _exit.)
FORBIDDEN_CALLS = ("printf", "vprintf", "fprintf", "vfprintf", "dprintf", "vdprintf", "puts", "fputs", "putchar",
                   "fputc", "putc", "perror", "psignal", "exit", "quick_exit", "getenv", "secure_getenv", "setenv",
                   "unsetenv", "putenv", "err", "errx", "warn", "warnx", "error", "syslog")
FORBIDDEN_NAMES = ("stderr", "stdout", "environ")

COMPILERS = ("gcc", "clang")


def source_files(*folders, endings=(".c", ".h")):
    """Paths below ROOT, as strings relative to it."""
    paths = []
    for folder in folders:
        paths += [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob("*"))
                  if path.suffix in endings and "__pycache__" not in path.parts]
    return paths


def read(path):
    return (ROOT / path).read_text()


def includes(path):
    """What a file includes between quotation marks, as paths relative to tracer/ or ROOT, or to its own folder."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', read(path), re.MULTILINE)


def code_of(path):
    """A C file without comments, strings and characters."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, " ", read(path), flags=re.DOTALL)


def engine_level(path):
    """The place of a path relative to tracer/ in the order of folders."""
    folder = os.path.dirname(path) or ENGINE_HEADERS_LEVEL
    return ENGINE_FOLDERS.index(folder)


class Includes(unittest.TestCase):
    def test_engine(self):
        for path in source_files("tracer"):
            inside = os.path.relpath(path, "tracer")
            for included in includes(path):
                with self.subTest(file=path, included=included):
                    self.assertTrue((ROOT / "tracer" / included).is_file(), "not a path relative to tracer/")
                    if "/" not in inside:  # forktrace.h itself is plain data: it names folders far below
                        self.assertNotIn(included.split("/")[0], ("step", "kernel", "session"))
                    else:
                        self.assertLessEqual(engine_level(included), engine_level(inside))

    def test_no_unknown_folder(self):
        folders = {path.name for path in (ROOT / "tracer").iterdir() if path.is_dir()}
        self.assertLessEqual(folders, set(ENGINE_FOLDERS))

    def test_faces(self):
        for path in source_files("ui"):
            for included in includes(path):
                with self.subTest(file=path, included=included):
                    base = ROOT if included.startswith("ui/") else ROOT / "tracer"
                    self.assertTrue((base / included).is_file(), "neither ui/ nor the engine's")
                    if path.startswith("ui/report/"):
                        self.assertTrue(included.startswith(REPORT_MAY_INCLUDE), "more than plain data")

    def test_targets(self):
        """Programs to be traced share nothing with the tracer, but for what the guest's PID 1 and it say to each other,
        which includes nothing."""
        self.assertEqual(includes("tracer/kernel/guest_protocol.h"), [])
        for path in source_files("targets"):
            for included in includes(path):
                with self.subTest(file=path, included=included):
                    shared = included == "kernel/guest_protocol.h" and "guest_init" in path
                    self.assertTrue(shared or (ROOT / "targets" / included).is_file())

    def test_everything_knows_what_it_includes(self):
        """Tests include the engine, the faces and themselves; nobody else includes tests."""
        for path in source_files("tests"):
            for included in includes(path):
                with self.subTest(file=path, included=included):
                    places = (ROOT / os.path.dirname(path), ROOT, ROOT / "tracer")
                    self.assertTrue(any((place / included).is_file() for place in places))


class Engine(unittest.TestCase):
    def test_silence(self):
        calls = re.compile(rf"\b({'|'.join(FORBIDDEN_CALLS)})\s*\(")
        names = re.compile(rf"\b({'|'.join(FORBIDDEN_NAMES)})\b")
        for path in source_files("tracer"):
            code = code_of(path)
            with self.subTest(file=path):
                self.assertEqual(calls.findall(code) + names.findall(code), [])


class Files(unittest.TestCase):
    def test_purpose(self):
        """Every source file says in its first line what it is for."""
        for path in source_files("tracer", "ui", "targets", "tests"):
            with self.subTest(file=path):
                self.assertRegex(read(path), r"\A/\* \S")
        for path in source_files("tests", endings=(".py",)):
            with self.subTest(file=path):
                self.assertRegex(read(path), r'\A(#!/usr/bin/python3\n)?"""\S')
        for path in source_files("targets", "tests", endings=(".mk",)) + ["Makefile"]:
            with self.subTest(file=path):
                self.assertRegex(read(path), r"\A# \S")
        for path in (".ci/run", ".ci/deps"):
            with self.subTest(file=path):
                self.assertRegex(read(path), r"\A#!/bin/sh\n# \S")

    def test_top_level(self):
        for path in sorted(ROOT.iterdir()):
            if path.name.startswith(".") or path.name in TOP_LEVEL or self.ignored(path.name):
                continue
            self.fail(f"{path.name} does not belong at the top")

    @staticmethod
    def ignored(name):
        """Does .gitignore name it? Its patterns here are plain: /name or /name/."""
        return name in {line.strip("/") for line in read(".gitignore").split()}

    def test_build_is_ignored(self):
        self.assertIn("/build/", read(".gitignore").split())

    def test_targets_are_built(self):
        """Each test_*.c is a program or a plugin, and the other way round."""
        sources = {path.stem for path in (ROOT / "targets").glob("test_*.c")}
        self.assertEqual(sources, set(support.target_names()) | set(support.make_words("TARGET_PLUGINS")))


class Compilers(unittest.TestCase):
    """Warnings are errors in the Makefile; each compiler has a build directory of its own."""

    def check(self, compiler):
        self.assertIn("-Werror", read("Makefile"))
        command = ["make", f"-j{os.cpu_count() or 1}", f"CC={compiler}", f"BUILD={support.BUILD}/compile-{compiler}",
                   "all", "unit"]
        status, stdout, stderr = support.run_command(command, timeout=590, cwd=ROOT,
                                                     env=support.environment(SAN="0", CC=None, CFLAGS=None))
        self.assertEqual(status, 0, (stdout + stderr).decode(errors="replace")[-8000:])


def add_compiler_tests():
    """For each compiler but the one that this build was made with: that one has proved it."""
    own = os.path.basename(os.environ.get("CC", "gcc"))
    for compiler in COMPILERS:
        if compiler == own:
            continue

        @support.time_limit(600)
        @unittest.skipIf(subprocess.run(["sh", "-c", f"command -v {compiler}"], stdout=subprocess.DEVNULL,
                                        check=False).returncode, f"{compiler} is not installed")
        def test(self, compiler=compiler):
            self.check(compiler)

        setattr(Compilers, f"test_{compiler}", test)


add_compiler_tests()
