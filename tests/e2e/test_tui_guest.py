"""The stepper on a guest, forktrace -i -g: from main through the kernel's entry to the worker, and back to user space in
both processes."""

import pathlib
import re
import shlex
import signal
import tempfile
import unittest

import support
from test_tui import Terminal

PROGRAM = support.built_target("i386", "test_fork")
STEPS_MAX = 60  # functions of the kernel that are left, in both processes


def stepper(program, *options, flavour=""):
    return [support.FORKTRACE, "-i", *support.guest_options(flavour), *options, program]


def held(number, what=""):
    """The line that tells of the selected process."""
    return rf"^ ?{number}: process \d+ \(i386\) (?!runs|exited|waits){what}"


class InTerminal(unittest.TestCase):
    def advance(self, terminal, *keys):
        """Types, and waits until the selected process stands elsewhere, or another one was selected."""
        def stand(screen):
            return re.search(held(r"\d", ".*"), screen, re.MULTILINE), re.search(r"eip [0-9a-f]+", screen)

        def differs():
            shown[:] = [terminal.screen()]
            line, place = stand(shown[0])
            return line and place and (line.group()[:3], place.group()) != before

        start = terminal.screen()
        shown = [start]
        before = tuple(found and found.group() for found in stand(shown[0]))
        before = (before[0] and before[0][:3], before[1])
        terminal.type(*keys)
        try:
            support.wait_until(differs, f"the program to go on after {keys}")
        except AssertionError as error:
            raise AssertionError(f"{error}\nfrom\n{start}\nto\n{shown[0]}") from error
        return shown[0]

    def into_kernel(self, terminal):
        """From main to the instruction that enters the kernel, and with it to the kernel's first."""
        terminal.wait("> main +test_fork.c:17")
        terminal.type("b", "_Fork", "Enter")
        terminal.wait("breakpoint 1 at _Fork")
        terminal.type("c")
        terminal.wait(held(1, "at breakpoint 1, in _Fork"))
        terminal.type(":until __kernel_vsyscall", "Enter")
        terminal.wait(held(1, "stepped, in __kernel_vsyscall"))
        while not re.search(r"(?m)^> [0-9a-f]+  sysenter", terminal.screen()):
            self.advance(terminal, "S")
        self.advance(terminal, "S")
        screen = terminal.wait(held(1, "stepped, in the kernel's entry_SYSENTER_32"))
        self.assertRegex(screen, r"(?s)__kernel_vsyscall +\[vdso\]\s+─+ user / kernel: sysenter ─+\s+> entry_SYSENTER_32")

    def out_of_kernel(self, terminal):
        """Both processes, function by function; returns the two screens at the user's instruction."""
        out = {}
        for _ in range(STEPS_MAX):
            screen = terminal.wait(held(r"\d"))
            number = re.search(held(r"(\d)"), screen, re.MULTILINE).group(1)
            if "in the kernel's" in screen:
                self.advance(terminal, "f")
                continue
            out[number] = screen
            if len(out) == 2:
                return out["1"], out["2"]
            terminal.type("2" if number == "1" else "1")
            terminal.wait(held("2" if number == "1" else "1"))
        self.fail(f"they do not come out of the kernel\n{screen}")

    def kernel_story(self, columns, rows, flavour=""):
        line = shlex.join(stepper(PROGRAM, flavour=flavour))
        with Terminal(line, columns, rows, env=support.guest_environment()) as terminal:
            self.into_kernel(terminal)
            terminal.type("b", "kernel_clone", "Enter")
            terminal.wait("breakpoint 2 at kernel_clone")
            terminal.type("c")
            screen = terminal.wait(held(1, "at breakpoint 2, in the kernel's kernel_clone"))
            self.assertRegex(screen, r"(?s)__kernel_vsyscall .*user / kernel: sysenter.*> kernel_clone")
            terminal.type(":until wake_up_new_task", "Enter")
            terminal.wait(held(1, "stepped, in the kernel's wake_up_new_task"))

            parent, child = self.out_of_kernel(terminal)
            pids = re.search(r"parent (\d+) .* child (\d+) ", parent).groups()
            for screen, result in ((parent, int(pids[1])), (child, 0)):
                self.assertRegex(screen, rf"(?s)eax {result:x} .*\n> [0-9a-f]+  popl +%ebp")

            # What the program sees: the return into the function that called fork.
            for number, result in (("1", int(pids[1])), ("2", 0)):
                terminal.type(number)
                terminal.wait(held(number, ".* in __kernel_vsyscall"))
                while not re.search(held(number, ".*, in spawn_child"), screen, re.MULTILINE):
                    screen = self.advance(terminal, "f")
                self.assertRegex(screen, rf"eax {result:x} ")

            terminal.type("C")
            terminal.wait("test_fork +exited 0")
            terminal.wait("test_fork +exited 7")
            terminal.wait(f"expect exit pid={pids[1]} status=7")
            terminal.type("q")
            terminal.wait("^status 0")
            self.assertEqual(terminal.settings("before"), terminal.settings("after"))

    def test_kernel_at_80x24(self):
        self.kernel_story(80, 24)

    def test_kernel_with_pae_at_132x43(self):
        self.kernel_story(132, 43, flavour="-pae")

    def test_quit(self):
        """It asks, and the guest is gone with it."""
        with Terminal(shlex.join(stepper(PROGRAM)), env=support.guest_environment()) as terminal:
            terminal.wait(held(1, "at the start"))
            terminal.type("q")
            terminal.wait("k ends the guest and the program in it, Esc stays")
            terminal.type("d", "Escape")
            terminal.wait(r"^s step  n next .*k kern  q quit +\? help")
            terminal.type("q", "k")
            terminal.wait("^status 0")
            self.assertEqual(terminal.settings("before"), terminal.settings("after"))


