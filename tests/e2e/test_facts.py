"""What forktrace records of each program of targets/, held against the facts that the program itself prints."""

import os
import re
import unittest

import callstack
import records
import support

# Programs that do another thing with an argument: a test of its own, named after it.
ARGUMENTS = {"test_chroot": ["before"]}

# Options that a program's facts need.
OPTIONS = {"test_threads": ["--threads"]}
STDIN = {"test_loop": b"xx"}

# It calls ptrace itself, and forktrace says in an `error` event what came of it.
TRACERS = {"test_ptrace"}

ENTRY_SYMBOLS = {
    "sysenter": r"entry_SYSENTER_compat.*|ia32_sysenter_target|sysenter_.*",
    "syscall": r"entry_SYSCALL_(64|compat).*|system_call.*",
    "int80": r"entry_INT80.*|asm_int80_emulation|do_int80_emulation|int80_emulation",
}


def pid_free(output):
    """Standard output with the process numbers taken out, and the lines of parallel processes in one order."""
    text = re.sub(r"\b(parent|child|parent_ret|parent_tid|pid)=\d+", r"\1=N", output.decode())
    return sorted(line for line in text.splitlines() if not line.startswith("note "))


def own_symbols(frames, modules, wanted):
    """The functions of the program itself, innermost first, without inlined ones that are not among the wanted (a
    program tells those alone that it is about)."""
    return [frame["symbol"] for frame in frames
            if frame["symbol"] not in (None, "_start") and os.path.basename(frame["module"] or "") in modules
            and not (frame["inlined"] and frame["symbol"] not in wanted)]


def brief(record):
    """A record without its frames, for messages."""
    return {key: brief(value) if isinstance(value, dict) else value for key, value in record.items()
            if not key.endswith("frames")}


def is_try(event, expected):
    """Where the kernel has no clone3 (before 5.3), libc tries it each time, and calls clone then: no fact of it."""
    return support.is_other_kernel() and (event["syscall"], event["errno"]) == ("clone3", "ENOSYS") and \
        not any((fact["syscall"], fact["errno"]) == ("clone3", "ENOSYS") for fact in expected.failed)


