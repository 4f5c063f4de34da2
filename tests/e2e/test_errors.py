"""What goes wrong before, around and after the run: programs that cannot be run, misuse, reports that cannot be
written, exit statuses; and that the program notices nothing."""

import json
import os
import pathlib
import re
import resource
import signal
import struct
import tempfile
import unittest

import live_support
import support

NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 125

ENDS_WITH = r"""
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
int main(int count, char **arguments)
{
	int number = atoi(arguments[2]);
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	if (arguments[1][0] == 'e')
		_exit(number);
	signal(number, SIG_DFL);
	raise(number);
	return 99;
}
"""

# Prints what a process can know of how it was started, one fact a line.
PROBE = r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
extern char **environ;
static void show_file(const char *path, char separator)
{
	char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t size, i;
	while (fd >= 0 && (size = read(fd, text, sizeof(text))) > 0)
		for (i = 0; i < size; i++)
			putchar(text[i] == separator ? '\n' : text[i]);
	close(fd);
}
static void show_link(const char *path)
{
	char target[4096];
	ssize_t size = readlink(path, target, sizeof(target));
	printf("%s -> %.*s flags %o\n", path, (int)size, target, fcntl(atoi(strrchr(path, '/') + 1), F_GETFD));
}
int main(int count, char **arguments)
{
	char path[64];
	struct dirent *entry;
	struct itimerval timer;
	int death = -1, reaper = -1;
	DIR *directory = opendir("/proc/self/fd");
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory)) {
			snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
			show_link(path);
		}
	closedir(directory);
	show_link("/proc/self/cwd");
	show_link("/proc/self/root");
	show_file("/proc/self/status", '\n');
	show_file("/proc/self/limits", '\n');
	show_file("/proc/self/oom_score_adj", '\n');
	show_file("/proc/self/timerslack_ns", '\n');
	show_file("/proc/self/personality", '\n');
	show_file("/proc/self/cgroup", '\n');
	for (int i = 0; i < count; i++)
		printf("argument %s\n", arguments[i]);
	for (int i = 0; environ[i]; i++)
		printf("environment %s\n", environ[i]);
	prctl(PR_GET_PDEATHSIG, &death);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	getitimer(ITIMER_REAL, &timer);
	printf("group leads session %d\nleads group %d\n", getpgrp() == getsid(0), getpgrp() == getpid());
	printf("nice %d\npolicy %d\ndeath %d reaper %d dumpable %d keepcaps %d\n", getpriority(PRIO_PROCESS, 0),
	       sched_getscheduler(0), death, reaper, prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS));
	printf("timer %ld\n", (long)timer.it_value.tv_sec + timer.it_value.tv_usec);
	return 0;
}
"""

# Runs a command as its child, so that this leads neither group nor session; a shell would clear the signal mask.
PARENT = r"""
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **arguments)
{
	siginfo_t end;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(arguments[1], arguments + 1);
		_exit(126);
	}
	while (waitid(P_PID, pid, &end, WEXITED) < 0 && errno == EINTR)
		;
	return 0;
}
"""

# Lines of /proc/PID/status that say how the process was set up.
PROBED_STATUS = re.compile(r"^(Umask|Uid|Gid|Groups|NoNewPrivs|Cap\w+|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|Cpus_allowed"
                           r"|Cpus_allowed_list|Mems_allowed|CoreDumping|THP_enabled|Speculation\w+):")
ANY_STATUS = re.compile(r"^\w+:\t")

# (options, words that the sentence holds)
MISUSES = [
    ([], ["nothing to trace"]),
    (["--"], ["nothing to trace"]),
    (["--nosuch"], ["--nosuch"]),
    (["-Z"], ["Z"]),
    (["-o"], ["o"]),
    (["-p"], ["p"]),
    (["--threads=yes", "true"], ["--threads"]),
    (["-o", "", "true"], ["--output"]),
    (["-p", ""], ["--attach"]),
    (["-p", "0"], ["--attach", "'0'"]),
    (["-p", "-1"], ["--attach", "'-1'"]),
    (["-p", "1x"], ["--attach", "'1x'"]),
    (["-p", "1,,2"], ["--attach"]),
    (["-p", "1,"], ["--attach"]),
    (["-p", "99999999999999999999"], ["--attach"]),
    (["-p", "4711", "-p", "4711"], ["4711", "twice"]),
    (["-p", "4711", "true"], ["--attach", "PROGRAM"]),
    (["-q", "-v", "true"], ["--quiet", "--verbose"]),
    (["-k", "guest", "-p", "4711"], ["--attach", "--kernel=guest"]),
    (["--guest-cold", "true"], ["--guest-", "--kernel=guest"]),
    *(([f"--from={os.devnull}", *words], ["--from"]) for words in
      (["true"], ["-p", "4711"], ["-i"], ["-k", "none"], ["-g"], ["--guest-cold"], ["--threads"])),
    (["-g", "--guest-memory=7", "true"], ["--guest-memory", "'7'", "32"]),
    (["-g", "--guest-memory=x\x1b", "true"], ["--guest-memory", r"x\x1b"]),
    *((["--max-frames", value, "true"], ["--max-frames", f"'{value}'"]) for value in ("0", "-1", "x", "1k", "65537",
                                                                                     "18446744073709551617")),
    *(([option, "\x1b[31m", "true"], [name, r"\x1b[31m"]) for option, name in
      (("-k", "--kernel"), ("-f", "--format"), ("--unwinder", "--unwinder"), ("--follow", "--follow"),
       ("--color", "--color"))),
]


def run_plain(words, **arguments):
    """forktrace with these words alone; returns (status, stdout, stderr), text."""
    status, stdout, stderr = support.run_command([support.FORKTRACE, *map(str, words)], **arguments)
    return status, stdout.decode(errors="replace"), stderr.decode(errors="replace")


class InDirectory(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def write(self, name, content, mode=0o755):
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path


class CannotRun(InDirectory):
    """PROGRAM cannot be run: one sentence, its exit status, and a report of whole lines."""

    def check(self, program, status, *words, options=(), **arguments):
        run = support.trace([program], options, **arguments)  # reads every line of the report as JSON
        self.assertEqual(run.status, status, run)
        live_support.check_sentence(self, run.stderr, *words)
        self.assertEqual(run.stdout, b"")
        self.assertEqual(run.forks(), [])
        status, stdout, stderr = run_plain([*options, program], **arguments)
        self.assertEqual((status, stdout), (run.status, ""))
        live_support.check_sentence(self, stderr, *words)

    def test_not_found_on_path(self):
        self.check("no-such-program", NOT_FOUND, "no-such-program", "PATH")

    def test_not_found(self):
        self.check(self.directory / "nosuch", NOT_FOUND, str(self.directory / "nosuch"))

    def test_not_found_without_filter(self):
        self.check("./nosuch", NOT_FOUND, "nosuch", options=["--no-seccomp"])
        self.check("./nosuch", NOT_FOUND, "nosuch", options=["--follow=none"])

    def test_empty_name(self):
        self.check("", NOT_FOUND, "empty")

    def test_below_a_file(self):
        self.check(self.write("file", "") / "program", NOT_FOUND, "directory")

    def test_dangling_link(self):
        (self.directory / "link").symlink_to("nowhere")
        self.check(self.directory / "link", NOT_FOUND, "link")

    def test_link_loop(self):
        (self.directory / "loop").symlink_to("loop")
        self.check(self.directory / "loop", NOT_EXECUTABLE, "loop")

    def test_script_interpreter_not_found(self):
        self.check(self.write("script", "#!/no/such/interpreter\n"), NOT_FOUND, "script", "interpreter")

    def test_elf_interpreter_not_found(self):
        content = pathlib.Path(support.target("x86_64", "test_fork")).read_bytes()
        self.assertIn(b"/lib64/ld-linux", content)
        path = self.write("program", content.replace(b"/lib64/ld-linux", b"/lib64/no-linux"))
        self.check(path, NOT_FOUND, "program", "interpreter")

    def test_not_executable(self):
        path = self.write("file", "#!/bin/sh\n", 0o644)
        self.check(path, NOT_EXECUTABLE, str(path))

    def test_not_executable_on_path(self):
        self.write("file", "#!/bin/sh\n", 0o644)
        self.check("file", NOT_EXECUTABLE, "file", env=support.environment(PATH=f"/nowhere:{self.directory}"))

    def test_directory(self):
        self.check(self.directory, NOT_EXECUTABLE, "directory")
        self.check("/", NOT_EXECUTABLE, "directory")

    def test_device(self):
        self.check("/dev/null", NOT_EXECUTABLE, "/dev/null")

    def test_script_without_interpreter_line(self):
        """No shell runs it, as execvp(3) would have it."""
        mark = self.directory / "mark"
        self.check(self.write("script", f": >{mark}\n"), NOT_EXECUTABLE, "script")
        self.assertFalse(mark.exists())

    def test_script_without_interpreter_line_on_path(self):
        mark = self.directory / "mark"
        self.write("script", f": >{mark}\n")
        self.check("script", NOT_EXECUTABLE, "script", env=support.environment(PATH=str(self.directory)))
        self.assertFalse(mark.exists())

    def test_not_elf(self):
        self.check(self.write("file", b"\0\1\2\3" * 100), NOT_EXECUTABLE, "file")
        self.check(self.write("empty", b""), NOT_EXECUTABLE, "empty")

    def test_truncated_elf(self):
        content = pathlib.Path(support.target("x86_64", "test_fork")).read_bytes()
        self.check(self.write("short", content[:40]), NOT_EXECUTABLE, "short")

    def test_other_architecture(self):
        content = bytearray(pathlib.Path(support.target("x86_64", "test_fork")).read_bytes())
        e_machine, em_aarch64 = 18, 183
        content[e_machine:e_machine + 2] = struct.pack("<H", em_aarch64)
        self.check(self.write("arm", content), NOT_EXECUTABLE, "arm")

    def test_i386_without_emulation(self):
        if support.runs_32_bit():
            self.skipTest("this kernel runs 32-bit programs")
        self.check(support.built_target("i386", "test_fork"), NOT_EXECUTABLE, "test_fork is a 32-bit (i386) program",
                   "this kernel runs none", "ia32_emulation=1")

    def test_damaged_i386(self):
        """What no kernel would run is not blamed on this one."""
        content = pathlib.Path(support.built_target("i386", "test_fork")).read_bytes()
        e_type, et_rel = 16, 1
        relocatable = content[:e_type] + struct.pack("<H", et_rel) + content[e_type + 2:]
        for name, damaged in ("short", content[:60]), ("relocatable", relocatable):
            self.check(self.write(name, damaged), NOT_EXECUTABLE, name, "neither ELF of its kind")

    def test_untrusted_name(self):
        """The name reaches the terminal escaped."""
        run = support.trace([self.directory / "\x1b[31m\nname"])
        self.assertEqual(run.status, NOT_FOUND)
        live_support.check_sentence(self, run.stderr, r"\x1b[31m\x0aname")


class Misuse(unittest.TestCase):
    def test_options(self):
        for words, mentioned in MISUSES:
            with self.subTest(words=words):
                status, stdout, stderr = run_plain(words)
                self.assertEqual(status, FAILED, stderr)
                self.assertEqual(stdout, "")
                sentence, *rest = stderr.splitlines()
                self.assertRegex(sentence, r"^(\S*/)?forktrace: [^ ].{8}")
                for word in mentioned:
                    self.assertIn(word, sentence)
                self.assertNotIn("\x1b", stderr)
                # argp's own errors bring the line that points to --help.
                self.assertLessEqual(len(rest), 1, stderr)
                for line in rest:
                    self.assertIn("--help", line)

    def test_options_end_at_program(self):
        status, stdout, _ = run_plain(["-k", "none", "echo", "-p", "--help", "-f", "nosuch"])
        self.assertEqual((status, stdout), (0, "-p --help -f nosuch\n"))
        status, stdout, _ = run_plain(["-k", "none", "--", "echo", "--", "x"])
        self.assertEqual((status, stdout), (0, "-- x\n"))

    def test_misuse_starts_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            mark = pathlib.Path(directory) / "mark"
            for words in ["--guest-cold"], ["-k", "guest", "-p", "1"], ["--max-frames=0"], ["-q", "-v"], \
                    ["--from=/dev/null"]:
                self.assertEqual(run_plain([*words, *live_support.echo_to(mark)])[0], FAILED)
                self.assertFalse(mark.exists())


class Report(InDirectory):
    """Reports that cannot be written."""

    def setUp(self):
        super().setUp()
        self.mark = self.directory / "mark"
        self.command = live_support.echo_to(self.mark)

    def check_not_started(self, output, *words, wrapper=()):
        status, stdout, stderr = support.run_command(
            [*wrapper, support.FORKTRACE, "-o", str(output), *self.command])
        self.assertEqual(status, FAILED, stderr)
        self.assertEqual(stdout, b"")
        live_support.check_sentence(self, stderr.decode(), *words)
        self.assertFalse(self.mark.exists(), "the program was started")

    def test_missing_directory(self):
        self.check_not_started(self.directory / "no" / "report", str(self.directory / "no" / "report"), "No such file")

    def test_directory(self):
        self.check_not_started(self.directory, str(self.directory), "directory")

    def test_below_a_file(self):
        self.check_not_started(self.write("file", "") / "report", "ot a directory")

    def test_busy_program(self):
        """A file that is being executed cannot be written, not even by root."""
        path = self.write("program", pathlib.Path("/bin/cat").read_bytes())
        with support.Program([path]) as program:
            program.write(b"x\n")
            self.assertEqual(program.read_line(), b"x")
            self.check_not_started(path, str(path), "busy")
            program.finish()
        self.assertEqual(path.read_bytes(), pathlib.Path("/bin/cat").read_bytes())

    @staticmethod
    def opens_fifo(pid):
        """Asleep in openat (asm/unistd_64.h: 257), as forktrace itself: before its exec the signal would be Python's."""
        openat = "257"
        proc = pathlib.Path(f"/proc/{pid}")
        return os.path.samefile(proc / "exe", support.FORKTRACE) and support.process_state(pid) == "S" and \
            (proc / "syscall").read_text().split()[0] == openat

    def test_fifo_without_reader(self):
        """It waits for one, as open(2) does, and can be interrupted; the program was not started."""
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        for number in signal.SIGINT, signal.SIGTERM:
            with support.Program([support.FORKTRACE, "-o", str(fifo), *self.command]) as run:
                support.wait_until(lambda pid=run.pid: self.opens_fifo(pid), "forktrace waited for a reader")
                run.signal(number)
                self.assertEqual(run.finish(timeout=10), -number)
            self.assertFalse(self.mark.exists(), "the program was started")

    @live_support.needs_root
    def test_read_only_file_system(self):
        script = 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"'
        (self.directory / "mount").mkdir()
        wrapper = ["unshare", "-m", "sh", "-c", script, "sh", str(self.directory / "mount")]
        self.check_not_started(self.directory / "mount" / "report", "Read-only", wrapper=wrapper)

    @live_support.needs_root
    def test_read_only_file(self):
        with live_support.Unprivileged() as other:
            path = other.directory / "report"
            path.write_text("kept\n")
            path.chmod(0o444)
            status, _, stderr = support.run_command(
                [*other.wrapper, other.forktrace, "-o", str(path), *live_support.echo_to(other.own / "mark")])
            self.assertEqual(status, FAILED)
            live_support.check_sentence(self, stderr.decode(), str(path), "ermission denied")
            self.assertFalse((other.own / "mark").exists())
            self.assertEqual(path.read_text(), "kept\n")

    def check_runs_on(self, words, *mentioned, **arguments):
        """The report fails midway: said once, the program runs to its end, 125."""
        status, stdout, stderr = run_plain([*words, *self.command], **arguments)
        self.assertEqual(status, FAILED, stderr)
        self.assertEqual(stdout, "")
        live_support.check_sentence(self, stderr, *mentioned)
        self.assertTrue(self.mark.exists(), "the program did not run to its end")
        self.mark.unlink()

    def test_full_disk(self):
        for words in [], ["-f", "json"], ["-q"], ["--no-seccomp"]:
            with self.subTest(words=words):
                self.check_runs_on([*words, "-o", "/dev/full"], "/dev/full", "No space left")

    def test_full_disk_with_many_forks(self):
        for form in "text", "json":
            status, stdout, stderr = run_plain(["-f", form, "-o", "/dev/full", support.target("x86_64", "test_storm"),
                                                "50"])
            self.assertEqual(status, FAILED)
            live_support.check_sentence(self, stderr, "/dev/full", "No space left")
            self.assertEqual(stdout.count("expect fork "), 50)
            self.assertIn("expect total forks=50 ", stdout)

    @live_support.needs_root
    def test_disk_that_becomes_full(self):
        (self.directory / "mount").mkdir()
        script = 'mount -t tmpfs -o size=16k none "$1" && cd "$1" && shift && "$@"; status=$?; wc -c <r; exit $status'
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(self.directory / "mount"), support.FORKTRACE, "-f",
                   "json", "-o", "r", support.target("x86_64", "test_storm"), "30"]
        status, stdout, stderr = support.run_command(command)
        self.assertEqual(status, FAILED, stderr)
        live_support.check_sentence(self, stderr.decode(), "No space left")
        self.assertIn(b"expect total forks=30 ", stdout)
        self.assertEqual(int(stdout.split()[-1]), 16384)

    def test_file_size_limit(self):
        """RLIMIT_FSIZE: SIGXFSZ, whose default is death, is neither forktrace's end nor the program's."""
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        run = live_support.run_prepared([support.FORKTRACE, "-f", "json", "-o", str(self.directory / "report"),
                                         support.target("x86_64", "test_fork")], limit)
        self.assertEqual(run.returncode, FAILED, run)
        live_support.check_sentence(self, run.stderr.decode(), "File too large")
        self.assertIn(b"expect total forks=1 ", run.stdout)

    def check_closed_pipe(self, words, stream):
        """`stream`, "stdout" or "stderr", is a pipe that nobody reads."""
        for prepare in None, lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN):
            reader, writer = os.pipe()
            os.close(reader)
            try:
                run = live_support.run_prepared([support.FORKTRACE, *words, *self.command], prepare,
                                                **{stream: writer})
            finally:
                os.close(writer)
            self.assertEqual(run.returncode, FAILED, run)
            self.assertTrue(self.mark.exists(), "the program did not run to its end")
            self.mark.unlink()
        return run

    def test_closed_pipe_as_standard_error(self):
        for words in [], ["-f", "json"], ["-q"]:
            with self.subTest(words=words):
                self.check_closed_pipe(words, "stderr")

    def test_closed_pipe_as_output(self):
        run = self.check_closed_pipe(["-o", "/dev/stdout"], "stdout")
        live_support.check_sentence(self, run.stderr.decode(), "/dev/stdout", "Broken pipe")

    def test_closed_standard_error(self):
        """`2>&-`: the report has nowhere to go; no other file may take descriptor 2."""
        status, stdout, _ = support.run_command(
            ["sh", "-c", '"$@" 2>&-; echo "status $?"', "sh", support.FORKTRACE, *self.command])
        self.assertEqual((status, stdout), (0, b"status 125\n"))
        self.assertTrue(self.mark.exists(), "the program did not run to its end")

    def test_all_standard_descriptors_closed(self):
        status, _, _ = support.run_command(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", support.FORKTRACE, "-f", "json", "-o",
             str(self.directory / "report"), *self.command])
        self.assertEqual(status, 0)
        self.assertTrue(self.mark.exists())
        events = [json.loads(line) for line in (self.directory / "report").read_text().splitlines()]
        self.assertEqual(events[-1]["event"], "end")

    def test_pipe_that_closes_midway(self):
        """The reader takes one line and leaves; the forks go on."""
        output, first = self.directory / "output", self.directory / "head"
        command = ["sh", "-c", '{ { "$@" 2>&4 4>&-; echo "status $?" >&3; } 4>&1 >"$OUTPUT" | head -n 1 >"$HEAD"; } '
                   "3>&1", "sh", support.FORKTRACE, "-f", "json", support.target(support.any_abi(), "test_storm"),
                   "100"]
        status, stdout, _ = support.run_command(
            command, env=support.environment(OUTPUT=str(output), HEAD=str(first)))
        self.assertEqual((status, stdout), (0, b"status 125\n"))
        self.assertEqual(json.loads(first.read_text())["event"], "start")
        self.assertIn("expect total forks=100 ", output.read_text())

    def test_appending(self):
        """`-o /dev/stdout >>file` keeps what the file held."""
        path = self.write("log", "kept\n", 0o644)
        with open(path, "ab") as log:
            run = live_support.run_prepared([support.FORKTRACE, "-q", "-o", "/dev/stdout", *self.command], stdout=log)
        self.assertEqual(run.returncode, 0)
        self.assertRegex(path.read_text(), r"\Akept\n1 fork, ")

    def test_into_true(self):
        command = ["bash", "-c", '"$@" | true; echo "${PIPESTATUS[0]}"', "bash", support.FORKTRACE, "-o",
                   "/dev/stdout", *self.command]
        status, stdout, stderr = support.run_command(command)
        self.assertEqual((status, stdout), (0, b"125\n"))
        live_support.check_sentence(self, stderr.decode(), "Broken pipe")
        self.assertTrue(self.mark.exists())

    def test_output_is_one_stream(self):
        """`-o /dev/stdout >file`: the report and the program's output do not overwrite one another."""
        path = self.directory / "both"
        with open(path, "wb") as both:
            run = live_support.run_prepared([support.FORKTRACE, "-f", "json", "-o", "/dev/stdout",
                                             support.target("x86_64", "test_fork")], stdout=both)
        self.assertEqual(run.returncode, 0)
        lines = path.read_bytes().splitlines()
        for line in lines:
            self.assertRegex(line, rb'^(\{"event":.*\}|expect .*)$')
        self.assertEqual(sum(line.startswith(b"expect ") for line in lines), 4)
        self.assertEqual(sum(line.startswith(b"{") for line in lines), json.loads(lines[-1])["seq"])


