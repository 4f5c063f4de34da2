"""Fork records without what two runs of one program need not have in common, so that a guest's can be held against this
machine's."""

import json
import os

# The same in every run, wherever it is.
KEPT = ("kind", "syscall", "syscall_nr", "abi", "flags", "exit_signal", "thread", "untraced")


def frame_facts(frame):
    """Addresses, methods and the kernel's own vDSO differ, and one file may have several paths."""
    module = frame["module"] and os.path.basename(frame["module"])
    return {**{key: frame[key] for key in ("symbol", "file", "line", "inlined", "certain")}, "module": module}


def half_facts(half, result):
    """One process: its stack, and `result`, what the call returned there. Its name is the program's."""
    return {"comm": half["comm"], "ret": result, "truncated": half["frames_truncated"],
            "frames": [frame_facts(frame) for frame in half["frames"] or []]}


def facts(record):
    """What is left of a record without process ids, times, the order of the two, the kernel's half and the source. What
    the parent got is known by whose id it is."""
    parent, child = record["parent"], record["child"]
    known = {child["tid"]: "the child", child["ns_pid"]: "the child, in its namespace"}
    return {**{key: record[key] for key in KEPT}, "own_stack": record["child_stack"] is not None,
            "parent": half_facts(parent, known.get(parent["ret"], parent["ret"])),
            "child": half_facts(child, child["ret"])}


def all_facts(records):
    """Those of several records, as JSON texts, in an order that does not depend on who ran first."""
    return sorted(json.dumps(facts(record), sort_keys=True) for record in records)