class Facts:
    """The test of one program; subclasses say which ABI and options."""

    abi = None
    options = []
    wrapper = []  # words before forktrace
    kernel = "none"  # what is expected of the kernel half: none, live, or denied

    def check_target(self, name, arguments):
        program, stdin = [support.target(self.abi, name), *arguments], STDIN.get(name, b"")
        options = [*self.options, *OPTIONS.get(name, [])]
        run = support.trace(program, options, stdin=stdin, wrapper=self.wrapper)
        expected = support.parse_expect(run.stdout)
        self.assertEqual(run.status, 0, run)
        self.assertIsNotNone(expected.total, run.stdout)
        self.check_unchanged(name, run, *support.run_command([*self.wrapper, *program], stdin=stdin)[:2])
        self.check_events(name, run, expected)
        if name not in TRACERS:
            self.assertEqual(run.of("error"), [])
        if expected.skip:
            self.skipTest(f"the program did only a part of its work: {expected.skip}")

    def check_events(self, name, run, expected):
        self.check_order(run)
        self.check_forks(name, run, expected)
        self.check_failed(name, run, expected)
        self.check_execs(run, expected)
        self.check_exits(run, expected)
        self.check_totals(run, expected)

    def check_unchanged(self, name, run, status, stdout):
        """The program printed what it prints without forktrace, and ended alike."""
        self.assertEqual(status, run.status)
        if name in TRACERS:  # what ptrace answers is the one thing that may differ
            stdout, traced = (re.sub(rb"errno=\w+", b"errno=X", text) for text in (stdout, run.stdout))
        else:
            traced = run.stdout
        self.assertEqual(pid_free(stdout), pid_free(traced))
        self.assertEqual(run.stderr, "")

    def check_order(self, run):
        """Each event has a number of its own, and these are in the order of time."""
        self.assertEqual(run.events[0]["event"], "start")
        self.assertEqual(run.events[-1]["event"], "end")
        numbers = [event["seq"] for event in run.events]
        self.assertEqual(len(set(numbers)), len(numbers), "seq is not unique")
        times = [event["time_ns"] for event in sorted(run.events, key=lambda event: event["seq"])]
        self.assertEqual(times, sorted(times), "time_ns goes back while seq goes on")

    # --- forks ---

    def check_forks(self, name, run, expected):
        records = {}
        for record in run.forks():
            child = record["child"]["tid"]
            self.assertNotIn(child, records, "two records of one child")
            records[child] = record
        modules = {name, "program", "libtest_plugin.so", "libtest_plugin2.so"}
        for fact in expected.forks:
            self.assertIn(fact["child"], records, f"no record of {fact}")
            record = records.pop(fact["child"])
            try:
                self.check_fork(fact, record, modules)
            except AssertionError as error:
                stacks = "\n".join(
                    f"{side}:\n{callstack.format_frames(record[side]['frames'] or [])}\nits kernel half:\n"
                    f"{callstack.format_frames(record['kernel'][side + '_frames'] or [])}"
                    for side in ("parent", "child"))
                raise AssertionError(f"{error}\nfact: {fact}\n{stacks}\nrecord: {brief(record)}") from None
        # test_exec and test_chroot have their forks after an exec in the totals alone, but tell them too.
        self.assertEqual(records, {}, "records that the program knows nothing of")

    def check_fork(self, fact, record, modules):
        parent, child = record["parent"], record["child"]
        self.assertEqual(record["kind"], fact["kind"])
        if fact["syscall"] is not None:
            self.assertEqual(record["syscall"], fact["syscall"])
        self.assertEqual(record["abi"], fact["abi"])
        self.assertEqual(record["thread"], bool(fact["thread"]))
        self.assertEqual(record["exit_signal"] or "none", fact["exit_signal"])
        if fact["flags"] is not None:
            self.assertEqual(set(record["flags"]), set(fact["flags"]))
        self.assertEqual(record["untraced"], "CLONE_UNTRACED" in record["flags"])
        self.assertEqual(parent["pid"], fact["parent"])
        self.assertEqual(parent["tid"], fact.get("parent_tid", fact["parent"]))
        self.assertEqual(child["pid"], fact["parent"] if fact["thread"] else fact["child"])
        self.assertEqual(child["ns_pid"], fact.get("ns_pid", fact["child"]))
        self.check_returns(fact, record)
        self.check_user_stacks(fact, record, modules)
        self.check_entry(fact, record)
        if self.kernel == "live":
            self.check_kernel(record)
        else:
            self.check_no_kernel(record["kernel"])

    def check_returns(self, fact, record):
        parent, child = record["parent"], record["child"]
        self.assertEqual(parent["ret"], fact["parent_ret"])
        self.assertEqual(parent["ret_from"], "syscall-exit")
        self.assertIsNone(parent["ret_reason"])
        if fact["child_ret"] is not None:
            self.assertEqual(child["ret"], fact["child_ret"])
        self.assertEqual(child["ret_from"], "first-stop")
        for half in parent, child:
            self.assertGreater(half["ret_ns"], 0)

    def check_user_stacks(self, fact, record, modules):
        """Both stacks hold the program's own functions, all of them from the one that called on to the outermost."""
        halves = [record["parent"]]
        if not fact.get("fresh_stack"):
            halves.append(record["child"])
        for half in halves:
            self.assertFalse(half["frames_truncated"])
            self.assertEqual(own_symbols(half["frames"], modules, fact["stack"]), fact["stack"])
            for frame in half["frames"]:
                if frame["symbol"] in fact["stack"] and os.path.basename(frame["module"] or "") in modules:
                    self.assertRegex(frame["file"] or "", r"(^|/)targets/\w+\.[ch]$")
                    self.assertGreater(frame["line"] or 0, 0)
            outermost = half["frames"][-1]["symbol"]
            if fact["stack"][-1] == "main":
                self.assertEqual(outermost, "_start")
        self.assertGreaterEqual(len(record["child"]["frames"]), 1)

    def check_entry(self, fact, record):
        entry = record["entry"]
        if fact.get("entry"):
            self.assertEqual(entry, fact["entry"])
        elif fact["abi"] == "x86_64":
            self.assertEqual(entry, "syscall")
        else:
            self.assertIn(entry, ("sysenter", "syscall", "int80"))

    # --- the kernel half ---

    def check_kernel(self, record):
        kernel = record["kernel"]
        self.assertEqual((kernel["source"], kernel["reason"]), ("live", None))
        self.assertEqual(kernel["release"], os.uname().release)
        frames = kernel["parent_frames"]
        names = callstack.symbols(frames)
        self.assertEqual(names[0], "copy_process")
        self.assertIn("kernel_clone", names)
        self.assertEqual({frame["method"] for frame in frames}, {"perf"})
        self.assertTrue(all(frame["pc"] for frame in frames))
        self.assertTrue(record["entry_certain"])
        self.assertRegex(names[-1], f"^({ENTRY_SYMBOLS[record['entry']]})$")
        child = callstack.symbols(kernel["child_frames"])
        self.assertTrue(any(name.startswith("ret_from_fork") for name in child), child)
        self.assertEqual({frame["method"] for frame in kernel["child_frames"]}, {"perf"})
        for frame in frames + kernel["child_frames"]:
            self.assertTrue(frame["certain"])

    def check_no_kernel(self, kernel):
        """Without the kernel half the record says why; where it was denied, which knob and which right it takes."""
        self.assertEqual(kernel["source"], "none" if self.kernel == "none" else "live")
        self.assertIsNone(kernel["parent_frames"])
        self.assertIsNone(kernel["child_frames"])
        if self.kernel == "denied":
            self.assertRegex(kernel["reason"], r"(kernel\.perf_event_paranoid|kernel\.kptr_restrict|CAP_\w+)")
            self.assertIn("CAP_SYS_ADMIN", kernel["reason"])

    # --- all the rest ---

    def check_failed(self, name, run, expected):
        events = sorted((event for event in run.of("fork-failed") if not is_try(event, expected)),
                        key=lambda event: (event["parent"]["pid"], event["seq"]))
        facts = sorted(expected.failed, key=lambda fact: fact["pid"])
        self.assertEqual([(event["parent"]["pid"], event["errno"], event["syscall"]) for event in events],
                         [(fact["pid"], fact["errno"], fact["syscall"]) for fact in facts])
        for fact, event in zip(facts, events):
            frames = event["parent"]["frames"]
            own = own_symbols(frames, {name}, fact["stack"])
            self.assertEqual(own, fact["stack"], f"{brief(event)}\n{callstack.format_frames(frames)}")

    def check_execs(self, run, expected):
        first, *execs = sorted(run.of("exec"), key=lambda event: event["seq"])
        self.assertIsNone(first["old_abi"])
        self.assertEqual(first["new_abi"], self.abi)
        self.assertEqual(len(execs), len(expected.execs))
        for fact in expected.execs:
            fitting = [event for event in execs
                       if event["path"].endswith(fact["path_suffix"] or "") and event["old_abi"] == fact["old"]
                       and event["new_abi"] == (fact["new"] or event["new_abi"])]
            self.assertTrue(fitting, f"no exec event fits {fact}: {execs}")
            execs.remove(fitting[0])

    def check_exits(self, run, expected):
        exits = {}
        for event in run.of("exit"):
            if not event["thread"]:
                self.assertNotIn(event["pid"], exits)
                exits[event["pid"]] = event
        for fact in expected.exits:
            event = exits[fact["pid"]]
            self.assertEqual((event["status"], event["signal"]), (fact.get("status"), fact.get("signal")), event)
        (root,) = [event for event in exits.values() if event["root"]]
        self.assertEqual(root["status"], run.status)
        self.assertEqual(root["pid"], run.of("exec")[0]["pid"])

    def check_totals(self, run, expected):
        end, total = run.end, expected.total
        self.assertEqual(end["forks"] + end["vforks"] + end["clones"], total["forks"])
        self.assertEqual(end["threads"], total["threads"])
        tries = sum(is_try(event, expected) for event in run.of("fork-failed"))
        self.assertEqual(end["failed"], total["failed"] + tries)
        self.assertEqual(end["execs"], 1 + len(expected.execs))
        self.assertEqual(end["errors"], len(run.of("error")))
        self.assertEqual(end["exits"], sum(not event["thread"] for event in run.of("exit")))
        self.assertEqual(end["lost_samples"], 0)
        self.assertEqual(end["exit_status"], 0)


