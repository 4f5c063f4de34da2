"""The stepper, forktrace -i, in a real terminal: tmux types the keys and shows what is on the screen."""

import itertools
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import unittest

import live_support
import support

# Becomes the program that its argument names.
EXEC = r"""
#include <unistd.h>
__attribute__((noinline)) static int exec_it(char **command)
{
	return execv(command[0], command);
}
int main(int count, char **arguments)
{
	(void)count;
	return exec_it(arguments + 1);
}
"""


class Terminal:
    """A terminal of its own, in a tmux server of its own."""

    def __init__(self, command, columns=80, rows=24, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="forktrace-tui-")
        self.server = ["tmux", "-f", "/dev/null", "-S", f"{self.folder.name}/socket"]
        shell = (f"stty -a >{self.folder.name}/before; {command}; status=$?; stty -a >{self.folder.name}/after; "
                 "echo status $status; exec cat")
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", shell,
                 env={**support.environment(LC_ALL="C.UTF-8"), **(env or {})})

    def run(self, *arguments, env=None):
        done = subprocess.run([*self.server, *arguments], capture_output=True, text=True, env=env, check=True,
                              timeout=support.EVENT_LIMIT_S * support.PATIENCE, start_new_session=True)
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.run("kill-server")
        self.folder.cleanup()

    def screen(self):
        return self.run("capture-pane", "-p")

    def wait(self, pattern, what=None):
        """The screen, as soon as the pattern is on it."""
        shown = []

        def seen():
            shown[:] = [self.screen()]
            return re.search(pattern, shown[0], re.MULTILINE | re.DOTALL)

        try:
            support.wait_until(seen, what or f"the screen to show {pattern}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{shown[0]}") from error
        return shown[0]

    def type(self, *keys):
        self.run("send-keys", *keys)

    def resize(self, columns, rows):
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def settings(self, moment):
        return pathlib.Path(self.folder.name, moment).read_text()


def stepper(command, *options):
    return shlex.join([support.FORKTRACE, "-i", *options, *command])


def normalised(screen):
    """Without what differs from run to run: process numbers and addresses."""
    screen = re.sub(r"\b(r[0-9a-z]{1,2}) +[-~0-9a-f]+ *", r"\1 VALUE ", screen)
    return re.sub(r"\b(0x)?[0-9a-f]{6,16}\b", "ADDRESS", re.sub(r"(?<![\w.:+])\d{2,7}(?![\w.:])", "NUMBER", screen))


