"""Compose files as YAML: what they hold, and on which line each part of it stands."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from groundplan.errors import UserError

Tree = dict[str, Any]


class Reset:
    """`!reset`: takes away what the files before say here."""


class Override:
    """`!override`: takes the place of what the files before say here, without merging."""

    def __init__(self, value: Any) -> None:
        self.value = value


# YAML 1.1 takes `no` for false and 22:22 for a number; to Compose they are text.
_SCALARS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": ("[-+]?(?:0|[1-9][0-9_]*|0o?[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+)", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
}


def _loader() -> Any:
    """The safe loader, written in C where PyYAML was built with it, with the scalars of Compose."""
    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.yaml_implicit_resolvers = {
        first: [item for item in resolvers if item[0].rpartition(":")[2] not in _SCALARS]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    for name, (form, first) in _SCALARS.items():
        pattern = re.compile(f"^(?:{form})$")
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", pattern, list(first))
    return loader


_LOADER = _loader()


def locate(files: Sequence[Path], path: Sequence[str | int]) -> tuple[Path, int]:
    """The file and 1-based line that state the node at `path`, e.g. ("services", "api", "image").

    The last file that has the node; if none has, the one that has most of the path.
    """
    best = (files[0], 1)
    longest = -1
    for file in files:
        if (root := compose(file)) is None:
            continue
        depth, line = _follow(root, path)
        if depth >= longest:
            best, longest = (file, line), depth
    return best


def _follow(node: Any, path: Sequence[str | int]) -> tuple[int, int]:
    """How many keys of `path` lead somewhere below `node`, and the line where the last one stands."""
    line = node.start_mark.line + 1
    for depth, key in enumerate(path):
        found = _child(node, key)
        if found is None:
            return depth, line
        line, node = found
    return len(path), line


def _child(node: Any, key: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.SequenceNode):
        if isinstance(key, int) and key < len(node.value):
            return node.value[key].start_mark.line + 1, node.value[key]
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    for name, value in node.value:
        if name.value == str(key):
            return name.start_mark.line + 1, value
    return _merged_child(node, key)


def _merged_child(node: Any, key: str | int) -> tuple[int, Any] | None:
    """The child that a `<<` brings in."""
    for name, value in node.value:
        if name.value == "<<":
            for other in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if found := _child(other, key):
                    return found
    return None


def read(file: Path) -> Tree:
    """What `file` says, without meaning: mappings, lists and scalars.

    Raises UserError, naming file and line, for what is no YAML or no Compose file.
    """
    root = compose(file)
    if not isinstance(root, yaml.MappingNode):
        raise UserError(
            f"{file.name} is not a Compose file.", why="It must be a mapping with `services`."
        )
    tree: Tree = _Reader(file).value(root)
    return tree


def compose(file: Path) -> Any:
    """The YAML nodes of `file`, with their lines; read again only once the file has changed."""
    try:
        status = file.stat()
    except FileNotFoundError as error:
        raise UserError(
            f"{file.name} is missing.", hint=f"Restore it: git checkout -- {file.name}"
        ) from error
    except OSError as error:
        raise UserError(f"{file} can't be read.", why=f"{error.strerror}.") from error
    return _compose(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _compose(file: Path, _changed: int, _size: int) -> Any:
    try:
        return yaml.compose(file.read_bytes(), Loader=_LOADER)
    except OSError as error:
        raise UserError(f"{file} can't be read.", why=f"{error.strerror}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file.name}:{mark.line + 1}:{mark.column + 1}" if mark else file.name
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{place} is not valid YAML.", why=f"{problem}.") from error


class _Reader:
    """Turns the nodes of one file into plain values."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def value(self, node: Any) -> Any:
        """What `node` holds; `!reset` and `!override` become Reset and Override."""
        if node.tag == "!reset":
            return Reset()
        if node.tag == "!override":
            return Override(self._plain(node))
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise self._error(node, f"has the unknown tag {node.tag}")
        return self._plain(node)

    def _plain(self, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: Any) -> Tree:
        own: Tree = {}
        merged: Tree = {}
        lines: dict[str, int] = {}
        for name, value in node.value:
            key = str(name.value)
            if name.tag == "tag:yaml.org,2002:merge":
                merged = {**self._merged(value), **merged}
                continue
            self._check_key(name, lines)
            lines[key] = name.start_mark.line + 1
            own[key] = self.value(value)
        return {**merged, **own}

    def _check_key(self, name: Any, lines: Mapping[str, int]) -> None:
        if name.tag != "tag:yaml.org,2002:str":
            raise self._error(name, f"has the key {name.value}, which is no text", hint="Quote it.")
        if name.value in lines:
            why = f"Line {lines[name.value]} has it."
            raise self._error(name, f"has the key {name.value!r} again", why)

    def _merged(self, node: Any) -> Tree:
        """What `<<` brings in; of several mappings the first one wins."""
        merged: Tree = {}
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(item, yaml.MappingNode):
                raise self._error(item, "merges what is no mapping")
            merged = {**self._mapping(item), **merged}
        return merged

    def _scalar(self, node: Any) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "timestamp":
            raise self._error(node, f"has the date {node.value}", "Quote it: Compose rewrites it.")
        if kind not in _VALUES:
            return node.value
        try:
            return _VALUES[kind](node.value)
        except ValueError as error:
            raise self._error(node, f"has {node.value!r}, which is no {kind}") from error

    def _error(self, node: Any, what: str, why: str = "", hint: str = "") -> UserError:
        place = f"{self._file.name}:{node.start_mark.line + 1}"
        return UserError(f"{place} {what}.", why=why, hint=hint)


def _integer(text: str) -> int:
    digits = text.replace("_", "").lstrip("+-")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 8 if digits.startswith("0") else 10)
    return int(digits, base) * (-1 if text.startswith("-") else 1)


_VALUES: dict[str, Any] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": lambda text: float(text.replace("_", "")),
}
