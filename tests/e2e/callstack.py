"""Frames of stacks: showing them, and telling whether two tools mean the same by them."""

import functools
import os
import re
import subprocess


def symbols(frames):
    return [frame["symbol"] for frame in frames]


def format_frames(frames):
    """Frames as text, for messages: forktrace's and gdb's have the same keys."""
    lines = []
    for number, frame in enumerate(frames):
        place = f"{frame['file']}:{frame['line']}" if frame.get("file") else frame.get("module")
        inlined = " (inlined)" if frame.get("inlined") else ""
        name = frame["symbol"] or "??"
        lines.append(f"#{number:<2} {frame['pc']} {name}{inlined} at {place} {frame.get('method', '')}".rstrip())
    return "\n".join(lines)


@functools.cache
def function_addresses(path):
    """{name: address} of the function symbols of an ELF file, without versions."""
    names = {}
    for table in ("--symbols", "--dyn-syms"):
        output = subprocess.run(["readelf", "--wide", table, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                check=False, text=True).stdout
        for line in output.splitlines():
            words = line.split()
            if len(words) >= 8 and words[3] in ("FUNC", "IFUNC", "NOTYPE") and words[6] != "UND":
                names[words[7].split("@")[0]] = int(words[1], 16)
    return names


def same_function(first, second, frame):
    """Do two names stand for the same address of the frame's module? libc gives one function several names (fork,
    __fork, __libc_fork, __GI__Fork), and which of them is shown is a matter of taste."""
    if first == second:
        return True
    if not first or not second or not frame["module"]:
        return False
    names = {**function_addresses(frame["module"]), **function_addresses(separate_debug_file(frame))}
    return first in names and names[first] == names.get(second)


def separate_debug_file(frame):
    """Where the frame's module has its debug information if that is installed apart, as Debian's -dbg packages do."""
    build_id = frame["build_id"] or "--"
    return f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"


@functools.cache
def line_rows(path):
    """The line table of an ELF file: {address: [(file, line), …]}; every row, also those that are no statement's."""
    output = subprocess.run(["readelf", "--wide", "--debug-dump=decodedline", path], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False, text=True).stdout
    rows = {}
    for match in re.finditer(r"^(\S+)\s+(\d+)\s+(0x[0-9a-f]+)", output, re.MULTILINE):
        rows.setdefault(int(match.group(3), 16), []).append((match.group(1), int(match.group(2))))
    return rows


def same_line_row(frame, other_line):
    """Do the frame's line and another one stand at the same address of the line table? Then gdb, which passes over rows
    that begin no statement, and libdw may choose differently."""
    start = function_addresses(frame["module"]).get(frame["symbol"]) if frame["module"] else None
    if start is None:
        return False
    rows = line_rows(frame["module"])
    last = max((address for address in rows if address < start + frame["offset"]), default=None)
    lines = {line for file, line in rows.get(last, []) if file == os.path.basename(frame["file"] or "")}
    return {frame["line"], other_line} <= lines
