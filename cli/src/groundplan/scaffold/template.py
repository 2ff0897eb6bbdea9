"""Templates of services: real files, in which a few words stand for the names of a new service."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model import source
from groundplan.model.flows import FILE as FLOWS_FILE
from groundplan.model.place import BASE_FILE, DEVELOPMENT_FILE, PRODUCTION_FILE, page_of

FOLDER = Path(__file__).with_name("templates")
EXAMPLE_FILE = Path("config") / ".env.example"
_BACKING = FOLDER / "backing"
_COMPOSE_FILES = {
    "compose.yml": BASE_FILE,
    "compose.development.yml": DEVELOPMENT_FILE,
    "compose.production.yml": PRODUCTION_FILE,
}
# What installations, tests and builds leave in a folder: never copied, never missed.
LEFTOVERS = re.compile(r"\.venv|node_modules|__pycache__|dist|coverage|\..*_cache|.*\.tsbuildinfo")


@dataclass(frozen=True)
class Names:
    """What a new service is called and where it listens."""

    name: str
    port: int
    """In its container."""
    published: int
    """Default of its port on the developer's machine."""
    image: str = ""
    volume: str = ""
    """Path in the container at which its data lie."""

    def fill(self, text: str) -> str:
        """`text` with the words of a template replaced."""
        words = {
            "service-name": self.name,
            "service_name": self.name.replace("-", "_"),
            "SERVICE_NAME": self.name.replace("-", "_").upper(),
            "Service Name": title(self.name),
            "service-port": str(self.port),
            "published-port": str(self.published),
            "service-image": self.image,
            "service-volume": self.volume,
        }
        return re.sub("|".join(words), lambda match: words[match[0]], text)


@dataclass(frozen=True)
class Block:
    """A text that goes into a section of a file."""

    file: Path
    """Relative to the workspace."""
    section: str
    text: str


@dataclass(frozen=True)
class Template:
    """One folder of templates."""

    folder: Path

    @property
    def is_image(self) -> bool:
        """True if its services are an image, so that nothing is built for them."""
        return not (self.folder / "source").is_dir()

    @property
    def port(self) -> int | None:
        """The port on which its services listen, where it is always the same."""
        (service,) = source.read(self.folder / "compose.yml")["services"].values()
        port = str((service.get("expose") or [""])[0])
        return int(port) if port.isdecimal() else None

    def blocks(self, names: Names) -> Iterator[Block]:
        """What goes into the files of the workspace."""
        section = "BACKING_SERVICES" if self.folder.parent == _BACKING else "SERVICES"
        for own, file in _COMPOSE_FILES.items():
            text = self._read(own, names)
            if services := _below(text, "services"):
                yield Block(Path(file), section, services)
            if volumes := _below(text, "volumes"):
                yield Block(Path(file), "VOLUMES", volumes)
            if secrets := _below(text, "secrets"):
                yield Block(Path(file), "SECRETS", secrets)
        flows = self._read("flows.yaml", names)
        for key, calls_section in (("upkeep", "UPKEEP"), ("production", "PRODUCTION")):
            if calls := _below(flows, key):
                yield Block(FLOWS_FILE, calls_section, calls)
        if settings := self._read("env.example", names):
            yield Block(EXAMPLE_FILE, "SETTINGS", settings)

    def files(self, names: Names) -> dict[Path, tuple[bytes, int]]:
        """Every new file, relative to the workspace: its content and its mode."""
        page = self.folder / "page.md"
        if not page.exists():
            raise UserError(f"The template {self.folder.name} has no page.md.")
        files = {page_of(names.name): (_fill(page, names), 0o644)}
        sources = self.folder / "source"
        for file in sorted(walk(sources)):
            place = folder_of(names.name) / names.fill(str(file.relative_to(sources)))
            files[place] = (_fill(file, names), 0o755 if file.stat().st_mode & 0o100 else 0o644)
        return files

    def _read(self, name: str, names: Names) -> str:
        file = self.folder / name
        return names.fill(file.read_text()) if file.exists() else ""


def kinds() -> list[str]:
    """The kinds of services that there are templates for."""
    return sorted(file.parent.name for file in FOLDER.glob("*/compose.yml"))


def template(kind: str) -> Template:
    """The template of that kind; raises UserError that lists the kinds."""
    if kind not in kinds():
        raise UserError(f"There is no kind {kind!r}.", hint=f"Kinds: {', '.join(kinds())}.", code=2)
    return Template(FOLDER / kind)


def backing_template(image_name: str, has_volume: bool) -> Template:
    """The template of that server, or the one of any image with or without data."""
    own = _BACKING / image_name
    return Template(own if own.is_dir() else _BACKING / ("stateful" if has_volume else "stateless"))


def all_templates() -> list[Template]:
    """Every template."""
    backing = [Template(file.parent) for file in sorted(_BACKING.glob("*/compose.yml"))]
    return [*map(template, kinds()), *backing]


def title(name: str) -> str:
    """The name of a service for people."""
    return name.replace("-", " ").capitalize()


def folder_of(name: str) -> Path:
    """Where the source of a service lies, relative to the workspace."""
    return Path("services") / name


def walk(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, without what installations, tests and builds leave."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if LEFTOVERS.fullmatch(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        else:
            yield path


def _fill(file: Path, names: Names) -> bytes:
    content = file.read_bytes()
    try:
        return names.fill(content.decode()).encode()
    except UnicodeDecodeError:  # a picture has no names in it
        return content


def _below(text: str, key: str) -> str:
    """The lines below the top-level `key`, moved to the left by its indentation of two."""
    match = re.search(rf"^{key}:[ ]*\n((?:(?:[ ].*)?\n)*)", text, re.MULTILINE)
    return re.sub(r"^  ", "", match[1], flags=re.MULTILINE).strip("\n") if match else ""
