"""Plans what `./gp remove` does."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import flows, markers, source
from groundplan.model.place import FILES, page_of
from groundplan.model.workspace import Service
from groundplan.scaffold.names import Taken
from groundplan.scaffold.plan import Change, Plan, completed, read
from groundplan.scaffold.template import (
    Block,
    Names,
    Template,
    all_templates,
    walk,
)


@dataclass(frozen=True)
class Removal:
    """The plan, and what would be lost for good by it."""

    plan: Plan
    lost: tuple[str, ...]
    """Files, or entries of files, that are neither as a template makes them nor committed."""
    volumes: tuple[str, ...]
    """Volumes that are no longer declared; their data stay."""


def plan_removal(root: Path, name: str) -> Removal:
    """The plan that removes a service.

    Raises UserError where others need the service, or where it stands outside of the markers.
    """
    taken = Taken.of(root)
    service = taken.workspaces[0].services.get(name) or taken.workspaces[-1].service(name)
    _refuse_dependents(taken, name)
    target = _Target(root, service, _own_volumes(taken, service), _own_secrets(taken, service))
    texts = target.without_entries()
    _refuse_calls(root, name, texts)
    page, folder = page_of(name), _own_folder(root, service, taken)
    changes = [Change(path, read(root, path), text.encode()) for path, text in texts.items()]
    if (content := read(root, page)) is not None:
        changes.append(Change(page, content, None))
    plan = Plan(f"remove {name}", tuple(changes), (folder,) if folder else ())
    lost = (*target.lost_entries(), *target.lost_files(page, folder))
    return Removal(completed(root, plan), lost, target.volumes)


class _Target:
    """The service that goes, and how each template would have made it."""

    def __init__(
        self, root: Path, service: Service, volumes: tuple[str, ...], secrets: tuple[str, ...]
    ) -> None:
        self.root = root
        self.volumes = volumes
        self._secrets = secrets
        self._service = service
        port = service.ports[0] if service.ports else None
        mounted = [mount.target for mount in service.mounts if mount.source in volumes]
        self._names = Names(
            service.name,
            port.target if port else 0,
            port.published or 0 if port else 0,
            service.image,
            mounted[0] if mounted else "",
        )

    def without_entries(self) -> dict[Path, str]:
        """Each file of the workspace that says something of the service, without that."""
        texts: dict[Path, str] = {}
        for path, section, key in self._entries():
            text = texts.get(path) or _text(self.root, path)
            texts[path] = markers.remove_entry(text, section, key, str(path))
        for block in self._other_blocks():
            text = texts.get(block.file) or _text(self.root, block.file)
            if markers.contains(text, block.section, block.text, str(block.file)):
                texts[block.file] = markers.remove(text, block.section, block.text, str(block.file))
        return texts

    def lost_entries(self) -> Iterator[str]:
        """Entries of Compose files that can't be got back, as "file: name"."""
        made = {(block.file, block.text) for blocks in self._blocks for block in blocks}
        for path, section, key in self._entries():
            entry = markers.entry(_text(self.root, path), section, key, str(path)) or ""
            committed = _committed(self.root, path)
            if (path, entry.strip("\n")) in made:
                continue
            if committed is None or entry not in _dedented(committed):
                yield f"{path}: {key}"

    def lost_files(self, page: Path, folder: Path | None) -> Iterator[str]:
        """Files that can't be got back."""
        made: dict[Path, set[bytes]] = {}
        for template in self._templates:
            for path, (content, _) in template.files(self._names).items():
                made.setdefault(path, set()).add(content)
        files = [file.relative_to(self.root) for file in walk(self.root / folder)] if folder else []
        for path in (page, *sorted(files)):
            found = read(self.root, path)
            if found is None or found in made.get(path, ()):
                continue
            if found != _committed(self.root, path):
                yield str(path)

    def _entries(self) -> Iterator[tuple[Path, str, str]]:
        """File, section and key of every entry that goes; raises UserError for one outside of markers."""
        for name in sorted({name for files in FILES.values() for name in files}):
            if not (self.root / name).exists():
                continue
            sections = markers.sections(_text(self.root, Path(name)), name)
            tree = source.read(self.root / name)
            keys = {
                "services": (self._service.name,),
                "volumes": self.volumes,
                "secrets": self._secrets,
            }
            for top, wanted in keys.items():
                for key in wanted:
                    if key not in (tree.get(top) or {}):
                        continue
                    if key not in sections:
                        line = source.locate([self.root / name], (top, key))[1]
                        raise UserError(
                            f"{name}:{line} has {key} outside of the markers.",
                            hint="Put it between them, or remove it by hand.",
                        )
                    yield Path(name), sections[key], key

    def _other_blocks(self) -> Iterator[Block]:
        compose_files = {name for files in FILES.values() for name in files}
        for blocks in self._blocks:
            yield from (block for block in blocks if str(block.file) not in compose_files)

    @cached_property
    def _templates(self) -> list[Template]:
        return all_templates()

    @cached_property
    def _blocks(self) -> list[list[Block]]:
        return [list(template.blocks(self._names)) for template in self._templates]


