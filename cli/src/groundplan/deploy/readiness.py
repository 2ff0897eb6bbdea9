"""What stands in the way of production on this machine."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from groundplan.backup.client import BACKUP, REPOSITORY
from groundplan.deploy import containers
from groundplan.deploy.deployment import deployment_of
from groundplan.deploy.encryption import is_encrypted
from groundplan.errors import UserError
from groundplan.model.place import IMAGES_FILE
from groundplan.runtime.docker import engine
from groundplan.runtime.finding import Finding
from groundplan.runtime.native.addresses import is_free
from groundplan.runtime.running import find_offering
from groundplan.secrets.check import check
from groundplan.secrets.inventory import Inventory

_NEEDED_SPACE = 10e9
_CLOCKS_DIFFER = 5.0
_BACKUP_HELP = "docs/operations/backup-restore.md says how they get elsewhere"
_HELP = "docs/operations/security.md says what to do"


def examine(root: Path) -> Iterator[Finding]:
    """Everything that decides whether production can run here, and how safe it is."""
    inventory = Inventory(root)
    yield from _secrets(inventory)
    yield from _domains(inventory)
    yield _images(root)
    yield from _backups(inventory)
    try:
        found = engine.find()
    except UserError as error:
        yield Finding("Docker", "missing", f"{error.what} {error.why} {error.hint}")
        return
    yield Finding("Docker", "ok", f"{found.version}, Compose {found.compose_version}")
    yield from _ports(inventory)
    yield from _data(Path(containers.docker("info", "--format", "{{.DockerRootDir}}").strip()))
    yield _clock()


def require(root: Path) -> None:
    """Raise UserError that lists what keeps production from starting."""
    missing = [finding for finding in examine(root) if finding.status == "missing"]
    if missing:
        raise UserError(
            "Production can't start here.",
            why="\n  ".join(f"{it.subject}: {it.detail}" for it in missing),
            hint="Mend these, then look again: ./gp doctor --production",
        )


def _secrets(inventory: Inventory) -> Iterator[Finding]:
    problems = list(check(inventory))
    for problem in problems:
        status = "note" if problem.is_warning else "missing"
        yield Finding(problem.subject, status, f"{problem.text}: {problem.hint}")
    if not problems:
        yield Finding("Settings and secrets", "ok", "./gp secrets check finds nothing")


def _domains(inventory: Inventory) -> Iterator[Finding]:
    """Where a certificate is got automatically, the authority looks the domains up, too."""
    is_automatic = "@" in inventory.settings.get("TLS", "")
    for name, domain in inventory.settings.items():
        if not name.endswith("DOMAIN"):
            continue
        try:
            found = {item[4][0] for item in socket.getaddrinfo(domain, 443)}
            yield Finding(domain, "ok", f"is at {', '.join(sorted(map(str, found)))}")
        except OSError:
            status = "missing" if is_automatic else "note"
            yield Finding(domain, status, f"has no address: add it to your DNS, or correct {name}")


def _images(root: Path) -> Finding:
    if (root / IMAGES_FILE).exists():
        return Finding("Base images", "ok", f"are pinned by digest in {IMAGES_FILE}")
    return Finding("Base images", "note", "are pinned by version only: a tag may move")


def _backups(inventory: Inventory) -> Iterator[Finding]:
    """Where backups go: on this machine they are lost with it."""
    service = find_offering(inventory.workspace, BACKUP)
    if service is None:
        yield Finding("Backups", "note", "no service makes any")
        return
    place = service.environment.get(REPOSITORY, "")
    folder = next((it for it in service.mounts if Path(place).is_relative_to(it.target)), None)
    if folder and not folder.is_bind:
        detail = f"lie on this machine alone, in the volume {folder.source}: {_BACKUP_HELP}"
        yield Finding("Backups", "note", detail)
    else:
        yield Finding("Backups", "ok", f"go to {folder.source if folder else place}")


def _ports(inventory: Inventory) -> Iterator[Finding]:
    ours = deployment_of(inventory.root).is_running()
    for service in inventory.workspace.services.values():
        for port in {port.published for port in service.ports if port.published}:
            subject = f"Port {port} (for {service.name})"
            if ours or is_free(port):
                yield Finding(subject, "ok", "is ours" if ours else "is free")
            else:
                yield Finding(
                    subject, "missing", f"is taken: stop what has it (ss -ltnp 'sport = :{port}')"
                )


def _data(folder: Path) -> Iterator[Finding]:
    if folder.exists():
        free = shutil.disk_usage(folder).free
        status = "ok" if free > _NEEDED_SPACE else "note"
        yield Finding("Disk", status, f"{free / 1e9:.1f} GB free for images and data in {folder}")
    match is_encrypted(folder):
        case True:
            yield Finding("Encryption of the disk", "ok", f"{folder} is on dm-crypt")
        case False:
            detail = f"{folder} is on a plain disk, unless your provider encrypts it: {_HELP}"
            yield Finding("Encryption of the disk", "note", detail)
        case None:
            detail = f"this machine does not tell for {folder}: {_HELP}"
            yield Finding("Encryption of the disk", "note", detail)


def _clock() -> Finding:
    """Tokens, certificates and signed links are all bound to the time."""
    told = datetime.fromisoformat(containers.docker("info", "--format", "{{.SystemTime}}").strip())
    off = abs((datetime.now(UTC) - told).total_seconds())
    if off > _CLOCKS_DIFFER:
        return Finding("Clock", "missing", f"the engine's differs by {off:.0f} s: set both by NTP")
    if program := shutil.which("timedatectl"):
        words = [program, "show", "--property=NTPSynchronized", "--value"]
        said = subprocess.run(words, capture_output=True, text=True).stdout.strip()
        if said == "no":
            return Finding("Clock", "note", "is not synchronised: timedatectl set-ntp true")
        if said == "yes":
            return Finding("Clock", "ok", "is synchronised")
    return Finding("Clock", "note", "this machine does not tell whether it is set by NTP")
