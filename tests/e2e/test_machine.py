"""The emulated machine of the tests, and what can be seen in one of another maker's processor alone."""

import json
import sys
import unittest

import support

sys.path.insert(0, str(support.ROOT / "tests/vm"))

import vm  # noqa: E402 (needs the path)

SILENCE_S = 120


def run(script, *arguments, **options):
    """A shell's script in a machine of its own; returns (status, stdout, stderr)."""
    output, errors = [], []
    status = vm.run(["sh", "-c", script, "sh", *map(str, arguments)], output.append, errors.append,
                    environment=support.environment(), directory=support.ROOT, build=support.BUILD,
                    silence=SILENCE_S, **options)
    return status, b"".join(output), b"".join(errors).decode(errors="replace")


class Machine(unittest.TestCase):
    def setUp(self):
        if reason := vm.missing(support.BUILD):
            self.skipTest(reason)

    @support.time_limit(150)
    def test_command(self):
        """Its output, error and status come out; what it writes stays in."""
        path = support.BUILD / "tests/vm/written"
        script = 'echo out; echo error >&2; pwd; echo text >"$1"; cat "$1"; seq 50000; kill -TERM $$'
        status, output, errors = run(script, path)
        lines = output.decode().splitlines()
        self.assertEqual((status, errors), (128 + 15, "error\n"))
        self.assertEqual(lines[:3] + lines[-1:], ["out", str(support.ROOT), "text", "50000"])
        self.assertFalse(path.exists())

    @support.time_limit(150)
    def test_32_bit_syscall(self):
        """AMD's processors enter the kernel so in a 32-bit program."""
        script = '"$1" -f json -o /tmp/report "$2" >/dev/null && cat /tmp/report'
        status, output, errors = run(script, support.FORKTRACE, support.built_target("i386", "test_fork"), processor="amd")
        self.assertEqual((status, errors), (0, ""))
        (record,) = [event for event in map(json.loads, output.splitlines()) if event["event"] == "fork"]
        self.assertEqual((record["abi"], record["entry"]), ("i386", "syscall"))
        self.assertEqual(record["kernel"]["parent_frames"][-1]["symbol"], "entry_SYSCALL_compat_after_hwframe")
        for side in "parent", "child":
            names = [frame["symbol"] for frame in record[side]["frames"]]
            self.assertEqual(names[0], "__kernel_vsyscall")
            self.assertLessEqual({"fork", "spawn_child", "main", "_start"}, set(names))
