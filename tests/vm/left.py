"""The tests that this machine cannot run, for its kernel or its processor, are run in the emulated one (vm.py).

A test is left when it was skipped for such a reason (LACKS), or ran for x86_64 alone. What the last whole run left is
kept in build/tests/vm/left.json, for `make check-vm`.
"""

import json
import os
import pathlib
import re
import sys

import vm

EXTENTS = ("none", "core", "all", "only")
LACKS = re.compile(r"\bthis (kernel|machine's processor) (runs|has) no ")
PART = 6  # tests of a class that one process runs there
PATIENCE = 8  # what all limits are multiplied by
SILENCE_S = 1800  # longer than a test may take there

# The core, which `make check` itself runs there: registers, each kind of fork and each way into the kernel with both of its
# halves, stacks against gdb's and libunwind's, execs between the ABIs, stepping, and the processor's breakpoints.
CORE = re.compile(r"""(?x)
    ^unit\.(?!step_test|guest)
    | ^test_facts\.FactsKernel_i386\.(?!test_signal|test_storm)
    | ^test_facts\.FactsNoSeccomp_i386\.test_(fork|clone3|fail|exec)$
    | ^test_stacks\.Gdb_i386\.test_(fork|fork_stripped|clone|deep_o2|spawn|threads_static|int80|vfork)$
    | ^test_stacks\.CompareTool\.test_(fork|deep|spawn|threads)_i386(_o2)?$
    | ^test_attach\.Attach\.test_i386$
    | ^test_robust\.Odd\.test_(exec_between_abis|x32_program)$
    | ^test_tui\.Stepper\.test_fork_at_80x24$
    | ^test_tui\.Scripted\.test_(exec|lines)$
    | ^test_tui\.Hardware\.test_(breakpoint|watchpoint|breakpoint_of_a_killed_forktrace)_i386$
    | ^test_privilege\.Namespaces\.test_overlay$
    """)

# Run there, too, for its kernel is older than this machine's may be: what a test asks of a kernel that has changed since.
OLDER_KERNEL = {"test_privilege.Namespaces.test_overlay": "the emulated machine's kernel is another one"}


def is_left(reason):
    """Was the test skipped because this machine is what it is?"""
    return bool(LACKS.search(reason))


def environment():
    """Of the tests there."""
    return {**os.environ, "FORKTRACE_TEST_PATIENCE": str(PATIENCE)}


class Visit:
    """What is left of a run of check.py's, and its run there. `results`, `arguments`: check.py's."""

    def __init__(self, results, arguments):
        self.results = results
        self.extent = arguments.vm
        self.arguments = arguments
        self.record = vm.ROOT / arguments.build / "tests/vm/left.json"
        self.names = self.record.with_name("wanted.json")
        self.missing = set()  # those whose result is still to come
        self.text = b""
        results.keep_left = self.extent != "none"

    def known(self):
        """Is there no need to run anything here?"""
        return self.extent == "only" and self.record.exists()

    def left(self):
        """{test: why it was left}."""
        if self.known():
            return json.loads(self.record.read_text())
        found = {**self.results.left, **self.results.narrowed}
        found.update(OLDER_KERNEL if found else {})
        if not self.arguments.pattern:
            self.record.parent.mkdir(parents=True, exist_ok=True)
            self.record.write_text(json.dumps(found, indent=1))
        return found

    def run(self):
        """Runs what is wanted of them, and tells of the others that they are skipped."""
        if self.extent == "none":
            return
        tests = {name: reason for name, reason in self.left().items() if self.arguments.pattern in name}
        lacking = vm.missing(self.arguments.build)
        wanted = [name for name in tests if not lacking and (self.extent != "core" or CORE.search(name))]
        why = lacking or "make check-vm runs it in an emulated machine"
        self.results.keep_left = False
        skipped = tests if self.known() else [name for name in self.results.left if name in tests]
        for name in [name for name in skipped if name not in wanted]:
            self.results.add(name, "skipped", f"{tests[name]}; {why}")
        if wanted:
            self.visit(wanted)

    def visit(self, wanted):
        self.names.parent.mkdir(parents=True, exist_ok=True)
        self.names.write_text(json.dumps(wanted))
        self.missing = set(wanted)
        for name in wanted:
            self.results.narrowed.pop(name, None)
        command = [sys.executable, "tests/check.py", f"--bin={self.arguments.bin}", f"--build={self.arguments.build}",
                   f"--names={self.names}", f"-j{vm.CPUS}"]
        try:
            status = vm.run(command, self.take, self.take_error, environment=environment(), directory=vm.ROOT,
                            build=self.arguments.build, silence=SILENCE_S)
            why = f"the emulated machine's tests ended before it: exit status {status}"
        except vm.MachineError as error:
            why = str(error)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(130)
        for name in sorted(self.missing):
            self.results.add(f"vm.{name}", "failed", why)

    def take(self, data):
        """Results, as they come; whatever else is printed there comes through."""
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            if not line.startswith(b'{"name": '):
                self.take_error(line + b"\n")
                continue
            fields = json.loads(line)
            self.missing.discard(fields["name"])
            self.results.add(f"vm.{fields.pop('name')}", **fields)

    def take_error(self, data):
        sys.stderr.buffer.write(data)
        sys.stderr.flush()
