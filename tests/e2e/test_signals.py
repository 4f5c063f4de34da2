"""Signals: from the terminal, to forktrace, to the traced processes, during forks; and death at any moment."""

import contextlib
import functools
import json
import os
import pathlib
import random
import re
import signal
import tempfile
import unittest

import live_support
import support

# Counts signals and serves single letters: f forks, p tells the counts, s stops itself, q ends with the sum of the
# counts.
COUNTER = r"""
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile sig_atomic_t seen[65];
static void count(int number)
{
	seen[number]++;
}
static void fork_once(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	printf("forked %d\n", pid > 0);
}
int main(void)
{
	static const int counted[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGCONT, SIGWINCH};
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
	char byte;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(counted) / sizeof(*counted); i++)
		sigaction(counted[i], &action, NULL);
	printf("ready\n");
	while (read(0, &byte, 1) == 1) {
		if (byte == 'f')
			fork_once();
		if (byte == 's')
			raise(SIGSTOP);
		if (byte == 'p' || byte == 's')
			printf("counts INT=%d TERM=%d QUIT=%d HUP=%d USR1=%d CONT=%d\n", seen[SIGINT], seen[SIGTERM],
			       seen[SIGQUIT], seen[SIGHUP], seen[SIGUSR1], seen[SIGCONT]);
		if (byte == 'q')
			break;
	}
	return seen[SIGINT] + seen[SIGTERM] + seen[SIGQUIT] + seen[SIGHUP];
}
"""

# Prints what arrives with signals of every origin; own numbers are named, so that two runs compare.
SIGNAL_INFO = r"""
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static pid_t child;
static const char *who(pid_t pid)
{
	return pid == getpid() ? "self" : pid == child ? "child" : pid == getppid() ? "parent" : pid == 0 ? "0" : "?";
}
static void tell(int number, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d code %d errno %d", number, info->si_code, info->si_errno);
	if (info->si_code == SI_QUEUE || info->si_code == SI_USER || info->si_code == SI_TKILL)
		printf(" pid %s uid %u", who(info->si_pid), info->si_uid);
	if (info->si_code == SI_QUEUE || info->si_code == SI_TIMER)
		printf(" value %lx", (unsigned long)info->si_value.sival_ptr);
	if (info->si_code == SI_TIMER)
		printf(" timer overrun %d", info->si_overrun);
	if (number == SIGCHLD && info->si_code > 0)
		printf(" pid %s status %d", who(info->si_pid), info->si_status);
	if (number == SIGSEGV || number == SIGILL || number == SIGTRAP)
		printf(" address %s", info->si_addr == (void *)16 ? "16" : info->si_addr ? "own" : "0");
	printf("\n");
	fflush(stdout);
	if (number == SIGSEGV) {
		mmap((void *)0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		_exit(fflush(stdout));
	}
}
int main(void)
{
	struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
	struct itimerspec soon = {.it_value.tv_nsec = 1000000};
	sigset_t wanted;
	siginfo_t info;
	timer_t timer;
	for (int number = 1; number <= SIGRTMAX; number++)
		sigaction(number, &action, NULL);
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)0x12345678});
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
	kill(getpid(), SIGUSR2);
	raise(SIGTERM);
	syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN + 2);
	__asm__ volatile("int3");
	/* Order: real-time signals of one number queue up. */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	for (long i = 0; i < 5; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = (int)i});
	sigprocmask(SIG_UNBLOCK, &wanted, NULL);
	event.sigev_value.sival_int = 99;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGRTMIN + 4);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &soon, NULL))
		return 9;
	while (sigwaitinfo(&wanted, &info) < 0)
		;
	printf("waited code %d value %d\n", info.si_code, info.si_value.sival_int);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	child = fork();
	if (child == 0) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_UNBLOCK, &wanted, NULL);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	child = fork();
	if (child == 0)
		_exit(42);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_UNBLOCK, &wanted, NULL);
	*(volatile int *)16 = 1;
	return 8;
}
"""

RANDOM_SEED = 20261122
KILL_ROUNDS = 20


@functools.cache
def counter(abi="x86_64"):
    return live_support.compile_program(COUNTER, abi)


def counts(line):
    text = line.decode() if isinstance(line, bytes) else line
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", text)}


