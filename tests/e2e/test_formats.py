"""The formats that other tools read: tree, dot (Graphviz reads it) and perfetto (speedscope reads it)."""

import base64
import collections
import json
import os
import pathlib
import re
import select
import shutil
import signal
import tempfile
import time
import unittest
import xml.etree.ElementTree

import browser
import live_support
import support

# Takes each argument as its name, and forks under it.
NAMES = r"""
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **arguments)
{
	for (int i = 1; i < count; i++) {
		prctl(PR_SET_NAME, arguments[i]);
		if (fork() == 0)
			_exit(i);
		wait(0);
	}
	return 0;
}
"""

# Names that break out of something, and what stands for them where text is escaped for people.
NASTY = {
    b"</script>": "</script>",
    b"<!--<script>": "<!--<script>",
    b"]]></title>": "]]></title>",
    b"\"'><img src=x>": "\"'><img src=x>",
    b"\x1b[31m\x07": r"\x1b[31m\x07",
    b"a\nb\rc\td": r"a\x0ab\x0dc\x09d",
    "\u202eevil\u2066".encode(): r"\u{202e}evil\u{2066}",
    b"\xff\xfe\x80ok": r"\xff\xfe\x80ok",
    b"\\N\\G\\n\"": "\\\\N\\\\G\\\\n\"",
    b"&lt;&#60;&amp;": "&lt;&#60;&amp;",
    b"${x}`;//{}|<p>": "${x}`;//{}|<p>",
    b"%s%n%100d": "%s%n%100d",
    "日本é".encode(): "日本é",
}


