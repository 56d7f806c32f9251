"""A unit of deploy/systemd, whose user is imitated on a host of the lab, which has no systemd."""

import sys
from pathlib import Path
from typing import Self

from tests.lab.host import Host

PROJECT = Path(__file__).parents[2]
UNITS = PROJECT / "deploy" / "systemd"
TREES = (PROJECT, Path(sys.base_prefix))
ID = "990"  # of the user: any that is nobody's
AS_USER = (
    "setpriv", f"--reuid={ID}", f"--regid={ID}", "--clear-groups",
    "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
)  # fmt: skip
"""Before a command: nothing of root is left."""


def let_in(host: Host) -> None:
    """Let the user come to the programs, also in a checkout below /root, which is root's alone."""
    closed = {one for tree in TREES for one in tree.parents if not one.stat().st_mode & 0o001}
    for top in [one for one in closed if not closed.intersection(one.parents)]:
        trees = {f"/run/trees/{tree.name}": str(tree) for tree in TREES if top in tree.parents}
        lines = [f"mkdir -p {kept}; mount --bind {tree} {kept}" for kept, tree in trees.items()]
        lines += [f"mount -t tmpfs -o mode=755 tmpfs {top}"]
        lines += [f"mkdir -p {tree}; mount --bind {kept} {tree}" for kept, tree in trees.items()]
        host.run("sh", "-ec", "\n".join(lines))  # at once: commands begin in the project


class Unit:
    """What a unit says about who runs its program, and with which files."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.name = path.stem
        lines = [line for line in path.read_text().splitlines() if "=" in line and line[0] != "#"]
        self._settings = [line.partition("=")[::2] for line in lines]

    @classmethod
    def of(cls, program: str) -> Self:
        """Return the unit of `wig datastore`, `nats-server -c` or whatever runs."""
        name = "nats" if program.startswith("nats-server") else program.split()[1]
        return cls(UNITS / f"wig-{name}.service")

    def all(self, name: str) -> list[str]:
        """Return the values of a setting."""
        return [value for setting, value in self._settings if setting == name]

    @property
    def user(self) -> str:
        """Who runs it; empty: root."""
        return "".join(self.all("User"))

    def prepared(self, host: Host, line: str) -> str:
        """Do what systemd does before it starts the program; return the line that starts it.

        The line is that of the instructions: it names the same files as the unit, but the
        directory of the secrets, of which the user gets copies.
        """
        (directory,), (started,) = self.all("StateDirectory"), self.all("ExecStart")
        db = line.split("--db ")[1].split(maxsplit=1)[0]
        assert db in started.split()
        assert Path(db).parent == Path("/var/lib", directory)
        secrets = f"/run/credentials/{self.name}"
        host.run("install", "-d", "-m", "700", f"/var/lib/{directory}")
        host.run("chown", "-R", f"{ID}:{ID}", f"/var/lib/{directory}")
        host.run("install", "-d", "-m", "755", "/run/credentials")
        host.run("install", "-d", "-m", "500", "-o", ID, secrets)
        for credential in self.all("LoadCredential"):
            name, _, source = credential.partition(":")
            host.run("install", "-m", "400", "-o", ID, source, f"{secrets}/{name}")
        words = line.replace("--server-keys /etc/wig/nats", f"--server-keys {secrets}")
        return " ".join((*AS_USER, *words.split()))
