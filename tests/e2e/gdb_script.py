"""Runs inside gdb: stops at the wanted fork and writes both processes' stacks as JSON.

FORKTRACE_GDB holds {"program": [...], "catch": "fork", "number": 1, "child": true, "output": FILE}. `catch` is what
stops: fork, vfork, or the names of system calls, whose entry shows the parent alone. `number` counts these stops.
"""

import json
import os

import gdb

FRAMES_MAX = 512


def frame_json(frame):
    place = frame.find_sal()
    return {
        "pc": hex(frame.pc()),
        "symbol": frame.name(),
        "module": gdb.solib_name(frame.pc()),
        "file": place.symtab.filename if place.symtab else None,
        "line": place.line if place.symtab and place.line else None,
        "inlined": frame.type() == gdb.INLINE_FRAME,
        "tail_call": frame.type() == gdb.TAILCALL_FRAME,
    }


def stack_json():
    frames = []
    frame = gdb.newest_frame()
    stop = None
    while frame is not None and len(frames) < FRAMES_MAX:
        frames.append(frame_json(frame))
        stop = gdb.frame_stop_reason_string(frame.unwind_stop_reason())
        try:
            frame = frame.older()
        except gdb.error as error:
            stop = str(error)
            frame = None
    return {"frames": frames, "stop": stop}


def value(register):
    return int(gdb.parse_and_eval(register).cast(gdb.lookup_type("unsigned long")))


def follow_fork():
    """Makes the child, stopped where the call returned to it, the selected process. It has not run: the step is the
    parent's."""
    gdb.execute("set follow-fork-mode parent")
    gdb.execute("stepi", to_string=True)
    gdb.execute(f"inferior {max(inferior.num for inferior in gdb.inferiors())}", to_string=True)


def follow_vfork():
    """The parent cannot be stepped while the child lives; so the child is, one instruction, which is then undone: the
    stack pointer and the pc are what the parent's are, unless the call gave it a stack of its own."""
    pc, sp = value("$pc"), value("$sp")
    gdb.execute("set follow-fork-mode child")
    gdb.execute("stepi", to_string=True)
    gdb.execute(f"set $pc = {pc}")
    if abs(value("$sp") - sp) <= 8:
        gdb.execute(f"set $sp = {sp}")


def main():
    wanted = json.loads(os.environ["FORKTRACE_GDB"])
    for setting in ("pagination off", "confirm off", "startup-with-shell off", "disable-randomization on",
                    "detach-on-fork off", "debuginfod enabled off", "print finish off", "width 0",
                    "backtrace past-main on"):
        gdb.execute(f"set {setting}", to_string=True)
    gdb.execute("handle all nostop noprint pass", to_string=True)
    program, *arguments = wanted["program"]
    gdb.execute(f"file {program}", to_string=True)
    if arguments:
        gdb.execute("set args " + " ".join(arguments))
    catch = wanted["catch"]
    if catch not in ("fork", "vfork"):
        catch = "syscall " + catch
    if wanted["number"] > 1:
        gdb.execute("set detach-on-fork on")
    gdb.execute(f"catch {catch}", to_string=True)
    gdb.execute("run", to_string=True)
    for _ in range(wanted["number"] - 1):
        gdb.execute("continue", to_string=True)
    gdb.execute("set detach-on-fork off")
    result = {"parent": stack_json()}
    if wanted["child"]:
        (follow_vfork if wanted["catch"] == "vfork" else follow_fork)()
        result["child"] = stack_json()
    with open(wanted["output"], "w", encoding="utf-8") as output:
        json.dump(result, output)


main()
gdb.execute("kill inferiors " + " ".join(str(i.num) for i in gdb.inferiors() if i.pid))