# Root without a single capability: what an unprivileged user may do, on files that it may read.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]

# They do as root what only root may: change the user, the root directory, the namespace.
PRIVILEGED_TARGETS = {"test_fail", "test_chroot", "test_namespace"}


def add_test(test_class, name, arguments=()):
    def test(self):
        self.check_target(name, arguments)

    setattr(test_class, "_".join([name, *arguments]), test)


def make_class(way, abi, names, **fields):
    test_class = type(f"Facts{way}_{abi}", (Facts, unittest.TestCase), {"abi": abi, "__module__": __name__, **fields})
    for name in names:
        add_test(test_class, name)
        for argument in ARGUMENTS.get(name, []):
            add_test(test_class, name, [argument])
    globals()[test_class.__name__] = test_class if fields["kernel"] == "none" else support.needs_root(test_class)


def make_classes():
    """A class for each ABI and way to trace, with a test for each program."""
    names = support.target_names()
    modest = [name for name in names if name not in PRIVILEGED_TARGETS]
    for abi in support.ABIS:
        make_class("", abi, names, options=["-k", "none"], kernel="none")
        make_class("NoSeccomp", abi, names, options=["-k", "none", "--no-seccomp"], kernel="none")
        make_class("Kernel", abi, names, options=["-k", "live"], kernel="live")
        make_class("KernelNoSeccomp", abi, names, options=["-k", "live", "--no-seccomp"], kernel="live")
        make_class("Unprivileged", abi, modest, options=["-k", "auto"], kernel="denied", wrapper=UNPRIVILEGED)


