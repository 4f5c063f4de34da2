"""Runs inside gdb, as the referee of step_test.c: steps a program and prints each place as `@PC FUNCTION`, the first
one before the first step.

FORKTRACE_STEP holds "COMMAND COUNT START PROGRAM ARGUMENT...": COUNT times COMMAND (step, next, stepi, nexti, finish)
from where gdb's breakpoint at START stops. It ends early where the program does, or where the lines do.
"""

import os

import gdb


def tell():
    frame = gdb.newest_frame()
    if not frame.find_sal().line:
        return False
    print(f"@{frame.pc():x} {frame.name() or '?'}", flush=True)
    return True


def main():
    command, count, start, program, *arguments = os.environ["FORKTRACE_STEP"].split()
    for setting in ("confirm off", "width 0", "debuginfod enabled off", "startup-with-shell off",
                    "debug-file-directory /nonexistent", "print inferior-events off"):
        gdb.execute(f"set {setting}")
    gdb.execute(f"file {program}")
    gdb.execute(f"set args {' '.join(arguments)}")
    gdb.execute(f"tbreak {start}", to_string=True)
    gdb.execute("handle SIGUSR1 nostop noprint pass", to_string=True)
    gdb.execute("run", to_string=True)
    tell()
    for _ in range(int(count)):
        try:
            gdb.execute(command, to_string=True)
            if not gdb.selected_inferior().pid or not tell():
                return
        except gdb.error as error:
            print(f"# {error}")
            return


main()