class Scripted(unittest.TestCase):
    """Keys from a file, without a terminal."""

    def play(self, program, *lines, options=()):
        """Returns the exit status, what standard error got, and the screens, by what follows SCREEN in the script."""
        with tempfile.TemporaryDirectory(prefix="forktrace-keys-") as folder:
            keys = pathlib.Path(folder, "keys")
            keys.write_text("\n".join(lines).replace("SCREEN", f"{folder}/screen") + "\n")
            status, _, stderr = support.run_command(
                stepper(program, f"--keys={keys}", *options),
                env={**support.guest_environment(), "LINES": "24", "COLUMNS": "80", "LC_ALL": "C.UTF-8"})
            screens = {path.name.removeprefix("screen"): path.read_text()
                       for path in pathlib.Path(folder).glob("screen*")}
            return status, stderr.decode(), screens

    def compiled(self, source):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        path = f"{directory.name}/program"
        status, _, stderr = support.run_command(["gcc", "-m32", "-static", "-g", "-o", path, "-xc", "-"],
                                                stdin=source.encode())
        self.assertEqual(status, 0, stderr)
        return path

    def test_both_sides_of_a_fork(self):
        """Each goes up to main by itself, the other being kept where it stands; the record is as ever."""
        finish = ("f", ":wait stop") * 3
        with tempfile.NamedTemporaryFile(mode="r") as report:
            status, stderr, screens = self.play(
                PROGRAM, ":wait stop", "F", ":wait stop", ":wait task 2", ":wait fork 1", ":screen SCREEN-fork",
                *finish, ":screen SCREEN-parent", "2", *finish, ":screen SCREEN-child", "C", ":wait end",
                ":screen SCREEN-end", options=["-f", "json", "-o", report.name])
            forks = [line for line in report.read().splitlines() if '"event":"fork"' in line.replace(" ", "")]
        self.assertEqual((status, stderr), (0, ""))
        child = re.search(r"parent \d+  fork returned (\d+) .* child \1  fork returned 0", screens["-fork"]).group(1)
        self.assertRegex(screens["-fork"], r"entry_SYSENTER_32 +ret_from_fork")
        self.assertRegex(screens["-parent"], rf"eax {int(child):x} ")
        self.assertIn("in spawn_child", screens["-parent"])
        self.assertRegex(screens["-parent"], rf"child {child}  fork returned 0")
        self.assertRegex(screens["-child"], "eax 0 ")
        self.assertIn("in spawn_child", screens["-child"])
        self.assertIn(f"expect exit pid={child} status=7", screens["-end"])
        self.assertEqual(len(forks), 1)
        for stage in ("copy_process", "return-child", "return-parent"):
            self.assertIn(stage, forks[0])

    def address_of(self, program, symbol):
        listed = support.run_command(["nm", program])[1].decode()
        return "0x" + re.search(rf"(?m)^([0-9a-f]+) \w {symbol}$", listed).group(1)

    def test_lines_as_on_the_host(self):
        """Over calls, also over one that makes system calls, and out of one."""
        program = self.compiled(r"""
            #include <unistd.h>
            int twice(int n) {
                write(1, "x\n", 2);
                return 2 * n;
            }
            int main(void) {
                int n = twice(1);
                n = twice(n);
                return n;
            }""")
        status, stderr, screens = self.play(
            program, ":wait stop", "n", ":wait stop", "n", ":wait stop", ":screen SCREEN1", "s", ":wait stop",
            ":screen SCREEN2", "n", ":wait stop", ":screen SCREEN3", "f", ":wait stop", ":screen SCREEN4", "c",
            ":wait end", ":screen SCREEN5")
        self.assertEqual((status, stderr), (4, ""))
        for screen, place in (("1", "main at <stdin>:9"), ("2", "twice at <stdin>:4"), ("3", "twice at <stdin>:5"),
                              ("4", "main at <stdin>:9"), ("5", "exited 4")):
            self.assertRegex(screens[screen], place)
        self.assertEqual(len(re.findall(r"(?m)x$", screens["5"])), 2)

    def test_breakpoints_of_the_next_program(self):
        """Those by name are set in it too, and the kernel's stay."""
        program = self.compiled("#include <unistd.h>\nint main(void) { return execl(\"/next\", \"next\", NULL); }")
        target = support.built_target("i386", "test_fork")
        status, stderr, screens = self.play(
            program, ":wait stop", ":break main", ":break copy_process", "c", ":wait stop", ":screen SCREEN1",
            "c", ":wait stop", ":screen SCREEN2", ":quit kill", options=[f"--guest-file={target}:/next"])
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screens["1"], "at breakpoint 1, in main at test_fork.c:17")
        self.assertRegex(screens["2"], "at breakpoint 2, in the kernel's copy_process")

    def test_only_the_task_that_is_stepped_goes_on(self):
        """Parent and child run the same loop; a breakpoint in it stops both, and each one's count is its own."""
        program = self.compiled(r"""
            #include <sys/wait.h>
            #include <unistd.h>
            volatile int count;
            void work(void) { count++; }
            int main(void) {
                pid_t pid = fork();
                for (int i = 0; i < 5; i++)
                    work();
                return pid ? wait(NULL) < 0 : count;
            }""")
        count = self.address_of(program, "count")
        status, stderr, screens = self.play(
            program, ":wait stop", ":break work", "F", ":wait stop", ":wait task 2", *("c", ":wait stop") * 4,
            f":display {count}", ":screen SCREEN1", "2", ":screen SCREEN2", "c", ":wait stop", ":screen SCREEN3",
            ":break work", "C", ":wait end", ":screen SCREEN4")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn(f"[{count}] 00000003", screens["1"])
        self.assertIn(f"[{count}] 00000000", screens["2"])
        self.assertIn("fork returned 0", screens["2"])
        self.assertRegex(screens["3"], r"2: process \d+ \(i386\) at breakpoint 1")
        self.assertRegex(screens["4"], r"exited 5")

    def test_watch(self):
        program = self.compiled("volatile int n; int main(void) { for (int i = 0; i < 9; i++) n = i; return n; }")
        n = self.address_of(program, "n")
        status, stderr, screens = self.play(
            program, ":wait stop", f":watch {n}", *("c", ":wait stop") * 4, f":display {n}", ":screen SCREEN", "c",
            ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn("watchpoint 1 changed", screens[""])
        self.assertIn(f"[{n}] 00000003", screens[""])

    def test_vfork(self):
        program = support.built_target("i386", "test_vfork")
        status, stderr, screens = self.play(program, ":wait stop", "F", ":wait task 2", ":screen SCREEN1", "c", "1",
                                            ":wait stop", ":screen SCREEN2", "C", ":wait end")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screens["1"], r"(?s)parent \d+  in vfork .*child \d+  fork returned 0.*2: process")
        self.assertRegex(screens["2"], r"parent \d+  fork returned \d+ .*child \d+  fork=0  exited 3")

    def test_interrupted(self):
        program = self.compiled("int main(void) { for (;;) ; }")
        status, stderr, screens = self.play(program, ":wait stop", "c", "z", ":wait stop", ":screen SCREEN", "n",
                                            ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screens[""], r"interrupted, in main")

    def test_ended_by_a_signal(self):
        program = self.compiled("int main(void) { *(volatile int *)0 = 1; }")
        status, stderr, screens = self.play(program, ":wait stop", "c", ":wait end", ":screen SCREEN")
        self.assertEqual((status, stderr), (128 + signal.SIGSEGV, ""))
        self.assertIn("killed by SIGSEGV", screens[""])

    def test_misuse(self):
        status, stderr, screens = self.play(PROGRAM, ":wait stop", ":quit detach", ":screen SCREEN1", "k", ":wait stop",
                                            "k", ":screen SCREEN2", ":break nowhere", ":screen SCREEN3", ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn("ends with forktrace", screens["1"])
        self.assertRegex(screens["2"], r"process \d+ is in the kernel already")
        self.assertIn("nothing is called 'nowhere' here", screens["3"])


if __name__ == "__main__":
    unittest.main()