def _refuse_dependents(taken: Taken, name: str) -> None:
    address = re.compile(rf"(?<![\w.-])(?:{re.escape(name)}:\d|//{re.escape(name)}(?![\w.-]))")
    for space in taken.workspaces:
        for other in space.services.values():
            if other.name == name:
                continue
            texts = [*other.environment.items(), *(("command", word) for word in other.command)]
            named = [key for key, value in texts if address.search(value)]
            if name in other.depends_on or named:
                how = "depends on it" if name in other.depends_on else f"names it in {named[0]}"
                raise UserError(
                    f"{name} can't be removed: {other.name} {how}.",
                    hint=f"Change {other.name} first.",
                )


def _refuse_calls(root: Path, name: str, texts: dict[Path, str]) -> None:
    """Raise UserError if flows are declared that the service takes part in, beside those that go."""
    if not (root / flows.FILE).exists():
        return
    before = _text(root, flows.FILE)
    pattern = re.compile(rf"\b(?:from|to):\s*[\"']?{re.escape(name)}[\"']?\s*(?:[,}}#]|$)")
    for line in texts.get(flows.FILE, before).splitlines():
        if pattern.search(line.partition(" #")[0]):
            place = f"{flows.FILE}:{before.splitlines().index(line) + 1}"
            raise UserError(
                f"{name} can't be removed: {place} declares a call of it.",
                why=line.strip(),
                hint="Take its calls out of that file first.",
            )


def _own_volumes(taken: Taken, service: Service) -> tuple[str, ...]:
    """Named volumes that no other service mounts."""

    def mounted(other: Service) -> list[str]:
        return [mount.source for mount in other.mounts if mount.source and not mount.is_bind]

    return _own(taken, service, mounted)


def _own_secrets(taken: Taken, service: Service) -> tuple[str, ...]:
    """Secrets that no other service gets."""
    return _own(taken, service, lambda other: other.secrets)


def _own(
    taken: Taken, service: Service, used: Callable[[Service], Iterable[str]]
) -> tuple[str, ...]:
    """What `service` uses in some environment, and no other service in any."""
    users: dict[str, set[str]] = {}
    for space in taken.workspaces:
        for other in space.services.values():
            for name in used(other):
                users.setdefault(name, set()).add(other.name)
    return tuple(sorted(name for name, found in users.items() if found == {service.name}))


def _own_folder(root: Path, service: Service, taken: Taken) -> Path | None:
    """The folder of its source, relative to the workspace, if it is below services/."""
    if service.context is None:
        return None
    users = [
        other.name
        for other in taken.workspaces[0].services.values()
        if other.context == service.context and other.name != service.name
    ]
    if users:
        return None
    root = root.resolve()
    is_own = service.context.parent == root / "services" and service.context.is_dir()
    return service.context.relative_to(root) if is_own else None


def _text(root: Path, path: Path) -> str:
    content = read(root, path)
    assert content is not None, path
    return content.decode()


def _dedented(content: bytes) -> str:
    return re.sub(r"^  ", "", content.decode().replace("\r\n", "\n"), flags=re.MULTILINE)


def _committed(root: Path, path: Path) -> bytes | None:
    """The file as the last commit has it; None if it has not, or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "show", f"HEAD:./{path}"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
