"""gdb as the referee: the stacks that it shows at a fork."""

import json
import pathlib
import shutil
import tempfile

import support

GDB_SCRIPT = pathlib.Path(__file__).resolve().parent / "gdb_script.py"


def available():
    return shutil.which("gdb") is not None


def gdb_stacks(program, *, catch="fork", number=1, child=True, stdin=b""):
    """Runs `program` (path and arguments) under gdb up to the stop `number` at `catch` ("fork", "vfork", or system
    calls such as "clone3") and returns {"parent": {"frames", "stop"}, "child": …}: frames have the names of
    forktrace's JSON, innermost first; `stop` is gdb's reason why there is no further one. Without `child` only the
    parent's. Frames that left the stack by a tail call, which gdb adds from the debug information of the call sites,
    are left out: they are not on the stack.

    The randomisation of addresses is off, as `setarch -R` has it.
    """
    with tempfile.TemporaryDirectory(prefix="forktrace-test.") as directory:
        output = pathlib.Path(directory) / "stacks.json"
        wanted = {"program": program, "catch": catch, "number": number, "child": child, "output": str(output)}
        environment = support.environment(FORKTRACE_GDB=json.dumps(wanted), DEBUGINFOD_URLS=None)
        status, stdout, stderr = support.run_command(["gdb", "-nx", "-batch", "-x", str(GDB_SCRIPT)], stdin=stdin,
                                                     env=environment)
        if not output.exists():
            text = (stdout + stderr).decode(errors="replace")
            raise AssertionError(f"gdb (status {status}) told no stacks of {program}:\n{text}")
        stacks = json.loads(output.read_text())
    for stack in stacks.values():
        stack["frames"] = [frame for frame in stack["frames"] if not frame["tail_call"]]
    return stacks
