"""The user's stacks, frame by frame: forktrace against gdb, libdw against libunwind."""

import os
import tempfile
import unittest

import callstack
import referee
import support

# The kind of the first fork's event, where it is not PTRACE_EVENT_FORK.
FIRST_EVENT = {"test_vfork": "vfork", "test_spawn": "vfork"}
FORKS = {"test_spawn": 3, "test_dlopen": 2}  # compared of one program; of the others the first
STDIN = {"test_loop": b"x"}

# --- where gdb itself goes astray -------------------------------------------------------------------------------------
# Each case says what gdb does and why; only what it does there is left out of the comparison, and forktrace must do
# better: its parent's stack then has to go on to _start all the same.

# glibc's i386 clone() saves registers on its stack without saying so in its CFI at the system call: gdb takes one of
# them for the return address. Its i386 clone3() declares the return address undefined there, which to gdb means the
# outermost frame. (On x86_64 both stubs save nothing, and the CFI of the caller holds.)
PARENT_GDB_STOPS_IN_STUB = {("i386", "test_clone"), ("i386", "test_spawn")}

# A child on a stack of its own has nothing above the stub; the x86_64 stubs' CFI nevertheless makes gdb read a return
# address from the new stack, where clone's and posix_spawn's arguments lie.
CHILD_ON_FRESH_STACK = {"test_clone", "test_spawn"}

# Machine code in anonymous memory without CFI: on x86_64 gdb takes the saved frame pointer's neighbour for a return
# address and shows a frame with an absurd pc between the code and its caller.
GDB_INVENTS_FRAMES = {("x86_64", "test_jit")}

# CLONE_UNTRACED keeps the child from gdb, as from every tracer that does not take the flag out: gdb stops at the entry
# of the system call, and there is no child to show.
UNTRACED = {"test_untraced": "clone"}

ABSURD_PC = 0x1000  # nothing is mapped below: /proc/sys/vm/mmap_min_addr


def gdb_wanted(name):
    """How gdb is made to stop at the fork: keywords of referee.gdb_stacks."""
    if name in UNTRACED:
        return {"catch": UNTRACED[name], "child": False}
    return {"catch": FIRST_EVENT.get(name, "fork"), "child": True}


class Comparison(unittest.TestCase):
    """Frame-by-frame comparison."""

    maxDiff = None

    def place_of(self, frame):
        """What must be the same in both; here they have the same addresses."""
        return frame["pc"]

    def assert_same_frames(self, observed, wanted, what):
        """`observed` are forktrace's frames, `wanted` gdb's."""
        message = f"{what}\nforktrace:\n{callstack.format_frames(observed)}\ngdb:\n{callstack.format_frames(wanted)}"
        self.assertEqual([self.place_of(frame) for frame in observed], [self.place_of(frame) for frame in wanted],
                         message)
        for number, (ours, theirs) in enumerate(zip(observed, wanted)):
            place = f"frame {number} of {message}"
            self.assertEqual(ours["inlined"], theirs["inlined"], place)
            if not callstack.same_function(ours["symbol"], theirs["symbol"], ours):
                self.assertEqual(ours["symbol"], theirs["symbol"], place)
            if ours["line"] != theirs["line"] and not callstack.same_line_row(ours, theirs["line"]):
                self.assertEqual(ours["line"], theirs["line"], place)
            self.assertEqual(os.path.basename(ours["file"] or ""), os.path.basename(theirs["file"] or ""), place)
            if theirs["module"]:
                self.assertEqual(os.path.realpath(ours["module"]), os.path.realpath(theirs["module"]), place)


