"""Scripts, forktrace -s: what they are called with, what they print, and what each mistake says."""

import os
import pathlib
import re
import signal
import sys
import tempfile
import textwrap
import unittest

import live_support
import support

ABI = "x86_64"
CHECK_FORK = str(support.ROOT / "targets" / "check_fork.lua")


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="forktrace-script.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, text, name="check.lua"):
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    def run_script(self, text, command=None, options=(), **keywords):
        """Runs a script; returns (status, TAP as lines, standard error)."""
        command = command or [support.target(ABI, "test_fork")]
        words = [support.FORKTRACE, "-k", "none", "-s", self.write(text), *options, *command]
        status, stdout, stderr = support.run_command(words, **keywords)
        return status, stdout.decode(errors="surrogateescape").splitlines(), stderr.decode(errors="replace")

    def results(self, lines):
        """What counts: plan and results, and nothing that the program wrote."""
        return [line for line in lines if not line.startswith(("#", " "))]

    def notes(self, lines):
        """What diag printed: comments, but for what test programs print."""
        return [line[2:] for line in lines if line.startswith("# ") and not line.startswith(("# expect", "# note"))]

    def check(self, text, wanted, command=None, options=()):
        """The results are these, and all held."""
        status, lines, stderr = self.run_script(text, command, options)
        self.assertEqual(self.results(lines), ["TAP version 13", *wanted], stderr)
        self.assertEqual((status, stderr), (0, ""), lines)
        return lines


class Results(Scripts):
    def test_functions(self):
        lines = self.check("""
            ok(true)
            ok(1, 'a truth')
            is(1 + 1, 2, 'a # in a name')
            is({1, {2}}, {1, {2}}, 'tables')
            isnt(1, 2)
            like('fork', '^f', 'pattern')
            pass('passed')
            skip('no reason', 2)
            diag('one', 2, nil)
            print 'printed'
            """, ["ok 1", "ok 2 - a truth", r"ok 3 - a \# in a name", "ok 4 - tables", "ok 5", "ok 6 - pattern",
                  "ok 7 - passed", "ok 8 # SKIP no reason", "ok 9 # SKIP no reason", "1..9"])
        self.assertEqual(self.notes(lines), ["one 2 nil", "printed"])

    def test_failures(self):
        status, lines, stderr = self.run_script("""
            is('a', nil, 'unequal')
            ok(false)
            like(3, 'x')
            fail('failed')
            is({1}, {1, 2})
            """)
        self.assertEqual((status, stderr), (1, ""))
        self.assertEqual([line for line in self.results(lines) if line.startswith("ok")], [])
        at = lines.index("not ok 1 - unequal")
        self.assertRegex(lines[at + 1], r"^#   failed at \S*/check\.lua:2$")
        self.assertEqual(lines[at + 2:at + 4], ["#        got: 'a'", "#   expected: nil"])
        self.assertEqual(lines[-2:], ["1..5", "# 5 of 5 failed"])

    def test_subtests(self):
        status, lines, _ = self.run_script("""
            test('good', function() ok(true, 'inner') diag('note') is(1, 1) end)
            test('bad', function() ok(true) ok(false, 'wrong') end)
            test('empty', function() end)
            """)
        self.assertEqual(status, 1)
        self.assertEqual(self.results(lines), ["TAP version 13", "ok 1 - good", "not ok 2 - bad", "not ok 3 - empty",
                                               "1..3"])
        at = lines.index("    # Subtest: good")
        self.assertEqual(lines[at:at + 5], ["    # Subtest: good", "    ok 1 - inner", "    # note", "    ok 2",
                                            "    1..2"])

    def test_plan(self):
        self.check("plan(1) ok(true)", ["1..1", "ok 1"])
        self.check("ok(true) plan(1)", ["ok 1", "1..1"])
        self.check("plan(0, 'not here')", ["1..0 # SKIP not here"])
        status, lines, _ = self.run_script("plan(2) ok(true)")
        self.assertEqual((status, lines[-1]), (1, "# planned were 2, 1 were run"))
        status, lines, _ = self.run_script("")
        self.assertEqual((status, lines[-1]), (1, "# nothing was tested"))

    def test_says_nothing_of_the_program(self):
        self.check("ok(true)", ["ok 1", "1..1"], ["sh", "-c", "exit 7"])

    def test_prove(self):
        good, bad = self.write("ok(true, 'x')", "good.lua"), self.write("ok(false, 'x')", "bad.lua")
        for script, status in ((good, 0), (bad, 1)):
            command = ["prove", "-e", f"{support.FORKTRACE} -k none -s {script}", support.target(ABI, "test_fork")]
            found, stdout, stderr = support.run_command(command)
            self.assertEqual(found, status, (stdout + stderr).decode())
            self.assertIn(b"Result: FAIL" if status else b"Result: PASS", stdout)

    def test_to_a_file(self):
        """With --tap the program's output is what it is without."""
        tap = self.folder / "out.tap"
        for script in ("ok(true)", "on_output(function(line) ok(line ~= '', line) end)"):
            words = [support.FORKTRACE, "-s", self.write(script), f"--tap={tap}", "printf", r"a\r\n\0b"]
            status, stdout, stderr = support.run_command(words)
            self.assertEqual((status, stdout, stderr), (0, b"a\r\n\0b", b""))
            self.assertTrue(tap.read_text().startswith("TAP version 13\nok 1"))

    def test_that_cannot_be_written(self):
        for words in (["--tap=/dev/full"], ["--tap=/nonexistent/x"]):
            status, _, stderr = self.run_script("ok(true)", options=words)
            self.assertEqual(status, 125)
            self.assertIn(words[0][6:], stderr)

    def test_report_besides(self):
        run = support.trace([support.target(ABI, "test_fork")], ["-s", self.write("ok(true)")])
        self.assertEqual(run.status, 0, run)
        self.assertEqual(len(run.forks()), 1)


