"""What another user's forktrace can do, and namespaces."""

import os
import pathlib
import signal
import tempfile
import unittest

import live_support
import support

FAILED = 125

# Prints the ids and the attributes that an exec changes.
IDS = r"""
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void)
{
	printf("ruid %d euid %d egid %d secure %lu no_new_privs %d\n", getuid(), geteuid(), getegid(),
	       getauxval(AT_SECURE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return 0;
}
"""

# The knobs that govern the kernel half; a reason names at least one.
KNOBS = r"perf_event_paranoid|kptr_restrict|tracefs|CAP_SYS_ADMIN|CAP_PERFMON"


def symbols(half):
    return [frame["symbol"] for frame in half["frames"]]


@live_support.needs_root
class Unprivileged(unittest.TestCase):
    """forktrace as a user without privilege; the tests themselves need root for that."""

    def setUp(self):
        self.user = self.enterContext(live_support.Unprivileged())

    def check_user_half(self, abi, options=()):
        program = self.user.copy(support.target(abi, "test_fork"), f"test_fork.{abi}")
        run = self.user.trace([program], options)
        self.assertEqual((run.status, run.stderr), (0, ""), run)
        (fact,) = support.parse_expect(run.stdout).forks
        (record,) = run.forks()
        self.assertEqual((record["parent"]["ret"], record["child"]["ret"]), (fact["child"], 0))
        privileged = support.trace([program], options)
        (other,) = privileged.forks()
        for side in "parent", "child":
            self.assertEqual(symbols(record[side]), symbols(other[side]))
            self.assertEqual([frame["line"] for frame in record[side]["frames"]],
                             [frame["line"] for frame in other[side]["frames"]])
            self.assertEqual(symbols(record[side])[-1], "_start")
            self.assertIn("main", symbols(record[side]))
        self.assertEqual(record["flags"], other["flags"])
        self.assertNotEqual(record["entry"], "unknown")
        self.assertEqual(run.of("error"), [])
        return record, other

    def test_user_half_is_whole(self):
        for abi in support.runnable_abis():
            for options in [], ["--no-seccomp"], ["-k", "none"], ["--unwinder=libdw"]:
                with self.subTest(abi=abi, options=options):
                    self.check_user_half(abi, options)

    def test_kernel_half_is_missing_with_a_reason(self):
        paranoid = int(pathlib.Path("/proc/sys/kernel/perf_event_paranoid").read_text())
        for abi in support.runnable_abis():
            for options in [], ["-k", "live"]:
                record, other = self.check_user_half(abi, options)
                self.assertTrue(other["kernel"]["parent_frames"])
                kernel = record["kernel"]
                if paranoid >= 0:
                    self.assertIsNone(kernel["parent_frames"])
                self.assertIsNone(kernel["child_frames"])  # /proc/TID/stack needs CAP_SYS_ADMIN
                self.assertRegex(kernel["reason"], KNOBS)
                self.assertNotIn("\n", kernel["reason"])

    def test_reason_in_text(self):
        """The text report says it once a record, in a line or two."""
        program = self.user.copy(support.target(support.any_abi(), "test_fork"))
        status, _, stderr = support.run_command([*self.user.wrapper, self.user.forktrace, program])
        self.assertEqual(status, 0)
        self.assertRegex(stderr.decode(), KNOBS)
        self.assertLessEqual(max(map(len, stderr.decode().splitlines())), 80)

    def test_no_kernel_addresses(self):
        """Hidden addresses (all zero) are never shown as if they were known."""
        record, _ = self.check_user_half("x86_64")
        for side in "parent_frames", "child_frames":
            for frame in record["kernel"][side] or []:
                self.assertNotIn(frame["pc"], ("0x0", "0x0000000000000000"))

    def test_many_forks(self):
        program = self.user.copy(support.target("x86_64", "test_storm"))
        run = self.user.trace([program, "100"])
        self.assertEqual(run.status, 0, run)
        self.assertEqual(len(run.forks()), 100)
        self.assertEqual(run.of("error"), [])

    def test_no_new_privileges(self):
        """The filter needs the attribute, and the calls that it stops are recorded; without filter it is not set."""
        path = self.user.copy(live_support.compile_program(IDS), "ids")
        for options, attribute in ([], 1), (["--no-seccomp"], 0), (["--follow=none"], 0):
            run = self.user.trace([path], options)
            self.assertEqual(run.status, 0, run)
            self.assertIn(b"no_new_privs %d\n" % attribute, run.stdout)
        program = self.user.copy(support.target(support.any_abi(), "test_fail"))
        run = self.user.trace([program])
        self.assertEqual(run.status, 0, run)
        failed = support.parse_expect(run.stdout).failed
        self.assertEqual([event["errno"] for event in run.of("fork-failed")], [fact["errno"] for fact in failed])

    def check_setuid_notice(self, mode, options=(), command=None):
        path = self.user.copy(live_support.compile_program(IDS), "set-id", mode)
        run = self.user.trace(command or [path], options)
        self.assertEqual(run.status, 0, run)
        self.assertIn(b"ruid 65534 euid 65534 egid 65534", run.stdout)
        (notice,) = run.of("error")
        self.assertIn(path, notice["message"])
        self.assertRegex(notice["message"], "set-user-ID|setuid")
        self.assertIn("privilege", notice["message"])
        self.assertEqual(run.end["errors"], 1)
        return path

    def test_setuid(self):
        if not self.user.honours_setuid():
            self.skipTest("the temporary directory is on a file system mounted with nosuid")
        path = self.user.copy(live_support.compile_program(IDS), "set-id", 0o4755)
        _, natively, _ = support.run_command([*self.user.wrapper, path])
        self.assertIn(b"ruid 65534 euid 0", natively)  # the kernel grants it where nobody traces
        self.check_setuid_notice(0o4755)
        self.check_setuid_notice(0o4755, ["--no-seccomp"])
        self.check_setuid_notice(0o6755)

    def test_setgid(self):
        self.check_setuid_notice(0o2755)

    def test_setuid_further_down(self):
        """Each such exec is told once, wherever it is in the tree."""
        path = self.user.copy(live_support.compile_program(IDS), "set-id", 0o4755)
        self.check_setuid_notice(0o4755, command=["sh", "-c", f"(true); {path}; exit 0"])

    def test_no_notice_for_plain_programs(self):
        path = self.user.copy(live_support.compile_program(IDS), "plain", 0o755)
        self.assertEqual(self.user.trace([path]).of("error"), [])

    def test_unreadable_program(self):
        """A program that may be executed and not read: its memory may not be read either; the run goes on."""
        program = self.user.copy(support.target("x86_64", "test_fork"), mode=0o711)
        run = self.user.trace([program])
        self.assertEqual(run.status, 0, run)
        self.assertEqual(len(run.forks()), 1)
        self.assertEqual(run.stdout.count(b"expect fork "), 1)

    def test_undumpable_program(self):
        """PR_SET_DUMPABLE 0 closes its memory and its /proc files to its own user; it runs as ever."""
        source = r"""
            #include <sys/prctl.h>
            #include <sys/wait.h>
            #include <unistd.h>
            int main(void)
            {
                int status;
                prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
                pid_t pid = fork();
                if (pid == 0)
                    _exit(6);
                return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 1;
            }"""
        for abi in support.runnable_abis():
            run = self.user.trace([self.user.copy(live_support.compile_program(source, abi), f"undumpable.{abi}")])
            self.assertEqual(run.status, 6, run)
            (record,) = run.forks()
            self.assertEqual((record["parent"]["ret"], record["child"]["ret"]), (record["child"]["pid"], 0))

    def test_attach_to_another_user(self):
        with support.Program([support.target("x86_64", "test_loop")]) as program:
            self.assertEqual(program.read_line(), b"ready")
            run = self.user.trace([], ["-p", str(program.pid)])
            self.assertEqual(run.status, FAILED, run)
            live_support.check_sentence(self, run.stderr, str(program.pid), "may not be traced")
            self.assertEqual(support.tracer_of(program.pid), 0)
            program.write(b"x")
            self.assertEqual(program.finish(), 0)

    def test_attach_to_own(self):
        path = self.user.copy(support.target(support.any_abi(), "test_loop"))
        scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
        if scope.exists() and int(scope.read_text()) > 0:
            self.skipTest("kernel.yama.ptrace_scope forbids attaching to one's own processes")
        with support.Program([*self.user.wrapper, path]) as program:
            self.assertEqual(program.read_line(), b"ready")
            # The pipe is root's: it can be inherited, not opened.
            words = [*self.user.wrapper, "sh", "-c", 'exec "$@" 2>&1', "sh", self.user.forktrace, "-f", "json", "-p",
                     str(program.pid)]
            with support.Program(words) as run:
                while b'"attach"' not in (line := run.read_line()):
                    self.assertNotEqual(line, b"")
                program.write(b"x")
                while b'"fork"' not in (line := run.read_line()):
                    self.assertNotEqual(line, b"")
                self.assertIn(b'"fork_once"', line)
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
            program.write(b"x")
            self.assertEqual(program.finish(), 0)
            self.assertEqual(program.output_text.count(b"expect fork "), 2)

    def test_output_is_the_users(self):
        run = self.user.trace(["true"])
        self.assertEqual(run.status, 0)
        self.assertEqual(os.stat(self.user.own / "report.jsonl").st_uid, live_support.NOBODY)


