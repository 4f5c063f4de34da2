"""A guest that somebody else runs, behind QEMU's GDB stub (--gdb): what its programs do is held against the facts that
they print; the guest runs on however forktrace ends; and each mistake is one sentence."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import callstack
import guest_lab
import support
import test_facts
import test_schema

# The first reads its input, which is the line to process 1; the second's processes outlive it.
NOT_HERE = {"test_loop", "test_orphan"}

# It runs a copy of itself that is in the guest alone; of the same build, it may be taken for it.
OPTIONS = {"test_chroot": [f"--guest-file={support.built_target('i386', 'test_chroot')}"]}


def needs_of_programs(names):
    """{guest path: host path} of these programs and of what they load, each at the same path in both."""
    paths = [support.built_target("i386", name) for name in names]
    paths += ["/lib/ld-linux.so.2", *(f"/lib32/{name}" for name in ("libc.so.6", "libgcc_s.so.1"))]
    if "test_dlopen" in names:
        paths += [support.built_target("i386", name) for name in test_facts.GUEST_FILES["test_dlopen"]]
    shell = support.I386_ROOT / "bin/dash"
    return {path: path for path in paths if os.path.exists(path)} | ({"/bin/sh": str(shell)} if shell.exists() else {})


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def scratch_of(test_class):
    directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
    test_class.addClassCleanup(directory.cleanup)
    return directory.name


def options_for(machine, *more):
    return [f"--gdb={machine.stub}", f"--kallsyms={machine.kallsyms}", *more]


class FactsForeign(test_facts.FactsGuest):
    """One machine for all programs; forktrace comes and goes with each."""

    machine_options = {}
    names = ()

    @classmethod
    def setUpClass(cls):
        files = needs_of_programs(cls.names)
        cls.machine = guest_lab.Machine(scratch_of(cls), files, flavour=cls.flavour, **cls.machine_options)
        cls.addClassCleanup(cls.machine.close)

    def check_target(self, name, arguments):
        program = support.built_target("i386", name)
        arguments = arguments or test_facts.GUEST_ARGUMENTS.get(name, [])
        if name in test_facts.SHELL_USERS:
            support.i386_file("bin/dash")  # skips where it is not there
        more = [*test_facts.OPTIONS.get(name, []), *OPTIONS.get(name, [])]
        with support.Background([], options_for(self.machine, *more)) as run:
            run.wait_event("start")
            output = self.machine.run(program, *arguments)
            run.signal(signal.SIGTERM)
            self.assertEqual((run.finish(), run.stderr), (0, ""), run.stderr)
        self.check_start(run)
        self.check_schema(run)
        expected = support.parse_expect(output)
        self.assertIsNotNone(expected.total, output)
        self.assertEqual(run.of("error"), [])
        self.check_own(run)
        self.check_events(name, run, expected)

    def check_start(self, run):
        start = run.events[0]
        self.assertEqual((start["source"], start["stub"], start["command"]), ("guest", self.machine.stub, None))
        self.assertRegex(start["kernel"]["release"], test_facts.RELEASE)

    def check_schema(self, run):
        if test_schema.jsonschema is not None:
            for event in run.events:
                for error in test_schema.validator(event["event"]).iter_errors(event):
                    self.fail(f"{error.json_path}: {error.message}")

    def check_own(self, run):
        """Process 1 forks too, and is then left out, so that what remains is the program's."""
        own = [record for record in run.forks() if record["parent"]["pid"] == 1]
        self.assertEqual([(record["kind"], record["entry"], record["parent"]["comm"]) for record in own],
                         [("vfork", "int80", "init")])
        self.assertEqual(own[0]["parent"]["ret"], own[0]["child"]["pid"])
        self.assertEqual(own[0]["parent"]["ns_pid"], 1)
        self.root = own[0]["child"]["pid"]
        run.events.remove(own[0])

    def check_execs(self, run, expected):
        first, *execs = sorted(run.of("exec"), key=lambda event: event["seq"])
        self.assertEqual((first["pid"], first["new_abi"]), (self.root, "i386"))
        self.assertEqual(len(execs), len(expected.execs))

    def check_exits(self, run, expected):
        exits = {event["pid"]: event for event in run.of("exit") if not event["thread"]}
        for fact in expected.exits:
            event = exits[fact["pid"]]
            self.assertEqual((event["status"], event["signal"]), (fact.get("status"), fact.get("signal")), event)
        self.assertEqual(exits[self.root]["status"], 0)

    def check_totals(self, run, expected):
        end, total = run.end, expected.total
        self.assertEqual(end["forks"] + end["vforks"] + end["clones"], total["forks"] + 1)
        tries = sum(test_facts.is_try(event, expected) for event in run.of("fork-failed"))
        self.assertEqual((end["threads"], end["failed"]), (total["threads"], total["failed"] + tries))
        self.assertEqual((end["execs"], end["errors"], end["exit_status"]), (1 + len(expected.execs), 0, 0))


