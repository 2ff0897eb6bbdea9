"""What the documents say of a workspace, gathered once: both environments and the flows."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import flows as flows_module
from groundplan.model import source
from groundplan.model.flows import Flows
from groundplan.model.place import BASE_FILE, DEVELOPMENT, DEVELOPMENT_FILE, PRODUCTION, page_of
from groundplan.model.reach import can_call
from groundplan.model.workspace import Mount, Service, Workspace, describe

TIERS = ("edge", "application", "data", "tools")
_FLOW_NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class SettingsFile:
    """A file of settings that each clone has its own of."""

    name: str
    purpose: str
    readers: int
    """How many services read it."""


@dataclass(frozen=True)
class Facts:
    """A workspace in development and in production, and its declared calls."""

    development: Workspace
    production: Workspace
    flows: Flows

    @property
    def root(self) -> Path:
        """The folder of the workspace."""
        return self.development.root

    @cached_property
    def services(self) -> dict[str, Service]:
        """The services of both environments, as development has them where both do."""
        known = self.development.services
        others = self.production.services.items()
        return known | {name: service for name, service in others if name not in known}

    def calls(self, workspace: Workspace) -> tuple[tuple[str, str, str], ...]:
        """Each caller, callee and protocol that is declared and can be in `workspace`, once."""
        known = {*workspace.services, *self.flows.actors}
        found = (
            (call.caller, call.callee, call.protocol)
            for call in self.flows.calls_in(workspace.environment)
            if call.caller in known and can_call(workspace, call.caller, call.callee)
        )
        return tuple(dict.fromkeys(found))

    def title(self, name: str) -> str:
        """The name for people of a service, or of an actor."""
        service = self.services.get(name)
        return service.title if service else name[:1].upper() + name[1:]

    def path(self, path: str | Path) -> str:
        """A path of this machine as the workspace writes it: "./services/api"."""
        absolute, root, home = Path(path), self.root.resolve(), Path.home()
        if absolute.is_relative_to(root):
            return f"./{absolute.relative_to(root)}"
        return f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else str(path)

    def mounted(self, mount: Mount) -> str:
        """What is mounted, for people."""
        return self.path(mount.source or "") if mount.is_bind else mount.source or "(anonymous)"

    def page(self, service: Service) -> Path | None:
        """The page of a service, or else that of the service whose source it runs too."""
        names = (service.name, service.context.name if service.context else service.name)
        pages = map(page_of, names)
        return next((page for page in pages if (self.root / page).is_file()), None)

    def settings_files(self) -> list[SettingsFile]:
        """The files of config/ that git ignores and of which it has an example."""
        readers = [name for names in self._env_files().values() for name in names]
        found = []
        for example in sorted((self.root / "config").glob(".env*.example")):
            name = f"config/{example.name.removesuffix('.example')}"
            found.append(SettingsFile(name, _first_sentence(example), readers.count(name)))
        return found

    def _env_files(self) -> dict[str, set[str]]:
        """The settings files that each service of development reads."""
        found: dict[str, set[str]] = {}
        for file in (BASE_FILE, DEVELOPMENT_FILE):
            tree = source.read(self.root / file) if (self.root / file).is_file() else {}
            for name, node in (tree.get("services") or {}).items():
                stated = (node or {}).get("env_file") or []
                items = stated if isinstance(stated, list) else [stated]
                paths = (item["path"] if isinstance(item, dict) else str(item) for item in items)
                found.setdefault(name, set()).update(path.removeprefix("./") for path in paths)
        return found


def gather(root: Path) -> Facts:
    """Read all that the documents of the workspace at `root` say."""
    flows = flows_module.load(root)
    for flow in flows.flows:
        if not _FLOW_NAME.fullmatch(flow.name):
            raise UserError(
                f"{flows_module.FILE}:{flow.line}: {flow.name!r} is no name for a flow.",
                why="A picture is named after it.",
                hint="Use letters, digits, - and _.",
            )
    return Facts(describe(root, DEVELOPMENT), describe(root, PRODUCTION), flows)


def _first_sentence(file: Path) -> str:
    comment = re.match(r"(?:#[^\n]*\n)*", file.read_text())
    words = " ".join((comment[0] if comment else "").replace("#", " ").split())
    return words.split(". ")[0].rstrip(".")
