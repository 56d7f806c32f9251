"""Debian's kernel, which has WireGuard, for a guest: downloaded, not installed, and kept.

Kept in `$XDG_CACHE_HOME/wig/guest`; delete that to have a newer one.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

PACKAGE = "linux-image-amd64"
"""Depends on the newest one. The flavour for clouds has no 9p."""
TOOLS = ("apt-cache", "apt-get", "dpkg-deb", "depmod", "modprobe", "gzip")
DOWNLOAD_TIMEOUT_S = 300.0
FIRST_MODULES = ("9p", "9pnet_virtio", "virtio_pci", "overlay")
_DRIVERS = frozenset({"block", "char", "net", "virtio"})  # of no use to a guest: all others

# Process 1 of the guest. The host's files are underneath, and what is written goes to memory.
_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod $module; done
how=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $how,ro,cache=loose hostroot /lower
$b mount -t tmpfs tmpfs /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work /root
for directory in proc sys dev; do $b mount --move /$directory /root/$directory; done
$b mkdir -p /root/mnt/guest
$b mount -t 9p -o $how guest /root/mnt/guest
exec $b switch_root /root /bin/sh /mnt/guest/begin
"""


class Missing(Exception):
    """The kernel cannot be had here."""


class GuestKernel(NamedTuple):
    """What a guest is booted with."""

    image: Path
    initramfs: Path
    modules: Path
    """The directory that is /lib/modules/VERSION in the guest."""


def get() -> GuestKernel:
    """Return the kernel, downloading it the first time; raise `Missing` with the reason."""
    directory = _cache() / "guest"
    if not directory.exists():
        _require_tools()
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as making:
            fresh = Path(making) / "guest"
            _make(fresh)
            with contextlib.suppress(OSError):  # another process was faster
                fresh.rename(directory)
    (modules,) = (directory / "lib/modules").iterdir()
    return GuestKernel(directory / "vmlinuz", directory / "initramfs", modules)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wig"


def _require_tools() -> None:
    if absent := [name for name in TOOLS if shutil.which(name) is None]:
        raise Missing(f"a kernel with WireGuard needs {', '.join(absent)}")


def _make(directory: Path) -> None:
    """Unpack what a guest needs of Debian's packages."""
    unpacked = directory / "unpacked"
    unpacked.mkdir(parents=True)
    name = _newest(directory)
    if name is None:  # on a fresh machine apt does not know any packages yet
        _run("apt-get", "update", cwd=directory)
        name = _newest(directory) or PACKAGE
    _run("apt-get", "download", name, "busybox-static", cwd=directory)
    for package in directory.glob("*.deb"):
        _run("dpkg-deb", "-x", package.name, unpacked.name, cwd=directory)
        package.unlink()
    next(unpacked.glob("boot/vmlinuz-*")).rename(directory / "vmlinuz")
    modules = next(unpacked.glob("lib/modules/*"))
    shutil.rmtree(modules / "kernel/sound", ignore_errors=True)
    for drivers in (modules / "kernel/drivers").iterdir():
        if drivers.name not in _DRIVERS:
            shutil.rmtree(drivers)
    (unpacked / "lib").rename(directory / "lib")
    _run("depmod", "-b", str(directory), modules.name, cwd=directory)
    _make_initramfs(directory, unpacked / "bin/busybox", modules.name)
    shutil.rmtree(unpacked)


def _newest(directory: Path) -> str | None:
    """Return the package that `PACKAGE` depends on."""
    try:
        said = _run("apt-cache", "depends", "--important", PACKAGE, cwd=directory)
    except Missing:
        return None
    found = [line.split()[1] for line in said.splitlines() if "Depends: linux-image" in line]
    return found[0] if found else None


def _make_initramfs(directory: Path, busybox: Path, version: str) -> None:
    """Pack a shell, the modules that reach the host's files, and `_INIT`."""
    root = directory / "initramfs.d"
    for name in ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin")
    init = root / "init"
    init.write_text(_INIT)
    init.chmod(0o755)
    for number, file in enumerate(_needed(directory, version)):
        shutil.copy(file, root / f"modules/{number:02}-{file.name}")
    pack = f"find . | {busybox} cpio -o -H newc | gzip -1 > ../initramfs"
    _run("sh", "-ec", pack, cwd=root)
    shutil.rmtree(root)


def _needed(directory: Path, version: str) -> list[Path]:
    """Return the files of the first modules and of all that they depend on, in order."""
    options = ("--show-depends", "-d", str(directory), "-S", version)
    lines = [
        line
        for module in FIRST_MODULES
        for line in _run("modprobe", *options, module, cwd=directory).splitlines()
    ]
    files = [Path(line.split()[1]) for line in lines if line.startswith("insmod ")]
    return list(dict.fromkeys(files))


def _run(*command: str, cwd: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=DOWNLOAD_TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise Missing(f"a kernel with WireGuard: {command[0]} does not end") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Missing(f"a kernel with WireGuard: {command[0]}: {reason}")
    return done.stdout