def names_here():
    return [name for name in support.target_names() if name not in test_facts.NOT_IN_GUEST | NOT_HERE]


class FactsForeign_i386(FactsForeign, unittest.TestCase):
    """Debian's kernel for any processor."""

    names = names_here()


class FactsForeignPae_i386(FactsForeign, unittest.TestCase):
    """The kernel's page table is another than its program's (mitigations are on); the stub is at an IPv6 address."""

    flavour = "-pae"
    machine_options = {"tcp": "::1"} if has_ipv6() else {}
    names = ("test_fork", "test_vfork", "test_threads")


class FactsForeignWide_i386(FactsForeign, unittest.TestCase):
    """A 32-bit kernel on a 64-bit machine of two processors, over TCP."""

    machine_options = {"qemu": "qemu-system-x86_64", "options": ["-smp", "2"], "tcp": "127.0.0.1"}
    names = ("test_fork", "test_vfork", "test_nested")


for some_class in (FactsForeign_i386, FactsForeignPae_i386, FactsForeignWide_i386):
    for some_name in some_class.names:
        test_facts.add_test(some_class, some_name)
        for some_argument in test_facts.ARGUMENTS.get(some_name, []):
            test_facts.add_test(some_class, some_name, [some_argument])
del some_class, some_name, some_argument, FactsForeign


