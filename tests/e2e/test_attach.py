"""Attaching to processes that run already, letting them go, and every reason why it cannot be done."""

import contextlib
import os
import re
import signal
import subprocess
import unittest

import live_support
import support

FAILED = 125

EXEC_ON_BYTE = r"""
#include <unistd.h>
int main(int count, char **arguments)
{
	char byte;
	write(1, "ready\n", 6);
	if (read(0, &byte, 1) == 1)
		execv(arguments[1], arguments + 1);
	return 1;
}
"""

# The child holds its parent inside vfork until it reads a byte; then both go on.
VFORK_BLOCKED = r"""
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	char byte;
	int status = -1;
	pid_t pid = vfork();
	if (pid == 0) {
		write(1, "blocked\n", 8);
		read(0, &byte, 1);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	write(1, WEXITSTATUS(status) == 3 ? "passed\n" : "failed\n", 7);
	while (read(0, &byte, 1) == 1) {
		pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 1;
		write(1, "forked\n", 7);
	}
	return 0;
}
"""

# N threads; one of them, or main, forks for each byte.
MANY_THREADS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *idle(void *argument)
{
	for (;;)
		pause();
	return argument;
}
static void *serve(void *argument)
{
	char byte;
	int status;
	write(1, "ready\n", 6);
	while (read(0, &byte, 1) == 1) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(1);
		write(1, "forked\n", 7);
	}
	_exit(0);
}
int main(int count, char **arguments)
{
	pthread_attr_t small;
	pthread_t thread;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < atoi(arguments[1]); i++)
		if (pthread_create(&thread, &small, idle, NULL))
			_exit(2);
	if (pthread_create(&thread, &small, serve, NULL))
		_exit(2);
	for (;;)
		pause();
}
"""

# Threads come and go; at a byte the program ends, with 0 when nothing failed.
THREAD_CHURN = r"""
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
static void *brief(void *argument)
{
	return argument;
}
static void *churn(void *argument)
{
	pthread_t thread;
	for (;;)
		if (pthread_create(&thread, NULL, brief, NULL) || pthread_join(thread, NULL))
			_exit(1);
	return argument;
}
int main(void)
{
	char byte;
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, churn, NULL))
			_exit(2);
	write(1, "ready\n", 6);
	_exit(read(0, &byte, 1) == 1 ? 0 : 3);
}
"""

# Forks without a pause; at a byte it ends, with 0 when nothing failed.
FORK_CHURN = r"""
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	char byte;
	int status;
	fcntl(0, F_SETFL, O_NONBLOCK);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) < 0) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0)
			return errno;
		if (waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
	}
	return 0;
}
"""

# A child queues numbered signals, nearly as fast as they are taken, and one at the end; at a byte both end, and the
# parent tells what it missed.
SIGNAL_STREAM = r"""
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
struct shared {
	atomic_int sent, received, stop;
};
static struct shared *shared;
static volatile sig_atomic_t disorder, missing;
static void on_signal(int number, siginfo_t *info, void *context)
{
	int skipped = info->si_value.sival_int - shared->received;
	if (info->si_code != SI_QUEUE || skipped < 0)
		disorder++;
	else
		missing += skipped;
	atomic_store(&shared->received, info->si_value.sival_int + 1);
}
static void send_all(pid_t parent)
{
	for (int last = 0; !last;) {
		last = atomic_load(&shared->stop);
		while (shared->sent - shared->received >= 4 ||
		       sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = shared->sent}))
			sched_yield();
		atomic_fetch_add(&shared->sent, 1);
	}
	_exit(0);
}
int main(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	char byte;
	pid_t parent = getpid(), pid;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGRTMIN, &action, NULL);
	pid = fork();
	if (pid == 0)
		send_all(parent);
	while (atomic_load(&shared->received) < 10)
		;
	write(1, "ready\n", 6);
	while (read(0, &byte, 1) < 0 && errno == EINTR)
		;
	atomic_store(&shared->stop, 1);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (atomic_load(&shared->received) < atomic_load(&shared->sent))
		;
	printf("%d sent, %d missing, %d in disorder\n", shared->sent, (int)missing, (int)disorder);
	return 0;
}
"""


class Attach(unittest.TestCase):
    def start_loop(self, abi="x86_64", *arguments):
        """test_loop, ready."""
        program = self.enterContext(support.Program([support.target(abi, "test_loop"), *arguments]))
        self.assertEqual(program.read_line(), b"ready")
        return program

    def start_program(self, source, *arguments, first=b"ready", abi="x86_64"):
        path = live_support.compile_program(source, abi, "-pthread")
        program = self.enterContext(support.Program([path, *arguments]))
        self.assertEqual(program.read_line(), first)
        return program

    def attach(self, *pids, options=()):
        """forktrace, when it has attached to all."""
        run = self.enterContext(support.Background([], [*options, "-p", ",".join(map(str, pids))]))
        for pid in pids:
            run.wait_event("attach", lambda event: event["pid"] == pid)
        return run

    def fork_once(self, program):
        """Has test_loop fork; returns the fact that it tells."""
        program.write(b"x")
        line = program.read_line()
        self.assertTrue(line.startswith(b"expect fork "), line)
        self.assertRegex(program.read_line(), rb"^expect exit pid=\d+ status=0$")
        (fact,) = support.parse_expect(line).forks
        return fact

    def check_record(self, record, fact, abi):
        self.assertEqual((record["parent"]["pid"], record["child"]["pid"]), (fact["parent"], fact["child"]))
        self.assertEqual((record["parent"]["ret"], record["child"]["ret"]), (fact["child"], 0))
        self.assertEqual((record["abi"], record["syscall"], record["flags"]), (abi, "clone", fact["flags"]))
        for side in "parent", "child":
            symbols = [frame["symbol"] for frame in record[side]["frames"]]
            self.assertIn("fork_once", symbols)
            self.assertEqual(symbols[-1], "_start")

    def check_works(self, program, fork=True):
        """Nobody traces the program, nothing of it stands still, and it forks."""
        self.assertEqual(live_support.traced_threads(program.pid), [])
        self.assertNotIn(support.process_state(program.pid), live_support.STOPPED)
        if fork:
            self.fork_once(program)
        self.assertEqual(program.finish(), 0, program.error_text)
        self.assertEqual(program.stderr, "")

    def check_refused(self, words, *mentioned, status=FAILED):
        """forktrace ends with one sentence; its report, if there is one, is of whole lines."""
        run = support.trace([], words)
        self.assertEqual(run.status, status, run)
        live_support.check_sentence(self, run.stderr, *map(str, mentioned))
        self.assertEqual(run.stdout, b"")
        return run

    # --- the good case ---

    def check_attach(self, abi, arguments=(), options=()):
        program = self.start_loop(abi, *arguments)
        run = self.attach(program.pid, options=options)
        for _ in range(3):
            fact = self.fork_once(program)
            record = run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
            self.check_record(record, fact, abi)
            run.wait_event("exit", lambda event: event["pid"] == fact["child"] and event["status"] == 0)
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 0, run.stderr)
        self.assertEqual(run.stderr, "")
        self.assertEqual(len(run.forks()), 3)
        self.assertEqual(run.of("error"), [])
        (detach,) = run.of("detach")
        self.assertEqual(detach["pid"], program.pid)
        self.assertEqual(run.events[-1]["event"], "end")
        self.assertEqual((run.end["forks"], run.end["exits"], run.end["exit_status"]), (3, 3, 0))
        self.check_works(program)

    def test_i386(self):
        self.check_attach("i386")

    def test_x86_64(self):
        self.check_attach("x86_64")

    def test_threads_i386(self):
        self.check_attach("i386", ["threads"])

    def test_threads_x86_64(self):
        self.check_attach("x86_64", ["threads"])

    def test_without_kernel_half(self):
        self.check_attach("x86_64", options=["-k", "none"])

    def test_with_libunwind(self):
        self.check_attach("x86_64", options=["--unwinder=libunwind"])

    def test_text_report(self):
        """The text report ends properly too: tree and totals."""
        program = self.start_loop()
        with support.Program([support.FORKTRACE, "-o", "/dev/stdout", "-v", "-p", str(program.pid)]) as run:
            self.read_to(run, rb"^attach\b.*\b%d\b" % program.pid)
            fact = self.fork_once(program)
            self.read_to(run, rb"^fork 1\b.*\b%d\b" % fact["child"])
            run.signal(signal.SIGTERM)
            self.assertEqual(run.finish(), 0)
            text = run.output_text.decode()
        self.assertIn(f"test_loop {fact['child']}", text)
        self.assertRegex(text.splitlines()[-1], r"^1 fork, ")
        self.check_works(program)

    def read_to(self, run, pattern):
        """Reads lines to one that matches."""
        while not re.search(pattern, line := run.read_line()):
            self.assertTrue(line or run.process.poll() is None, f"no line matches {pattern}")

    def test_follow(self):
        """Children are let go, live on and fork; a vfork child too."""
        source = r"""
            #include <errno.h>
            #include <stdio.h>
            #include <sys/wait.h>
            #include <unistd.h>
            static int descend(int depth)
            {
                int status;
                pid_t pid;
                if (depth == 0)
                    return 0;
                pid = fork();
                if (pid == 0)
                    _exit(descend(depth - 1));
                return pid < 0 ? errno : waitpid(pid, &status, 0) != pid ? 98 : WEXITSTATUS(status);
            }
            int main(void)
            {
                char byte;
                int status = -1;
                pid_t pid;
                write(1, "ready\n", 6);
                while (read(0, &byte, 1) == 1) {
                    pid = vfork();
                    if (pid == 0)
                        execl("/bin/sh", "sh", "-c", "(exit 5)", (char *)NULL);
                    waitpid(pid, &status, 0);
                    printf("%d %d\n", descend(3), WEXITSTATUS(status));
                    fflush(stdout);
                }
                return 0;
            }"""
        for whom, count in ("none", 2), ("first", 4), ("all", 5):
            with self.subTest(whom=whom):
                program = self.start_program(source)
                run = self.attach(program.pid, options=[f"--follow={whom}"])
                program.write(b"x")
                self.assertEqual(program.read_line(), b"0 5")
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
                self.assertEqual(run.of("error"), [])
                self.assertEqual(len(run.forks()), count)
                program.write(b"x")
                self.assertEqual(program.read_line(), b"0 5")
                self.assertEqual(program.finish(), 0)

    # --- letting go ---

    def test_signals_that_detach(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
            with self.subTest(signal=number.name):
                program = self.start_loop(support.any_abi())
                run = self.attach(program.pid)
                run.signal(number)
                self.assertEqual(run.finish(), 0)
                self.assertEqual(run.end["forks"], 0)
                self.check_works(program)

    def test_detach_amid_forks(self):
        """Five times; a call that fails would end the program with its errno."""
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                program = self.start_program(FORK_CHURN, abi=abi)
                for _ in range(5):
                    run = self.attach(program.pid)
                    run.wait_event("fork", lambda event: len(run.of("fork")) >= 10)
                    run.signal(signal.SIGINT)
                    self.assertEqual(run.finish(), 0)
                    self.assertEqual(run.of("error"), [])
                    self.assertEqual(run.of("fork-failed"), [])
                    self.check_pairs(run)
                    self.assertEqual(support.tracer_of(program.pid), 0)
                    self.assertNotIn(support.process_state(program.pid), live_support.STOPPED)
                program.write(b"x")
                self.assertEqual(program.finish(), 0)

    def check_pairs(self, run):
        for record in run.forks():
            self.assertEqual(record["parent"]["ret"], record["child"]["pid"])
            self.assertEqual(record["child"]["ret"], 0)
        self.assertEqual(run.end["forks"], len(run.forks()))

    def test_killed_forktrace(self):
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                program = self.start_loop(abi, "threads")
                run = self.attach(program.pid)
                fact = self.fork_once(program)
                run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
                run.signal(signal.SIGKILL)
                self.assertEqual(run.finish(), -signal.SIGKILL)
                self.check_works(program)

    def test_killed_forktrace_amid_forks(self):
        for _ in range(5):
            program = self.start_program(FORK_CHURN)
            run = self.attach(program.pid)
            run.wait_event("fork", lambda event: len(run.of("fork")) >= 5)
            run.signal(signal.SIGKILL)
            self.assertEqual(run.finish(), -signal.SIGKILL)
            self.assertEqual(support.tracer_of(program.pid), 0)
            program.write(b"x")
            self.assertEqual(program.finish(), 0)

    def check_signals(self, ends, missing_max):
        """Signals that arrive while forktrace comes and goes: at most so many are lost, none doubled or changed."""
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                program = self.start_program(SIGNAL_STREAM, abi=abi)
                for number in ends:
                    run = self.attach(program.pid, options=["-k", "none"])
                    run.wait_event("signal", lambda event: len(run.of("signal")) >= 20)
                    run.signal(number)
                    self.assertEqual(run.finish(), -number if number == signal.SIGKILL else 0)
                    self.assertEqual(support.tracer_of(program.pid), 0)
                program.write(b"x")
                line = program.read_line()
                self.assertRegex(line, rb"^\d+ sent, \d+ missing, 0 in disorder$")
                self.assertLessEqual(int(line.split()[2]), missing_max, line)
                self.assertEqual(program.finish(), 0)

    def test_signals_are_kept(self):
        self.check_signals([signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM], 0)

    def test_signals_are_kept_by_killed_forktrace(self):
        """All but the one that it had taken and not passed on: the kernel has cleared it when it told the tracer of the
        stop (kernel/exit.c, wait_task_stopped)."""
        kills = 4
        self.check_signals([signal.SIGKILL] * kills, kills)

    def test_attach_again(self):
        program = self.start_loop()
        for _ in range(3):
            run = self.attach(program.pid)
            fact = self.fork_once(program)
            run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
            run.signal(signal.SIGINT)
            self.assertEqual(run.finish(), 0)
        self.check_works(program)

    # --- who cannot be attached to ---

    def test_no_such_process(self):
        with open("/proc/sys/kernel/pid_max") as file:
            pid = int(file.read()) - 1
        self.assertIsNone(support.process_state(pid))
        self.check_refused(["-p", str(pid)], pid, "no process")
        with support.Program(["true"]) as ended:
            ended.finish()
        self.check_refused(["-p", str(ended.pid)], ended.pid, "no process")

    def test_itself(self):
        with support.Program(["sh", "-c", 'exec "$0" -p $$', support.FORKTRACE]) as run:
            self.assertEqual(run.finish(), FAILED)
            live_support.check_sentence(self, run.stderr, str(run.pid), "itself")

    def test_thread_id(self):
        program = self.start_loop("x86_64", "threads")
        tid = live_support.thread_ids(program.pid)[1]
        self.check_refused(["-p", str(tid)], tid, "thread", program.pid)
        self.check_works(program)

    def test_kernel_thread(self):
        """Process 2 is kthreadd, unless this is a pid namespace of its own."""
        if support.process_state(2) is None or os.path.exists("/proc/2/exe") or open("/proc/2/maps").read():
            self.skipTest("no kernel thread is to be seen here")
        self.check_refused(["-p", "2"], 2, "kernel thread")

    def test_zombie(self):
        with subprocess.Popen(["true"]) as zombie:
            live_support.wait_state(zombie.pid, "Z", "it was a zombie")
            self.check_refused(["-p", str(zombie.pid)], zombie.pid, "zombie")

    def test_already_traced(self):
        program = self.start_loop()
        run = self.attach(program.pid)
        self.check_refused(["-p", str(program.pid)], program.pid, "already traced", run.pid)
        fact = self.fork_once(program)  # the first one goes on
        run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 0)
        self.check_works(program)

    # --- stopped processes ---

    def start_stopped(self, *arguments):
        program = self.start_loop("x86_64", *arguments)
        program.signal(signal.SIGSTOP)
        live_support.wait_state(program.pid, "T", "it was stopped")
        return program

    def test_stopped_stays_stopped(self):
        program = self.start_stopped()
        run = self.attach(program.pid)
        run.wait_event("signal", lambda event: event["stop"] and event["signal"] == "SIGSTOP")
        program.write(b"x")
        self.assertIn(support.process_state(program.pid), live_support.STOPPED)
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 0)
        # let go, it runs for a moment before it stops again
        live_support.wait_state(program.pid, "T", "it was stopped again")
        self.assertEqual(support.tracer_of(program.pid), 0)
        self.assertEqual(program.output_text, b"")
        program.signal(signal.SIGCONT)
        self.assertTrue(program.read_line().startswith(b"expect fork "))
        program.read_line()
        self.check_works(program)

    def test_stopped_with_threads_stays_stopped(self):
        program = self.start_stopped("threads")
        run = self.attach(program.pid)
        run.wait_event("signal", lambda event: event["stop"])
        run.signal(signal.SIGTERM)
        self.assertEqual(run.finish(), 0)
        for tid in live_support.thread_ids(program.pid):
            # let go, it runs for a moment before it stops again
            live_support.wait_state(f"{program.pid}/task/{tid}", "T", "it was stopped again")
        program.signal(signal.SIGCONT)
        self.check_works(program)

    def test_stopped_is_continued_while_attached(self):
        program = self.start_stopped()
        run = self.attach(program.pid)
        run.wait_event("signal", lambda event: event["stop"])
        program.signal(signal.SIGCONT)
        fact = self.fork_once(program)
        self.check_record(run.wait_event("fork"), fact, "x86_64")
        self.assertEqual(program.finish(), 0)
        self.assertEqual(run.finish(), 0)

    def test_stopped_when_forktrace_is_killed(self):
        program = self.start_stopped()
        run = self.attach(program.pid)
        run.wait_event("signal", lambda event: event["stop"])
        run.signal(signal.SIGKILL)
        self.assertEqual(run.finish(), -signal.SIGKILL)
        live_support.wait_state(program.pid, "T", "it was stopped again")
        program.signal(signal.SIGCONT)
        self.check_works(program)

    def test_stopped_ends(self):
        program = self.start_stopped()
        run = self.attach(program.pid)
        program.signal(signal.SIGKILL)
        self.assertEqual(run.finish(), 0)
        self.assertEqual([event["signal"] for event in run.of("exit")], ["SIGKILL"])

    # --- inside vfork ---

    def test_inside_vfork(self):
        """The parent stops only after its child: forktrace waits, nobody is held up."""
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                program = self.start_program(VFORK_BLOCKED, first=b"blocked", abi=abi)
                run = self.attach(program.pid)
                program.write(b"x")
                self.assertEqual(program.read_line(), b"passed")
                program.write(b"x")
                self.assertEqual(program.read_line(), b"forked")
                run.wait_event("fork", lambda event: event["kind"] == "fork")
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
                self.assertEqual(run.of("error"), [])
                self.assertEqual(support.tracer_of(program.pid), 0)
                program.write(b"x")
                self.assertEqual(program.read_line(), b"forked")
                self.assertEqual(program.finish(), 0)

    def test_detach_inside_vfork(self):
        """An end that is asked for meanwhile comes when the child has gone on."""
        program = self.start_program(VFORK_BLOCKED, first=b"blocked")
        run = self.attach(program.pid)
        run.signal(signal.SIGINT)
        program.write(b"x")
        self.assertEqual(run.finish(), 0)
        self.assertEqual(program.read_line(), b"passed")
        self.assertEqual(support.tracer_of(program.pid), 0)
        self.assertEqual(program.finish(), 0)

    def test_detach_inside_vfork_at_once(self):
        """Asked twice, forktrace ends at once."""
        program = self.start_program(VFORK_BLOCKED, first=b"blocked")
        run = self.attach(program.pid)
        run.signal(signal.SIGINT)
        run.signal(signal.SIGTERM)
        self.assertEqual(run.finish(), 0)
        self.assertEqual(run.events[-1]["event"], "end")
        self.assertEqual(support.tracer_of(program.pid), 0)
        program.write(b"x")
        self.assertEqual(program.read_line(), b"passed")
        program.write(b"x")
        self.assertEqual(program.read_line(), b"forked")
        self.assertEqual(program.finish(), 0)

    def test_vfork_child(self):
        """The child itself, whose memory is its parent's."""
        program = self.start_program(VFORK_BLOCKED, first=b"blocked")
        (child,) = [pid for pid in live_support.process_ids() if self.parent_of(pid) == program.pid]
        run = self.attach(child)
        program.write(b"x")
        self.assertEqual(run.finish(), 0)
        self.assertEqual([event["status"] for event in run.of("exit")], [3])
        self.assertEqual(program.read_line(), b"passed")
        self.assertEqual(program.finish(), 0)

    def parent_of(self, pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return int(live_support.status_fields(pid)["PPid"])
        return None

    # --- several ---

    def test_several(self):
        programs = [self.start_loop(abi) for abi in (support.any_abi(), "x86_64", support.any_abi())]
        first, second, third = programs
        run = self.enterContext(support.Background([], ["-p", f"{first.pid},{second.pid}", f"--attach={third.pid}"]))
        for program in programs:
            run.wait_event("attach", lambda event: event["pid"] == program.pid)
        for program in programs:
            fact = self.fork_once(program)
            run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
        self.assertEqual(first.finish(), 0)  # the others go on
        run.wait_event("exit", lambda event: event["pid"] == first.pid)
        fact = self.fork_once(second)
        run.wait_event("fork", lambda event: event["child"]["pid"] == fact["child"])
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 0)
        self.assertEqual({event["pid"] for event in run.of("detach")}, {second.pid, third.pid})
        self.check_works(second)
        self.check_works(third)

    def test_one_bad_of_several(self):
        """Nothing is attached to, whatever the order."""
        with subprocess.Popen(["true"]) as zombie:
            live_support.wait_state(zombie.pid, "Z", "it was a zombie")
            good, other = self.start_loop("x86_64", "threads"), self.start_loop(support.any_abi())
            for pids in ([good.pid, zombie.pid], [zombie.pid, good.pid], [good.pid, zombie.pid, other.pid]):
                with self.subTest(pids=pids):
                    self.check_refused(["-p", ",".join(map(str, pids))], zombie.pid, "zombie")
                    for program in good, other:
                        self.assertEqual(live_support.traced_threads(program.pid), [])
                        self.fork_once(program)
            self.check_works(good)
            self.check_works(other)

    def test_one_bad_of_several_keeps_stops(self):
        """One that was stopped stays stopped."""
        stopped = self.start_stopped()
        self.check_refused(["-p", f"{stopped.pid},2147483647"], "2147483647", "no process")
        live_support.wait_state(stopped.pid, "T", "it was stopped again")
        self.assertEqual(support.tracer_of(stopped.pid), 0)
        stopped.signal(signal.SIGCONT)
        self.check_works(stopped)

    # --- what targets do meanwhile ---

    def test_target_ends(self):
        program = self.start_loop(support.any_abi())
        run = self.attach(program.pid)
        self.fork_once(program)
        self.assertEqual(program.finish(), 0)
        self.assertEqual(run.finish(), 0)
        self.assertEqual(len(run.forks()), 1)
        ends = {event["pid"]: event for event in run.of("exit")}
        self.assertEqual((ends[program.pid]["status"], ends[program.pid]["root"]), (0, False))

    def test_target_is_killed(self):
        """Its end is its own; forktrace's status is 0."""
        for arguments in [], ["threads"]:
            program = self.start_loop("x86_64", *arguments)
            run = self.attach(program.pid)
            program.signal(signal.SIGKILL)
            self.assertEqual(run.finish(), 0, run.stderr)
            self.assertEqual([event["signal"] for event in run.of("exit") if not event["thread"]], ["SIGKILL"])
            self.assertEqual(run.end["exit_status"], 0)
            self.assertEqual(program.finish(), -signal.SIGKILL)

    def test_target_execs(self):
        for old in support.runnable_abis():
            for new in support.runnable_abis():
                with self.subTest(old=old, new=new):
                    program = self.start_program(EXEC_ON_BYTE, support.target(new, "test_loop"), abi=old)
                    run = self.attach(program.pid)
                    program.write(b"x")
                    self.assertEqual(program.read_line(), b"ready")
                    event = run.wait_event("exec")
                    self.assertEqual((event["old_abi"], event["new_abi"]), (old, new))
                    self.assertEqual(event["path"], support.target(new, "test_loop"))
                    fact = self.fork_once(program)
                    self.check_record(run.wait_event("fork"), fact, new)
                    run.signal(signal.SIGINT)
                    self.assertEqual(run.finish(), 0)
                    self.check_works(program)

    # --- threads ---

    def test_many_threads(self):
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                program = self.start_program(MANY_THREADS, "200", abi=abi)
                self.assertEqual(len(live_support.thread_ids(program.pid)), 202)
                run = self.attach(program.pid)
                program.write(b"x")
                self.assertEqual(program.read_line(), b"forked")
                record = run.wait_event("fork")
                self.assertEqual(record["parent"]["pid"], program.pid)
                self.assertNotEqual(record["parent"]["tid"], program.pid)
                self.assertIn("serve", [frame["symbol"] for frame in record["child"]["frames"]])
                self.assertEqual(len(live_support.traced_threads(program.pid)), 202)
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
                self.assertEqual(len(run.of("detach")), 1)
                self.assertEqual(live_support.traced_threads(program.pid), [])
                program.write(b"x")
                self.assertEqual(program.read_line(), b"forked")
                self.assertEqual(program.finish(), 0)

    def test_killed_with_many_threads(self):
        program = self.start_program(MANY_THREADS, "200")
        run = self.attach(program.pid)
        program.signal(signal.SIGKILL)
        self.assertEqual(run.finish(), 0)
        self.assertEqual(run.of("error"), [])
        self.assertEqual(program.finish(), -signal.SIGKILL)

    def test_threads_that_come_and_go(self):
        """No thread is missed while attaching, none is left traced."""
        program = self.start_program(THREAD_CHURN)
        for _ in range(5):
            run = self.attach(program.pid, options=["-k", "none"])
            support.wait_until(lambda: self.all_traced(program.pid), "all threads were traced")
            run.signal(signal.SIGINT)
            self.assertEqual(run.finish(), 0)
            self.assertEqual(run.of("error"), [])
            self.assertEqual(support.tracer_of(program.pid), 0)
        program.write(b"x")
        self.assertEqual(program.finish(), 0)

    def all_traced(self, pid):
        tracers = [support.tracer_of(f"{pid}/task/{tid}") for tid in live_support.thread_ids(pid)]
        return all(tracer != 0 for tracer in tracers)


if __name__ == "__main__":
    unittest.main()
