"""What a driver gives the supervisor."""

import os
import pwd
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from groundplan.model.workspace import Service, Workspace
from groundplan.runtime.native.addresses import Addresses
from groundplan.runtime.native.probes import Probe
from groundplan.runtime.native.requirements import Requirement


@dataclass(frozen=True)
class Account:
    """The ordinary user as whom servers run when root starts them."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Launch:
    """One process, ready to be started."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    cwd: Path
    probe: Probe | None = None
    stdin: bytes | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace: float | None = None
    """Seconds until the process is killed, where that is safe before the service's own time is over."""
    url: str | None = None


@dataclass(frozen=True)
class Site:
    """Where a driver works: the workspace, its native addresses, and folders for the servers."""

    workspace: Workspace
    addresses: Addresses
    account: Account | None = field(default_factory=lambda: server_account())

    def run_folder(self, service: Service) -> Path:
        """A private folder for the server's generated files, emptied by nobody."""
        return self.own(self.workspace.servers / "run" / service.name)

    def volume(self, service: Service, target: str) -> Path:
        """The folder mounted at `target`, made and owned by the server's account."""
        return self.own(self.addresses.volume(service, target))

    def own(self, folder: Path) -> Path:
        """`folder`, made with mode 700 and given to the server's account."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def write(self, path: Path, text: str) -> Path:
        """Write a file that only the server's account may read."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path


class Driver(Protocol):
    """Knows how to run one kind of service as a process."""

    def requirements(self, service: Service) -> Sequence[Requirement]:
        """What must be on this machine."""

    def launch(self, service: Service, site: Site) -> Launch:
        """Prepare the service's files and say how to start it; called in a thread, requirements met."""


def server_account() -> Account | None:
    """The account for servers: None (stay who we are) unless we are root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def as_account(account: Account | None) -> Callable[[], None] | None:
    """A function for `preexec_fn` that gives up root for `account`."""
    if account is None:
        return None

    def drop() -> None:
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)

    return drop