class Lifetime(unittest.TestCase):
    """However forktrace ends, the machine runs on, without breakpoints."""

    caught = False

    @classmethod
    def setUpClass(cls):
        cls.program = support.built_target("i386", "test_nested")
        cls.machine = guest_lab.Machine(scratch_of(cls), needs_of_programs(["test_nested", "test_fork"]))
        cls.addClassCleanup(cls.machine.close)

    def check_free(self):
        """What was under way has ended, and a program that forks is stopped by nobody."""
        self.assertIn(b"expect total forks=14 ", self.machine.output())
        self.assertIn(b"expect total forks=1 ", self.machine.run(support.built_target("i386", "test_fork")))

    def test_terminated(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number), support.Background([], options_for(self.machine)) as run:
                run.wait_event("start")
                self.machine.start(self.program)
                run.wait_event("fork", lambda event: len(run.of("fork")) > 2)
                run.signal(number)
                self.assertEqual((run.finish(), run.stderr), (0, ""))
                self.assertEqual(run.events[-1]["event"], "end")
                self.check_free()

    def test_killed(self):
        """At once, and in the middle of forks."""
        for kind, count in (("start", 1), ("fork", 1), ("fork", 2), ("exec", 1), ("fork", 5), ("exit", 1)):
            with self.subTest(kind=kind, count=count), support.Background([], options_for(self.machine)) as run:
                run.wait_event("start")
                self.machine.start(self.program)
                run.wait_event(kind, lambda event, k=kind, n=count: len(run.of(k)) >= n)
                run.signal(signal.SIGKILL)
                run.process.wait()
                self.check_free()

    def test_killed_between_two_registers(self):
        """An instruction under a breakpoint that forktrace carries out itself changes several: all of them, or none."""
        relayed = Relayed(self.machine, self.relay)
        with relayed.listener, support.Background([], options_for(relayed)) as run:
            self.run = run
            run.wait_event("start")
            self.machine.start(self.program)
            run.process.wait()
            self.assertTrue(self.caught)
            self.check_free()

    def relay(self, peer, stub):
        """Kills forktrace once it has sent a new stack pointer, and passes nothing more of it on."""
        while True:
            for side in select.select([peer, stub], [], [])[0]:
                data = side.recv(1 << 16)
                (stub if side is peer else peer).sendall(data)
                if side is peer and b"$P4=" in data and not self.caught:
                    self.caught = True
                    self.run.signal(signal.SIGKILL)
                    return
                if not data:
                    return

    def test_killed_with_its_group(self):
        """As a shell's kill of a whole job: the guard is in a group of its own."""
        with support.Background([], options_for(self.machine)) as run:
            run.wait_event("start")
            self.machine.start(self.program)
            run.wait_event("fork")
            os.killpg(run.pid, signal.SIGKILL)
            run.process.wait()
            self.check_free()

    def test_nobody_reads(self):
        command = [support.FORKTRACE, *options_for(self.machine), "-f", "json"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              preexec_fn=support.die_with_tests) as run:
            self.assertIn(b'"start"', run.stderr.readline())
            run.stderr.close()
            self.assertEqual(run.wait(support.RUN_LIMIT_S), 125)
        self.machine.start(self.program)
        self.check_free()

    def test_guard_leaves_nothing(self):
        """The guard ends with forktrace; and forktrace's end is not kept from whoever waits for its output."""
        with support.Background([], options_for(self.machine)) as run:
            run.wait_event("start")
            guards = [int(pid) for pid in
                      pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
            self.assertEqual(len(guards), 1)
            run.signal(signal.SIGTERM)
            self.assertEqual(run.finish(), 0)
            self.assertEqual([support.process_state(pid) for pid in guards], [None])
        self.machine.start(self.program)
        self.check_free()

    def test_taken_already(self):
        """The second debugger is refused, and has disturbed nobody: not even after the first one is gone."""
        with support.Background([], options_for(self.machine)) as run:
            run.wait_event("start")
            status, _, stderr = support.run_command([support.FORKTRACE, *options_for(self.machine)])
            self.assertEqual((status, len(stderr.splitlines())), (125, 1), stderr)
            self.assertIn(b"another debugger is connected", stderr)
            run.signal(signal.SIGTERM)
            self.assertEqual(run.finish(), 0)
        self.machine.start(self.program)
        self.check_free()

    def test_other_symbols(self):
        """Those of another boot: each function is somewhere else. The machine runs on."""
        other = os.path.join(scratch_of(type(self)), "kallsyms")
        moved = re.sub(r"^[0-9a-f]{8}", lambda match: f"{int(match[0], 16) + 0x1000000:08x}",
                       pathlib.Path(self.machine.kallsyms).read_text(), flags=re.MULTILINE)
        shuffled = re.sub(r"^[0-9a-f]{8}", lambda match: f"{int(match[0], 16) + 0x340:08x}",
                          pathlib.Path(self.machine.kallsyms).read_text(), flags=re.MULTILINE)
        for text in moved, shuffled:
            pathlib.Path(other).write_text(text)
            status, _, stderr = support.run_command(
                [support.FORKTRACE, f"--gdb={self.machine.stub}", f"--kallsyms={other}"])
            self.assertEqual((status, len(stderr.splitlines())), (125, 1), stderr)
            self.assertIn(b"not those of the kernel behind", stderr)
            self.machine.start(self.program)
            self.check_free()


class Report(unittest.TestCase):
    """Without the programs' files, and the machine's end."""

    def test_no_files_then_the_end(self):
        """Frames have module and address alone, and no name from a file of the same path but another build."""
        scratch = scratch_of(type(self))
        built = support.built_target("i386", "test_fork")
        libraries = needs_of_programs(["test_fork"])
        del libraries[built]
        here = os.path.join(scratch, "program")  # the path of one program there, and of another here
        shutil.copy(support.built_target("i386", "test_vfork"), here)
        with guest_lab.Machine(scratch, {"/elsewhere/test_fork": built, here: built, **libraries}) as machine, \
                support.Background([], options_for(machine)) as run:
            run.wait_event("start")
            for program, reason in (("/elsewhere/test_fork", "not on this machine"), (here, "of another build")):
                machine.run(program)
                record = run.wait_event("fork", lambda event, name=os.path.basename(program):
                                        event["kind"] == "fork" and event["parent"]["comm"] == name)
                frames = [frame for frame in record["parent"]["frames"] if frame["module"] == program]
                self.assertTrue(frames, callstack.format_frames(record["parent"]["frames"]))
                self.assertEqual({frame["symbol"] for frame in frames}, {None})
                self.assertRegex(record["parent"]["frames_reason"], f"{reason}|after a guess")
                self.assertEqual(record["parent"]["ret"], record["child"]["pid"])
            machine.close()
            self.assertEqual(run.finish(), 125)
            (error,) = run.of("error")
            self.assertIn(f"the machine behind {machine.stub} is gone", error["message"])
            self.assertEqual(run.end["exit_status"], 125)


class Relayed:
    """A machine whose stub is reached through `relay`, which gets both ends of each connection."""

    def __init__(self, machine, relay):
        self.kallsyms, self.stub = machine.kallsyms, f"{machine.stub}.relay"

        def serve(peer):
            with socket.socket(socket.AF_UNIX) as stub:
                stub.connect(machine.stub)
                relay(peer, stub)

        self.listener = Listener(self.stub, serve)


class Listener:
    """A socket that is no stub: does to each connection what `serve` does."""

    def __init__(self, path, serve):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.thread = threading.Thread(target=self.run, args=[serve], daemon=True)
        self.thread.start()

    def run(self, serve):
        with contextlib.suppress(OSError):
            while True:
                with self.socket.accept()[0] as peer, contextlib.suppress(OSError):
                    serve(peer)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def packet(text):
    return f"${text}#{sum(text.encode()) % 256:02x}".encode()


WIDE = ("l<target><architecture>i386:x86-64</architecture><feature name='x'><reg name='rip' bitsize='64'/>"
        "<reg name='rsp' bitsize='64'/><reg name='cr3' bitsize='64'/><reg name='efer' bitsize='64'/></feature></target>")


def serve_64_bit(peer):
    """A stub of a processor in 64-bit mode."""
    answers = {"qSupported": "PacketSize=1000;qXfer:features:read+", "vCont?": "vCont;c;C;s;S", "?": "T05thread:01;",
               "qXfer": WIDE, "g": "00" * 25 + "05" + "00" * 6, "D": "OK"}
    text = b""
    while piece := peer.recv(4096):
        text += piece
        while found := re.search(rb"\$([^#]*)#..", text):
            text = text[found.end():]
            request = found[1].decode()
            answer = next(answer for start, answer in answers.items() if request.startswith(start))
            peer.sendall(b"+" + packet(answer))
            if request == "D":
                return


class Errors(unittest.TestCase):
    """Each is one sentence, and status 125."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(directory.cleanup)
        self.stub, self.file = os.path.join(directory.name, "stub"), os.path.join(directory.name, "kallsyms")
        pathlib.Path(self.file).write_text(
            "c1000000 T _text\nc1001000 T copy_process\nc1002000 T kernel_clone\nc1003000 T wake_up_new_task\n"
            "c1004000 T do_exit\nc1005000 T start_thread\nc1006000 T _etext\n")

    def refuse(self, options, *parts):
        status, stdout, stderr = support.run_command([support.FORKTRACE, *options])
        text = stderr.decode()
        self.assertEqual((status, stdout), (125, b""), text)
        self.assertEqual(len(text.splitlines()), 1, text)
        for part in parts:
            self.assertIn(part, text)

    def refuse_symbols(self, content, *parts):
        pathlib.Path(self.file).write_bytes(content)
        self.refuse([f"--gdb={self.stub}", f"--kallsyms={self.file}"], self.file, *parts)

    def test_command_line(self):
        both = [f"--gdb={self.stub}", f"--kallsyms={self.file}"]
        self.refuse(both[:1], "--kallsyms", "cat /proc/kallsyms")
        self.refuse(both[1:], "--gdb")
        self.refuse([*both, "program"], "PROGRAM", "every fork")
        self.refuse([*both, "-p", "1"], "--attach")
        self.refuse([*both, "-g"], "--kernel")
        self.refuse([*both, "-k", "none"], "--kernel")
        self.refuse([*both, "--guest-memory=64"], "--guest-")
        self.refuse([*both, "--follow=first"], "--follow")
        self.refuse(["--gdb=", both[1]], "--gdb", "HOST:PORT")

    def test_symbols(self):
        self.refuse([f"--gdb={self.stub}", "--kallsyms=/nonexistent"], "/nonexistent", "cat /proc/kallsyms", "as root")
        self.refuse([f"--gdb={self.stub}", "--kallsyms=/tmp"], "/tmp", "directory")
        self.refuse([f"--gdb={self.stub}", "--kallsyms=/dev/zero"], "/dev/zero", "cat /proc/kallsyms")
        self.refuse_symbols(b"", "cat /proc/kallsyms")
        self.refuse_symbols(os.urandom(100000), "cat /proc/kallsyms")
        self.refuse_symbols(b"00000000 T copy_process\n00000000 T kernel_clone\n00000000 T do_exit\n", "are 0",
                            "kptr_restrict", "as root")
        self.refuse_symbols(b"ffffffff81000000 T copy_process\nffffffff81002000 T kernel_clone\n"
                            b"ffffffff81003000 T do_exit\n", "64-bit")

    def check_stub(self, stub, *parts):
        self.refuse([f"--gdb={stub}", f"--kallsyms={self.file}"], stub, *parts)

    def test_nobody_listens(self):
        self.check_stub(self.stub, "No such file")
        pathlib.Path(self.stub).write_text("")
        self.check_stub(self.stub, "refused")
        for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.bind((host, 0))
                port = probe.getsockname()[1]
            self.refuse([f"--gdb=[{host}]:{port}" if ":" in host else f"--gdb={host}:{port}",
                         f"--kallsyms={self.file}"], host, str(port), "refused")
        self.refuse(["--gdb=127.0.0.1:nosuch", f"--kallsyms={self.file}"], "nosuch")

    def test_no_stub(self):
        def silence(peer):
            while peer.recv(4096):
                pass

        def http(peer):
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        def echo(peer):
            while text := peer.recv(4096):
                peer.sendall(text)

        for serve, part in ((silence, "answers like a GDB stub"), (http, "no GDB stub"), (echo, "no GDB stub")):
            with self.subTest(serve=serve.__name__):
                with Listener(self.stub, serve):
                    self.check_stub(self.stub, part)
                os.unlink(self.stub)

    def test_64_bit(self):
        with Listener(self.stub, serve_64_bit):
            self.check_stub(self.stub, "64-bit", "32-bit")

    def test_machine_without_a_kernel(self):
        """QEMU before its first instruction, which stays there."""
        with subprocess.Popen(["qemu-system-i386", "-accel", "tcg", "-display", "none", "-nodefaults", "-S", "-gdb",
                               f"unix:{self.stub},server=on,wait=off"], stdin=subprocess.DEVNULL,
                              preexec_fn=support.die_with_tests) as machine:
            support.wait_until(lambda: os.path.exists(self.stub), "QEMU listens")
            self.check_stub(self.stub, "not those of the kernel")
            machine.kill()