class ExitStatus(unittest.TestCase):
    def program(self, abi):
        return live_support.compile_program(ENDS_WITH, abi)

    def test_status(self):
        for abi in support.runnable_abis():
            for status in 0, 1, 7, 125, 255:
                run = support.trace([self.program(abi), "e", status], ["-k", "none"])
                self.assertEqual(run.status, status, run)
                (end,) = run.of("exit")
                self.assertEqual((end["status"], end["signal"], end["root"]), (status, None, True))
                self.assertEqual(run.end["exit_status"], status)
                self.assertEqual(run.stderr, "")

    def test_signals(self):
        for abi in support.runnable_abis():
            for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGPIPE,
                           signal.SIGXFSZ):
                run = support.trace([self.program(abi), "signal", int(number)], ["-k", "none"])
                self.assertEqual(run.status, 128 + number, run)
                (end,) = run.of("exit")
                self.assertEqual((end["status"], end["signal"]), (None, number.name))

    def test_real_time_signal(self):
        number = signal.SIGRTMIN + 3
        run = support.trace([self.program("x86_64"), "signal", number], ["-k", "none"])
        self.assertEqual(run.status, 128 + number)

    def test_with_options(self):
        for options in (["--no-seccomp"], ["--follow=none"], ["--follow=first"], ["--threads"], ["-q"], ["-v"],
                        ["-k", "live"]):
            run = support.trace(["sh", "-c", "true & wait; exit 7"], options)
            self.assertEqual(run.status, 7, run)

    def test_exec_fails_inside(self):
        """The program's own matter: its own message, its own status."""
        command = ["sh", "-c", "exec /nonexistent/program"]
        natively = support.run_command(command)
        run = support.trace(command)
        self.assertEqual((run.status, run.stdout, run.stderr.encode()), natively)
        self.assertEqual(run.status, 127)
        self.assertEqual(len(run.of("exec")), 1)

    def test_the_started_one_counts(self):
        """Others end later and otherwise."""
        run = support.trace(["sh", "-c", "(read x <&3; exit 9) 3<&0 & exit 3"], ["-k", "none"], stdin=b"")
        self.assertEqual(run.status, 3, run)
        self.assertEqual(len(run.of("exit")), 2)
        self.assertEqual([event["status"] for event in run.of("exit") if event["root"]], [3])