def state_of(pid):
    """The letter of a process's state: t is held by a tracer."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


RETURN_REGISTER = {"i386": "eax", "x86_64": "rax"}
WRAPPERS = {"i386": ("__kernel_vsyscall", "_Fork", "fork"), "x86_64": ("_Fork", "fork")}  # what stands on spawn_child
BORDER = {"i386": "user / kernel: (sysenter|int80|syscall)", "x86_64": "user / kernel: syscall"}


class Stepper(unittest.TestCase):
    def fork_story(self, abi, columns, rows):
        """Both sides of a fork, each stepped up to main by itself, by keys alone."""
        register = RETURN_REGISTER[abi]
        with Terminal(stepper([support.target(abi, "test_fork")]), columns, rows) as terminal:
            terminal.wait("at the start")
            screen = terminal.wait("> main +test_fork.c:17")
            self.assertIn("s step  n next", screen)

            terminal.type("F")
            terminal.wait(r"parent (\d+)  fork returned (\d+)")
            screen = terminal.wait(rf"child (\d+)  fork returned 0.*{BORDER[abi]}")
            parent, child = re.search(r"parent (\d+) +fork returned (\d+)", screen).groups()
            self.assertRegex(screen, rf"child {child} ")
            self.assertEqual(len(re.findall(r"spawn_child +test_fork.c:8", screen)), 2)

            for _ in WRAPPERS[abi]:
                terminal.type("f")
                terminal.wait(rf"1: process {parent} .*stepped")
            terminal.wait("code  spawn_child")
            self.assertRegex(terminal.wait(rf"{register} [0-9a-f]+"), rf"{register} {int(child):x} ")

            terminal.type("Tab")
            terminal.wait(rf"^ ?2: process {child} ")
            for _ in WRAPPERS[abi]:
                terminal.type("f")
                terminal.wait(rf"2: process {child} .*stepped")
            screen = terminal.wait(f"code  spawn_child.*{register} 0 ")
            self.assertRegex(screen, rf"parent {parent}  fork={child}")

            terminal.type("C")
            screen = terminal.wait("exited 7")
            terminal.wait("test_fork +exited 0")
            terminal.wait("expect exit pid=" + child + " status=7")
            terminal.type("q")
            terminal.wait("^status 0")
            self.assertEqual(terminal.settings("before"), terminal.settings("after"))

    def test_fork_at_80x24(self):
        for abi in support.runnable_abis():
            self.fork_story(abi, 80, 24)

    def test_fork_at_132x43(self):
        for abi in support.runnable_abis():
            self.fork_story(abi, 132, 43)

    def test_the_same_screen_each_time(self):
        """A screen depends on nothing but what it shows."""
        program = support.target("x86_64", "test_fork")
        screens = []
        for _ in range(2):
            with Terminal(stepper([program])) as terminal:
                terminal.wait("at the start")
                terminal.type("F")
                screens.append(normalised(terminal.wait("fork returned 0.*user / kernel: syscall")))
                terminal.type("q")
                terminal.wait("k kills the program")
                terminal.type("k")
                terminal.wait("^status 0")
        self.assertEqual(*screens)

    def test_resize(self):
        with Terminal(stepper([support.target("x86_64", "test_fork")]), 132, 43) as terminal:
            screen = terminal.wait("at the start")
            self.assertIn("events", screen)  # beside the output
            terminal.resize(80, 24)
            screen = terminal.wait(r"\A.{0,80}$")
            terminal.wait("output ─+$")
            terminal.resize(60, 20)
            terminal.wait(r"^ +80x24 is the least .* 60x20$")
            terminal.resize(100, 30)
            terminal.wait("at the start")
            terminal.type("q")
            terminal.wait("k kills")
            terminal.type("Escape")
            terminal.wait("s step  n next")
            terminal.type("q", "k")
            terminal.wait("^status 0")

    def test_moving_and_searching(self):
        """Panes that are hidden come by v; what is searched is shown, and Esc goes back to where the process stands."""
        with Terminal(stepper([support.target("x86_64", "test_fork")])) as terminal:
            terminal.wait("code  main  test_fork.c:17")
            terminal.type("m", "m", "m", "m")  # source alone
            terminal.wait("code: source$")
            terminal.type("/", "pid_t spawn_child", "Enter")
            terminal.wait("code  test_fork.c:[1-9]\\b")
            terminal.type("b", "Enter")
            screen = terminal.wait("breakpoint 1 at test_fork.c:")
            self.assertRegex(screen, r"(?m)^ b +7  ")  # the first line that has code
            terminal.type("Escape")
            terminal.wait("code  main  test_fork.c:17")
            terminal.type("v", "v")
            terminal.wait(r"memory  stack [0-9a-f]+ .*\+000 [0-9a-f]{16}")
            terminal.type("Z")
            terminal.wait(r"\A.. memory  stack")
            terminal.type("Escape", "c")
            terminal.wait("at breakpoint 1, in spawn_child")
            terminal.type("g", "main", "Enter", "w", "rsp", "Enter")
            terminal.wait(r"code  main  test_fork.c:17.*")
            terminal.type("V")
            terminal.wait(r"\[rsp\] [0-9a-f]{16}")
            terminal.type("q", "k")
            terminal.wait("^status 0")

    def test_help_and_commands(self):
        with Terminal(stepper([support.target("x86_64", "test_fork")])) as terminal:
            terminal.wait("at the start")
            terminal.type("?")
            terminal.wait("to the next source line, over calls")
            terminal.type("NPage", "NPage")
            terminal.wait("quit +end: asks")
            terminal.type("Escape")
            terminal.wait("code  main")
            terminal.type(":frobnicate", "Enter")
            terminal.wait("'frobnicate' is no command")
            terminal.type("b", "spawn_child", "Enter")
            terminal.wait("breakpoint 1 at spawn_child")
            terminal.type("c")
            terminal.wait("at breakpoint 1")
            terminal.type("x", "x")
            terminal.wait("syntax: AT&T")
            terminal.type("q", "k")
            terminal.wait("^status 0")

    def test_ended_by_a_signal(self):
        """The terminal is given back, the program is gone."""
        program = support.target("x86_64", "test_fork")
        with Terminal(stepper([program])) as terminal:
            screen = terminal.wait("1: process (\\d+)")
            traced = int(re.search(r"process (\d+)", screen).group(1))
            os.kill(support.tracer_of(traced), signal.SIGTERM)
            terminal.wait("^status 0")
            support.wait_until(lambda: not os.path.exists(f"/proc/{traced}"), "the program to end")
            self.assertEqual(terminal.settings("before"), terminal.settings("after"))

    def test_crash_of_forktrace_itself(self):
        """The terminal is given back all the same, and the shell learns of the signal."""
        with Terminal(stepper([support.target("x86_64", "test_fork")])) as terminal:
            screen = terminal.wait("1: process (\\d+)")
            os.kill(support.tracer_of(int(re.search(r"process (\d+)", screen).group(1))), signal.SIGSEGV)
            screen = terminal.wait(f"^status {128 + signal.SIGSEGV}")
            self.assertNotIn("registers", screen)  # it was drawn on the alternate screen
            self.assertEqual(terminal.settings("before"), terminal.settings("after"))

    def test_keys_typed_ahead(self):
        """Each of several steps that are typed at once is taken."""
        with Terminal(stepper([support.target("x86_64", "test_fork")])) as terminal:
            screen = terminal.wait("> main +test_fork.c:17")
            places = re.findall(r"(?m)^[> ] ([0-9a-f]{12})  ", screen)
            self.assertGreater(len(places), 4, screen)
            terminal.type("S", "S", "S", "S")
            terminal.wait(f"(?m)^> {places[4]}  .*stepped, in main")
            terminal.type("q", "k")
            terminal.wait("^status 0")

    def test_suspended(self):
        """Back to the shell, and from there to the screen in another size: the program is held all the while."""
        command = stepper([support.target("x86_64", "test_fork")])
        script = f"set -m; {command}; echo the shell; read -r _; fg >/dev/null; exit $?"
        with Terminal(shlex.join(["bash", "--norc", "-c", script])) as terminal:
            screen = terminal.wait(r"process \d+ \(x86_64\) at the start")  # the line that is drawn last
            traced = int(re.search(r"process (\d+) \(", screen).group(1))
            terminal.type("C-z")
            screen = terminal.wait("^the shell")
            self.assertNotIn("registers", screen)
            self.assertEqual((state_of(support.tracer_of(traced)), state_of(traced)), ("T", "t"))
            terminal.resize(100, 30)
            terminal.type("Enter")
            screen = terminal.wait(r"\A[^\n]{100}\n.*at the start")
            self.assertEqual(len(screen.splitlines()), 30)
            terminal.type("q", "k")
            terminal.wait("^status 0")

    def test_attached_lives_on(self):
        for abi in support.runnable_abis():
            self.check_attached_lives_on(abi)

    def check_attached_lives_on(self, abi):
        with support.Program([support.target(abi, "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            with Terminal(shlex.join([support.FORKTRACE, "-i", "-p", str(program.pid)])) as terminal:
                terminal.wait("interrupted")
                terminal.type("N")  # the call that it waits in goes on waiting
                terminal.wait(r"1: process \d+ .*runs")
                terminal.type("q")
                terminal.wait("d lets it run on")
                terminal.type("d")
                terminal.wait("^status 0")
            self.assertEqual(support.tracer_of(program.pid), 0)
            program.write(b"x")  # it forks once more, and tells
            self.assertIn(b"expect fork", program.read_line())

    def test_attached_lives_on_when_forktrace_is_killed(self):
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            with Terminal(shlex.join([support.FORKTRACE, "-i", "-p", str(program.pid)])) as terminal:
                terminal.wait("interrupted")
                terminal.type("f")  # out of the call that it waits in: it runs until there is input
                terminal.wait(r"1: process \d+ .*runs")
                os.kill(support.tracer_of(program.pid), signal.SIGKILL)
                terminal.wait("status 137")  # where the cursor was: nothing could give the terminal back
            program.write(b"x")
            self.assertIn(b"expect fork", program.read_line())


# Says `ready`, then counts each byte that it reads, and says the count.
COUNTER = r"""
#include <stdio.h>
#include <unistd.h>
int counter;
__attribute__((noinline)) static void count(void)
{
	counter++;
}
int main(void)
{
	char byte;
	for (puts("ready"); fflush(stdout) == 0 && read(0, &byte, 1) == 1; printf("%d\n", counter))
		count();
	return 0;
}
"""


class Hardware(unittest.TestCase):
    """Breakpoints of the processor, in a program that was attached to."""

    def attach(self, abi):
        """A terminal with a stepper on a program that waits for input."""
        program = self.enterContext(support.Program([live_support.compile_program(COUNTER, abi)]))
        self.assertEqual(program.read_line(), b"ready")
        terminal = self.enterContext(Terminal(shlex.join([support.FORKTRACE, "-i", "-p", str(program.pid)])))
        terminal.wait("interrupted")
        return program, terminal

    def set_point(self, terminal, *keys, wanted):
        """Skips the test where the processor has none."""
        terminal.type(*keys, "Enter")
        screen = terminal.wait(f"{wanted}|no debug registers")
        if "no debug registers" in screen:
            self.skipTest("this machine's processor has no debug registers that work")
        terminal.type("c")
        terminal.wait(r"1: process \d+ .*runs")

    def check_lives_on(self, program, terminal, *keys):
        """The point is still set when forktrace ends: nothing of it stays in the program."""
        if keys:
            terminal.type(*keys)
            terminal.wait("^status 0")
        else:
            os.kill(support.tracer_of(program.pid), signal.SIGKILL)
            terminal.wait("status 137")
        support.wait_until(lambda: support.tracer_of(program.pid) == 0, "it is let go")
        for count in range(2, 5):
            program.write(b"x")
            self.assertEqual(program.read_line(), str(count).encode())
        self.assertEqual(program.finish(), 0)

    # The key, what it asks for, what is said then, and what where it stops.
    BREAKPOINT = ("b", "count", "breakpoint 1 at count", "at breakpoint 1, in count")
    WATCHPOINT = ("W", "counter/4", "watchpoint 1: 4 bytes", "watchpoint 1 changed, in count")

    def check(self, point, abi, *keys):
        key, what, set_there, stopped = point
        program, terminal = self.attach(abi)
        self.set_point(terminal, key, what, wanted=set_there)
        program.write(b"x")
        terminal.wait(stopped)
        terminal.type("c")
        self.assertEqual(program.read_line(), b"1")
        terminal.wait(r"1: process \d+ .*runs")
        self.check_lives_on(program, terminal, *keys)

    def test_breakpoint_i386(self):
        self.check(self.BREAKPOINT, "i386", "q", "d")

    def test_breakpoint_x86_64(self):
        self.check(self.BREAKPOINT, "x86_64", "q", "d")

    def test_watchpoint_i386(self):
        self.check(self.WATCHPOINT, "i386", "q", "d")

    def test_watchpoint_x86_64(self):
        self.check(self.WATCHPOINT, "x86_64", "q", "d")

    def test_breakpoint_of_a_killed_forktrace_i386(self):
        self.check(self.BREAKPOINT, "i386")

    def test_breakpoint_of_a_killed_forktrace_x86_64(self):
        self.check(self.BREAKPOINT, "x86_64")

    def test_watchpoint_of_a_killed_forktrace_i386(self):
        self.check(self.WATCHPOINT, "i386")

    def test_watchpoint_of_a_killed_forktrace_x86_64(self):
        self.check(self.WATCHPOINT, "x86_64")


class Scripted(unittest.TestCase):
    """Keys from a file, without a terminal."""

    def play(self, command, *lines, columns=80, rows=24, options=()):
        """Status, what SCREEN got, standard error; what SCREEN with something behind it got is kept by that."""
        with tempfile.TemporaryDirectory(prefix="forktrace-keys-") as folder:
            keys = pathlib.Path(folder, "keys")
            screen = pathlib.Path(folder, "screen")
            keys.write_text("\n".join(lines).replace("SCREEN", str(screen)) + "\n")
            status, _, stderr = support.run_command(
                [support.FORKTRACE, "-i", f"--keys={keys}", *options, *command],
                env=support.environment(LINES=str(rows), COLUMNS=str(columns), LC_ALL="C.UTF-8"))
            self.screens = {path.name.removeprefix("screen"): path.read_text()
                            for path in pathlib.Path(folder).glob("screen*")}
            return status, self.screens.get("", ""), stderr.decode()

    def test_stripped_static_program_begins_at_its_entry(self):
        for abi in support.runnable_abis():
            self.check_begin_of_stripped(abi)

    def check_begin_of_stripped(self, abi):
        program = support.target(abi, "test_fork", "static")
        with tempfile.TemporaryDirectory() as folder:
            stripped = f"{folder}/stripped"
            self.assertEqual(support.run_command(["strip", "-o", stripped, program])[0], 0)
            status, screen, stderr = self.play([stripped], ":wait stop", ":screen SCREEN", ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn("at the start", screen)
        self.assertRegex(screen, r"> [0-9a-f]+  .*")

    def test_threads_are_called_so(self):
        """Each stands at the breakpoint by itself; a script needs no wait in front of its first key."""
        program = support.ROOT / "build/tests/x86_64/busy_threads"
        status, screen, stderr = self.play([str(program)], ":break touched", "c", ":wait task 2", ":wait task 3",
                                           ":screen SCREEN", ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screen, r"process \d+  runs ─+ ── thread \d+  at breakpoint 1 ")
        self.assertEqual(len(re.findall(r"[├└]─thread \d+  break 1$", screen, re.MULTILINE)), 2, screen)
        self.assertNotIn("fork=", screen)

    def test_shell_pipeline(self):
        status, screen, stderr = self.play(["sh", "-c", "ls / | wc -l; true"], ":wait stop", "F", ":wait stop", ":wait task 2",
                                           ":wait fork 1", "C", ":wait end", ":screen SCREEN", columns=132, rows=43)
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screen, r"sh +exited 0")
        self.assertRegex(screen, r"wc +exited 0")

    def test_python(self):
        status, screen, stderr = self.play(["/usr/bin/python3", "-c", "import os; print(os.fork() and os.wait()[1])"],
                                           ":wait stop", "F", ":wait stop", ":wait task 2", ":wait fork 1",
                                           ":screen SCREEN", "C", ":wait end")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screen, "fork returned")

    def test_crash_is_held_before_the_signal(self):
        for abi in support.runnable_abis():
            self.check_crash(live_support.compile_program("int main(void) { *(volatile int *)0 = 1; }", abi))

    def check_crash(self, program):
        status, screen, stderr = self.play([program], ":wait stop", "c", ":wait stop", ":screen SCREEN", "c",
                                           ":wait end")
        self.assertEqual((status, stderr), (128 + signal.SIGSEGV, ""))
        self.assertIn("before SIGSEGV", screen)
        self.assertIn("main", screen)

    def test_much_output(self):
        status, screen, stderr = self.play(["sh", "-c", "seq 200000"], ":wait stop", "c", ":wait end", ":wait output 200000",
                                           ":screen SCREEN")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn("200000", screen)

    def test_fork_in_another_thread(self):
        """F is about the process, whichever of its threads forks."""
        for abi in support.runnable_abis():
            self.check_fork_in_thread(support.target(abi, "test_threads"))

    def check_fork_in_thread(self, program):
        status, screen, stderr = self.play([program], ":wait stop", "F", ":wait stop", ":wait fork 1", ":screen SCREEN",
                                           "C", ":wait end")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(screen, r"parent \d+  fork returned (\d+) .* child \1  fork returned 0")
        self.assertEqual(len(re.findall("fork_in_thread", screen)), 2)

    def test_lines(self):
        """The source lines that next goes over, as gdb's does."""
        for abi in support.runnable_abis():
            self.check_lines(support.target(abi, "test_fork"))

    def test_exec(self):
        """The exec of a process that is stepped is held, and what it became is stepped on: of the other ABI, too."""
        steps = [line for key in (":until exec_it", "n", "n", ":break spawn_child", "c", "n")
                 for line in ((key,) if key.startswith(":break") else (key, ":wait stop"))]
        for old, new in itertools.product(support.runnable_abis(), repeat=2):
            program = live_support.compile_program(EXEC, old)
            status, screen, stderr = self.play([program, support.target(new, "test_fork")], ":wait stop", *steps,
                                               ":screen SCREEN", ":quit kill")
            self.assertEqual((status, stderr), (0, ""))
            self.assertRegex(screen, rf"1: process \d+ \({new}\) .* in spawn_child at test_fork.c:8")

    def test_breakpoints_of_the_next_program(self):
        """Those by name are set in it too, also in its libraries: with the same number."""
        for old, new in itertools.product(support.runnable_abis(), repeat=2):
            program = live_support.compile_program(EXEC, old)
            status, screen, stderr = self.play(
                [program, support.target(new, "test_fork")], ":wait stop", ":break main", ":break _Fork", "c", ":wait stop",
                ":screen SCREEN1", "c", ":wait stop", ":screen SCREEN2", ":break _Fork", ":screen SCREEN3", "c", ":wait end")
            self.assertEqual((status, stderr), (0, ""))
            self.assertRegex(self.screens["1"], rf"1: process \d+ \({new}\) at breakpoint 1, in main")
            self.assertRegex(self.screens["2"], rf"1: process \d+ \({new}\) at breakpoint 2, in (_Fork|arch_fork)")
            self.assertRegex(self.screens["2"], r"(?m)^  main +test_fork.c:20$")
            self.assertIn("breakpoint 2 is taken back", self.screens["3"])

    def check_lines(self, program):
        steps = [line for _ in range(3) for line in ("n", ":wait stop")]
        status, screen, stderr = self.play([program], ":wait stop", *steps, ":screen SCREEN",
                                           ":quit kill")
        self.assertEqual((status, stderr), (0, ""))
        gdb = support.run_command(["gdb", "-nx", "-q", "-batch", "-ex", "break *main", "-ex", "run >/dev/null", "-ex", "next",
                                   "-ex", "next", "-ex", "next", "-ex", "frame", program])[1]
        line = re.findall(r"test_fork\.c:(\d+)", gdb.decode())[-1]
        self.assertRegex(screen, rf"code  main\S*  test_fork.c:{line}\b")

    def test_bad_script(self):
        for line, said in (("<Nokey>", "there is no key called <Nokey>"), (":frobnicate", "no such command"),
                           (":wait forever", "one waits for")):
            with self.subTest(line=line):
                status, _, stderr = self.play([support.target("x86_64", "test_fork")], ":wait stop", line)
                self.assertEqual(status, 125)
                self.assertRegex(stderr, rf"^forktrace: .*keys:2: .*{re.escape(said)}")

    def test_no_terminal(self):
        status, _, stderr = support.run_command([support.FORKTRACE, "-i", "true"])
        self.assertEqual(status, 125)
        self.assertIn("needs a terminal", stderr.decode())


if __name__ == "__main__":
    unittest.main()
