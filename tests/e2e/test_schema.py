"""Real output against the JSON Schema of the report, ui/report/record.schema.json."""

import copy
import functools
import json
import signal
import unittest

import support

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = support.ROOT / "ui" / "report" / "record.schema.json"


@functools.cache
def schema():
    return json.loads(SCHEMA.read_text())


def validator(kind=None):
    """For all events, or for those of one kind, whose messages say more."""
    checked = schema() if kind is None else {"$ref": f"#/$defs/{kind}", "$defs": schema()["$defs"]}
    return jsonschema.Draft202012Validator(checked)


@unittest.skipIf(jsonschema is None, "Python's jsonschema is not installed (Debian: python3-jsonschema)")
class Schema(unittest.TestCase):
    """Each run must bring events of the kinds that it is for."""

    def check_events(self, run, *kinds):
        whole = validator()
        for event in run.events:
            with self.subTest(event=event["event"], seq=event["seq"]):
                for error in validator(event["event"]).iter_errors(event):
                    self.fail(f"{error.json_path}: {error.message}")
                self.assertTrue(whole.is_valid(event))
        told = {event["event"] for event in run.events}
        self.assertLessEqual({"start", "end", *kinds}, told)

    def check_target(self, name, kinds, options=(), abi="x86_64"):
        run = support.trace([support.target(abi, name)], options)
        self.assertEqual(run.status, 0, run)
        self.check_events(run, *kinds)
        return run

    def test_schema_is_valid(self):
        jsonschema.Draft202012Validator.check_schema(schema())

    def test_fork(self):
        for abi in support.runnable_abis():
            self.check_target("test_fork", ["fork", "exec", "exit"], abi=abi)

    def test_fork_without_kernel(self):
        self.check_target("test_fork", ["fork"], ["-k", "none"])

    @support.needs_root
    def test_fork_with_kernel(self):
        run = self.check_target("test_fork", ["fork"], ["-k", "live"])
        self.assertTrue(run.forks()[0]["kernel"]["parent_frames"])

    def test_vfork(self):
        run = self.check_target("test_vfork", ["fork", "exec"])
        self.assertEqual({record["kind"] for record in run.forks()}, {"vfork"})

    def test_clone(self):
        for name in "test_clone", "test_clone3":
            run = self.check_target(name, ["fork"])
            self.assertIn("clone", {record["kind"] for record in run.forks()})

    def test_failed(self):
        self.check_target("test_fail", ["fork", "fork-failed"])

    def test_exec(self):
        self.check_target("test_exec", ["exec"])

    def test_int80(self):
        self.check_target("test_int80", ["fork"])

    def test_namespace(self):
        self.check_target("test_namespace", ["fork", "fork-failed"])

    def test_untraced(self):
        run = self.check_target("test_untraced", ["fork"])
        self.assertTrue(all(record["untraced"] for record in run.forks()))

    def test_signal(self):
        self.check_target("test_signal", ["signal"])

    def test_killed(self):
        run = self.check_target("test_nested", ["exit"])
        self.assertIn("SIGKILL", {event["signal"] for event in run.of("exit")})

    def test_threads(self):
        run = self.check_target("test_threads", ["fork"], ["--threads"])
        self.assertIn(True, {record["thread"] for record in run.forks()})

    def test_error(self):
        """A program that calls ptrace."""
        self.check_target("test_ptrace", ["error"])

    def test_let_go(self):
        for whom in "first", "none":
            self.check_target("test_nested", ["fork", "detach"], [f"--follow={whom}"])

    def test_frame_limit(self):
        run = self.check_target("test_deep", ["fork"], ["--max-frames=5"])
        self.assertTrue(run.forks()[0]["parent"]["frames_truncated"])

    def test_bytes_that_are_no_text(self):
        """A command line of bytes that are not UTF-8 must not make the report invalid."""
        run = support.trace([support.target("x86_64", "test_loop"), "\udcff\udcfe\x1b[31m"])
        self.assertEqual(run.status, 0, run)
        self.check_events(run)
        run.report.decode("utf-8")

    def test_attach_and_detach(self):
        with support.Program([support.target("x86_64", "test_loop"), "threads"]) as program:
            self.assertEqual(program.read_line(), b"ready")
            with support.Background([], ["-p", str(program.pid), "--threads"]) as run:
                run.wait_event("attach")
                program.write(b"x")
                run.wait_event("fork")
                run.signal(signal.SIGTERM)
                self.assertEqual(run.finish(), 0, run.stderr)
                self.check_events(run, "attach", "fork", "detach")
            self.assertEqual(program.finish(), 0)

    def test_strictness(self):
        """What is misspelt, missing or of a wrong type fails, in every object of a record."""
        run = self.check_target("test_fork", ["fork"])
        for event in run.events:
            for path in self.objects(event):
                with self.subTest(event=event["event"], path=path):
                    self.assert_strict(event, path)

    def objects(self, value, path=()):
        """The paths of all objects in a value."""
        if isinstance(value, dict):
            yield path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            yield from self.objects(item, (*path, key))

    def assert_strict(self, event, path):
        checker = validator(event["event"])

        def changed(change):
            result = copy.deepcopy(event)
            target = functools.reduce(lambda value, key: value[key], path, result)
            change(target)
            return result

        keys = list(functools.reduce(lambda value, key: value[key], path, event))
        self.assertFalse(checker.is_valid(changed(lambda target: target.update(misspelt=1))))
        for key in keys:
            self.assertFalse(checker.is_valid(changed(lambda target, key=key: target.pop(key))), f"without {key}")
            self.assertFalse(checker.is_valid(changed(lambda target, key=key: target.update({key: {"x": 1}}))), key)
