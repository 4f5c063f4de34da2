"""A guest that is somebody else's: a kernel of build/cache in a QEMU with a GDB stub, whose process 1 is
guest_lab_init.c.

    with guest_lab.Machine(directory, files) as machine:   booted; machine.kallsyms is a path, machine.stub a socket's
        machine.start("/test_fork"); machine.output()      what it printed, once it has ended
"""

import contextlib
import os
import pathlib
import select
import socket
import subprocess
import time

import support

SOURCE = pathlib.Path(__file__).with_name("guest_lab_init.c")
BOOT_LIMIT_S = 90
MODE_DIRECTORY, MODE_PROGRAM = 0o040755, 0o100755


def newc(name, data, mode, inode):
    """One entry of a cpio archive (linux Documentation/driver-api/early-userspace/buffer-format.rst)."""
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 5, 1, len(name) + 1, 0)
    head = ("070701" + "".join(f"{field:08x}" for field in fields)).encode() + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def archive(files):
    """An initramfs of {guest path: host path}, with the directories above them."""
    directories = sorted({str(parent) for path in files for parent in pathlib.PurePath(path).parents} - {"/"})
    entries = [(path, b"", MODE_DIRECTORY) for path in ("/dev", *directories)]
    entries += [(path, pathlib.Path(host).read_bytes(), MODE_PROGRAM) for path, host in files.items()]
    return b"".join(newc(path.lstrip("/"), data, mode, number) for number, (path, data, mode) in
                    enumerate([*entries, ("TRAILER!!!", b"", 0)], 1))


def compile_init(directory):
    path = os.path.join(directory, "init")
    command = [os.environ.get("CC", "gcc"), "-m32", "-static", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror",
               "-o", path, str(SOURCE)]
    status, _, stderr = support.run_command(command)
    assert status == 0, stderr.decode()
    return path


def kernel(flavour=""):
    return support.guest_options(flavour)[1].partition("=")[2]


class Machine:
    """QEMU as a user starts it; `files` is {guest path: host path} of what is in it besides process 1."""

    def __init__(self, directory, files, *, flavour="", qemu="qemu-system-i386", options=(), append=(), tcp=False):
        self.directory = pathlib.Path(directory)
        self.stub = str(self.directory / "stub")
        self.kallsyms = str(self.directory / "kallsyms")
        initramfs = self.directory / "initramfs"
        initramfs.write_bytes(archive({"/init": compile_init(directory), **files}))
        self.serial, theirs = socket.socketpair()
        gdb = ["-gdb", f"unix:{self.stub},server=on,wait=off"]
        if tcp:
            with socket.socket(socket.AF_INET6 if tcp == "::1" else socket.AF_INET) as probe:
                probe.bind((tcp, 0))
                port = probe.getsockname()[1]
            self.stub = f"[{tcp}]:{port}" if ":" in tcp else f"{tcp}:{port}"
            # QEMU's own "tcp:[::1]:PORT" knows no brackets (7.2).
            gdb = ["-chardev", f"socket,id=g,host={tcp},port={port},server=on,wait=off", "-gdb", "chardev:g"]
        command = [qemu, "-accel", "tcg", "-m", "128", "-display", "none", "-nodefaults", "-no-reboot",
                   "-serial", f"file:{self.directory}/console", "-chardev", f"socket,id=s,fd={theirs.fileno()}",
                   "-serial", "chardev:s", "-chardev", f"file,id=k,path={self.kallsyms}",
                   "-device", "isa-debugcon,iobase=0xe9,chardev=k", "-kernel", kernel(flavour), "-initrd",
                   str(initramfs), "-append", " ".join(["console=ttyS0 quiet panic=-1 cryptomgr.notests", *append]),
                   *gdb, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                                        preexec_fn=support.die_with_tests)
        theirs.close()
        self.text = b""
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            self.wait_line(b"ready", BOOT_LIMIT_S)
            stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.serial.close()

    def read_line(self, limit=support.EVENT_LIMIT_S):
        """The next line that the guest prints, without its end."""
        deadline = support.deadline_after(limit)
        while b"\n" not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.serial], [], [], left)[0]:
                raise AssertionError(f"the guest says nothing for {limit} s; so far: {self.text!r}")
            piece = self.serial.recv(1 << 16)
            if not piece:
                raise AssertionError(f"QEMU has ended; the guest's last words: {self.text!r}")
            self.text += piece
        line, _, self.text = self.text.partition(b"\n")
        return line.rstrip(b"\r")

    def wait_line(self, wanted, limit=support.EVENT_LIMIT_S):
        """Lines up to one that begins so, that one included."""
        lines = [self.read_line(limit)]
        while not lines[-1].startswith(wanted):
            lines.append(self.read_line(limit))
        return lines

    def start(self, *words):
        """Has process 1 run a program."""
        self.serial.sendall(" ".join(words).encode() + b"\n")

    def output(self, limit=support.RUN_LIMIT_S):
        """What the program printed; fails where it ended badly."""
        lines = self.wait_line(b"ended ", limit)
        assert lines[-1] == b"ended 0", lines
        return b"\n".join(lines[:-1]) + b"\n"

    def run(self, *words):
        self.start(*words)
        return self.output()