class ToForktrace(unittest.TestCase):
    """Signals sent to forktrace alone are forwarded, once."""

    def start(self, command, options=("-k", "none")):
        run = self.enterContext(support.Background(command, options))
        return run

    def check_forwarded(self, number, options):
        name = number.name.removeprefix("SIG")
        run = self.start([counter()], options)
        self.assertEqual(run.read_line(), b"ready")
        run.signal(number)
        event = run.wait_event("signal", lambda event: event["signal"] == number.name)
        self.assertEqual(event["sender"], run.pid)
        # What forktrace had to do for this signal is done before it serves a fork that comes later.
        run.write(b"fp")
        self.assertEqual(run.read_line(), b"forked 1")
        self.assertEqual(counts(run.read_line())[name], 1)
        run.write(b"q")
        self.assertEqual(run.finish(), 1)
        self.assertEqual(len([event for event in run.of("signal") if event["signal"] == number.name]), 1)
        self.assertEqual(run.events[-1]["event"], "end")
        self.assertEqual(run.stderr, "")

    def test_forwarded(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
            with self.subTest(signal=number.name):
                self.check_forwarded(number, ["-k", "none"])

    def test_forwarded_without_filter(self):
        self.check_forwarded(signal.SIGTERM, ["--no-seccomp"])
        self.check_forwarded(signal.SIGTERM, ["--follow=none"])

    def test_twice(self):
        run = self.start([counter(support.any_abi())])
        self.assertEqual(run.read_line(), b"ready")
        for times in 1, 2:
            run.signal(signal.SIGTERM)
            run.wait_event("signal", lambda event: len([e for e in run.of("signal") if e["signal"] == "SIGTERM"])
                           == times)
        run.write(b"q")
        self.assertEqual(run.finish(), 2)

    def test_default_action(self):
        """The program dies of it; the report ends properly."""
        for number in signal.SIGTERM, signal.SIGINT:
            run = self.start(["cat"])
            run.write(b"x\n")
            self.assertEqual(run.read_line(), b"x")
            run.signal(number)
            run.wait_event("exit")
            self.assertEqual(run.finish(), 128 + number)
            self.assertEqual([event["signal"] for event in run.of("exit")], [number.name])
            self.assertEqual(run.end["exit_status"], 128 + number)

    def test_after_the_program_ended(self):
        """Its descendants get it then."""
        with live_support.Marked() as mark:
            run = self.enterContext(support.Background(["sh", "-c", "cat <&3 & exit 4"], ["-k", "none"], wrapper=[
                "sh", "-c", 'exec "$@" 3<&0', "sh"], env=mark.environment()))
            run.wait_event("exit", lambda event: event["root"] and event["status"] == 4)
            run.wait_event("exec", lambda event: event["comm"] == "cat")
            run.signal(signal.SIGTERM)
            run.wait_event("exit", lambda event: event["signal"] == "SIGTERM")
            self.assertEqual(run.finish(), 4)
            mark.wait_none()


class FromTheTerminal(unittest.TestCase):
    """Keys on a real terminal: the whole foreground group gets the signal from the kernel."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(temporary.cleanup)
        self.report = os.path.join(temporary.name, "report")
        self.mark = self.enterContext(live_support.Marked())
        self.words = [support.FORKTRACE, "-k", "none", "-f", "json", "-o", self.report]

    def terminal(self, command):
        return self.enterContext(live_support.Terminal(command, self.mark.environment()))

    def events(self):
        return [json.loads(line) for line in pathlib.Path(self.report).read_text().splitlines()]

    def check_key(self, key, number):
        name = number.name.removeprefix("SIG")
        terminal = self.terminal([*self.words, counter()])
        terminal.expect("ready")
        terminal.type(key)
        terminal.expect(re.escape("^" + chr(ord(key) + 64)))
        for times in 1, 2:
            # A fork makes forktrace go round its loop, behind the signal.
            terminal.type("fp\n")
            terminal.expect("forked 1")
            self.assertEqual(counts(terminal.expect(r"counts .*\r?\n")[0])[name], times)
            if times == 1:
                terminal.type(key)
                terminal.expect(re.escape("^" + chr(ord(key) + 64)))
        terminal.type("q\n")
        self.assertEqual(terminal.finish(), 2)
        events = self.events()
        sent = [event for event in events if event["event"] == "signal" and event["signal"] == number.name]
        self.assertEqual([event["sender"] for event in sent], [None, None])  # the kernel
        self.assertEqual(events[-1]["event"], "end")
        self.mark.wait_none()

    def test_interrupt_key(self):
        self.check_key("\x03", signal.SIGINT)

    def test_quit_key(self):
        self.check_key("\x1c", signal.SIGQUIT)

    def test_interrupt_key_kills(self):
        """The default action: the program is gone, the report complete, the status 130."""
        terminal = self.terminal([*self.words, "sh", "-c", "echo ready; cat"])
        terminal.expect("ready")
        terminal.type("text\n")
        terminal.expect("text\r\ntext")
        terminal.type("\x03")
        self.assertEqual(terminal.finish(), 128 + signal.SIGINT)
        events = self.events()
        self.assertEqual(events[-1]["event"], "end")
        self.assertEqual({event["signal"] for event in events if event["event"] == "exit"}, {"SIGINT"})
        self.mark.wait_none()

    def test_interrupt_key_detaches(self):
        """forktrace -p on the terminal: the program is elsewhere, gets nothing and lives on."""
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            terminal = self.terminal([support.FORKTRACE, "-v", "--color=never", "-p", str(program.pid)])
            terminal.expect(r"attach\b.*%d" % program.pid)
            program.write(b"x")
            terminal.expect("fork 1")
            terminal.type("\x03")
            terminal.expect("1 fork, ")
            self.assertEqual(terminal.finish(), 0)
            self.assertEqual(support.tracer_of(program.pid), 0)
            program.write(b"x")
            self.assertEqual(program.finish(), 0)
            self.assertEqual(program.output_text.count(b"expect fork "), 2)

    def test_hang_up(self):
        terminal = self.terminal([*self.words, "sh", "-c", "echo ready; exec cat"])
        terminal.expect("ready")
        os.kill(terminal.pid, signal.SIGHUP)
        self.assertEqual(terminal.finish(), 128 + signal.SIGHUP)
        self.assertEqual(self.events()[-1]["event"], "end")

    def start_shell(self):
        terminal = self.terminal(["bash", "--norc", "--noediting", "-i"])
        terminal.type("PS1='$''> '; set -m\n")
        terminal.expect(r"\$> $")
        return terminal

    def check_job_control(self, resume):
        """Stop key, and on: in an interactive shell."""
        terminal = self.start_shell()
        terminal.type(" ".join(self.words) + f" {counter()}\n")
        terminal.expect("ready")
        for times in 1, 2:
            terminal.type("\x1a")
            terminal.expect("Stopped")
            terminal.expect(r"\$> ")
            (program,) = self.programs()
            support.wait_until(lambda: support.process_state(program) in live_support.STOPPED, "the program stopped")
            terminal.type(resume)
            terminal.expect(r"forktrace\S* .*\r?\n")
            terminal.type("fp\n")
            terminal.expect("forked 1")
            self.assertEqual(counts(terminal.expect(r"counts .*\r?\n")[0])["CONT"], times)
        terminal.type("\x03")
        terminal.expect(re.escape("^C"))
        terminal.type("fp\n")
        terminal.expect("forked 1")
        self.assertEqual(counts(terminal.expect(r"counts .*\r?\n")[0])["INT"], 1)
        terminal.type("q\n")
        terminal.expect(r"\$> ")
        terminal.type("echo status=$?\n")
        terminal.expect("status=1\r?\n")
        terminal.type("exit\n")
        terminal.finish()
        self.assertEqual(self.events()[-1]["event"], "end")
        self.assertEqual(len([event for event in self.events() if event["event"] == "fork"]), 3)
        self.mark.wait_none()

    def programs(self):
        """The marked processes that run the counter."""
        found = []
        for pid in self.mark.processes():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe") == counter():
                    found.append(pid)
        return found

    def test_stop_key(self):
        self.check_job_control("fg\n")

    def test_stop_key_and_background(self):
        terminal = self.start_shell()
        terminal.type(" ".join(self.words) + f" {counter()}\n")
        terminal.expect("ready")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect(r"\$> ")
        terminal.type("bg\n")  # it reads the terminal in the background: SIGTTIN stops the group again
        terminal.expect(r"\$> ")
        terminal.type("while ! jobs | grep Stopped; do :; done\n")
        terminal.expect(r"Stopped.*counter|Stopped.*program")
        terminal.type("fg\n")
        terminal.expect(r"forktrace\S* .*\r?\n")
        terminal.type("f\n")
        terminal.expect("forked 1")
        terminal.type("q\n")
        terminal.expect(r"\$> ")
        terminal.type("exit\n")
        terminal.finish()
        self.assertEqual(len([event for event in self.events() if event["event"] == "fork"]), 1)
        self.mark.wait_none()


class ToTheProgram(unittest.TestCase):
    """Signals for the traced processes pass through."""

    def test_stop_and_continue(self):
        for abi in support.runnable_abis():
            for options in ["-k", "none"], ["--no-seccomp", "-k", "none"]:
                with self.subTest(abi=abi, options=options), support.Background([counter(abi)], options) as run:
                    self.assertEqual(run.read_line(), b"ready")
                    pid = run.wait_event("exec")["pid"]
                    for times in 1, 2, 3:
                        os.kill(pid, signal.SIGSTOP)
                        run.wait_event("signal", lambda event: len([e for e in run.of("signal") if e["stop"]]) == times)
                        self.assertIn(support.process_state(pid), live_support.STOPPED)
                        run.write(b"fp")
                        self.assertIn(support.process_state(pid), live_support.STOPPED)
                        os.kill(pid, signal.SIGCONT)
                        self.assertEqual(run.read_line(), b"forked 1")
                        self.assertEqual(counts(run.read_line())["CONT"], times)
                    run.write(b"q")
                    self.assertEqual(run.finish(), 0)
                    self.assertEqual(len(run.forks()), 3)

    def test_stops_itself(self):
        with support.Background([counter()], ["-k", "none"]) as run:
            self.assertEqual(run.read_line(), b"ready")
            pid = run.wait_event("exec")["pid"]
            run.write(b"s")
            run.wait_event("signal", lambda event: event["stop"])
            self.assertEqual(run.output_text, b"")
            os.kill(pid, signal.SIGCONT)
            self.assertEqual(counts(run.read_line())["CONT"], 1)
            run.write(b"q")
            self.assertEqual(run.finish(), 0)

    def test_parent_sees_stops(self):
        """WUNTRACED and WCONTINUED work between the traced processes."""
        source = r"""
            #include <signal.h>
            #include <stdio.h>
            #include <sys/wait.h>
            #include <unistd.h>
            int main(void)
            {
                int status;
                pid_t pid = fork();
                for (; pid == 0;)
                    pause();
                kill(pid, SIGSTOP);
                waitpid(pid, &status, WUNTRACED);
                printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
                kill(pid, SIGCONT);
                waitpid(pid, &status, WCONTINUED);
                printf("continued %d\n", WIFCONTINUED(status));
                kill(pid, SIGTERM);
                waitpid(pid, &status, 0);
                printf("ended by %d\n", WTERMSIG(status));
                return 0;
            }"""
        for abi in support.runnable_abis():
            program = live_support.compile_program(source, abi)
            natively = support.run_command([program], timeout=20)
            self.assertEqual(natively[1], b"stopped 1 by 19\ncontinued 1\nended by 15\n")
            run = support.trace([program], timeout=20)
            self.assertEqual((run.status, run.stdout), natively[:2])

    def test_signal_information(self):
        for abi in support.runnable_abis():
            program = live_support.compile_program(SIGNAL_INFO, abi)
            status, natively, _ = support.run_command([program])
            self.assertEqual(status, 0, natively)
            self.assertEqual(natively.count(b"\n"), 15, natively)
            for options in [], ["--no-seccomp"], ["--follow=none"]:
                with self.subTest(abi=abi, options=options):
                    run = support.trace([program], options)
                    self.assertEqual((run.status, run.stdout.decode()), (0, natively.decode()))

    def test_no_zombies(self):
        """A child that its parent has reaped is gone; what it left at forktrace is not kept."""
        with support.Background([counter()], ["-k", "none"]) as run:
            self.assertEqual(run.read_line(), b"ready")
            for _ in range(3):
                run.write(b"f")
                self.assertEqual(run.read_line(), b"forked 1")
            run.wait_event("exit", lambda event: len(run.of("exit")) == 3)
            for record in run.forks():
                self.assertIsNone(support.process_state(record["child"]["pid"]))
            run.write(b"q")
            self.assertEqual(run.finish(), 0)

    def test_forktrace_is_stopped(self):
        """SIGSTOP to forktrace: the program waits at its next stop, and goes on with it."""
        with support.Background([counter(support.any_abi())], ["-k", "none"]) as run:
            self.assertEqual(run.read_line(), b"ready")
            pid = run.wait_event("exec")["pid"]
            run.signal(signal.SIGSTOP)
            live_support.wait_state(run.pid, "T", "forktrace was stopped")
            run.write(b"f")
            live_support.wait_state(pid, "t", "the program waited for forktrace")
            run.signal(signal.SIGCONT)
            self.assertEqual(run.read_line(), b"forked 1")
            run.write(b"q")
            self.assertEqual(run.finish(), 0)
            self.assertEqual(len(run.forks()), 1)

    def test_event_tells_origin(self):
        with support.Background([counter()], ["-k", "none"]) as run:
            self.assertEqual(run.read_line(), b"ready")
            pid = run.wait_event("exec")["pid"]
            os.kill(pid, signal.SIGUSR1)
            event = run.wait_event("signal", lambda event: event["signal"] == "SIGUSR1")
            self.assertEqual((event["pid"], event["sender"], event["code"]), (pid, os.getpid(), 0))
            self.assertFalse(event["stop"])
            run.write(b"q")
            self.assertEqual(run.finish(), 0)

    @support.time_limit(120)
    def test_restarted_forks(self):
        """Signals during fork: the kernel restarts the call now and then; each fork is one record nevertheless."""
        for abi in support.runnable_abis():
            restarts = 0
            for _ in range(8):
                run = support.trace([support.target(abi, "test_signal")], ["-k", "none"])
                self.assertEqual(run.status, 0, run)
                self.assertEqual(run.of("fork-failed"), [])
                self.assertEqual(len(run.forks()), support.parse_expect(run.stdout).total["forks"])
                restarts += sum(record["restarts"] for record in run.forks())
                if restarts:
                    break
            self.assertGreaterEqual(restarts, 1, "no call was restarted in eight runs")


def has_execed(pid, run):
    """Before its exec the program is a copy of forktrace, and its death is that of a program that never started."""
    try:
        return os.readlink(f"/proc/{pid}/exe") != os.readlink(f"/proc/{run.pid}/exe")
    except OSError:
        return False


def traced(mark, run):
    return [pid for pid in mark.processes() if support.tracer_of(pid) == run.pid]


class Deaths(unittest.TestCase):
    """SIGKILL at any moment."""

    def check_records(self, run):
        for record in run.of("fork"):
            for side in "parent", "child":
                half = record[side]
                known = half["ret"] is not None
                self.assertEqual(half["ret_reason"] is None, known, record)
                self.assertEqual(half["ret_from"] is not None, known, record)
                self.assertEqual(half["ret_ns"] is not None, known, record)
            if record["parent"]["ret"] is not None:
                self.assertEqual(record["parent"]["ret"], record["child"]["tid"])
            self.assertIn(record["child"]["ret"], (0, None))
        seqs = [event["seq"] for event in run.events]
        self.assertEqual(len(seqs), len(set(seqs)), "two events have one number")
        self.assertEqual(sorted(set(range(1, max(seqs))) - set(seqs)), [], "events are missing")
        ended = {event["pid"] for event in run.of("exit") if not event["thread"]}
        for record in run.forks():
            if not record["thread"]:
                self.assertIn(record["child"]["pid"], ended)

    def check_kill(self, command, random_source):
        """Kills one of the tree, the root or another, some looks at /proc after it has started (the report itself comes
        later than a short program lives), then what is left, in any order; everything is told. Returns how many died
        of it."""
        looks = random_source.randint(1, 4)
        kernel = random_source.choice(["live", "none"])
        with live_support.Marked() as mark, support.Background(command, ["--threads", "-k", kernel],
                                                               env=mark.environment()) as run:
            victims = []
            # WNOWAIT: run.finish wants to see the end itself
            while looks and not os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                run.drain()
                if tree := traced(mark, run):
                    victims = [pid for pid in tree if has_execed(pid, run)]
                    looks -= bool(victims)
            if victims:
                victim = victims[random_source.randrange(len(victims))]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            # Others may wait for the dead one for ever.
            while left := traced(mark, run):
                random_source.shuffle(left)
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            run.finish(timeout=20)
            self.assertEqual(run.events[-1]["event"], "end", run.events[-3:])
            self.assertEqual(run.of("error"), [])
            self.check_records(run)
            (root_end,) = (event for event in run.of("exit") if event["root"])
            self.assertEqual(run.status, 128 + signal.SIGKILL if root_end["signal"] else root_end["status"])
            mark.wait_none()
        return sum(event["signal"] == "SIGKILL" for event in run.of("exit"))

    def check_kills(self, name, *arguments):
        for abi in support.runnable_abis():
            random_source = random.Random(f"{RANDOM_SEED} {name} {abi}")
            killed = 0
            for turn in range(KILL_ROUNDS):
                with self.subTest(abi=abi, turn=turn):
                    killed += self.check_kill([support.target(abi, name), *arguments], random_source)
            self.assertGreater(killed, 0, "no round killed anything")

    @support.time_limit(120)
    def test_storm(self):
        self.check_kills("test_storm", "40")

    @support.time_limit(120)
    def test_nested(self):
        self.check_kills("test_nested")

    @support.time_limit(120)
    def test_threads(self):
        self.check_kills("test_threads")

    @support.time_limit(120)
    def test_exec_by_a_thread(self):
        """The moment when the others die and the thread takes the leader's number."""
        source = r"""
            #include <pthread.h>
            #include <unistd.h>
            static char **command;
            static void *exec_thread(void *argument)
            {
                execv(command[0], command);
                return argument;
            }
            int main(int count, char **arguments)
            {
                pthread_t thread;
                command = arguments;
                for (int i = 0; i < 3; i++)
                    pthread_create(&thread, NULL, exec_thread, NULL);
                for (;;)
                    pause();
            }"""
        random_source = random.Random(f"{RANDOM_SEED} exec")
        for abi in support.runnable_abis():
            program = live_support.compile_program(source, abi, "-pthread")
            for turn in range(KILL_ROUNDS):
                options = random_source.choice((["--threads"], ["--no-seccomp"], []))
                with self.subTest(abi=abi, turn=turn), live_support.Marked() as mark, support.Background(
                        [program], [*options, "-k", "none"], env=mark.environment()) as run:
                    root = run.wait_event("exec")["pid"]
                    wanted = random_source.randint(1, 5)
                    run.wait_event("exec", lambda event: len(run.of("exec")) >= wanted)
                    os.kill(root, signal.SIGKILL)
                    self.assertEqual(run.finish(timeout=20), 128 + signal.SIGKILL)
                    self.assertEqual(run.of("error"), [])
                    self.assertEqual(run.events[-1]["event"], "end")
                    self.assertEqual([event["signal"] for event in run.of("exit") if not event["thread"]], ["SIGKILL"])
                    mark.wait_none()

    def test_parent_dies_in_vfork(self):
        """The parent is killed while its child holds it: the parent's return value stays unknown, and the record says
        why."""
        source = r"""
            #include <signal.h>
            #include <unistd.h>
            int main(void)
            {
                if (vfork() == 0) {
                    kill(getppid(), SIGKILL);
                    _exit(5);
                }
                return 0;
            }"""
        for abi in support.runnable_abis():
            run = support.trace([live_support.compile_program(source, abi)])
            self.assertEqual(run.status, 128 + signal.SIGKILL, run)
            (record,) = run.forks()
            self.assertEqual((record["kind"], record["parent"]["ret"], record["child"]["ret"]), ("vfork", None, 0))
            self.assertIn("SIGKILL", record["parent"]["ret_reason"])
            self.assertTrue(record["parent"]["frames"])
            self.check_records(run)

    @support.time_limit(120)
    def test_killed_forktrace(self):
        """EXITKILL: the started tree dies with forktrace, wherever it was."""
        random_source, abis = random.Random(RANDOM_SEED), support.runnable_abis()
        programs = [["test_storm", "30"], ["test_nested"], ["test_threads"], ["test_orphan"], ["test_signal"]]
        for turn in range(10):
            abi = abis[turn % len(abis)]
            name, *arguments = programs[turn // 2]
            with self.subTest(turn=turn, name=name), live_support.Marked() as mark, support.Background(
                    [support.target(abi, name), *arguments], ["--threads"] if turn % 3 else ["--no-seccomp"],
                    env=mark.environment()) as run:
                run.wait_event("exec")
                if turn % 4:
                    wanted = random_source.randint(1, 4)
                    run.wait_event("fork", lambda event: len(run.of("fork")) >= wanted)
                run.signal(signal.SIGKILL)
                run.process.wait()
                mark.wait_none()

    def test_killed_forktrace_before_exec(self):
        """Killed at once: the program, seized or not, does not stay behind."""
        for _ in range(5):
            with live_support.Marked() as mark, support.Program([support.FORKTRACE, "-k", "none", "cat"],
                                                                env=mark.environment()) as run:
                support.wait_until(lambda: len(mark.processes()) > 1, "it had a child")
                run.signal(signal.SIGKILL)
                run.process.wait()
                mark.wait_none()


if __name__ == "__main__":
    unittest.main()
