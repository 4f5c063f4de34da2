#!/usr/bin/python3
"""What forktrace costs beside its peers, measured side by side in one run.

Every round runs every contender once on a workload, in an order that is rotated from round to round; a ratio is taken
within a round, so that what slows the whole machine for a while slows both sides of it. Before each there is a pause:
when forktrace has ended the kernel still takes its perf events down, and a run of forktrace that begins meanwhile waits
for that; what it waits is shown by itself ("again at once"). Shown are medians and the middle half of the rounds.
Standard library alone, and the tests' own probe for 32-bit programs.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import support

ROUNDS, QUICK_ROUNDS = 15, 3
SLOW_EVERY = 3  # a slow contender runs in one of so many rounds
RUN_SECONDS_MAX = 300
PAUSE_S = 0.15  # three times what the kernel needs
MEMORY_FORKS = (500, 5000)
LOAD_QUIET = 0.7  # a load average above it means that something else is running

# What the project promises (ratios).
FULL_TO_BARE, FULL_TO_STRACE, DEEP_TO_NATIVE, MEMORY_GROWTH = 1.25, 1.0, 2.5, 1.10

Workload = collections.namedtuple("Workload", "key abi program arguments forks")
Run = collections.namedtuple("Run", "wall cpu")
Limit = collections.namedtuple("Limit", "name bound value low high verdict")

FULL = ("forktrace", "forktrace -f json")
AGAIN = "forktrace, again at once"
STRACE, STRACE_STACKS = "strace -f", "strace -f -k --seccomp-bpf"
# Without it the filter would filter nothing, and strace would say so and print the stacks of all calls.
STRACE_FAMILY = "trace=fork,vfork,clone,clone3"


class Contender(collections.namedtuple("Contender", "name command program package slow")):
    """`program` is the file that must be there (None: nothing), `package` the Debian package that brings it."""

    @property
    def missing(self):
        return self.program is not None and not os.access(self.program, os.X_OK)


def workloads(abis):
    """The two that the limits are about, and one fork alone: what starting and ending cost."""
    table = (("storm", "test_storm", ("2000", "serial"), 2000), ("deep", "test_deep", ("500",), 500),
             ("one", "test_storm", ("1", "serial"), 1))
    return [Workload(f"{key}-{abi}", abi, ROOT / "build/targets" / abi / program, arguments, forks)
            for key, program, arguments, forks in table for abi in abis]


def contenders(bin_dir, report):
    forktrace, bare = str(bin_dir / "forktrace"), str(bin_dir / "bench/bare_loop")
    strace = shutil.which("strace") or "strace"
    to_file = ["-o", str(report)]
    return [
        Contender("native", [], None, None, False),
        Contender("bare loop", [bare], bare, None, False),
        Contender("forktrace", [forktrace, *to_file, "--"], forktrace, None, False),
        Contender("forktrace -f json", [forktrace, "-f", "json", *to_file, "--"], forktrace, None, False),
        Contender("forktrace -k none", [forktrace, "-k", "none", *to_file, "--"], forktrace, None, False),
        Contender(STRACE, [strace, "-f", *to_file, "--"], strace, "strace", False),
        Contender(STRACE_STACKS, [strace, "-f", "-k", "--seccomp-bpf", "-e", STRACE_FAMILY, *to_file, "--"], strace,
                  "strace", True),
    ]


class Failed(Exception):
    """A contender that did not run its program to the end; the text says how."""


def run(argv, scratch):
    """Runs a command with its output thrown away. CPU time is the user's and the system's, of it and all it waited for.
    """
    errors = scratch / "stderr"
    environment = {**os.environ, "LC_ALL": "C"}
    environment.pop("DEBUGINFOD_URLS", None)  # nobody is to ask the network for debug information
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
               (os.POSIX_SPAWN_OPEN, 2, str(errors), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    signal.setitimer(signal.ITIMER_REAL, RUN_SECONDS_MAX)
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    try:
        _, status, usage = os.wait4(pid, 0)
    except (Failed, KeyboardInterrupt):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    wall = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        said = errors.read_text(errors="replace").strip().splitlines()
        raise Failed((f"exit status {code}" if code > 0 else f"signal {-code}") + (f": {said[0]}" if said else ""))
    return Run(wall, usage.ru_utime + usage.ru_stime)


def on_alarm(_number, _frame):
    raise Failed(f"no end after {RUN_SECONDS_MAX} s")


def version(command):
    """The first line of what it says about itself."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "missing"