@unittest.skipUnless(referee.available(), "gdb is not installed")
class GdbCase(Comparison):
    """One program, one ABI."""

    def check(self, abi, name, variant=None):
        program = [support.target(abi, name, variant)]
        run = support.trace(program, ["-k", "none"], wrapper=["setarch", "-R"], stdin=STDIN.get(name, b""))
        self.assertEqual(run.status, 0, run)
        records = run.forks()
        for number in range(1, FORKS.get(name, 1) + 1):
            stacks = referee.gdb_stacks(program, number=number, stdin=STDIN.get(name, b""), **gdb_wanted(name))
            with self.subTest(fork=number):
                self.check_parent(abi, name, records[number - 1], stacks["parent"])
            with self.subTest(fork=number, side="child"):
                if "child" in stacks:
                    self.check_child(name, abi, records[number - 1], stacks["child"])

    def check_parent(self, abi, name, record, stack):
        observed, wanted = record["parent"]["frames"], stack["frames"]
        self.assertIsNone(record["parent"]["frames_reason"], callstack.format_frames(observed))
        if (abi, name) in PARENT_GDB_STOPS_IN_STUB:
            self.assertIn(stack["stop"], ("outermost", "previous frame inner to this frame (corrupt stack?)"))
            observed, wanted = observed[:1], wanted[:1]
        self.assert_same_frames(observed, self.without_absurd(abi, name, wanted), "the parent")

    def check_child(self, name, abi, record, stack):
        observed, wanted = record["child"]["frames"], stack["frames"]
        if name in CHILD_ON_FRESH_STACK:
            self.assertEqual(len(observed), 1, callstack.format_frames(observed))
            # For a vfork child gdb had to run the first instruction: on a stack of its own that cannot be undone.
            wanted = wanted[:1]
        self.assert_same_frames(observed, self.without_absurd(abi, name, wanted), "the child")

    def without_absurd(self, abi, name, frames):
        if (abi, name) not in GDB_INVENTS_FRAMES:
            return frames
        kept = [frame for frame in frames if int(frame["pc"], 16) >= ABSURD_PC]
        self.assertEqual(len(frames) - len(kept), 1, "gdb no longer invents a frame: take the case out")
        return kept


def add_gdb_tests():
    """A class for each ABI, a test for each program and variant."""
    for abi in support.ABIS:
        fields = {"__module__": __name__}
        cases = [(name, None) for name in support.target_names()] + support.target_variants()
        for name, variant in cases:

            def test(self, abi=abi, name=name, variant=variant):
                self.check(abi, name, variant)

            fields[name + (f"_{variant}" if variant else "")] = test
        globals()[f"Gdb_{abi}"] = type(f"Gdb_{abi}", (GdbCase,), fields)


add_gdb_tests()


@unittest.skipUnless(referee.available(), "gdb is not installed")
class ThreadCreation(Comparison):
    """The stack of a thread that makes another one. gdb is stopped by the entry of the system call: the event of a
    thread does not stop it."""

    def check(self, abi):
        program = [support.target(abi, "test_threads")]
        run = support.trace(program, ["-k", "none", "--threads"], wrapper=["setarch", "-R"])
        record = next(record for record in run.forks() if record["thread"])
        stack = referee.gdb_stacks(program, catch="clone clone3", child=False)["parent"]
        observed, wanted = record["parent"]["frames"], stack["frames"]
        self.assertEqual(observed[-1]["symbol"], "_start", callstack.format_frames(observed))
        self.assertEqual(len(record["child"]["frames"]), 1, "a new thread has the stub's frame alone")
        if abi == "i386":  # as in PARENT_GDB_STOPS_IN_STUB
            self.assertEqual(stack["stop"], "outermost")
            observed, wanted = observed[:1], wanted[:1]
        self.assert_same_frames(observed, wanted, "the creating thread")

    def test_i386(self):
        self.check("i386")

    def test_x86_64(self):
        self.check("x86_64")


@unittest.skipUnless(referee.available(), "gdb is not installed")
class Guest(Comparison):
    """A program's stacks in a guest against gdb's of the same program on this machine's kernel, where that runs it: the
    files are the same, and lie at other addresses, so a place is told by its last digits. Of the vDSO each kernel has
    its own. (Against gdb in the guest: tests/unit/guest_user_gdb_test.c.)"""

    def place_of(self, frame):
        if frame["symbol"] == "__kernel_vsyscall":
            return frame["symbol"]
        return int(frame["pc"], 16) & 0xfff

    def check(self, name, variant=None):
        options = support.guest_options()
        program = [support.target("i386", name, variant)]
        run = support.trace(program, options, env=support.guest_environment())
        self.assertEqual(run.status, 0, run)
        record, stacks = run.forks()[0], referee.gdb_stacks(program)
        for side in ("parent", "child"):
            self.assert_same_frames(record[side]["frames"], stacks[side]["frames"], side)

    def test_fork(self):
        self.check("test_fork")

    def test_fork_o2(self):
        self.check("test_fork", "o2")

    def test_deep(self):
        self.check("test_deep")


