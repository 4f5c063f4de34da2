"""Runs inside gdb, as the referee of step_test.c: steps a program and prints each place as `@PC FUNCTION`, the first
one before the first step.

FORKTRACE_STEP holds "COMMAND|COUNT|START|IGNORED|PROGRAM|ARGUMENT...": COUNT times COMMAND (step, next, stepi, nexti, finish)
from where gdb's breakpoint at START stops after IGNORED times. It ends early where the program does, and, but for stepi and nexti, where the
lines do.
"""

import os

import gdb


def tell(by_instruction):
    frame = gdb.newest_frame()
    if not by_instruction and not frame.find_sal().line:
        return False
    print(f"@{frame.pc():x} {frame.name() or '?'}", flush=True)
    return True


def main():
    command, count, start, ignored, program, *arguments = os.environ["FORKTRACE_STEP"].split("|")
    for setting in ("confirm off", "width 0", "debuginfod enabled off", "startup-with-shell off",
                    "debug-file-directory /nonexistent", "inferior-tty /dev/null"):
        gdb.execute(f"set {setting}")
    gdb.execute(f"file {program}")
    gdb.execute(f"set args {' '.join(arguments)}")
    breakpoint = gdb.Breakpoint(start)
    breakpoint.ignore_count = int(ignored)
    gdb.execute("handle SIGUSR1 nostop noprint pass", to_string=True)
    gdb.execute("run", to_string=True)
    breakpoint.delete()
    by_instruction = command in ("stepi", "nexti")
    tell(by_instruction)
    for _ in range(int(count)):
        try:
            gdb.execute(command, to_string=True)
            if not gdb.selected_inferior().pid or not tell(by_instruction):
                return
        except gdb.error as error:
            print(f"# {error}")
            return


main()