class Unnoticed(InDirectory):
    """The program is started as it would be without forktrace."""

    def setUp(self):
        super().setUp()
        self.probe = live_support.compile_program(PROBE)
        self.parent = live_support.compile_program(PARENT)

    def facts(self, wrapper, prepare=None, program=None, **arguments):
        """What the probe prints."""
        path, errors_path = self.directory / "facts", self.directory / "errors"
        with open(path, "wb") as output, open(errors_path, "wb") as errors:
            run = live_support.run_prepared([self.parent, *wrapper, program or self.probe, "one", ""], prepare,
                                            stdout=output, stderr=errors, **arguments)
        self.assertEqual((run.returncode, errors_path.read_text()), (0, ""))
        lines = path.read_text().splitlines()
        # Without privilege the filter needs no_new_privs: the one thing that a program may notice.
        return [line for line in lines if (PROBED_STATUS.match(line) or not ANY_STATUS.match(line))
                and (support.is_root() or not line.startswith("NoNewPrivs"))]

    def check(self, prepare=None, options=("", "--no-seccomp", "--follow=first", "--follow=none", "-knone"),
              **arguments):
        """Compares the facts natively and under forktrace; returns them."""
        natively = self.facts([], prepare, **arguments)
        self.assertGreater(len(natively), 60)
        for option in options:
            words = [support.FORKTRACE, "-o", "/dev/null", *filter(None, [option])]
            with self.subTest(option=option):
                self.assertEqual(self.facts(words, prepare, **arguments), natively)
        return natively

    def test_plain(self):
        facts = self.check()
        self.assertIn("argument one", facts)
        self.assertIn("group leads session 1", facts)
        self.assertIn("leads group 0", facts)

    def test_signals(self):
        def prepare():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE,
                                                     signal.SIGRTMIN + 2])
            for number in signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR2, signal.SIGQUIT, signal.SIGTSTP:
                signal.signal(number, signal.SIG_IGN)

        facts = self.check(prepare)
        (blocked,) = (int(line.split()[1], 16) for line in facts if line.startswith("SigBlk"))
        (ignored,) = (int(line.split()[1], 16) for line in facts if line.startswith("SigIgn"))
        for number in signal.SIGUSR1, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGRTMIN + 2:
            self.assertTrue(blocked >> (number - 1) & 1, number)
        for number in signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR2, signal.SIGQUIT, signal.SIGTSTP:
            self.assertTrue(ignored >> (number - 1) & 1, number)

    def test_ignored_child_signal(self):
        """SIGCHLD, ignored by who started forktrace: the kernel would reap our children by itself."""
        prepare = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        report = self.directory / "report"
        run = live_support.run_prepared([support.FORKTRACE, "-f", "json", "-o", str(report), "sh", "-c",
                                         "(exit 1); (exit 2); exit 7"], prepare, timeout=20)
        self.assertEqual(run.returncode, 7)
        events = [json.loads(line) for line in report.read_text().splitlines()]
        self.assertEqual(len([event for event in events if event["event"] == "fork"]), 2)
        self.assertEqual(len([event for event in events if event["event"] == "exit"]), 3)
        facts = self.check(prepare, options=[""], timeout=20)
        (ignored,) = (int(line.split()[1], 16) for line in facts if line.startswith("SigIgn"))
        self.assertTrue(ignored >> (signal.SIGCHLD - 1) & 1)

    def test_limits_and_priority(self):
        def prepare():
            os.nice(3)
            os.umask(0o137)
            for which, value in ((resource.RLIMIT_NOFILE, 100), (resource.RLIMIT_CORE, 0),
                                 (resource.RLIMIT_STACK, 1 << 22)):
                resource.setrlimit(which, (value, value))

        facts = self.check(prepare)
        self.assertIn("nice 3", facts)
        self.assertIn("Umask:\t0137", facts)

    def test_affinity(self):
        cpus = sorted(os.sched_getaffinity(0))
        for cpu in cpus[0], cpus[-1]:
            facts = self.check(lambda: os.sched_setaffinity(0, {cpu}), options=["", "-knone"])
            self.assertIn(f"Cpus_allowed_list:\t{cpu}", facts)

    def test_environment(self):
        changes = {"DEBUGINFOD_URLS": "http://127.0.0.1:1/", "DEBUGINFOD_TIMEOUT": "1", "EMPTY": "", "LC_ALL": "nosuch",
                   "ODD": "a=b\tc", "NO_COLOR": "1", "COLUMNS": "33", "TERM": "dumb"}
        facts = self.check(env=support.environment(**changes))
        for name, value in changes.items():
            self.assertIn(f"environment {name}={value}", facts)

    def test_open_files(self):
        with open(self.directory / "kept", "w") as kept:
            os.dup2(kept.fileno(), 77)
            self.addCleanup(os.close, 77)
            facts = self.check(pass_fds=[kept.fileno(), 77])
        self.assertIn(f"/proc/self/fd/77 -> {self.directory}/kept flags 0", facts)
        self.assertEqual(sum(line.startswith("/proc/self/fd/") for line in facts), 5)

    def test_working_directory(self):
        facts = self.check(cwd=self.directory, options=["", "--no-seccomp"])
        self.assertTrue(any(line.startswith(f"/proc/self/cwd -> {self.directory} ") for line in facts))

    def test_name(self):
        """argv[0] is the word of the command line, not the path that was found."""
        os.symlink(self.probe, self.directory / "named-probe")
        path = f"{self.directory}:{os.environ['PATH']}"
        facts = self.check(program="named-probe", env=support.environment(PATH=path), options=["", "--follow=none"])
        self.assertIn("argument named-probe", facts)

    def test_relative_search_path(self):
        os.symlink(self.probe, self.directory / "named-probe")
        facts = self.check(program="named-probe", env=support.environment(PATH=f":{os.environ['PATH']}"),
                           cwd=self.directory, options=["-knone"])
        self.assertIn("argument named-probe", facts)

    def test_standard_input(self):
        run = support.trace(["cat"], stdin=b"a line\n\0\xff")
        self.assertEqual((run.status, run.stdout), (0, b"a line\n\0\xff"))


if __name__ == "__main__":
    unittest.main()