class Callbacks(Scripts):
    def test_records(self):
        """A record is what the JSON report has."""
        run = support.trace([support.target(ABI, "test_fork")], ["-s", self.write("""
            local seen = {}
            for _, kind in ipairs{'start', 'fork', 'exec', 'exit', 'signal', 'end'} do
                _G['on_' .. kind](function(record) seen[kind] = (seen[kind] or 0) + 1 end)
            end
            on_fork(function(f)
                is(f.parent.ret, f.child.pid)
                is(f.child.ret, 0)
                ok(has(f.parent.frames, 'spawn_child') and f.child.ret_from)
                is(f.child.ret_reason, nil)
                diag(f.parent.ret, f.time_ns, stack(f.child.frames))
            end)
            on_exit(function(e) diag('exit', e.pid, e.status) end)
            on_end(function(e) is(e.forks, 1) diag(show(seen.start), show(seen.fork), show(seen.exit), command[1]) end)
            """)])
        self.assertEqual(run.status, 0, run)
        (fork,) = run.forks()
        text = run.stdout.decode()
        names = [frame["symbol"] for frame in fork["child"]["frames"]][::-1]
        self.assertIn(f"# {fork['parent']['ret']} {fork['time_ns']} {' > '.join(names[names.index('main'):])}\n", text)
        for event in run.of("exit"):
            self.assertIn(f"# exit {event['pid']} {event['status']}\n", text)
        self.assertIn(f"# 1 1 2 {support.target(ABI, 'test_fork')}\n", text)

    def test_failed_calls(self):
        status, lines, _ = self.run_script("on_fork_failed(function(f) ok(f.errno, f.errno) end)",
                                           [support.target(ABI, "test_fail")])
        self.assertEqual(status, 0)
        self.assertIn("ok 1 - EINVAL", lines)

    def test_output(self):
        """Every line, from the program and its children, of both descriptors; the last one without an end."""
        status, lines, stderr = self.run_script("""
            local lines = {}
            on_output(function(line, where) table.insert(lines, where .. ' ' .. line) end)
            on_end(function()
                table.sort(lines)
                is(lines, {'stderr c', 'stdout ', 'stdout a', 'stdout b\\0', 'stdout d'})
            end)
            """, ["sh", "-c", r"echo a; printf 'b\0\n\n'; (echo c >/proc/self/fd/1) 1>&2; printf d"])
        self.assertEqual((status, stderr, self.results(lines)), (0, "c\n", ["TAP version 13", "ok 1", "1..1"]))
        self.assertIn(r"# b\x00", lines)

    def test_many(self):
        lines = self.check("""
            local n = 0
            on_fork(function(f) n = n + (f.parent.ret == f.child.pid and 1 or 0) end)
            on_end(function() is(n, 500) end)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_storm"), "500", "serial"])
        self.assertTrue(lines)

    def test_require(self):
        """What lies beside the script is found; what lies where we are, or where the environment says, is not."""
        self.write("return 'beside'", "module.lua")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "other.lua").write_text("ok(false, 'loaded')")
        words = [support.FORKTRACE, "-s", self.write("""
            is(require 'module', 'beside')
            ok(not pcall(require, 'other'))
            """), "true"]
        status, stdout, stderr = support.run_command(
            words, cwd=elsewhere, env=support.environment(LUA_PATH=f"{elsewhere}/?.lua", LUA_PATH_5_4="./?.lua",
                                                          LUA_INIT="ok(false, 'init')"))
        self.assertEqual((status, stderr), (0, b""), stdout)
        self.assertIn(b"1..2\n", stdout)


class Forgery(Scripts):
    """The program writes results of its own, by all ways that lead to where the results go."""

    ATTEMPTS = r"""
        printf 'not ok 1 - forged\nok 2\n1..2\nBail out! forged\nTAP version 13\n'
        printf 'partial '; printf 'ok 3 - forged\n'
        printf 'x\rok 4 - forged\n'
        printf 'x\0\nok 5 - forged\n'
        echo 'ok 6 - forged' >/dev/stdout
        echo 'ok 7 - forged' >/proc/self/fd/1
        echo 'ok 8 - forged' >&2
        (echo 'ok 9 - forged')
        { echo 'ok 10 - forged' >&7; } 2>/dev/null
        setsid sh -c 'sleep 0.2; echo "ok 11 - forged"' &
        printf '    ok 12 - forged\n# Subtest: x\n'
        printf 'ok 13 - forged'
    """

    def check_forgery(self, redirection):
        script = self.write("on_end(function() ok(true, 'mine') end)")
        command = f"exec {support.FORKTRACE} -k none -s {script} sh -c \"$ATTEMPTS\" {redirection}"
        status, stdout, stderr = support.run_command(["bash", "-c", command],
                                                     env=support.environment(ATTEMPTS=self.ATTEMPTS))
        lines = stdout.decode(errors="replace").splitlines()
        self.assertEqual(status, 0, stderr)
        self.assertEqual([line for line in lines if not line.startswith("# ")],
                         ["TAP version 13", "ok 1 - mine", "1..1"])
        self.assertNotIn(b"\r", stdout)
        self.assertNotIn(b"\0", stdout)
        return "\n".join(lines)

    def test_output(self):
        text = self.check_forgery("7>&1")
        for number in (2, 3, 4, 5, 6, 7, 9, 11, 12, 13):
            self.assertIn(f"ok {number}", text)
        self.assertNotIn("ok 8 ", text)  # standard error is another file: it stays what it is
        self.assertNotIn("ok 10 ", text)  # no program is started with that descriptor

    def test_errors_too(self):
        self.assertIn("# ok 8 - forged", self.check_forgery("7>&1 2>&1"))

    def test_prove_is_not_deceived(self):
        script = self.write("ok(false, 'mine')")
        words = ["prove", "-e", "", support.FORKTRACE, "::", "-k", "none", "-s", script, "sh", "-c", "echo ok 1; echo 1..1"]
        status, stdout, _ = support.run_command(words)
        self.assertEqual(status, 1)
        self.assertIn(b"Failed 1/1 subtests", stdout)

    def test_hostile_name(self):
        """Of a process, in a test's name and in a comment."""
        code = ("import ctypes, os; ctypes.CDLL(None).prctl(15, b'\\nok 1 \\033[m\\xff#'); "
                "os.fork() or os._exit(0); os.wait()")
        status, lines, _ = self.run_script("on_fork(function(f) ok(false, f.parent.comm) diag(f.parent.comm) end)",
                                           [sys.executable, "-c", code])
        self.assertEqual(status, 1)
        self.assertEqual(self.results(lines), ["TAP version 13", "not ok 1 - \\x0aok 1 \\x1b[m\ufffd\\#", "1..1"])
        self.assertIn("# ok 1 \\x1b[m\ufffd#", lines)


class Processes(Scripts):
    def test_check_fork(self):
        """The script of targets/: the record, the caller of fork(), and the program agree."""
        for abi in support.runnable_abis():
            for name in ("test_fork", "test_nested"):
                words = [support.FORKTRACE, "-k", "none", "-s", CHECK_FORK, support.target(abi, name)]
                status, stdout, stderr = support.run_command(words)
                self.assertEqual((status, stderr), (0, b""), stdout.decode())
                self.assertRegex(stdout, rb"ok \d+ - fork \d+ -> \d+: what returns to the caller of fork\(\)\n")
                self.assertNotIn(b"SKIP", stdout)

    def test_check_fork_finds_a_lie(self):
        """What a program says that is not so."""
        code = ("import os; pid = os.fork(); pid or os._exit(0); os.wait(); "
                "print(f'expect fork child={pid} parent_ret={pid + 1} child_ret=0')")
        words = [support.FORKTRACE, "-k", "none", "-s", CHECK_FORK, sys.executable, "-c", code]
        status, stdout, _ = support.run_command(words)
        self.assertEqual(status, 1)
        self.assertRegex(stdout, rb"\nnot ok \d+ - fork \d+ -> \d+: what the program printed\n")
        self.assertEqual(stdout.count(b"\nnot ok"), 1)

    def test_finish(self):
        """Both processes, behind fork(): the parent's callback waits for its own task alone."""
        lines = self.check("""
            at('fork', function(t)
                local depth = t:depth()
                local value = t:finish(function(child)
                    is(child:finish('fork'), 0)
                    is(child:depth(), depth - 1)
                    diag('child', child.pid, child.comm, child.abi, stack(child:frames()))
                end)
                is(t:depth(), depth - 1)
                is(t:ret('long'), value)
                diag('parent', t.pid, value, stack(t:frames()))
            end)
            on_fork(function(f) diag('record', f.parent.pid, f.child.pid) end)
            """, ["ok 1", "ok 2", "ok 3", "ok 4", "1..4"])
        notes = self.notes(lines)
        parent, child = re.search(r"record (\d+) (\d+)", "\n".join(notes)).groups()
        self.assertIn(f"parent {parent} {child} main > spawn_child", notes)
        self.assertIn(f"child {child} test_fork {ABI} main > spawn_child", notes)

    def test_two_at_one_place(self):
        """Each sees the task there, and each gets the value."""
        lines = self.check("""
            for i = 1, 2 do
                at('fork', function(t)
                    local before = stack(t:frames())
                    local value = t:finish()
                    ok(value > 0, i .. ' ' .. before:match('spawn_child > .*fork$') and 'in fork')
                end)
            end
            at_return('fork', function(t, value) diag(value > 0 and 'parent' or 'child') end)
            """, ["ok 1 - in fork", "ok 2 - in fork", "1..2"])
        self.assertEqual(sorted(self.notes(lines)), ["child", "parent"])

    def test_returns_of_many(self):
        """Children that are born as others return: none is missed."""
        self.check("""
            local parents, children = 0, 0
            at_return('fork', function(t, value)
                if value > 0 then parents = parents + 1 else children = children + 1 end
            end)
            on_end(function() is({parents, children}, {300, 300}) end)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_storm"), "300", "serial"])

    def test_vfork(self):
        """The child returns first, while its parent waits for it."""
        lines = self.check("""
            at_return('vfork', function(t, value) diag(value == 0 and 'child' or 'parent') end)
            at('main', function(t) diag('main of', t.comm) end)
            ok(true)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_vfork")])
        self.assertEqual(self.notes(lines),
                         ["main of test_vfork", "child", "parent", "child", "parent", "main of exe"])

    def test_failing_fork(self):
        """-1, as C has it."""
        source = r"""
            #include <sys/resource.h>
            #include <unistd.h>
            int main(void)
            {
                struct rlimit none = {0, 0};
                setrlimit(RLIMIT_NPROC, &none);
                setuid(12345);
                return fork() != -1;
            }"""
        status, lines, _ = self.run_script("at_return('fork', function(t, value) is(value, -1) end)",
                                           [live_support.compile_program(source, ABI)])
        self.assertEqual((status, self.results(lines)), (0, ["TAP version 13", "ok 1", "1..1"]))

    def test_steps(self):
        lines = self.check("""
            at('main', function(t)
                local line, pc = t:frames()[1].line, t:reg('rip')
                ok(t:step() and t:reg('rip') ~= pc, 'an instruction')
                ok(t:next(), 'over a call')
                ok(t:next_line() and t:frames()[1].line > line, 'a line')
                is(#t:mem(t:reg('rsp'), 64), 64, 'memory')
                is(t:mem(16, 8), nil, 'no memory')
                local reg = pcall(t.reg, t, 'eax')
                ok(not reg)
            end)
            """, ["ok 1 - an instruction", "ok 2 - over a call", "ok 3 - a line", "ok 4 - memory", "ok 5 - no memory",
                  "ok 6", "1..6"])
        self.assertTrue(lines)

    def test_places(self):
        """A line, an address, an offset; what is not there yet is found when its library comes."""
        lines = self.check("""
            at('test_dlopen.c:16', function(t) diag('line', t:frames()[1].line) end)
            at('plugin_fork_first', function(t) diag(stack(t:frames())) end)
            at('plugin_fork_second', function(t) diag(stack(t:frames())) end)
            at('main', function(t)
                at(t:frames()[1].pc, function() diag('here, too late') end)
                at('main+0', function() end)
                ok(true)
            end)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_dlopen")])
        self.assertEqual(self.notes(lines), [
            "line 16", "main > run_plugin > call_plugin > plugin_fork_first",
            "line 16", "main > run_plugin > call_plugin > plugin_fork_second"])

    def test_later(self):
        """at() while the tree runs: in processes that run already, and their children."""
        self.check("""
            local seen = 0
            at('main', function() end)
            local asked
            on_output(function(line)
                if not asked then
                    asked = true
                    at_return('fork', function(t, value) seen = seen + 1 end)
                end
            end)
            on_end(function() ok(seen > 0) end)
            """, ["ok 1", "1..1"],
            ["bash", "-c", "echo ready; i=0; while [ $i -lt 300 ]; do (:); i=$((i+1)); done"])

    def test_exec(self):
        """Another program has other places; what was waited for in the old one does not come."""
        lines = self.check("""
            at('main', function(t) diag('main of', t.comm) end)
            at('execve', function(t) diag(t:finish()) end)
            ok(true)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_vfork")])
        self.assertEqual(self.notes(lines),
                         ["main of test_vfork", "nil another program was executed", "main of exe"])

    def test_end(self):
        for code, reason in (("exit(3)", "the process has ended with status 3"),
                             ("kill(getpid(), 9)", "the process was killed by signal 9")):
            source = ("#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                      f"__attribute__((noinline)) void leave(void) {{ {code}; }}\nint main(void) {{ leave(); return 0; }}")
            lines = self.check("at('leave', function(t) diag(t:finish()) ok(true) end)", ["ok 1", "1..1"],
                               [live_support.compile_program(source, ABI)])
            self.assertEqual(self.notes(lines), [f"nil {reason}"])

    def test_signal_in_between(self):
        """A handler runs while a function is waited for."""
        lines = self.check("""
            at_return('fork_in_handler', function(t) diag('returned', stack(t:frames()):match('[%w_]+$')) end)
            at('fork', function(t) diag('fork') end)
            at_return('raise_signal', function(t) ok(true) end)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_signal"), "3"])
        self.assertEqual(self.notes(lines), ["fork", "returned on_signal"])

    def test_place_that_is_nowhere(self):
        status, lines, _ = self.run_script("at('no_such_function', function() end) ok(true)")
        self.assertEqual(status, 1)
        self.assertIn("not ok 2 - at('no_such_function'): no process had such a place", lines)

    def test_threads(self):
        lines = self.check("""
            at_return('fork', function(t, value) diag(value == 0 and t.pid == t.tid or t.pid ~= t.tid) end)
            ok(true)
            """, ["ok 1", "1..1"], [support.target(ABI, "test_threads")])
        self.assertEqual(set(self.notes(lines)), {"true"})


class Mistakes(Scripts):
    """A sentence with file and line, and status 125."""

    def check_mistake(self, text, sentence, traceback=None, started=True):
        status, lines, stderr = self.run_script(text)
        self.assertEqual(status, 125, lines)
        self.assertRegex(stderr, rf"\Aforktrace: \S*check\.lua:{sentence}")
        if traceback:
            self.assertRegex(stderr, rf"\n    \S*check\.lua:{traceback}")
        if started is not None:  # None: the record came while the program ran
            self.assertEqual(any(line.startswith("# expect") for line in lines), started)
        return lines, stderr

    def test_not_there(self):
        for path, reason in (("/nonexistent/check.lua", "No such file or directory"), ("/", "Is a directory")):
            status, stdout, stderr = support.run_command([support.FORKTRACE, "-s", path, "echo", "started"])
            self.assertEqual((status, stdout), (125, b""))
            self.assertEqual(stderr.decode(), f"forktrace: the script '{path}' cannot be read: {reason}\n")

    def test_syntax(self):
        self.check_mistake("ok(true)\nx = = 1\n", "2: unexpected symbol near '='", started=False)
        status, lines, _ = self.run_script("\x1bLua")
        self.assertEqual((status, lines), (125, []))

    def test_before_the_start(self):
        lines, _ = self.check_mistake("local function f()\n  error('no')\nend\nf()\n", "2: no", "4: in main chunk", False)
        self.assertRegex(lines[-1], r"^Bail out! \S*check.lua:2: no$")

    def test_in_a_callback(self):
        lines, stderr = self.check_mistake("on_exec(function(e)\n  ok(e.pth)\nend)\n", "2: an? 'exec' record has no member "
                                           "'pth': did you mean 'path'\\?", "2: in", None)
        self.assertIn("stack traceback:", stderr)
        self.assertIn("Bail out!", lines[-1])

    def test_in_at(self):
        self.check_mistake("at('main', function(t)\n  t:step()\n  t:finsh()\nend)\n",
                           "3: a process has no member 'finsh': did you mean 'finish'\\?", "3: in function", False)
        self.check_mistake("at('main', function(t)\n  t:reg('ripp')\nend)\n",
                           "2: a process of x86_64 has no register 'ripp': did you mean 'rip'\\?", started=False)
        self.check_mistake("at('main', function(t)\n  t:finish('nosuch')\nend)\n",
                           "2: no function 'nosuch' is on the stack", started=False)
        self.check_mistake("at('main', function(t)\n  coroutine.wrap(function() t:step() end)()\nend)\n",
                           "2: .*a process can only be let go on by the callback that holds it", started=False)

    def test_arguments(self):
        for text, sentence in (("on_fork(1)", "1: on_fork: the argument must be a function, not a number"),
                               ("test('x')", "1: test: the second argument must be a function, not a nil"),
                               ("at(nil, print)", "1: bad argument #1 to 'at' \\(a place is a text"),
                               ("at('x')", "1: bad argument #2 to 'at'"),
                               ("plan(-1)", "1: plan: the number of tests must be a whole number"),
                               ("plan(1) plan(1)", "1: plan: there is a plan already"),
                               ("test('a', function() test('b', print) end)", "1: test: a test cannot hold another")):
            with self.subTest(text=text):
                self.check_mistake(text, sentence, started=False)

    def test_first_at_too_late(self):
        self.check_mistake("on_exec(function()\n  at('fork', print)\nend)", "2: at: the first at\\(\\) must come before",
                           started=None)

    def test_together(self):
        script = self.write("ok(true)")
        for words, sentence in ((["--tap=x"], "--tap goes with --script (-s)"),
                                (["-i", "-s", script], "--interactive and --script exclude one another"),
                                (["-s", script, "-e", "true"], "--expect and --script exclude one another"),
                                (["-s", script, "--follow=none"], "--script and --follow exclude one another"),
                                (["-s", script, "--from=x"], "--from traces nothing"),
                                (["-s", self.write("at('fork', print)", "at.lua"), "--inject=fork:error=EAGAIN"],
                                 "--inject changes calls of processes that are not held"),
                                (["-s", script, "-f", "json"], "with --script, --format needs --output=FILE")):
            status, _, stderr = support.run_command([support.FORKTRACE, *words, "true"])
            self.assertEqual(status, 125)
            self.assertIn(f"forktrace: {sentence}", stderr.decode())

    def test_program_that_is_not_there(self):
        status, lines, stderr = self.run_script("ok(true)", ["/nonexistent/program"])
        self.assertEqual(status, 127)
        self.assertIn("/nonexistent/program", stderr)
        self.assertIn("Bail out!", lines[-1])

    def test_nothing_is_left_of_the_program(self):
        """A script that fails ends what it started."""
        status, lines, _ = self.run_script("""
            on_output(function(line) diag('pid', line) error('enough') end)""",
            ["sh", "-c", "echo $$; sleep 1000 & sleep 1000; wait"])
        self.assertEqual(status, 125)
        pid = int(re.search(r"# pid (\d+)", "\n".join(lines)).group(1))
        support.wait_until(lambda: support.process_state(pid) in (None, "Z"), "the program is gone")


class Endless(Scripts):
    """Ctrl-C stops a script that loops for ever, whatever it catches."""

    def check_stop(self, text, sign):
        with support.Program([support.FORKTRACE, "-s", self.write(text), support.target(ABI, "test_fork")]) as run:
            while sign not in run.read_line():
                pass
            run.signal(signal.SIGINT)
            self.assertEqual(run.finish(), 125)
            self.assertIn("forktrace: interrupted\n", run.stderr)
            self.assertIn(b"Bail out! interrupted", run.output_text)

    LOOP = "while true do pcall(function() while true do end end) end"

    def flushing(self, text):
        """The results are written when the loop of forktrace comes round: the sign has to come from elsewhere."""
        return text.replace("SIGN", "io.stdout:write('in the loop\\n') io.stdout:flush()")

    def test_before_the_start(self):
        self.check_stop(self.flushing("SIGN " + self.LOOP), b"in the loop")

    def test_in_a_callback(self):
        self.check_stop(self.flushing(f"on_exec(function() SIGN {self.LOOP} end)"), b"in the loop")

    def test_in_at(self):
        self.check_stop(self.flushing(f"at('fork', function() SIGN {self.LOOP} end)"), b"in the loop")

    def test_program_that_does_not_end(self):
        """Once for the program, which may have its own mind; twice for forktrace."""
        command = ["sh", "-c", "trap '' INT; echo ready; while :; do sleep 0.1; done"]
        with support.Program([support.FORKTRACE, "-s", self.write("ok(true)"), *command]) as run:
            while b"ready" not in run.read_line():
                pass
            run.signal(signal.SIGINT)
            run.signal(signal.SIGTERM)
            self.assertEqual(run.finish(), 125)
            self.assertIn("forktrace: interrupted\n", run.stderr)


class Guest(Scripts):
    def run_in_guest(self, script, program):
        words = [support.FORKTRACE, *support.guest_options(), "-s", script, program]
        status, stdout, stderr = support.run_command(words, timeout=250, env=support.guest_environment())
        return status, stdout.decode().splitlines(), stderr.decode()

    @support.time_limit(300)
    def test_records(self):
        """Records and output of a guest."""
        program = support.built_target("i386", "test_fork")
        script = self.write("""
            on_fork(function(f) is(f.child.ret, 0) is(f.parent.ret, f.child.pid) ok(f.kernel.walk) end)
            local lines = 0
            on_output(function(line) lines = lines + 1 end)
            on_end(function() ok(lines > 0) end)
            """)
        status, lines, stderr = self.run_in_guest(script, program)
        self.assertEqual(self.results(lines), ["TAP version 13", "ok 1", "ok 2", "ok 3", "ok 4", "1..4"], stderr)
        self.assertEqual(status, 0)
        self.assertTrue(any(line.startswith("# expect fork") for line in lines))

    @support.time_limit(300)
    def test_check_fork(self):
        """The script of targets/, unchanged."""
        status, lines, stderr = self.run_in_guest(CHECK_FORK, support.built_target("i386", "test_fork"))
        self.assertEqual((status, stderr), (0, ""), lines)
        self.assertEqual(lines[-1], "1..4")
        self.assertFalse([line for line in lines if "SKIP" in line])

    @support.time_limit(300)
    def test_kernel(self):
        """A place in the guest's kernel, and one in a program that is executed later."""
        script = self.write("""
            at('kernel_clone', function(t)
                diag(stack(t:frames()):match('main > .* > kernel_clone$') and 'in the kernel')
                ok(t:finish() > 0)
            end)
            at('main', function(t) diag('main of', t.comm) end)
            """)
        status, lines, stderr = self.run_in_guest(script, support.built_target("i386", "test_vfork"))
        self.assertEqual((status, stderr), (0, ""), lines)
        self.assertEqual(self.notes(lines), ["main of test_vfork", "in the kernel", "in the kernel", "main of exe"])


if __name__ == "__main__":
    unittest.main()
