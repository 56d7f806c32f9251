"""A guest: this machine's files under Debian's kernel, which has WireGuard, in emulation.

Everything that a guest writes stays in its memory, but for `FOLDER`, which it shares with the
host. Software emulation is some twenty times slower than the machine: timings inside are for
ratios only.
"""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.lab import guest_kernel
from tests.lab.guest_kernel import GuestKernel

QEMU = "qemu-system-x86_64"
FOLDER = Path("/mnt/guest")
"""Where a guest finds the shared folder."""
MEMORY_MIB = 2048
BOOT_S_MAX = 120.0  # three seconds on an idle machine
SILENT_S_MAX = 20.0  # while it boots the kernel always has something to say
BOOTS_MAX = 4
# Namespaces and links with many peers end at once when the kernel hurries all processors on.
_KERNEL_COMMAND = "console=ttyS0 panic=-1 mitigations=off rcupdate.rcu_expedited=1"

_BEGIN = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export PYTHONDONTWRITEBYTECODE=1
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s {modules} /lib/modules/
ln -s /proc/self/fd /dev/fd
modprobe tun
ip link set lo up
cd {project}
sh -c '. {folder}/commands' > {folder}/output 2>&1
echo $? > {folder}/status
sync
echo o > /proc/sysrq-trigger
while :; do :; done
"""


def find() -> GuestKernel:
    """Return the kernel of a guest; raise `Missing`, with the reason, if none can be booted."""
    if shutil.which(QEMU) is None:
        raise guest_kernel.Missing(f"a guest needs {QEMU} (Debian's package qemu-system-x86)")
    return guest_kernel.get()


def need() -> GuestKernel:
    """Skip the test, with the reason, unless a guest can be booted here."""
    try:
        return find()
    except guest_kernel.Missing as reason:
        pytest.skip(str(reason))


def run(kernel: GuestKernel, folder: Path, commands: str, timeout_s: float) -> str:
    """Boot a guest, run shell commands in the project's directory, and return what they printed.

    `folder` is shared, as `FOLDER`. Fails if the commands do, or take too long.
    """
    (folder / "commands").write_text(commands)
    begin = _BEGIN.format(modules=kernel.modules, project=Path.cwd(), folder=FOLDER)
    (folder / "begin").write_text(begin)
    guest = _booted(kernel, folder)
    try:
        guest.wait(timeout_s)
    except subprocess.TimeoutExpired:
        pytest.fail(f"the guest did not end within {timeout_s} s:\n{_said(folder)}")
    finally:
        _end(guest)
    status = folder / "status"
    if not status.exists() or status.read_text() != "0\n":
        pytest.fail(f"the guest's commands failed:\n{_said(folder)}")
    return (folder / "output").read_text()


def _booted(kernel: GuestKernel, folder: Path) -> "subprocess.Popen[bytes]":
    """Return a guest that has begun with its commands.

    On a machine that is very busy, one in some dozens hangs in its first second, with both its
    processors waiting for each other: it says nothing any more.
    """
    for _ in range(BOOTS_MAX):
        with (folder / "console").open("wb") as console:
            guest = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", QEMU, *_machine(kernel, folder)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        try:
            if _begins(guest, folder):
                return guest
        except BaseException:
            _end(guest)
            raise
        _end(guest)
    pytest.fail(f"the guest did not boot, {BOOTS_MAX} times:\n{_said(folder)}")


def _begins(guest: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Wait for the first command, as long as the guest goes on saying something."""
    end = time.monotonic() + BOOT_S_MAX
    said, silent_since = 0, time.monotonic()

    def decided() -> bool:
        nonlocal said, silent_since
        before, said, now = said, (folder / "console").stat().st_size, time.monotonic()
        silent_since = now if said > before else silent_since
        begun = (folder / "output").exists() or guest.poll() is not None
        return begun or now > end or now > silent_since + SILENT_S_MAX

    eventually_sync(decided, "the guest to boot", 2 * BOOT_S_MAX)
    return (folder / "output").exists() or guest.poll() is not None


def _end(guest: "subprocess.Popen[bytes]") -> None:
    guest.kill()
    guest.wait()


def _machine(kernel: GuestKernel, folder: Path) -> list[str]:
    share = "local,security_model=none"
    return [
        *("-accel", "tcg,thread=multi", "-smp", "2", "-m", str(MEMORY_MIB)),
        *("-nographic", "-no-reboot", "-nic", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs)),
        *("-append", _KERNEL_COMMAND),
        *("-virtfs", f"{share},path=/,mount_tag=hostroot,readonly=on,multidevs=remap"),
        *("-virtfs", f"{share},path={folder},mount_tag=guest"),
    ]


def _said(folder: Path) -> str:
    """Return the end of what the guest printed."""
    names = ("console", "output")
    texts = [
        (folder / name).read_text(errors="replace") for name in names if (folder / name).exists()
    ]
    return "\n".join(text[-3000:] for text in texts)