class Bench:
    """All runs and what was noticed on the way."""

    def __init__(self, options, scratch):
        self.options, self.scratch, self.report = options, scratch, scratch / "report"
        self.contenders = contenders(options.bin, self.report)
        self.abis = support.runnable_abis()
        self.workloads = workloads(self.abis)
        self.runs = {}  # (workload key, contender name) -> {round: Run}
        self.notes = collections.OrderedDict()  # (workload key, contender name) -> why there is no number, or a remark
        self.records = {}  # workload key -> (records, with both stacks and returns, with the kernel's half)
        self.load = os.getloadavg()[0]
        self.versions = {"forktrace": version([str(options.bin / "forktrace"), "--version"]),
                         "strace": version(["strace", "-V"])}
        self.memory = {}  # (abi, contender name) -> KiB after each of MEMORY_FORKS

    def measure(self):
        for contender in self.contenders:
            if contender.missing:
                hint = f"install Debian's {contender.package}" if contender.package else "run make"
                self.drop(contender, f"missing ({hint})")
        for number in range(self.options.rounds):
            self.progress(f"round {number + 1} of {self.options.rounds}")
            for workload in self.workloads:
                self.run_round(workload, number)
        self.progress("memory")
        self.measure_memory()
        self.progress("")

    def drop(self, contender, why):
        for workload in self.workloads:
            self.notes[workload.key, contender.name] = why

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def run_round(self, workload, number):
        shift = number % len(self.contenders)
        for contender in self.contenders[shift:] + self.contenders[:shift]:
            key = workload.key, contender.name
            if key in self.notes and key not in self.runs:
                continue
            if contender.slow and number % SLOW_EVERY:
                continue
            time.sleep(PAUSE_S)
            if self.run_one(workload, contender.name, contender.command, number) and number == 0:
                self.look_at_report(workload, contender)
            if workload.forks == 1 and contender.name == "forktrace":
                self.run_one(workload, AGAIN, contender.command, number)

    def run_one(self, workload, name, command, number):
        """Did it run to the end?"""
        key = workload.key, name
        self.report.unlink(missing_ok=True)  # nobody is to pay for truncating what another wrote
        try:
            result = run([*command, str(workload.program), *workload.arguments], self.scratch)
        except (Failed, OSError) as error:
            self.notes[key] = f"failed: {error.strerror if isinstance(error, OSError) else error}"
            self.runs.pop(key, None)
            return False
        self.runs.setdefault(key, {})[number] = result
        return True

    def look_at_report(self, workload, contender):
        """A contender that does less than its name says must not win by it."""
        if contender.name == "forktrace -f json":
            self.records[workload.key] = count_records(self.report)
        if contender.name == STRACE_STACKS:
            with open(self.report, encoding="utf-8", errors="replace") as lines:
                if sum(line.startswith(" > ") for line in lines) < workload.forks:
                    self.notes[workload.key, contender.name] = "printed no stacks of the forks"

    def measure_memory(self):
        for abi in self.abis:
            program = str(ROOT / "build/targets" / abi / "test_storm")
            for contender in self.contenders:
                if contender.name in FULL and not contender.missing:
                    sizes = [self.peak_kib([*contender.command, program, str(forks), "serial"])
                             for forks in MEMORY_FORKS]
                    if all(sizes):
                        self.memory[abi, contender.name] = sizes

    def peak_kib(self, command):
        """The peak resident size; None where that failed."""
        try:
            result = subprocess.run([self.options.bin / "bench/peak_memory", *command], capture_output=True, text=True,
                                    timeout=RUN_SECONDS_MAX, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return int(result.stdout)

    def ratios(self, workload_key, above, below, what="wall"):
        """Of all rounds in which both ran."""
        upper, lower = self.runs.get((workload_key, above), {}), self.runs.get((workload_key, below), {})
        return [getattr(upper[number], what) / getattr(lower[number], what)
                for number in sorted(upper.keys() & lower.keys()) if getattr(lower[number], what) > 0]


def count_records(path):
    records = complete = with_kernel = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] != "fork":
                continue
            halves, kernel = (event["parent"], event["child"]), event["kernel"]
            records += 1
            complete += all(half["ret"] is not None and half["frames"] for half in halves)
            with_kernel += bool(kernel["parent_frames"] and kernel["child_frames"])
    return records, complete, with_kernel


