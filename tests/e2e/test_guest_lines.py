"""Source lines and inlined functions of a guest's kernel: the debug information is made here, by the compiler, for functions
that lie where those of the real kernel do; so what a record must say of them is known."""

import os
import pathlib
import re
import tempfile
import unittest

import support

LINES_EACH = 10000  # of the made source, for each function
STEP = 16           # bytes of code that have one line
CALLED_FROM_INLINED = "kernel_clone"  # its call is made in an inlined function of ours, "made_up"
MADE_UP_LINE = 7

# Tells the symbols that it is asked for, and the kernel's notes.
ASKING = r"""
    #include <stdio.h>
    #include <string.h>
    int main(int argc, char **argv)
    {
        char line[512], name[256];
        unsigned long address;
        FILE *symbols = fopen("/proc/kallsyms", "r"), *notes = fopen("/sys/kernel/notes", "r");
        while (symbols && fgets(line, sizeof(line), symbols)) {
            if (sscanf(line, "%lx %*c %255s", &address, name) != 2 || strchr(line, '['))
                continue;
            for (int i = 1; i < argc; i++)
                if (!strcmp(name, argv[i]))
                    printf("%s 0x%lx\n", name, address);
        }
        printf("notes ");
        for (int byte; notes && (byte = getc(notes)) != EOF;)
            printf("%02x", byte);
        return 0;
    }"""


def place(frame, innermost):
    """The byte that a frame's line is that of, from the start of its function."""
    return frame["offset"] - (0 if innermost else 1)


