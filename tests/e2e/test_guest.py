"""Programs in a QEMU guest, as a user meets them: output, input, status, the report, errors, and nothing left behind."""

import fcntl
import os
import pathlib
import re
import signal
import struct
import tempfile
import termios
import unittest

import support

BY_SIGNAL = 128


def children_of(pid):
    """The processes that this one started."""
    try:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def bytes_in(pipe):
    """What can be read there."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def descendants_of(pid):
    found = children_of(pid)
    for child in found:
        found += children_of(child)
    return found


def processor_ticks(pid):
    """What a process has used, in clock ticks; 0 when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])


class Guest(unittest.TestCase):
    def run_guest(self, program, options=(), **arguments):
        return support.trace(program, [*support.guest_options(), *options], env=support.guest_environment(),
                             **arguments)

    def program(self, source):
        """A static program of this source: nothing but itself goes into the guest."""
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "program")
        command = [os.environ.get("CC", "gcc"), "-m32", "-static", "-D_GNU_SOURCE", "-o", path, "-xc", "-"]
        status, _, stderr = support.run_command(command, stdin=source.encode())
        self.assertEqual(status, 0, stderr)
        return path

    def test_status_and_output(self):
        program = self.program(r"""
            #include <stdio.h>
            #include <stdlib.h>
            int main(int argc, char **argv)
            {
                printf("%d %s %s\n", argc, argv[1], getenv("FORKTRACE_TEST"));
                fprintf(stderr, "to the other\n");
                return 42;
            }""")
        os.environ["FORKTRACE_TEST"] = "from here"
        self.addCleanup(os.environ.pop, "FORKTRACE_TEST")
        run = self.run_guest([program, "two words"])
        self.assertEqual((run.status, run.stdout, run.stderr), (42, b"2 two words from here\n", "to the other\n"))
        self.assertEqual(run.end["exit_status"], 42)

    def test_input(self):
        program = self.program(r"""
            #include <unistd.h>
            int main(void)
            {
                char bytes[512];
                ssize_t got;
                while ((got = read(0, bytes, sizeof(bytes))) > 0)
                    if (write(1, bytes, got) != got)
                        return 1;
                return 0;
            }""")
        text = bytes(range(256)) * 20
        run = self.run_guest([program], stdin=text)
        self.assertEqual((run.status, run.stdout), (0, text))

    @support.time_limit(100)
    def test_output_beyond_the_pipes(self):
        """More than the pipes hold, those of the guest and that of whoever reads forktrace's output: all wait, nothing
        is lost, and the fork behind it is followed."""
        lines = 24000
        program = self.program(rf"""
            #include <stdio.h>
            #include <sys/wait.h>
            #include <unistd.h>
            int main(void)
            {{
                for (int i = 0; i < {lines}; i++)
                    printf("%063d\n", i);
                fflush(stdout);
                if (fork() == 0)
                    _exit(0);
                return wait(NULL) < 0;
            }}""")
        with support.Background([program], support.guest_options(), env=support.guest_environment()) as run:
            run.wait_event("exec", timeout=40)
            output = run.process.stdout.fileno()
            capacity = fcntl.fcntl(output, fcntl.F_GETPIPE_SZ)
            support.wait_until(lambda: bytes_in(output) == capacity, "the pipe is full", timeout=40)
            self.assertEqual(run.finish(), 0, run.stderr)
        self.assertEqual(run.output_text, b"".join(b"%063d\n" % number for number in range(lines)))
        self.assertEqual(len(run.forks()), 1)

    def test_ends_while_nobody_looks(self):
        """QEMU is gone before forktrace has read what the program's end was."""
        program = self.program(r"""
            #include <unistd.h>
            int main(void)
            {
                write(1, "x", 1);
                sleep(1);
                write(1, "y", 1);
                return 5;
            }""")
        with support.Background([program], support.guest_options(), env=support.guest_environment()) as run:
            self.assertEqual(os.read(run.process.stdout.fileno(), 1), b"x")
            machines = descendants_of(run.pid)
            run.signal(signal.SIGSTOP)
            for pid in machines:
                support.wait_until(lambda pid=pid: support.process_state(pid) in (None, "Z"), "QEMU has ended", timeout=40)
            run.signal(signal.SIGCONT)
            self.assertEqual(run.finish(), 5, run.stderr)
        self.assertEqual((run.stderr, run.output_text), ("", b"y"))
        self.assertEqual(run.of("error"), [])

    def test_killed(self):
        program = self.program("int main(void) { return *(volatile int *)4; }")
        run = self.run_guest([program])
        self.assertEqual(run.status, BY_SIGNAL + signal.SIGSEGV)
        (event,) = run.of("exit")
        self.assertEqual((event["signal"], event["status"]), ("SIGSEGV", None))

    def test_child_is_killed_at_once(self):
        """A child that never returns to user mode leaves a record that says so."""
        program = self.program(r"""
            #include <sched.h>
            #include <signal.h>
            #include <sys/wait.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            int main(void)
            {
                int status;
                /* No stack at all: the child faults at its first instruction that uses one. */
                long pid = syscall(SYS_clone, CLONE_VM | SIGCHLD, 16, 0, 0, 0);
                if (pid <= 0)
                    return 1;
                waitpid(pid, &status, 0);
                return WIFSIGNALED(status) ? 0 : 2;
            }""")
        run = self.run_guest([program])
        self.assertEqual(run.status, 0, run)
        (record,) = run.forks()
        self.assertGreater(record["parent"]["ret"], 0)
        self.assertEqual(len(record["kernel"]["walk"]), 11)
        self.assertEqual(len([event for event in run.of("exit") if event["signal"] == "SIGSEGV"]), 1)

    def test_report(self):
        """One stack from main to copy_process, and the walk below it, in 80 columns."""
        command = [support.FORKTRACE, *support.guest_options(), support.built_target("i386", "test_fork")]
        status, _, text = support.run_command(command, env=support.guest_environment())
        self.assertEqual(status, 0)
        lines = text.decode().splitlines()
        self.assertTrue(all(len(line) <= 80 for line in lines), text.decode())
        order = [r"main +test_fork\.c:\d+", r"fork +libc", r"__kernel_vsyscall +\[vdso\]", r"─+ user / kernel: sysenter",
                 r"entry_SYSENTER_32 +ret_from_fork", r"kernel_clone", r"copy_process$",
                 r"kernel: guest, Linux \d", r" 1  wrapper +fork", r" 11  return-(parent|child)"]
        places = []
        for pattern in order:
            (place, *_) = [number for number, line in enumerate(lines) if re.search(pattern, line)] or [None]
            self.assertIsNotNone(place, f"{pattern}\n{text.decode()}")
            places.append(place)
        self.assertEqual(places, sorted(places))

    def test_pipeline(self):
        """A shell with two commands, Debian's own: three processes, of which two become other programs."""
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
            for name in ("one", "two", "three"):
                pathlib.Path(directory, name).touch()
            run = self.pipeline(f"ls {directory} | wc", directory)
        self.assertEqual((run.status, run.stdout.split(), run.stderr), (0, [b"3", b"3", b"14"], ""), run)
        shell, *commands = run.of("exec")
        self.assertEqual({event["path"].rpartition("/")[2] for event in commands}, {"ls", "wc"})
        self.assertEqual([event["parent"]["pid"] for event in run.forks()], [shell["pid"]] * 2)
        self.assertEqual({event["child"]["pid"] for event in run.forks()}, {event["pid"] for event in commands})
        self.assertEqual({(event["pid"], event["status"]) for event in run.of("exit")},
                         {(event["pid"], 0) for event in run.of("exec")})
        for record in run.forks():
            self.assertEqual(record["parent"]["frames"], record["child"]["frames"])
            self.assertEqual((record["parent"]["frames"][-1]["certain"], record["kernel"]["reason"]), (True, None))

    def pipeline(self, command, directory):
        """`sh -c COMMAND` with Debian's i386 dash, ls and wc. The libraries of ls are found as a user would have it."""
        libraries = support.i386_file("usr/lib/i386-linux-gnu") + ":" + support.i386_file("lib/i386-linux-gnu")
        files = [f"{support.i386_file('bin/ls')}:/bin/ls", f"{support.i386_file('usr/bin/wc')}:/usr/bin/wc", directory]
        environment = {**support.guest_environment(), "LD_LIBRARY_PATH": libraries, "PATH": "/usr/bin:/bin"}
        options = [*support.guest_options(), *(f"--guest-file={file}" for file in files)]
        return support.trace([support.i386_file("bin/dash"), "-c", command], options, env=environment)

    def test_cold(self):
        run = self.run_guest([support.built_target("i386", "test_fork")], ["--guest-cold"])
        self.assertEqual((run.status, len(run.forks())), (0, 1), run)