# Its own files, and those that it loads by name.
GUEST_FILES = {"test_dlopen": ["libtest_plugin.so", "libtest_plugin2.so"]}

# system() and popen() start /bin/sh.
SHELL_USERS = {"test_spawn"}

# A fork takes about 120 ms there: the processor is emulated, and stopped at each stage.
GUEST_ARGUMENTS = {"test_storm": ["20"], "test_signal": ["10"]}

# Its other ABI is x86_64, which a 32-bit kernel does not execute.
NOT_IN_GUEST = {"test_exec"}

# What it forks inside of is a copy that it made in the guest: it has the original's name there, and its own here.
NAMED_OTHERWISE = {"test_chroot"}

WALK_STAGES = ["wrapper", "vsyscall", "entry", "dispatch", "handler", "worker", "copy", "wake", "child-first",
               "return-child", "return-parent"]


# As kernels of all ages call them; up to 4.3 the outermost frame stands at a label of the entry.
WORKERS = {"kernel_clone", "_do_fork", "do_fork"}
OUTERMOST = {"sysenter": r"^(entry_SYSENTER_32|sysenter_\w+)$", "int80": r"^(entry_INT80_32|syscall_\w+)$"}


RELEASE = r"^\d+\.\d+\.\d+" if support.is_other_kernel() else r"^\d+\.\d+\.\d+\S*-686"


def first_of_child(release):
    """What of the kernel a new process begins with."""
    return "ret_from_fork_asm" if [int(number) for number in release.split(".")[:2]] >= [6, 5] else "ret_from_fork"


