#!/usr/bin/python3
"""What the stepper (forktrace -i) costs on a terminal of its own: instruction steps a second with the screen on, through
ptrace and through a guest's stub, and how long a key waits for its answer while the program runs.

The terminal is a pseudo-terminal that is read here as fast as it is written. Standard library alone.
"""

import argparse
import fcntl
import os
import pathlib
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

STEPS_A_SECOND, ANSWER_S = 1000, 0.050  # what the project promises
LIMIT_S = 120
SIZES = ((80, 24), (132, 43))
KEY_ROUNDS = 30
# Runs and prints all the time.
BUSY = ("sh", "-c", "while :; do echo something that the program says; done")


class Stepper:
    """forktrace -i on a terminal."""

    def __init__(self, arguments, columns, rows):
        self.output = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8", COLUMNS=str(columns), LINES=str(rows))
            os.execv(arguments[0], arguments)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What has come within that time at most; empty at the end."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            raise TimeoutError(f"nothing came for {seconds} s; the last was {self.output[-400:]!r}")
        try:
            got = os.read(self.terminal, 65536)
        except OSError:  # the other side is closed
            return b""
        self.output = (self.output + got)[-65536:]
        return got

    def wait(self, text):
        self.output = b""
        while text not in self.output:
            if not self.read(LIMIT_S):
                raise EOFError(f"forktrace ended: {self.output[-400:]!r}")

    def type(self, keys):
        os.write(self.terminal, keys)

    def end(self):
        """Until it ends by itself; its status."""
        while self.read(LIMIT_S):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.forktrace = str(options.bin / "forktrace")

    def steps(self, count, size, arguments):
        """Seconds of a run whose script makes so many instruction steps."""
        script = self.scratch / "keys"
        script.write_text("S\n:wait stop\n" * count + ":kill\n")
        start = time.perf_counter()
        stepper = Stepper([self.forktrace, "-i", f"--keys={script}", *arguments], *size)
        stepper.end()
        return time.perf_counter() - start

    def steps_a_second(self, count, size, arguments):
        """The start and the end are in both runs, and fall out."""
        rates = []
        for _ in range(self.options.rounds):
            few, many = self.steps(1, size, arguments), self.steps(1 + count, size, arguments)
            rates.append(count / max(many - few, 1e-6))
        return statistics.median(rates)

    def answers(self, size, command):
        """Seconds from a key to its effect, one a round, while the program runs: the help, there and gone again."""
        stepper = Stepper([self.forktrace, "-i", "--", *command], *size)
        times = []
        try:
            stepper.wait(b"at the start")
            stepper.type(b"c")
            stepper.wait(b"runs")
            for _ in range(KEY_ROUNDS):
                start = time.perf_counter()
                stepper.type(b"?")
                stepper.wait(b"take back a breakpoint")
                times.append(time.perf_counter() - start)
                stepper.type(b"\x1b")
                stepper.wait(b" output ")
        finally:
            stepper.kill()
        return times


def verdict(good):
    return "ok" if good else "MISSED"


def measure_steps(bench, options):
    targets = ROOT / "build/targets"
    kernel = ROOT / "build/cache/forktrace/guest/vmlinuz"
    guest = ["-g", f"--guest-kernel={kernel}", str(targets / "i386/test_fork")]
    rows = [("through ptrace", size, 2000, [str(targets / "x86_64/test_fork")]) for size in SIZES]
    rows += [("through a guest's stub", size, 1000, guest) for size in SIZES if options.guest and kernel.exists()]
    print(f"\ninstruction steps a second with the screen on (median of {options.rounds} rounds)")
    for name, size, count, arguments in rows:
        rate = bench.steps_a_second(count, size, arguments)
        print(f"  {name:26}{size[0]}x{size[1]:<6}{rate:8.0f}   limit >= {STEPS_A_SECOND}  "
              f"{verdict(rate >= STEPS_A_SECOND)}")


def measure_answers(bench):
    print(f"\na key's answer while the program runs, ms ({KEY_ROUNDS} keys)")
    for name, command in (("sleeps", ("sleep", "1000")), ("prints a lot", BUSY)):
        for size in SIZES:
            times = sorted(bench.answers(size, command))
            worst = times[int(len(times) * 0.95)]
            print(f"  {name:26}{size[0]}x{size[1]:<6} median {statistics.median(times) * 1e3:5.1f}  of 95 in 100 "
                  f"{worst * 1e3:5.1f}   limit <= {ANSWER_S * 1e3:.0f}  {verdict(worst <= ANSWER_S)}")


def main():
    parser = argparse.ArgumentParser(description="Measures the stepper: steps a second, and a key's answer.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="1 round")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin", help="where forktrace was built")
    parser.add_argument("--no-guest", dest="guest", action="store_false", help="leave the guest out")
    options, _ = parser.parse_known_args()  # the other benches' options come here too
    options.rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="forktrace-bench-") as scratch:
        bench = Bench(options, pathlib.Path(scratch))
        measure_steps(bench, options)
        measure_answers(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