class Killed(unittest.TestCase):
    """However forktrace dies, QEMU goes with it, and the next run finds nothing in its way."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        self.cache = pathlib.Path(directory.name)
        self.environment = support.environment(XDG_CACHE_HOME=str(self.cache))

    def start(self):
        program = support.built_target("i386", "test_nested")
        return support.Background([program], support.guest_options(), env=self.environment)

    def kill(self, run):
        machines = descendants_of(run.pid)
        self.assertTrue(machines, "there is no QEMU")
        run.signal(signal.SIGKILL)
        run.process.wait()
        for pid in machines:
            support.wait_until(lambda pid=pid: support.process_state(pid) in (None, "Z"), f"{pid} is gone")

    def wait_ticks(self, run, ticks):
        support.wait_until(lambda: descendants_of(run.pid), "QEMU has started")
        support.wait_until(lambda: sum(map(processor_ticks, descendants_of(run.pid))) >= ticks, f"{ticks} ticks")

    @support.time_limit(170)
    def test_at_ten_moments(self):
        for ticks in (0, 5, 20, 60, 150, 250):
            with self.subTest(ticks=ticks), self.start() as run:
                self.wait_ticks(run, ticks)
                self.kill(run)
        for kind, count in (("start", 1), ("exec", 1), ("fork", 1), ("fork", 5)):
            with self.subTest(kind=kind, count=count), self.start() as run:
                for number in range(count):
                    run.wait_event(kind, lambda event, n=number: len(run.of(kind)) > n, timeout=40)
                self.kill(run)
        run = support.trace([support.built_target("i386", "test_fork")], support.guest_options(), env=self.environment)
        self.assertEqual((run.status, len(run.forks())), (0, 1), run)
        left = [path.name for path in self.cache.rglob("*") if path.is_file() and re.search(r"tmp|part", path.name)]
        self.assertEqual(left, [])

    def test_terminated(self):
        with self.start() as run:
            run.wait_event("fork", timeout=40)
            machines = descendants_of(run.pid)
            run.signal(signal.SIGTERM)
            run.finish()
            self.assertEqual(run.events[-1]["event"], "end")
            for pid in machines:
                self.assertIsNone(support.process_state(pid))


class Errors(unittest.TestCase):
    def refuse(self, words, status, *parts, env=None):
        got, stdout, stderr = support.run_command([support.FORKTRACE, *words], env=env)
        text = stderr.decode()
        self.assertEqual((got, stdout), (status, b""), text)
        self.assertEqual(len(text.splitlines()), 1, text)
        for part in parts:
            self.assertIn(part, text)

    def test_program(self):
        options = support.guest_options()
        self.refuse([*options, "/bin/true"], 126, "/true", "64-bit", "-k live")
        self.refuse([*options, "/nonexistent"], 127, "/nonexistent")
        self.refuse([*options, "--guest-file=/nonexistent", support.built_target("i386", "test_fork")], 125,
                    "/nonexistent")

    def test_kernel(self):
        program = support.built_target("i386", "test_fork")
        self.refuse(["-g", "--guest-kernel=/bin/true", program], 125, "/bin/true", "bzImage")
        self.refuse(["-g", "--guest-kernel=/nonexistent", program], 125, "/nonexistent")
        with tempfile.TemporaryDirectory() as empty:
            self.refuse(["-g", program], 125, "--guest-fetch", env=support.environment(XDG_CACHE_HOME=empty))

    def test_qemu(self):
        program = support.built_target("i386", "test_fork")
        options = support.guest_options()
        self.refuse([*options, program], 125, "qemu-system-x86", env=support.environment(PATH="/nonexistent"))
        self.refuse([*options, "--guest-cpu=nosuch", program], 125, "nosuch", env=support.guest_environment())

    def test_panic(self):
        """The kernel's own words."""
        self.refuse([*support.guest_options(), "--guest-append=rdinit=/nosuch root=/dev/nosuch",
                     support.built_target("i386", "test_fork")], 125, "panic", env=support.guest_environment())