def middle_half(values):
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def limits(bench):
    result = []

    def add(name, bound, values):
        if not values:
            why = f" ({support.NO_32_BIT})" if abi not in bench.abis else ""
            result.append(Limit(name, bound, None, None, None, f"NOT MEASURED{why}"))
            return
        median = statistics.median(values)
        result.append(Limit(name, bound, median, *middle_half(values), "ok" if median <= bound else "MISSED"))

    for abi in support.ABIS:
        for name in FULL:
            label = f"{abi} {'json' if 'json' in name else 'text'}"
            add(f"{label}: 2,000 forks / bare loop", FULL_TO_BARE, bench.ratios(f"storm-{abi}", name, "bare loop"))
            add(f"{label}: 2,000 forks / {STRACE}", FULL_TO_STRACE, bench.ratios(f"storm-{abi}", name, STRACE))
            add(f"{label}: 500 deep forks / native", DEEP_TO_NATIVE, bench.ratios(f"deep-{abi}", name, "native"))
            sizes = bench.memory.get((abi, name))
            add(f"{label}: memory, {MEMORY_FORKS[1]} forks / {MEMORY_FORKS[0]}", MEMORY_GROWTH,
                [sizes[1] / sizes[0]] if sizes else [])
    return result


# --- what is printed: 80 columns ---


def print_head(bench):
    print(f"forktrace and its peers: {os.uname().sysname} {os.uname().release}, {os.cpu_count()} CPUs, "
          f"{bench.options.rounds} rounds")
    for name, said in bench.versions.items():
        print(f"{name}: {said}"[:80])
    print(f"{STRACE_STACKS} gets -e {STRACE_FAMILY} as well.")
    print("Ratios are to native in the same round: the median, then the middle half.")
    if bench.abis != support.ABIS:
        print(f"{support.NO_32_BIT.capitalize()} (IA-32 emulation is off): i386 is left out.")
    if bench.load > LOAD_QUIET:
        print(f"The load was {bench.load:.1f} before the first round: other work disturbs these numbers.")


def print_workload(bench, workload):
    native = list(bench.runs.get((workload.key, "native"), {}).values())
    print(f"\n{workload.program.name} {' '.join(workload.arguments)}, {workload.abi}: "
          + (f"native takes {statistics.median(r.wall for r in native):.3f} s" if native
             else bench.notes.get((workload.key, "native"), "native did not run")))
    print(f"  {'':28}{'wall':>8}  {'middle half':>15}{'CPU':>8}{'rounds':>8}")
    for contender in bench.contenders:
        note = bench.notes.get((workload.key, contender.name))
        wall = bench.ratios(workload.key, contender.name, "native")
        if contender.name == "native":
            continue
        if not wall:
            print(f"  {contender.name:28}  {note or 'not run'}"[:80])
            continue
        cpu = bench.ratios(workload.key, contender.name, "native", "cpu")
        low, high = middle_half(wall)
        print(f"  {contender.name:28}{statistics.median(wall):8.2f}  {f'{low:.2f} - {high:.2f}':>15}"
              f"{statistics.median(cpu) if cpu else 0:8.2f}{len(wall):8}" + (f"\n    {note}"[:80] if note else ""))