class Formats(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def write(self, form, command, options=("-k", "none")):
        """The bytes of a report."""
        path = self.directory / "report"
        status, _, stderr = support.run_command([support.FORKTRACE, *options, "-f", form, "-o", path, *command])
        self.assertEqual((status, stderr), (0, b""))
        return path.read_bytes()

    def nasty_command(self):
        """A program whose file has a nasty name, too."""
        program = support.compile_c(self.directory, NAMES, "x86_64")
        name = os.fsencode(self.directory) + b"/\xff<b>\"'&\\\x1b[1m\n\xe2\x80\xae"
        os.rename(program, name)
        return [name, *NASTY]

    def from_record(self, form, data):
        path = self.directory / "record.jsonl"
        path.write_bytes(data)
        status, stdout, stderr = support.run_command([support.FORKTRACE, f"--from={path}", "-f", form])
        self.assertEqual((status, stderr), (0, b""))
        return stdout


def records_late(report):
    """The same run, told as it may be: each record of a fork as late as it can come, behind all that the child forked."""
    lines = report.splitlines(keepends=True)
    forks = [line for line in lines if json.loads(line)["event"] == "fork"]
    rest = [line for line in lines if line not in forks]
    begin = next(i for i, line in enumerate(rest) if json.loads(line)["event"] in ("exit", "signal"))
    return b"".join([*rest[:begin], *reversed(forks), *rest[begin:]])


class Tree(Formats):
    def test_nested(self):
        text = self.write("tree", [support.target("x86_64", "test_nested")]).decode()
        lines = text.splitlines()
        counts = [re.search(r"(\d+) processes, each", line) for line in lines]
        self.assertEqual(sum(int(count[1]) if count else 1 for count in counts), 15)
        self.assertRegex(lines[0], r"^test_nested \d+  exited 0$")
        self.assertRegex(lines[1], r"^[├└]─ test_nested \d+  exited 22$")
        self.assertEqual(text.count("killed by SIGKILL"), 1)

    def test_is_the_text_reports(self):
        record = support.trace([support.target("x86_64", "test_spawn")], ["-k", "none"]).report
        text = self.from_record("text", record)
        tree = self.from_record("tree", record)
        self.assertTrue(tree)
        self.assertIn(b"\n\n" + tree + b"\n", text)

    def test_nasty_names(self):
        text = self.write("tree", self.nasty_command())
        self.assertEqual(re.findall(rb"[^\x20-\x7e\n\x80-\xff]", text), [])
        for shown in NASTY.values():
            self.assertIn(shown, text.decode())


class Dot(Formats):
    def setUp(self):
        super().setUp()
        if not shutil.which("dot"):
            self.skipTest("Graphviz is not installed (Debian: graphviz)")

    def render(self, data):
        """The texts of all nodes and edges, as Graphviz draws them: {title: [line, ...]}."""
        status, stdout, stderr = support.run_command(["dot", "-Tsvg"], stdin=data)
        self.assertEqual((status, stderr), (0, b""))
        drawn = {}
        for group in xml.etree.ElementTree.fromstring(stdout).iter("{http://www.w3.org/2000/svg}g"):
            if group.get("class") in ("node", "edge"):
                title = group.find("{http://www.w3.org/2000/svg}title").text
                lines = ["".join(text.itertext()) for text in group.iter("{http://www.w3.org/2000/svg}text")]
                drawn[title] = [line.replace("\xa0", " ") for line in lines]
        return drawn

    def test_nested(self):
        run = support.trace([support.target("x86_64", "test_nested")], ["-k", "none"])
        for report in run.report, records_late(run.report):
            self.check_nested(run, self.render(self.from_record("dot", report)))

    def check_nested(self, run, drawn):
        nodes = {title: lines for title, lines in drawn.items() if "->" not in title}
        edges = {title: lines for title, lines in drawn.items() if "->" in title}
        pids = {title: int(lines[1]) for title, lines in nodes.items()}
        forks = {(fork["parent"]["pid"], fork["child"]["pid"]) for fork in run.forks()}
        self.assertEqual(len(forks), 14)
        self.assertEqual({tuple(pids[end] for end in title.split("->")) for title in edges}, forks)
        for title, lines in edges.items():
            child = pids[title.split("->")[1]]
            self.assertEqual(lines, ["fork", f"parent: returned {child}", "child: returned 0"])
        ends = {event["pid"]: f"killed by {event['signal']}" if event["signal"] else f"exited {event['status']}"
                for event in run.of("exit")}
        self.assertEqual({pids[title]: lines[2] for title, lines in nodes.items()}, ends)

    def test_failed_and_threads(self):
        drawn = self.render(self.write("dot", [support.target("x86_64", "test_fail")]))
        self.assertIn("failed: EAGAIN", [lines[0] for lines in drawn.values()])
        drawn = self.render(self.write("dot", [support.target("x86_64", "test_threads")], ["--threads"]))
        self.assertTrue([title for title, lines in drawn.items() if lines[0].startswith("thread ")])

    def test_let_go(self):
        drawn = self.render(self.write("dot", [support.target("x86_64", "test_nested")], ["--follow=first"]))
        self.assertEqual(sum(lines[-1] == "let go" for lines in drawn.values()), 4)

    def test_nasty_names(self):
        lines = [line for lines in self.render(self.write("dot", self.nasty_command())).values() for line in lines]
        text = "\n".join(lines)
        for shown in NASTY.values():
            self.assertTrue(shown in text, shown)

    def test_programs(self):
        for name in "test_vfork", "test_clone", "test_spawn", "test_exec", "test_signal", "test_namespace":
            with self.subTest(name=name):
                self.render(self.write("dot", [support.target("x86_64", name)]))


class Perfetto(Formats):
    """Chrome's trace events, by their rules and in a viewer."""

    def check_trace(self, data):
        """The events by kind, after checks that hold for every trace."""
        events = json.loads(data)
        by_phase = collections.defaultdict(list)
        open_slices = collections.defaultdict(list)
        for event in sorted(events, key=lambda event: event["ts"]):
            track = event["pid"], event["tid"]
            by_phase[event["ph"]].append(event)
            if event["ph"] == "B":
                open_slices[track].append(event["name"])
            elif event["ph"] == "E":
                self.assertEqual(open_slices[track].pop(), event["name"])
        self.assertEqual([track for track, names in open_slices.items() if names], [])
        for begin, end in ("sf", "be"):
            self.assertEqual(sorted((event["id"], event["name"]) for event in by_phase[begin]),
                             sorted((event["id"], event["name"]) for event in by_phase[end]))
        named = {event["pid"] for event in by_phase["M"] if event["name"] == "process_name"}
        self.assertLessEqual({event["pid"] for event in events}, named)
        self.check_flows(by_phase)
        return by_phase

    def check_flows(self, by_phase):
        """Each arrow begins and ends in a slice of its own track."""
        slices = collections.defaultdict(list)
        for event in by_phase["X"]:
            slices[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        for event in by_phase["s"] + by_phase["f"]:
            self.assertTrue(any(begin <= event["ts"] <= end for begin, end in slices[event["pid"], event["tid"]]))

    def test_fork(self):
        run = support.trace([support.target("x86_64", "test_fork")])
        trace = self.check_trace(self.from_record("perfetto", run.report))
        (fork,) = run.forks()
        # Without the slice of the child's program, which is whole where the child had ended before the record came.
        parent, child = [event for event in trace["X"] if event["name"].startswith("fork")]
        self.assertEqual((parent["pid"], parent["name"]), (fork["parent"]["pid"], f"fork = {fork['child']['pid']}"))
        self.assertEqual((child["pid"], child["name"]), (fork["child"]["pid"], "fork = 0"))
        self.assertEqual(round(parent["ts"] * 1000), fork["time_ns"])
        self.assertEqual(round(parent["dur"] * 1000), fork["parent"]["ret_ns"])
        for side, slice_ in ("parent", parent), ("child", child):
            self.assertEqual(len(slice_["args"]["user_stack"]), len(fork[side]["frames"]))
            self.assertIn("main+", "".join(slice_["args"]["user_stack"]))
            frames = fork["kernel"][f"{side}_frames"]
            self.assertEqual(len(slice_["args"]["kernel_stack"] or []), len(frames or []))
        self.assertIn("exited 7", [event["name"] for event in trace["i"]])
        self.assertIn("SIGCHLD", [event["name"] for event in trace["i"]])

    def test_late_records(self):
        """A process that forked is met before the record of the fork that made it: it still has one slice that ends."""
        run = support.trace([support.target("x86_64", "test_nested")], ["-k", "none"])
        trace = self.check_trace(self.from_record("perfetto", records_late(run.report)))
        began = {fork["child"]["pid"]: fork["time_ns"] for fork in run.forks()}
        for pid, time_ns in began.items():
            starts = [event["ts"] for phase in "BX" for event in trace[phase] if event["pid"] == pid]
            self.assertEqual(round(min(starts) * 1000), time_ns)
        # Also as a reader computes it.
        for begin in trace["B"]:
            for slice_ in trace["X"]:
                if (slice_["pid"], slice_["tid"]) == (begin["pid"], begin["tid"]) and slice_["ts"] < begin["ts"]:
                    self.assertLess(slice_["ts"] + slice_["dur"], begin["ts"])

    def test_programs(self):
        for name in ("test_vfork", "test_clone", "test_spawn", "test_exec", "test_signal", "test_threads", "test_fail",
                     "test_orphan", "test_nested"):
            with self.subTest(name=name):
                run = support.trace([support.target("x86_64", name)], ["-k", "none", "--threads"])
                trace = self.check_trace(self.from_record("perfetto", run.report))
                self.assertEqual(len(trace["s"]), len(run.forks()))
                self.assertEqual(len([event for event in trace["i"] if event["name"] == "exec"]),
                                 len(run.of("exec")))

    def test_guest(self):
        run = support.trace([support.built_target("i386", "test_fork")], support.guest_options(),
                            env=support.guest_environment())
        trace = self.check_trace(self.from_record("perfetto", run.report))
        steps = {step["stage"]: step["vtime_ns"] for step in run.forks()[0]["kernel"]["walk"]
                 if step["vtime_ns"] is not None}
        self.assertEqual({event["name"]: event["args"]["vtime_ns"] for event in trace["b"]}, steps)
        self.assertIn("copy", steps)

    def test_cut_off(self):
        """The array's end may be missing: what a killed run wrote is complete but for that."""
        data = self.write("perfetto", [support.target("x86_64", "test_fork")])
        self.assertTrue(data.endswith(b"}\n]\n"))
        self.assertTrue(data.startswith(b"[\n{"))
        for line in data[2:-3].decode().split(",\n"):
            json.loads(line)

    def test_nasty_names(self):
        data = self.write("perfetto", self.nasty_command())
        self.assertEqual(re.findall(rb"[^\x20-\x7e\n]", data), [])
        names = {event["args"]["name"] for event in self.check_trace(data)["M"]}
        for shown in NASTY.values():
            self.assertTrue(any(shown in name for name in names), shown)

    def test_in_a_viewer(self):
        """speedscope (npm) takes it without a complaint, and shows each process."""
        viewer = support.BUILD / "npm" / "speedscope" / "package" / "dist" / "release" / "index.html"
        if not viewer.exists():
            self.skipTest("speedscope is not there: .ci/deps fetches it where there is npm")
        data = self.write("perfetto", ["sh", "-c", f"true | {support.target('x86_64', 'test_nested')} | cat"])
        trace = self.check_trace(data)
        tracks = {(event["pid"], event["tid"]) for event in trace["B"] + trace["X"]}
        loader = self.directory / "load.js"
        loader.write_text(f"speedscope.loadFileFromBase64('t.json', '{base64.b64encode(data).decode()}')")
        with browser.Browser() as page:
            page.open(f"file://{viewer}#localProfilePath={loader}")
            title = page.wait(r"return document.body && document.body.innerText.match(/\(1\/(\d+)\)/)")
            said = page.complaints()
        self.assertEqual(int(title[1]), len(tracks))
        self.assertTrue([line for line in said if "Importing as Trace Event" in line], said)
        for word in "Tried to end", "still open", "rror":
            self.assertEqual([line for line in said if word in line], [])


class Killed(Formats):
    """What forktrace wrote until it was killed."""

    def killed(self, form):
        path = self.directory / "report"
        command = [support.FORKTRACE, "-k", "none", "-f", form, "-o", str(path), support.target("x86_64", "test_loop")]
        with support.Program(command) as program:
            self.assertEqual(program.read_line(), b"ready")
            for _ in range(3):
                program.write(b"x")
            deadline = time.monotonic() + support.EVENT_LIMIT_S
            while len(re.findall(rb'"event":"fork"|"fork = 0"', path.read_bytes())) < 3:
                self.assertLess(time.monotonic(), deadline, "the forks were not written")
                select.select([], [], [], .01)
            program.signal(signal.SIGKILL)
            program.process.wait()
        return path.read_bytes()

    def test_perfetto(self):
        lines = self.killed("perfetto").decode().removeprefix("[\n").split(",\n")
        slices = [event["name"] for event in map(json.loads, lines) if event["ph"] == "X"]
        self.assertIn("fork = 0", slices)

    def test_html(self):
        page = self.killed("html")
        self.assertNotIn(b"</body>", page)
        record = page[page.index(b'id="record">') + 12:].decode().strip()
        kinds = [json.loads(line).get("event") for line in record.splitlines()]
        self.assertIn("fork", kinds)
        self.assertNotIn("end", kinds)


class Many(Formats):
    """What is written of many forks needs no more memory than of few, and stops with its reader."""

    FORMS = "json", "text", "tree", "dot", "perfetto", "html"

    def make_record(self, count):
        """A record of so many forks, one after another: those of a run, repeated under other process ids."""
        record = support.trace([support.target("x86_64", "test_fork")], ["-k", "none"])
        (fork,) = record.of("fork")
        (end,) = [event for event in record.of("exit") if event["pid"] == fork["child"]["pid"]]
        path = self.directory / f"{count}.jsonl"
        with open(path, "w", encoding="ascii") as file:
            for event in record.events:
                if event is not fork and event is not end and event["event"] != "end" and event.get("root") is not True:
                    print(json.dumps(event), file=file)
            for number in range(count):
                pid = 100000 + number
                half = {**fork["child"], "pid": pid, "tid": pid, "ns_pid": pid}
                base = {"time_ns": 10**9 + 10**5 * number}
                print(json.dumps({**fork, **base, "seq": 100 + 2 * number, "child": half,
                                  "parent": {**fork["parent"], "ret": pid}}), file=file)
                print(json.dumps({**end, **base, "seq": 101 + 2 * number, "pid": pid, "tid": pid,
                                  "status": number % 7}), file=file)
            print(json.dumps({**record.end, "seq": 10**6, "forks": count}), file=file)
        return path

    def peak(self, path, form):
        """KiB at most of a forktrace that reads `path`."""
        words = [support.FORKTRACE, f"--from={path}", "-f", form, "-o", os.devnull]
        pid = os.posix_spawn(words[0], words, support.environment())
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(status, 0)
        return usage.ru_maxrss

    def test_memory(self):
        support.need_freed_memory()
        few, many = self.make_record(500), self.make_record(10000)
        for form in self.FORMS:
            with self.subTest(form=form):
                self.assertLess(self.peak(many, form) - self.peak(few, form), 4096)

    def test_nobody_reads(self):
        path = self.make_record(2000)
        for form in self.FORMS:
            with self.subTest(form=form):
                status, _, stderr = support.run_command(
                    ["bash", "-c", '"$@" | head -c 10 >/dev/null; exit "${PIPESTATUS[0]}"', "bash", support.FORKTRACE,
                     f"--from={path}", "-f", form])
                if form == "tree":  # it is written at once, into the pipe
                    self.assertIn(status, (0, 125))
                    continue
                self.assertEqual(status, 125)
                live_support.check_sentence(self, stderr.decode(), "Broken pipe")

    def test_full_disk(self):
        for form in self.FORMS:
            with self.subTest(form=form):
                status, _, stderr = support.run_command([support.FORKTRACE, "-f", form, "-o", "/dev/full", "-k", "none",
                                                         support.target("x86_64", "test_fork")])
                self.assertEqual(status, 125)
                live_support.check_sentence(self, stderr.decode(), "/dev/full", "No space left")