@live_support.needs_root
class Namespaces(unittest.TestCase):
    """forktrace itself inside namespaces of its own."""

    def check_inside(self, wrapper, abi, own_pids):
        run = support.trace([support.target(abi, "test_fork")], wrapper=wrapper)
        self.assertEqual((run.status, run.stderr), (0, ""), run)
        (fact,) = support.parse_expect(run.stdout).forks
        (record,) = run.forks()
        self.assertEqual((record["parent"]["pid"], record["child"]["pid"]), (fact["parent"], fact["child"]))
        self.assertEqual((record["parent"]["ret"], record["child"]["ret"]), (fact["child"], 0))
        if own_pids:
            self.assertLess(fact["child"], 20)
            self.assertEqual(record["child"]["ns_pid"], fact["child"])
        for side in "parent", "child":
            self.assertEqual(record[side]["comm"], "test_fork")
            self.assertIn("spawn_child", symbols(record[side]))
            self.assertEqual(symbols(record[side])[-1], "_start")
        self.assertIn("copy_process", [frame["symbol"] for frame in record["kernel"]["parent_frames"]])
        self.assertIn("ret_from_fork_asm", [frame["symbol"] for frame in record["kernel"]["child_frames"]])
        self.assertEqual(run.of("error"), [])

    def test_pid_namespace(self):
        """The tracepoint's own fields are the initial namespace's: the sample must find its fork nevertheless."""
        for abi in support.runnable_abis():
            self.check_inside(["unshare", "-pf", "--mount-proc"], abi, True)

    def test_pid_namespace_as_process_1(self):
        """forktrace is the init of its namespace."""
        run = support.trace(["sh", "-c", "(exit 3); exit 7"], ["-k", "none"], wrapper=[
            "unshare", "-pf", "--mount-proc", "--kill-child"])
        self.assertEqual(run.status, 7, run)
        self.assertEqual(len(run.forks()), 1)

    def test_mount_namespace(self):
        for abi in support.runnable_abis():
            self.check_inside(["unshare", "-m"], abi, False)

    def test_overlay(self):
        """Overlay's files have other numbers in /proc/PID/maps than in stat: of the device, with xino the inode's too."""
        script = ('mount -t tmpfs none "$1" && cd "$1" && mkdir lower upper all && mount -t tmpfs none lower && '
                  'mount -t tmpfs none upper && mkdir upper/files upper/work && cp "$2" lower/program && mount -t overlay '
                  '-o "lowerdir=lower,upperdir=upper/files,workdir=upper/work,xino=$3" none all && exec all/program')
        for xino in "on", "off":
            with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
                run = support.trace(["sh", "-c", script, "sh", directory, support.target("x86_64", "test_fork"), xino],
                                    ["-k", "none"], wrapper=["unshare", "-m"])
            self.assertEqual(run.status, 0, run)
            names = symbols(run.forks()[-1]["child"])
            self.assertIn("spawn_child", names, f"xino={xino}")
            self.assertIn("main", names, f"xino={xino}")

    def test_network_and_ipc_namespace(self):
        self.check_inside(["unshare", "-n", "-i", "-u"], "x86_64", False)

    def test_user_namespace(self):
        """Root of a user namespace alone: the kernel half is refused with a reason."""
        run = support.trace([support.target("x86_64", "test_fork")], wrapper=["unshare", "-Ur"])
        self.assertEqual((run.status, run.stderr), (0, ""), run)
        (record,) = run.forks()
        self.assertEqual(symbols(record["parent"])[-1], "_start")
        if record["kernel"]["parent_frames"] is None:
            self.assertRegex(record["kernel"]["reason"], KNOBS)

    def test_proc_of_another_namespace(self):
        """/proc shows other numbers than forktrace's: said in a sentence, or right nevertheless; never another
        process's stack, never a hang."""
        run = support.trace([support.target("x86_64", "test_fork")], wrapper=["unshare", "-pf"], timeout=20)
        if run.status == FAILED:
            live_support.check_sentence(self, run.stderr, "/proc")
            return
        self.assertEqual(run.status, 0, run)
        (fact,) = support.parse_expect(run.stdout).forks
        (record,) = run.forks()
        self.assertEqual((record["parent"]["pid"], record["child"]["pid"]), (fact["parent"], fact["child"]))
        for side in "parent", "child":
            self.assertEqual(record[side]["comm"], "test_fork")
            self.assertIn("spawn_child", symbols(record[side]))

    def test_chroot(self):
        """forktrace follows a program whose root is not its own, and says why where a file cannot be had."""
        for abi in support.runnable_abis():
            run = support.trace([support.target(abi, "test_chroot")], ["-k", "none"])
            self.assertEqual(run.status, 0, run)
            self.assertEqual(run.of("error"), [])
            facts = support.parse_expect(run.stdout)
            self.assertIsNone(facts.skip)
            records = {record["child"]["pid"]: record for record in run.forks()}
            for fact in facts.forks:
                names = symbols(records[fact["child"]]["parent"])
                for function in fact["stack"]:
                    self.assertIn(function, names)

    def test_attach_across_pid_namespaces(self):
        """From outside, by the outer number; ns_pid is the inner one."""
        command = ["unshare", "-pf", "--mount-proc", "--kill-child", support.target("x86_64", "test_loop")]
        with live_support.Marked() as mark, support.Program(command, env=mark.environment()) as program:
            self.assertEqual(program.read_line(), b"ready")
            (inner,) = [pid for pid in mark.processes() if pid != program.pid]
            with support.Background([], ["-p", str(inner)]) as run:
                run.wait_event("attach", lambda event: event["pid"] == inner)
                program.write(b"x")
                record = run.wait_event("fork")
                self.assertEqual((record["parent"]["pid"], record["parent"]["ns_pid"]), (inner, 1))
                self.assertEqual(record["child"]["ns_pid"], 2)
                # What the program sees is the number of its own namespace.
                self.assertEqual(record["parent"]["ret"], 2)
                self.assertIn("fork_once", symbols(record["child"]))
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 0)
            program.finish()


if __name__ == "__main__":
    unittest.main()