def print_start_up(bench, abi):
    """One fork alone: milliseconds, because a ratio to almost nothing says nothing."""
    names = [contender.name for contender in bench.contenders] + [AGAIN]
    print(f"\none fork, {abi}: milliseconds from start to end")
    for name in names:
        runs = list(bench.runs.get((f"one-{abi}", name), {}).values())
        if runs:
            walls = [1000 * r.wall for r in runs]
            low, high = middle_half(walls)
            print(f"  {name:28}{statistics.median(walls):8.1f}  {f'{low:.1f} - {high:.1f}':>15}")
        else:
            print(f"  {name:28}  {bench.notes.get((f'one-{abi}', name), 'not run')}"[:80])


def print_memory(bench):
    few, many = MEMORY_FORKS
    print(f"\npeak resident memory, MiB{f'{few} forks':>16}{f'{many} forks':>14}")
    for (abi, name), sizes in bench.memory.items():
        print(f"  {name:18}{abi:8}{sizes[0] / 1024:13.1f}{sizes[1] / 1024:14.1f}")
    if not bench.memory:
        print("  not measured: forktrace did not run")


def print_records(bench):
    print("\nrecords in the JSON: made, with both stacks and returns, with the kernel's half")
    for workload in bench.workloads:
        if workload.key in bench.records:
            made, complete, kernel = bench.records[workload.key]
            print(f"  {workload.program.name} {' '.join(workload.arguments)}, {workload.abi}: "
                  f"{made} of {workload.forks}, {complete}, {kernel}")
    if not bench.records:
        print("  none: forktrace did not run")


def print_limits(table):
    print()
    for limit in table:
        value = "" if limit.value is None else f"{f'{limit.value:.2f} ({limit.low:.2f}-{limit.high:.2f})':17} "
        print(f"limit {limit.name:37} <= {limit.bound:.2f}  {value}{limit.verdict}")


def write_json(bench, table, path):
    data = {
        "machine": {"system": os.uname().sysname, "release": os.uname().release, "cpus": os.cpu_count()},
        "rounds": bench.options.rounds,
        "workloads": [{
            "name": f"{workload.program.name} {' '.join(workload.arguments)}",
            "abi": workload.abi, "forks": workload.forks, "records": bench.records.get(workload.key),
            "contenders": [{
                "name": contender.name, "note": bench.notes.get((workload.key, contender.name)),
                "wall_s": [r.wall for r in bench.runs.get((workload.key, contender.name), {}).values()],
                "cpu_s": [r.cpu for r in bench.runs.get((workload.key, contender.name), {}).values()],
                "wall_ratios": bench.ratios(workload.key, contender.name, "native"),
                "cpu_ratios": bench.ratios(workload.key, contender.name, "native", "cpu"),
            } for contender in bench.contenders]} for workload in bench.workloads],
        "memory": [{"name": name, "abi": abi, "peak_kib": dict(zip(MEMORY_FORKS, sizes))}
                   for (abi, name), sizes in bench.memory.items()],
        "limits": [limit._asdict() for limit in table],
    }
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def parse_options():
    parser = argparse.ArgumentParser(description="Measures forktrace beside native, a bare ptrace loop and strace.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin", help="where forktrace was built")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all numbers to FILE too")
    parser.add_argument("--strict", action="store_true", help="exit status 1 where a limit is missed")
    options = parser.parse_args()
    if options.quick:
        options.rounds = QUICK_ROUNDS
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGALRM, on_alarm)
    with tempfile.TemporaryDirectory(prefix="forktrace-bench-") as scratch:
        bench = Bench(options, pathlib.Path(scratch))
        bench.measure()
    table = limits(bench)
    print_head(bench)
    for workload in bench.workloads:
        if not workload.key.startswith("one-"):
            print_workload(bench, workload)
    for abi in bench.abis:
        print_start_up(bench, abi)
    print_memory(bench)
    print_records(bench)
    print_limits(table)
    if options.json:
        write_json(bench, table, options.json)
    return 1 if options.strict and any(limit.verdict != "ok" for limit in table) else 0


if __name__ == "__main__":
    sys.exit(main())
