"""records.py by itself: what counts as the same record and what does not."""

import copy
import json
import unittest

import records

FRAME = """{"pc": "0xb7f14559", "symbol": "fork", "offset": 84, "module": "/lib32/libc.so.6", "build_id": "00", "file":
null, "line": null, "inlined": false, "method": "dwarf", "certain": true}"""

GUEST = json.loads(f"""{{"event": "fork", "seq": 3, "time_ns": 5, "kind": "fork", "syscall": "clone", "syscall_nr": 120,
"abi": "i386", "entry": "sysenter", "entry_certain": true, "flags": ["CLONE_CHILD_SETTID"], "exit_signal": "SIGCHLD",
"child_stack": null, "thread": false, "untraced": false, "order": "parent-first", "restarts": 0, "parent": {{"pid": 77,
"tid": 77, "ns_pid": 77, "comm": "test_fork", "ret": 78, "ret_from": "user-return", "ret_reason": null, "ret_ns": 9,
"frames_truncated": false, "frames_reason": null, "frames": [{FRAME}]}}, "child": {{"pid": 78, "tid": 78, "ns_pid": 78,
"comm": "test_fork", "ret": 0, "ret_from": "user-return", "ret_reason": null, "ret_ns": 4, "frames_truncated": false,
"frames_reason": null, "frames": [{FRAME}]}}, "kernel": {{"source": "guest", "release": "6.1.0-50-686", "reason":
null}}}}""")


def here():
    """The same fork as this machine's kernel would have it told."""
    record = copy.deepcopy(GUEST)
    record.update(seq=9, time_ns=99, entry="syscall", order="child-first", kernel={"source": "none"})
    record["parent"].update(pid=4711, tid=4711, ns_pid=4711, ret=4712, ret_from="syscall-exit", ret_ns=1)
    record["child"].update(pid=4712, tid=4712, ns_pid=4712, ret_from="first-stop", ret_ns=2)
    record["child"]["frames"][0].update(pc="0xf7ed2554", module="/usr/lib32/libc.so.6")
    return record


class Records(unittest.TestCase):
    def assert_differs(self, record):
        self.assertNotEqual(records.facts(GUEST), records.facts(record))

    def test_same(self):
        self.assertEqual(records.facts(GUEST), records.facts(here()))

    def test_order(self):
        other = here()
        other["kind"] = "vfork"
        self.assertEqual(records.all_facts([GUEST, other]), records.all_facts([other, here()]))
        self.assertNotEqual(records.all_facts([GUEST, other]), records.all_facts([GUEST, here()]))
        self.assertNotEqual(records.all_facts([GUEST, GUEST]), records.all_facts([GUEST]))

    def test_call(self):
        for key, value in (("kind", "vfork"), ("syscall", "fork"), ("flags", []), ("exit_signal", None),
                           ("child_stack", "0x1000"), ("thread", True)):
            with self.subTest(key=key):
                self.assert_differs({**here(), key: value})

    def test_results(self):
        for side, value in (("parent", 4713), ("parent", None), ("child", 1)):
            with self.subTest(side=side, value=value):
                record = here()
                record[side]["ret"] = value
                self.assert_differs(record)

    def test_frames(self):
        for side in ("parent", "child"):
            for key, value in (("symbol", "_Fork"), ("module", "/usr/lib32/libm.so.6"), ("line", 1),
                               ("inlined", True), ("certain", False)):
                with self.subTest(side=side, key=key):
                    record = here()
                    record[side]["frames"][0][key] = value
                    self.assert_differs(record)
            record = here()
            record[side]["frames"] *= 2
            self.assert_differs(record)