class Unwinders(unittest.TestCase):
    """forktrace's two unwinders, by its option; libunwind unwinds x86_64 alone here."""

    def stacks(self, program, unwinder, stdin):
        """The stacks of all forks: lists of (pc, name), in an order that does not depend on who ran first."""
        run = support.trace([program], ["-k", "none", f"--unwinder={unwinder}", "--threads"], stdin=stdin,
                            wrapper=["setarch", "-R"])
        self.assertEqual(run.status, 0, run)
        return sorted([(frame["pc"], frame["symbol"] or "") for frame in record[side]["frames"]]
                      for record in run.forks() for side in ("parent", "child"))

    def check(self, name, variant):
        program, stdin = support.target("x86_64", name, variant), STDIN.get(name, b"")
        libdw, libunwind = (self.stacks(program, unwinder, stdin) for unwinder in ("libdw", "libunwind"))
        self.assertTrue(libdw)
        self.assertEqual(libdw, libunwind)


def add_unwinder_tests():
    for name, variant in [(name, None) for name in support.target_names()] + support.target_variants():

        def test(self, name=name, variant=variant):
            self.check(name, variant)

        setattr(Unwinders, name + (f"_{variant}" if variant else ""), test)


add_unwinder_tests()


class CompareTool(unittest.TestCase):
    """libdw against libunwind in a tracer of the program's own ABI: both must reach the outermost frame by the same
    frames."""

    TOOLS = {"x86_64": "unwind_compare", "i386": "unwind_compare_i386"}

    def check(self, abi, name, variant):
        tool = os.path.join(os.path.dirname(support.FORKTRACE), self.TOOLS[abi])
        program = support.target(abi, name, variant)
        self.assertTrue(os.path.exists(tool), f"{tool} was not built: `make check-run` does it")
        status, stdout, stderr = support.run_command([tool, program], stdin=STDIN.get(name, b""))
        lines = [line for line in stdout.decode().splitlines() if not line.startswith(("expect ", "note "))]
        message = "\n".join(lines) + stderr.decode()
        if name == "test_jit":
            self.check_ends_in_code(lines, message)
        else:
            self.assertEqual(status, 0, message)
        for title, frames in self.libdw_stacks(lines):
            if not title.endswith(" fresh stack"):  # the fork's function, main or the thread's, libc's two, _start
                self.assertGreaterEqual(len(frames), 4, f"{title}\n{message}")
        if name in UNTRACED:
            self.assertEqual(lines[-1], "0 stacks", "the tool leaves CLONE_UNTRACED alone: it sees no child")
        else:
            self.assertRegex(lines[-1], r"^[1-9][0-9]* stacks", message)

    @staticmethod
    def libdw_stacks(lines):
        """The tool's stacks by libdw: pairs of the title line and its frames."""
        stacks = []
        for line in lines:
            if line.startswith(("PARENT ", "CHILD ")):
                stacks.append((line, []))
            elif line.startswith("LIBDW 0x"):
                stacks[-1][1].append(line)
        return stacks

    def check_ends_in_code(self, lines, message):
        """Code without CFI: neither can go beyond, and both say so. (`--unwinder=auto` goes on by frame pointer.)"""
        frames = {}
        for line in lines:
            words = line.split()
            if words[0] in ("LIBDW", "LIBUNWIND"):
                frames.setdefault(words[0], []).append(words[1])
        self.assertEqual(frames["LIBDW"], frames["LIBUNWIND"], message)
        self.assertEqual(sum(line.startswith("LIBUNWIND ends: ") for line in lines), 2, message)


def add_compare_tests():
    for abi in support.ABIS:
        for name, variant in [(name, None) for name in support.target_names()] + support.target_variants():

            def test(self, abi=abi, name=name, variant=variant):
                self.check(abi, name, variant)

            setattr(CompareTool, f"{name}_{abi}" + (f"_{variant}" if variant else ""), test)


add_compare_tests()

FRAME_POINTER_PROGRAM = r"""
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((noinline)) int inner(void)
{
	int pid;
#ifdef __x86_64__
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"((long)SYS_fork) : "rcx", "r11", "memory");
	pid = (int)ret;
#else
	__asm__ volatile("int $0x80" : "=a"(pid) : "a"(SYS_fork) : "memory");
#endif
	if (pid == 0)
		_exit(0);
	return pid;
}

static __attribute__((noinline)) int outer(void)
{
	int pid = inner();
	return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

int main(void)
{
	int status = outer();
	return status;
}
"""


