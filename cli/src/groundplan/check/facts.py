"""What the rules look at, each part read once and only if a rule asks for it."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Collection
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from markdown_it import MarkdownIt
from markdown_it.token import Token

from groundplan.errors import UserError
from groundplan.model import compose, flows, source
from groundplan.model.place import DEVELOPMENT, PRODUCTION
from groundplan.model.workspace import Port, Service, Workspace, describe

T = TypeVar("T")

_TEMPLATES = ("cli/src/groundplan/scaffold/templates/", "cli/src/groundplan/docs/")

_MARKDOWN = MarkdownIt("commonmark").enable("table")

_SKIPPED = {".git", ".venv", "node_modules", "tmp", "__pycache__", "dist", "build", "coverage"}
"""Folders that are passed by where no git says which files belong to the workspace."""
_CACHE = re.compile(r"\..*_cache$|.*\.egg-info$")


class UnreadableError(UserError):
    """Something that the rule `compose-valid` reports, so that other rules can't look at it."""


class Facts:
    """A workspace as its files say it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._texts: dict[str, str] = {}
        self._read: dict[str, Any] = {}

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Every file that git tracks or would track; without git, every file that is no cache."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            done = subprocess.run(command, cwd=self.root, capture_output=True)
        except FileNotFoundError:
            return self._all_files()
        names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
        present = (name for name in names if (self.root / name).is_file())
        return tuple(sorted(present)) or self._all_files()

    def _all_files(self) -> tuple[str, ...]:
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [n for n in folders if n not in _SKIPPED and not _CACHE.match(n)]
            found += [(Path(folder) / name).relative_to(self.root).as_posix() for name in names]
        return tuple(sorted(name for name in found if name != "config/.env"))

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds one of the files; "." is the root."""
        found = {"."}
        for file in self.files:
            while "/" in file:
                file = file.rpartition("/")[0]
                if file in found:
                    break
                found.add(file)
        return frozenset(found)

    def ignored(self, files: Collection[str]) -> set[str]:
        """Those of `files` that git would leave out; all of them where there is no git to ask."""
        command = ["git", "check-ignore", "-z", "--stdin", "--no-index"]
        given = "\0".join(files).encode()
        try:
            done = subprocess.run(command, cwd=self.root, capture_output=True, input=given)
        except FileNotFoundError:
            return set(files)
        found = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
        return found if done.returncode in (0, 1) else set(files)

    def text(self, file: str) -> str:
        """The text of a file; empty if it is not there or no text."""
        if file not in self._texts:
            path = self.root / file
            content = path.read_bytes() if path.is_file() else b""
            self._texts[file] = "" if b"\0" in content else content.decode(errors="replace")
        return self._texts[file]

    def line(self, file: str, number: int) -> str:
        """One line of a file, counted from 1; empty beyond its end."""
        lines = self.text(file).split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""

    def below(self, folder: str) -> tuple[str, ...]:
        """The files in a folder, or the file of that name."""
        return tuple(f for f in self.files if f == folder or f.startswith(f"{folder}/"))

    def relative(self, path: Path) -> str:
        """A path as findings name it."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    # -- Compose files and flows ------------------------------------------------------------

    @property
    def development(self) -> Workspace:
        """The workspace in development. Raises UnreadableError."""
        return self.once(DEVELOPMENT, lambda: describe(self.root, DEVELOPMENT))

    @property
    def production(self) -> Workspace:
        """The workspace in production. Raises UnreadableError."""
        return self.once(PRODUCTION, lambda: describe(self.root, PRODUCTION))

    @property
    def environments(self) -> tuple[Workspace, Workspace]:
        """Both. Raises UnreadableError."""
        return self.development, self.production

    @property
    def flows(self) -> flows.Flows:
        """The declared flows. Raises UnreadableError."""
        return self.once("flows", lambda: flows.load(self.root))

    def ensure_readable(self) -> None:
        """Raise UnreadableError unless all of these can be read."""
        _ = self.environments, self.flows

    def contract(self, service: Service) -> dict[str, Any]:
        """The OpenAPI document of a service that has a contract. Raises UserError."""
        assert service.contract

        def read() -> dict[str, Any]:
            try:
                tree = json.loads((self.root / (service.contract or "")).read_text())
            except (OSError, ValueError) as error:
                raise UserError(f"{service.contract} can't be read.", why=str(error)) from error
            if not isinstance(tree, dict) or not isinstance(tree.get("paths"), dict):
                raise UserError(f"{service.contract} is no OpenAPI document: it has no `paths`.")
            return tree

        return self.once(service.contract, read)

    def once(self, key: str, read: Callable[[], T]) -> T:
        """What `read` gives, or the error that it raises; it is called the first time only."""
        if key not in self._read:
            try:
                self._read[key] = read()
            except UserError as error:
                self._read[key] = UnreadableError(error.what, error.why, error.hint)
        value = self._read[key]
        if isinstance(value, UnreadableError):
            raise value
        return value  # type: ignore[no-any-return] # it is what `read` gave

    def written(self, workspace: Workspace, *path: str) -> Any:
        """What the last Compose file that has this node writes there; None if none has it.

        For what the model has no word for: neither merged nor with its variables put in.
        """
        found = None
        for file in workspace.files:
            node: Any = self.once(f"written {file}", partial(source.read, file))
            for key in path:
                node = node.get(key) if isinstance(node, dict) else None
            found = node if node is not None else found
        return found

    # -- places -----------------------------------------------------------------------------

    def place(self, workspace: Workspace, *path: str | int) -> tuple[str, int]:
        """The file and line of a node of the Compose files, or of its nearest parent."""
        file, line = compose.locate(workspace.files, path)
        return self.relative(file), line

    def introduced(self, workspace: Workspace, service: str) -> tuple[str, int]:
        """The file and line that name a service first."""
        for path in workspace.files:
            file, line = compose.locate([path], ("services", service))
            if self.line(self.relative(file), line).strip().strip("\"'").startswith(service):
                break
        return self.relative(file), line

    def variable_place(self, workspace: Workspace, service: str, name: str) -> tuple[str, int]:
        """The file and line that set a variable of a service."""
        file, line = self.place(workspace, "services", service, "environment", name)
        own = re.compile(rf"""(?:^|[\s"'-]){re.escape(name)}["']?\s*[:=]""")
        if own.search(self.line(file, line)):
            return file, line
        key = self.line(file, line)
        if "environment" in key and (found := self.seek(file, line, own)):
            return file, found
        example = "config/.env.example"
        return (example, found) if (found := self.seek(example, 1, own)) else (file, line)

    def port_place(self, workspace: Workspace, service: str, port: Port) -> tuple[str, int]:
        """The file and line that publish a port."""
        wanted = re.compile(rf"(?<!\d){port.variable or port.published or port.target}(?!\d)")
        for path in reversed(workspace.files):
            file, line = compose.locate([path], ("services", service, "ports"))
            name = self.relative(file)
            if "ports" in self.line(name, line) and (found := self.seek(name, line, wanted)):
                return name, found
        return self.place(workspace, "services", service)

    def seek(self, file: str, first: int, wanted: re.Pattern[str]) -> int | None:
        """The first line from `first` on that matches, before the text is indented less."""
        lines = self.text(file).split("\n")[first - 1 :]
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        for number, line in enumerate(lines, first):
            if number > first and line.strip() and len(line) - len(line.lstrip()) < indent:
                return None
            if wanted.search(line):
                return number
        return None

    # -- documents --------------------------------------------------------------------------

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """Every Markdown file, but not the templates of the tool."""
        return tuple(f for f in self.files if f.endswith(".md") and not f.startswith(_TEMPLATES))

    def markdown(self, page: str) -> list[Token]:
        """The tokens of a page, tables included; `token.map` counts lines from 0."""
        return self.once(f"markdown {page}", lambda: _MARKDOWN.parse(self.text(page)))