class Lines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="forktrace-test.")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.made = pathlib.Path(cls.directory.name)
        cls.options = support.guest_options()
        # A snapshot of its own: all runs are of one boot, so that the kernel's addresses stay what they are.
        cls.environment = support.environment(XDG_CACHE_HOME=str(cls.made / "cache"))
        asking = cls.compile("asking", ASKING, "-static", "-D_GNU_SOURCE")
        cls.record = cls.trace()
        kernel = cls.record["kernel"]
        cls.frames = [*kernel["parent_frames"], *kernel["child_frames"]]
        cls.offsets = {}  # of each function, the last byte that is asked for
        for stack in kernel["parent_frames"], kernel["child_frames"]:
            for index, frame in enumerate(stack):
                cls.offsets[frame["symbol"]] = max(place(frame, index == 0), cls.offsets.get(frame["symbol"], 0))
        cls.offsets["wake_up_new_task"] = 0
        run = support.trace([asking, "_stext", *cls.offsets], cls.options, env=cls.environment)
        *symbols, notes = run.stdout.decode().splitlines()
        cls.symbols = {name: int(address, 16) for name, address in map(str.split, symbols)}
        cls.build_id = re.search("040000001400000003000000474e5500([0-9a-f]{40})", notes).group(1)

    @classmethod
    def compile(cls, name, source, *options):
        path = cls.made / name
        command = [os.environ.get("CC", "gcc"), "-m32", "-xc", "-o", path, "-", *options]
        status, _, stderr = support.run_command(command, stdin=source.encode())
        assert status == 0, stderr.decode()
        return path

    @classmethod
    def trace(cls, *options):
        run = support.trace([support.built_target("i386", "test_fork")], [*cls.options, *options],
                            env=cls.environment)
        assert run.status == 0, run
        (record,) = run.forks()
        return record

    def first_line(self, function):
        return LINES_EACH * (1 + sorted(self.offsets).index(function))

    def source(self):
        """Functions of nothing but bytes, a line for each sixteen of them."""
        text = [f'#line {MADE_UP_LINE} "made/up.h"\n'
                "static inline __attribute__((always_inline)) void made_up(void) "
                f'{{ __asm__ volatile("nop; .skip {STEP - 1}, 0x90"); }}']
        for function, last in self.offsets.items():
            text.append(f'#line {self.first_line(function)} "made/kernel.c"\n'
                        f'__attribute__((section(".text.{function}"))) void {function}(void) {{')
            for number in range(last // STEP + 1):
                inlined = function == CALLED_FROM_INLINED and number == last // STEP
                text.append("made_up();" if inlined else f'__asm__ volatile("nop; .skip {STEP - 1}, 0x90");')
            text.append("}")
        # A function starts on the line of its name, where its first line of code shall be.
        return "\n".join(text).replace(") {\n", ") {")

    def vmlinux(self, name, build_id="none", base=0xc1000000, moved=None):
        """The kernel as the linker puts it together at `base`; the function `moved` stands a little too far."""
        places = sorted((self.symbols[function], function) for function in self.offsets)
        script = [f"SECTIONS {{ .text 0x{base:x} : SUBALIGN(1) {{ _stext = .;"]
        for address, function in places:
            offset = address - self.symbols["_stext"] + (STEP if function == moved else 0)
            script.append(f". = 0x{offset:x}; *(.text.{function})")
        (self.made / "script").write_text("\n".join([*script, "} /DISCARD/ : { *(.eh_frame) *(.note.gnu.p*) } }"]))
        return self.compile(name, self.source(), "-g", "-O1", "-fno-pie", "-no-pie", "-static", "-nostdlib",
                            "-fcf-protection=none", "-fomit-frame-pointer", f"-Wl,-T,{self.made}/script",
                            f"-Wl,--build-id={build_id}", "-Wl,-e,0")

    def expected(self, stack):
        """What the frames of the bare stack become, as (symbol, file's end, line, inlined)."""
        for index, frame in enumerate(stack):
            function = frame["symbol"]
            line = self.first_line(function) + place(frame, index == 0) // STEP
            if function == CALLED_FROM_INLINED:
                yield "made_up", "made/up.h", MADE_UP_LINE, True, frame["pc"]
            yield function, "made/kernel.c", line, False, frame["pc"]

    def check(self, record):
        for half in "parent_frames", "child_frames":
            bare, named = self.record["kernel"][half], record["kernel"][half]
            self.assertTrue(all(not frame["file"] for frame in bare))
            got = [(frame["symbol"], frame["file"], frame["line"], frame["inlined"], frame["pc"]) for frame in named]
            wanted = list(self.expected(bare))
            self.assertEqual([frame[2:] + frame[:1] for frame in got], [frame[2:] + frame[:1] for frame in wanted])
            for frame, (_, name, *_) in zip(got, wanted):
                self.assertTrue(frame[1].endswith(name), frame)
        for step in record["kernel"]["walk"]:
            function = step["function"]
            if function not in self.offsets:
                continue
            offset = int(step["address"], 16) - self.symbols[function] - (step["observed"] == "stack")
            self.assertEqual(step["line"], self.first_line(function) + offset // STEP, step)
            self.assertTrue(step["file"].endswith("made/kernel.c"), step)

    def test_same_build(self):
        self.check(self.trace(f"--guest-debug-info={self.vmlinux('same', '0x' + self.build_id)}"))

    def test_without_build_id(self):
        """Told by where its functions are; wherever the file says that they start."""
        self.check(self.trace(f"--guest-debug-info={self.vmlinux('nameless')}"))
        self.check(self.trace(f"--guest-debug-info={self.vmlinux('elsewhere', base=0xd0400000)}"))

    def test_report(self):
        """In 80 columns, in the record and in the walk."""
        command = [support.FORKTRACE, *self.options, f"--guest-debug-info={self.vmlinux('same')}",
                   support.built_target("i386", "test_fork")]
        status, _, text = support.run_command(command, env=self.environment)
        lines = text.decode().splitlines()
        self.assertEqual(status, 0)
        self.assertTrue(all(len(line) <= 80 for line in lines), text.decode())
        self.assertRegex(text.decode(), fr"\n +made_up \(inlined\) +up\.h:{MADE_UP_LINE}\b")
        self.assertRegex(text.decode(), fr"\n +copy_process +kernel\.c:{self.first_line('copy_process')}\b")
        self.assertRegex(text.decode(), fr"\n +at kernel\.c:{self.first_line('wake_up_new_task')}\n")

    def refuse(self, path, *parts):
        command = [support.FORKTRACE, *self.options, f"--guest-debug-info={path}",
                   support.built_target("i386", "test_fork")]
        status, stdout, stderr = support.run_command(command, env=self.environment)
        text = stderr.decode()
        self.assertEqual((status, stdout, len(text.splitlines())), (125, b"", 1), text)
        for part in (str(path), *parts):
            self.assertIn(part, text)

    def test_other_kernel(self):
        release = self.record["kernel"]["release"]
        other = f"{int(self.build_id, 16) ^ 1:040x}"
        self.refuse(self.vmlinux("other", "0x" + other), release, other, self.build_id)
        self.refuse(self.vmlinux("moved", moved="kernel_clone"), release, "distances")

    def test_other_files(self):
        whole = self.vmlinux("same", "0x" + self.build_id)
        for option, name in ("-s", "stripped"), ("-g", "plain"):
            self.assertEqual(support.run_command(["strip", option, "-o", self.made / name, whole])[0], 0)
        self.refuse("/nonexistent", "cannot be read")
        self.refuse(self.made, "regular")
        self.refuse(support.BUILD / "cache/forktrace/guest/vmlinuz", "not an ELF file")
        self.refuse(support.FORKTRACE, "64-bit")
        self.refuse(support.built_target("i386", "test_fork"), "not a kernel")
        self.refuse(self.made / "stripped", "stripped")
        self.refuse(self.made / "plain", "no debug information")
