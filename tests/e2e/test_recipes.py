"""The README's recipes: each is run as it stands, and shows what it promises."""

import os
import pathlib
import re
import sys
import tempfile
import unittest

import support

README = support.ROOT / "README.md"
CACHE = support.BUILD / "cache/forktrace/guest"  # make check-kernels
MAKEFILE = "all: " + " ".join(f"part{number}" for number in range(12)) + "\npart%: ; @sh -c 'exit 0'; true\n"

# By title: the exit status, and what the output must have.
EXPECTED = {
    "Grade an exercise": (0, r"all held: 2 expectations, 1 fork"),
    "Find who forks so much": (0, r"└─ sh .*12 processes, each exited 0"),
    "Find a fork in a thread": (1, r"not held in fork 1: parent\.tid == parent\.pid(.*\n)+.*forking_thread"),
    "Watch vfork block its parent": (0, r"vfork 1 (.*\n)+.*all held: 1 expectation, 2 forks"),
    "See which fork failed, and where": (0, r"failed +test_fail \d+ .* EAGAIN (.*\n)+.* fork_over_limit\+.*test_fail\.c:\d+"),
    "Compare two kernels": (0, r"handler __ia32_sys_clone\n(.*\n)*worker kernel_clone\n"),
    "See what system() does": (0, r"\A(?=[\s\S]*/bin/dash\n)[\s\S]*posix_spawn"),
    "Make the tenth fork fail in CI": (2, r"EAGAIN .*\n? *.*injected(.*\n)+.*1 failed"),
    "Open a timeline in Perfetto": (0, r'"ph": ?"s"'),
    "Step into the kernel": (0, r"user / kernel: sysenter ─+\n> entry_SYSENTER_32"),
}


def recipes():
    """Title and commands of each."""
    text = README.read_text(encoding="utf-8").split("\n## Recipes\n")[1].split("\n## ")[0]
    found = re.findall(r"^\*\*(.+?)\.\*\*[^\n]*\n\n((?: {4}.*\n)+)", text, re.MULTILINE)
    return {title: "".join(line[4:] + "\n" for line in block.splitlines()) for title, block in found}


class Recipes(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        binaries = self.directory / "bin"
        binaries.mkdir()
        (binaries / "forktrace").symlink_to(pathlib.Path(support.FORKTRACE).resolve())
        # Not a script of that name, which would fork by itself.
        (binaries / "python3").symlink_to(sys.executable)
        self.environment = support.environment(PATH=f"{binaries}:{os.environ['PATH']}", LC_ALL="C.UTF-8", LINES="24",
                                               COLUMNS="80", XDG_CACHE_HOME=str(support.BUILD / "cache"))
        (self.directory / "Makefile").write_text(MAKEFILE)
        for kernel in "vmlinuz", "vmlinuz-pae":
            (self.directory / kernel).symlink_to(CACHE / kernel)

    def link(self, abi):
        for name in support.target_names():
            path = self.directory / name
            path.unlink(missing_ok=True)
            path.symlink_to(support.built_target(abi, name))

    def run_recipe(self, commands):
        """(status, output), the files that it wrote included."""
        before = set(self.directory.iterdir())
        self.link("i386" if " -g " in commands else "x86_64")
        status, stdout, stderr = support.run_command(["bash", "-c", commands], stdin=b"", cwd=self.directory,
                                                     env=self.environment)
        output = stdout + stderr
        for path in set(self.directory.iterdir()) - before:
            output += path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        return status, output.decode(errors="replace")

    def test_all_are_known(self):
        self.assertEqual(set(recipes()), set(EXPECTED))
        self.assertEqual(len(EXPECTED), 10)

    @support.time_limit(120)
    def test_recipes(self):
        for title, commands in recipes().items():
            with self.subTest(title=title):
                if " -g " in commands and not (CACHE / "vmlinuz-pae").exists():
                    continue  # make check-kernels fetches them
                wanted, pattern = EXPECTED[title]
                status, output = self.run_recipe(commands)
                self.assertEqual(status, wanted, output)
                self.assertRegex(output, pattern)


if __name__ == "__main__":
    unittest.main()
