#!/usr/bin/python3
"""What a record from a guest costs: from the start to the printed record, cold (a boot) and warm (from a snapshot),
beside the old way: the same kernel booted with plain options, and gdb driven by a script with the same breakpoints.
And how fast the stepper steps there.

All in one run, in rounds; shown are medians. Standard library alone.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import guest_lab  # pylint: disable=wrong-import-position

COLD_S, WARM_S, GDB_RATIO = 5.0, 0.6, 10.0  # what the project promises, on an idle machine
STEPS, STEPS_PER_S = 3000, 1000
STAGES = ("worker", "copy", "wake", "child-first")
LIMIT_S = 120


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.program = ROOT / "build/targets/i386/test_fork"
        self.forktrace = str(ROOT / "build/bin/forktrace")
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(scratch)}

    def trace(self, *options, program=None):
        """Seconds until forktrace's end, and its record."""
        report = self.scratch / "report"
        start = time.perf_counter()
        subprocess.run([self.forktrace, "-g", f"--guest-kernel={self.options.kernel}", *options, "-f", "json", "-o",
                        str(report), str(program or self.program)], check=True, env=self.environment,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=LIMIT_S)
        seconds = time.perf_counter() - start
        (record,) = [event for event in map(json.loads, report.read_text().splitlines()) if event["event"] == "fork"]
        return seconds, record

    def steps(self):
        """Instruction steps a second, with the screen on, in the program and in the kernel."""
        found = {}
        for name, start in (("program", []), ("kernel", ["k", ":wait stop"])):
            seconds = []
            for count in (1, 1 + STEPS):  # what is not stepping falls out
                keys = self.scratch / "keys"
                keys.write_text("\n".join([":wait stop", *start, *["S", ":wait stop"] * count, ":quit kill"]) + "\n")
                begin = time.perf_counter()
                subprocess.run([self.forktrace, "-i", "-g", f"--guest-kernel={self.options.kernel}", f"--keys={keys}",
                                str(self.program)], check=True, env=self.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, timeout=LIMIT_S)
                seconds.append(time.perf_counter() - begin)
            found[name] = STEPS / (seconds[1] - seconds[0])
        return found

    def script(self, static):
        """gdb's, with the addresses of this kernel without KASLR, which forktrace finds out beforehand."""
        _, record = self.trace("--guest-cold", "--guest-append=nokaslr", program=static)
        walk = {step["stage"]: step["address"] for step in record["kernel"]["walk"]}
        lines = ["set pagination off", "set architecture i386", f"target remote {self.scratch}/stub",
                 f"break *{walk['handler']}", "continue", "bt 12"]
        for stage in STAGES:
            lines += [f"break *{walk[stage]}", "continue", "bt 12"]
        # The returns are left to gdb's favour: the user's addresses are random, and would have to be found first.
        path = self.scratch / "script.gdb"
        path.write_text("\n".join(lines) + "\n")
        return path

    def gdb(self, script, archive):
        """Seconds from the machine's start to gdb's last backtrace."""
        command = ["qemu-system-i386", "-accel", "tcg", "-m", "256", "-display", "none", "-nodefaults", "-no-reboot",
                   "-serial", "null", "-kernel", str(self.options.kernel), "-initrd", str(archive), "-append",
                   "console=ttyS0 quiet rdinit=/init nokaslr", "-S", "-chardev",
                   f"socket,path={self.scratch}/stub,server=on,wait=off,id=g", "-gdb", "chardev:g"]
        start = time.perf_counter()
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            while not (self.scratch / "stub").exists() and machine.poll() is None:
                time.sleep(0.01)
            done = subprocess.run(["gdb", "-nx", "-q", "-batch", "-x", str(script)], capture_output=True, text=True,
                                  timeout=LIMIT_S, check=False)
        finally:
            machine.kill()
            machine.wait()
            (self.scratch / "stub").unlink(missing_ok=True)
        if done.stdout.count("Breakpoint ") < 2 * (len(STAGES) + 1):
            raise SystemExit(f"gdb did not reach all stages:\n{done.stdout}\n{done.stderr}")
        return time.perf_counter() - start

    def run(self):
        static = ROOT / "build/targets/i386/variants/test_fork.static"
        archive = self.scratch / "initramfs"
        archive.write_bytes(guest_lab.archive({"/init": static}))
        script = self.script(static)
        self.trace()  # leaves the snapshot
        rows = {"cold": [], "warm": [], "gdb": []}
        for _ in range(self.options.rounds):
            rows["cold"].append(self.trace("--guest-cold")[0])
            rows["warm"].append(self.trace()[0])
            rows["gdb"].append(self.gdb(script, archive))
        return {name: statistics.median(values) for name, values in rows.items()}


def main():
    parser = argparse.ArgumentParser(description="Measures the guest's record, cold and warm, beside gdb's way.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--kernel", type=pathlib.Path, default=ROOT / "build/cache/forktrace/guest/vmlinuz")
    options, _ = parser.parse_known_args()  # the other bench's options come here too
    options.rounds = 3 if options.quick else options.rounds
    if not options.kernel.exists():
        print(f"guest: not measured: there is no kernel {options.kernel} (make check-kernels)")
        return 0
    with tempfile.TemporaryDirectory(prefix="forktrace-bench-") as scratch:
        bench = Bench(options, pathlib.Path(scratch))
        times, steps = bench.run(), bench.steps()
    print(f"\na record of test_fork from a guest, seconds from start to end (median of {options.rounds} rounds)")
    for name, text in (("cold", "forktrace --guest-cold"), ("warm", "forktrace, from the snapshot"),
                       ("gdb", "plain boot and gdb -batch")):
        print(f"  {text:32}{times[name]:8.2f}")
    print(f"limit cold <= {COLD_S} s  {'ok' if times['cold'] <= COLD_S else 'MISSED'}")
    print(f"limit warm <= {WARM_S} s  {'ok' if times['warm'] <= WARM_S else 'MISSED'}")
    ratio = times["gdb"] / times["warm"]
    print(f"limit gdb / warm >= {GDB_RATIO:.0f}  {ratio:.1f}  {'ok' if ratio >= GDB_RATIO else 'MISSED'}")
    print("instruction steps a second in a guest, with the screen on")
    for name, rate in steps.items():
        print(f"  in the {name:25}{rate:8.0f}\nlimit {name} steps >= {STEPS_PER_S}  {'ok' if rate >= STEPS_PER_S else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