class FramePointer(unittest.TestCase):
    """The last resort: what it finds is marked as a guess."""

    def trace(self, abi, *options):
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
            program = support.compile_c(directory, FRAME_POINTER_PROGRAM, abi, "-O0", "-fno-omit-frame-pointer",
                                        "-fno-asynchronous-unwind-tables", "-no-pie")
            (record,) = support.trace([program], ["-k", "none", *options]).forks()
        return record

    def check(self, abi):
        record = self.trace(abi, "--unwinder=frame-pointer")
        for side in "parent", "child":
            frames = record[side]["frames"]
            text = callstack.format_frames(frames)
            self.assertEqual(callstack.symbols(frames)[:3], ["inner", "outer", "main"], text)
            self.assertEqual([frame["method"] for frame in frames[:3]], ["pt-regs", "frame-pointer", "frame-pointer"])
            self.assertTrue(frames[0]["certain"])
            self.assertEqual([frame["certain"] for frame in frames[1:]], [False] * (len(frames) - 1), text)

    def check_auto(self, abi):
        """Without CFI in the program, the frame pointer leads to libc, whose CFI leads on."""
        record = self.trace(abi)
        frames = record["parent"]["frames"]
        self.assertEqual(callstack.symbols(frames)[:3], ["inner", "outer", "main"], callstack.format_frames(frames))
        self.assertEqual(callstack.symbols(frames)[-1], "_start", callstack.format_frames(frames))

    def test_i386(self):
        self.check("i386")

    def test_x86_64(self):
        self.check("x86_64")

    def test_auto_i386(self):
        self.check_auto("i386")

    def test_auto_x86_64(self):
        self.check_auto("x86_64")

    def test_jit(self):
        """Beyond code without CFI: one step by the frame pointer, then CFI again."""
        for abi in support.runnable_abis():
            with self.subTest(abi=abi):
                run = support.trace([support.target(abi, "test_jit")], ["-k", "none"])
                frames = run.forks()[0]["parent"]["frames"]
                names = callstack.symbols(frames)
                guessed = [frame["symbol"] for frame in frames if not frame["certain"]]
                self.assertEqual(guessed[:1], ["call_code"], callstack.format_frames(frames))
                self.assertEqual(frames[names.index("call_code")]["method"], "frame-pointer")
                self.assertEqual(names[-1], "_start")


# What a handler returns to, with rules that begin where it does (Linux 7.2's i386 vDSO has such). Of the frame that the
# kernel makes the rules give what leads on (struct rt_sigframe and sigcontext, arch/x86/include/).
TRAMPOLINE_PROGRAM = r"""
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* Register `number` lies at rsp plus a number that is written in two bytes (LEB128). */
#define SAVED(number, low, high) ".cfi_escape 0x10, " #number ", 3, 0x77, " #low ", " #high "\n"
__asm__(".text\n.p2align 4\n nop\n.p2align 4\n.type back, @function\nback:\n"
        ".cfi_startproc simple\n.cfi_signal_frame\n"
        ".cfi_escape 0x0f, 4, 0x77, 0xa0, 1, 0x06\n" /* the canonical frame address: what rsp + 160 holds */
        SAVED(16, 0xa8, 1) SAVED(6, 0xf8, 0) SAVED(3, 0x80, 1) SAVED(12, 0xc8, 0) SAVED(13, 0xd0, 0) SAVED(14, 0xd8, 0)
        SAVED(15, 0xe0, 0) "mov $15, %eax\nsyscall\n.cfi_endproc\n.size back, .-back");
extern void back(void);
static void handler(int number)
{
    (void)number;
    if (fork() == 0)
        _exit(0);
    wait(NULL);
}
__attribute__((noinline)) static void interrupted(void)
{
    syscall(SYS_kill, getpid(), SIGUSR1);
}
int main(void)
{
    struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } action = {
        handler, 0x04000000 /* SA_RESTORER */, back, 0};
    syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, sizeof(action.mask));
    interrupted();
    return 0;
}
"""


class Trampoline(unittest.TestCase):
    def test_rules_from_its_first_instruction(self):
        with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
            program = support.compile_c(directory, TRAMPOLINE_PROGRAM, "x86_64", "-O1")
            for unwinder in "libdw", "libunwind":
                (record,) = support.trace([program], ["-k", "none", f"--unwinder={unwinder}"]).forks()
                for side in "parent", "child":
                    frames = record[side]["frames"]
                    text = callstack.format_frames(frames)
                    own = [frame for frame in frames if frame["module"] == program]
                    self.assertEqual(callstack.symbols(own), ["handler", "back", "interrupted", "main", "_start"], text)
                    self.assertTrue(all(frame["certain"] for frame in frames), text)
                    self.assertIsNone(record[side]["frames_reason"])
