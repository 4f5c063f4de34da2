#!/usr/bin/python3
"""The kernel of the tests' machine: Debian's newest for amd64, fetched once and unpacked, never installed.

    tests/vm/kernel.py                 fetches it into build/cache/vm, where it is not there yet
    kernel.find()                      {"vmlinux": path, "modules": [paths in the order of loading]}, or None

apt checks what it fetches against Debian's signed lists. The kernel is unpacked further than Debian's boot image, to the
ELF file inside, which QEMU starts directly (PVH): an emulated processor would take seconds to unpack it.
"""

import lzma
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build/cache/vm"
META_PACKAGE = "linux-image-amd64"  # the cloud kernel has no 9p
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")

SETUP_SECTORS = 0x1F1  # Documentation/x86/boot.rst, "The Real-Mode Kernel Header"
PAYLOAD = 0x248  # payload_offset and payload_length
XZ_MAGIC = b"\xfd7zXZ\0"


def find():
    """The newest complete kernel of the cache."""
    for directory in sorted(CACHE.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True):
        order = directory / "order"  # written last
        if order.exists():
            return {"vmlinux": directory / "vmlinux", "modules": [directory / name for name in order.read_text().split()]}
    return None


def fetch():
    """Makes sure that there is one; raises SystemExit with a sentence where that fails."""
    if find():
        return
    if not shutil.which("apt-get"):
        sys.exit("kernel.py: the tests' machine needs a kernel of Debian, and there is no apt-get")
    package = newest_package()
    print(f"  FETCH {package}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".") as temporary:
        temporary = pathlib.Path(temporary)
        run(["apt-get", "download", "-q", package], temporary)
        (archive,) = temporary.glob("*.deb")
        run(["dpkg-deb", "-x", archive.name, "tree"], temporary)
        kernel = temporary / "kernel"
        kernel.mkdir()
        take(temporary / "tree", kernel)
        kernel.rename(CACHE / archive.stem)


def newest_package():
    """The package of the newest kernel, which the meta package depends on."""
    output = run(["apt-cache", "depends", META_PACKAGE])
    match = re.search(r"Depends: (linux-image-\d\S+)", output)
    if not match:
        sys.exit(f"kernel.py: apt knows no {META_PACKAGE}: run apt-get update")
    return match.group(1)


def take(tree, kernel):
    """Copies what is needed of an unpacked package."""
    (image,) = tree.glob("boot/vmlinuz-*")
    (kernel / "vmlinux").write_bytes(unpack_image(image.read_bytes()))
    files = {path.stem.replace("-", "_"): path for path in tree.glob("lib/modules/*/kernel/**/*.ko")}
    order = []
    for name in MODULES:
        add_module(name, files, order)
    for name in order:
        shutil.copyfile(files[name], kernel / f"{name}.ko")
    (kernel / "order").write_text("".join(f"{name}.ko\n" for name in order))


def add_module(name, files, order):
    """Appends a module behind those that it depends on."""
    if name in order:
        return
    needed = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
    for other in needed.group(1).decode().split(",") if needed and needed.group(1) else []:
        add_module(other, files, order)
    order.append(name)


def unpack_image(image):
    """The ELF file in a bzImage."""
    offset, length = struct.unpack_from("<II", image, PAYLOAD)
    begin = (image[SETUP_SECTORS] + 1) * 512 + offset
    payload = image[begin:begin + length]
    if not payload.startswith(XZ_MAGIC):
        sys.exit("kernel.py: the kernel is not packed with xz")
    return lzma.LZMADecompressor().decompress(payload)  # four bytes, its length, follow


def run(command, directory=None):
    """Runs a command; returns its output."""
    result = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no reason told"]
        sys.exit(f"kernel.py: {' '.join(command)}: {lines[-1]}")
    return result.stdout


if __name__ == "__main__":
    fetch()
