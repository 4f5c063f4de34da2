"""The tests' machine: QEMU emulates one that has what this one may lack (a kernel that runs 32-bit programs, a processor
with debug registers), and a command runs there as root, on this machine's files.

    status = vm.run(["make", "demo"], stdout, stderr)

The root file system is shared read-only by 9p; what is written stays in the machine's memory. It has no network and no
display, and dies with this process. What goes in (the command, its environment and directory) and comes out: init.c.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import kernel

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QEMU = "qemu-system-x86_64"
MEMORY_MB = 2048
CPUS = 2
# TCG lets Intel's processors alone enter the kernel by sysenter in 64-bit mode, and AMD's alone by a 32-bit syscall. With
# SMAP, QEMU 7.2 takes the stack of a user's far return for the kernel's access.
PROCESSORS = {"intel": "max,vendor=GenuineIntel,smap=off", "amd": "max,vendor=AuthenticAMD,smap=off"}
CONSOLE = "console=ttyS0 quiet panic=-1 rdinit=/init"
# What only costs time in an emulated machine; programs of the x32 ABI run.
SPEED = "mitigations=off cryptomgr.notests tsc=reliable no_timer_check random.trust_cpu=on nowatchdog"
ABIS = "syscall.x32=y"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
S_IFREG, S_IFDIR = 0o100000, 0o040000


class MachineError(Exception):
    """The machine could not be started, or ended without the command's status."""


def missing(build=ROOT / "build"):
    """Why there can be no machine here, as a sentence; None when there can."""
    if not shutil.which(QEMU):
        return f"{QEMU} is not installed (Debian: qemu-system-x86)"
    if not init_program(build).exists():
        return f"{init_program(build)} was not built: run make vm"
    if not kernel.find():
        return "there is no kernel for the tests' machine: make vm fetches it"
    return None


def init_program(build):
    return pathlib.Path(build) / "tests/vm/init"


# --- the initramfs ----------------------------------------------------------------------------------------------------


def cpio_entry(name, mode, data=b""):
    """One member of a cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    name = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def words(values):
    return b"".join(os.fsencode(value) + b"\0" for value in values)


def initramfs(command, environment, directory, build):
    """The machine's first file system, as bytes."""
    modules = kernel.find()["modules"]
    shown = [str(ROOT)] if ROOT.is_relative_to("/tmp") else []
    files = {"init": init_program(build).read_bytes(), **{path.name: path.read_bytes() for path in modules}}
    files["modules"] = "".join(f"{path.name}\n" for path in modules).encode()
    files["command"] = words(command)
    files["environment"] = words(f"{name}={value}" for name, value in environment.items())
    files["places"] = words([directory, *shown])
    archive = b"".join(cpio_entry(name, S_IFDIR | 0o755) for name in ("dev", "root"))
    archive += b"".join(cpio_entry(name, S_IFREG | 0o755, data) for name, data in files.items())
    return archive + cpio_entry("TRAILER!!!", 0)


# --- the machine ------------------------------------------------------------------------------------------------------


def qemu_command(processor, initrd, port, console):
    """initrd, port, console: descriptors that QEMU inherits."""
    return [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
            "-accel", "tcg,thread=multi", "-cpu", PROCESSORS[processor], "-smp", str(CPUS), "-m", str(MEMORY_MB),
            "-kernel", str(kernel.find()["vmlinux"]), "-initrd", f"/proc/self/fd/{initrd}",
            "-append", f"{CONSOLE} {SPEED} {ABIS}",
            "-chardev", f"file,id=console,path=/proc/self/fd/{console}", "-serial", "chardev:console",
            "-device", "virtio-serial-pci,max_ports=2",
            "-chardev", f"socket,id=port,fd={port}", "-device", "virtserialport,chardev=port,nr=1",  # the first device: vport0p1
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]


def die_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def messages(channel):
    """Yields (letter, bytes) of what process 1 sends, until the machine is gone."""
    with channel.makefile("rb") as stream:
        while len(head := stream.read(5)) == 5:
            kind, length = struct.unpack("=cI", head)
            yield kind.decode(), stream.read(length)


def run(command, stdout, stderr, *, environment=None, directory=None, build=ROOT / "build", processor="intel",
        silence=None):
    """Runs a command in a machine of its own; returns its exit status, 128 + n where signal n killed it.

    stdout, stderr: called with bytes as they come. processor: of PROCESSORS. silence: seconds without a sound after
    which the machine is given up. Raises MachineError with a sentence, and the console's text.
    """
    if reason := missing(build):
        raise MachineError(reason)
    ours, port = socket.socketpair()
    archive = initramfs(command, os.environ if environment is None else environment, directory or os.getcwd(), build)
    ours.settimeout(silence)
    with ours, port, tempfile.TemporaryFile() as initrd, tempfile.TemporaryFile() as console:
        initrd.write(archive)
        initrd.flush()
        inherited = [initrd.fileno(), port.fileno(), console.fileno()]
        process = subprocess.Popen(qemu_command(processor, *inherited), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                   pass_fds=inherited, preexec_fn=die_with_us, start_new_session=True)
        port.close()
        try:
            return serve(messages(ours), stdout, stderr, console)
        except TimeoutError:
            raise MachineError(f"the machine said nothing for {silence} seconds") from None
        finally:
            process.kill()
            process.wait()


def serve(received, stdout, stderr, console):
    for kind, data in received:
        if kind == "o":
            stdout(data)
        elif kind == "e":
            stderr(data)
        elif kind == "s":
            return int(data)
        else:
            raise MachineError(f"the machine: {data.decode(errors='replace')}")
    size = os.fstat(console.fileno()).st_size
    text = os.pread(console.fileno(), size, 0).decode(errors="replace")
    raise MachineError(f"the machine ended before the command did; its console:\n{text}")