class FactsGuest(Facts):
    """The same in a guest: the programs are 32-bit ones, and this machine's kernel needs not run them.

    FORKTRACE_GUEST_KERNEL=FILE: of another kernel than Debian's newest."""

    abi = "i386"
    kernel = "live"  # there is one: check_kernel is this class's own
    flavour, suite = "", None

    def check_target(self, name, arguments):
        files = [f"--guest-file={support.built_target('i386', file)}" for file in GUEST_FILES.get(name, [])]
        if name in SHELL_USERS:
            files.append(f"--guest-file={support.i386_file('bin/dash')}:/bin/sh")
        options = [*support.guest_options(self.flavour, self.suite), *files, *OPTIONS.get(name, [])]
        arguments = arguments or GUEST_ARGUMENTS.get(name, [])
        run = support.trace([support.built_target("i386", name), *arguments], options, stdin=STDIN.get(name, b""),
                            env=support.guest_environment())
        expected = support.parse_expect(run.stdout)
        self.assertEqual((run.status, run.stderr), (0, ""), run)
        self.assertIsNotNone(expected.total, run.stdout)
        self.assertEqual(run.of("error"), [])
        self.check_events(name, run, expected)
        if expected.skip and support.is_other_kernel():
            self.skipTest(f"the program did only a part of its work: {expected.skip}")
        if support.runs_32_bit() and name not in NAMED_OTHERWISE:
            self.check_same_here(name, arguments, run)

    def check_same_here(self, name, arguments, run):
        """This machine's kernel does the same, as far as the facts go that depend on the program alone."""
        program = [support.built_target("i386", name), *arguments]
        here = support.trace(program, ["-k", "none", *OPTIONS.get(name, [])], stdin=STDIN.get(name, b""))
        calls, calls_here = ({record["syscall"] for record in forks} for forks in (run.forks(), here.forks()))
        # A kernel from before 5.3: libc calls clone instead.
        if support.is_other_kernel() and "clone3" in calls_here - calls:
            return
        self.assertEqual(records.all_facts(run.forks()), records.all_facts(here.forks()))

    def check_returns(self, fact, record):
        parent, child = record["parent"], record["child"]
        self.assertEqual(parent["ret"], fact["parent_ret"])
        if fact["child_ret"] is not None:
            self.assertEqual(child["ret"], fact["child_ret"])
        for half in parent, child:
            self.assertEqual((half["ret_from"], half["ret_reason"]), ("user-return", None))

    def check_entry(self, fact, record):
        super().check_entry(fact, record)
        self.assertTrue(record["entry_certain"])

    def check_kernel(self, record):
        kernel = record["kernel"]
        self.assertEqual((kernel["source"], kernel["reason"]), ("guest", None))
        self.assertRegex(kernel["release"], RELEASE)
        names = callstack.symbols(kernel["parent_frames"])
        self.assertRegex(names[0], r"^copy_process(\.\w+)*$")
        self.assertEqual(len(WORKERS.intersection(names)), 1, names)
        self.assertRegex(names[-1], OUTERMOST[record["entry"]])
        self.assertTrue(all(frame["certain"] for frame in kernel["parent_frames"]))
        self.assertEqual(callstack.symbols(kernel["child_frames"])[-1], first_of_child(kernel["release"]))
        self.check_walk(record)

    def check_walk(self, record):
        """All stages, each once, the way down in its order, and each in the process that it belongs to."""
        walk = record["kernel"]["walk"]
        self.assertEqual(sorted(step["stage"] for step in walk), sorted(WALK_STAGES))
        steps = {step["stage"]: (place, step) for place, step in enumerate(walk)}
        # Code may have no symbol (libc's clone3): the stage was passed all the same.
        seen = [step["stage"] for step in walk if step["address"] is not None]
        for stage in ("entry", "dispatch", "handler", "worker", "copy", "wake", "child-first", "return-child",
                      "return-parent"):
            self.assertIn(stage, seen, walk)
        down = [stage for stage in seen if WALK_STAGES.index(stage) <= WALK_STAGES.index("wake")]
        self.assertEqual(down, sorted(down, key=WALK_STAGES.index))
        self.assertLess(steps["wake"][0], steps["return-parent"][0])
        self.assertLess(steps["child-first"][0], steps["return-child"][0])
        times = [step["vtime_ns"] for step in walk if step["vtime_ns"] is not None]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(len(times), 7)
        for _, step in steps.values():
            self.assertEqual(step["process"], "child" if "child" in step["stage"] else "parent")
            self.assertEqual(step["function"] is None, step["reason"] is not None, step)


class FactsGuest_i386(FactsGuest, unittest.TestCase):
    """Debian's kernel for any processor."""


class FactsGuestPae_i386(FactsGuest, unittest.TestCase):
    """With page tables of three levels."""

    flavour = "-pae"


class FactsGuestBullseye_i386(FactsGuest, unittest.TestCase):
    """Linux 5.10: its other ways into system calls, and offsets of its own."""

    suite = "bullseye"


class FactsGuestBackports_i386(FactsGuest, unittest.TestCase):
    """Linux 6.5, with page tables of three levels."""

    suite = "bookworm-backports"


def add_guest_tests():
    for name in support.target_names():
        if name not in NOT_IN_GUEST:
            add_test(FactsGuest_i386, name)
    for name in ("test_fork", "test_vfork", "test_threads"):
        add_test(FactsGuestPae_i386, name)
    for name in ("test_fork", "test_vfork", "test_clone", "test_clone3", "test_int80", "test_threads", "test_fail",
                 "test_nested"):
        add_test(FactsGuestBullseye_i386, name)
        add_test(FactsGuestBackports_i386, name)


make_classes()
add_guest_tests()
del Facts
