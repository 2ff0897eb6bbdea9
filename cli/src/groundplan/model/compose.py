"""Reads Compose files: YAML, `${…}` interpolation and the merge of overrides.

Follows the Compose specification for the keys that the workspace uses. A file is read as
plain data; `model.workspace` gives it meaning.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from groundplan.errors import UserError

Tree = dict[str, Any]

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)"
    r"|(?P<named>[A-Za-z_]\w*)"
    r"|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-?+])(?P<argument>(?:\$\{[^}]*\}|[^}])*))?\}"
    r"|(?P<invalid>))"
)

# Keys whose override replaces the original although both are lists.
_REPLACED = {"command", "entrypoint", "test"}
# Keys that may be written as a list of "KEY=value" and merge as mappings.
_MAPPINGS = {"environment", "labels", "args", "extra_hosts", "depends_on"}

# YAML 1.1 takes `no` for false, 22:22 for a number and 2026-11-22 for a date; to Compose they are text.
_SCALARS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": ("[-+]?(?:0|[1-9][0-9_]*|0[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+)", "-+0123456789"),
    "timestamp": None,
}


def _loader() -> Any:
    """The safe loader, written in C where PyYAML was built with it, with the scalars of Compose."""
    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.yaml_implicit_resolvers = {
        first: [item for item in resolvers if item[0].rpartition(":")[2] not in _SCALARS]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    for name, form in _SCALARS.items():
        if form:
            pattern = re.compile(f"^(?:{form[0]})$")
            loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", pattern, list(form[1]))
    return loader


_LOADER = _loader()


def load(files: list[Path], variables: Mapping[str, str]) -> Tree:
    """Merge `files` in order, with `variables` put in for `${NAME}`.

    Raises UserError, naming file and line, for YAML or variables that can't be read.
    """
    merged: Tree = {}
    for file in files:
        tree = read(file)
        merged = merge(merged, interpolate(tree, variables, file))
    return merged


def read(file: Path) -> Tree:
    """The content of one Compose file, not interpolated."""
    try:
        with file.open("rb") as stream:
            tree = yaml.load(stream, Loader=_LOADER)  # noqa: S506 - it is a safe loader
    except FileNotFoundError as error:
        raise UserError(
            f"{file.name} is missing.", hint=f"Restore it: git checkout -- {file.name}"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file.name}:{mark.line + 1}:{mark.column + 1}" if mark else file.name
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{place} is not valid YAML.", why=f"{problem}.") from error
    if not isinstance(tree, dict):
        raise UserError(
            f"{file.name} is not a Compose file.", why="It must be a mapping with `services`."
        )
    return tree


def interpolate(node: Any, variables: Mapping[str, str], file: Path) -> Any:
    """`node` with every `${NAME}` in its strings replaced, as Compose does it."""
    if isinstance(node, dict):
        return {key: interpolate(value, variables, file) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(value, variables, file) for value in node]
    if isinstance(node, str) and "$" in node:
        return substitute(node, variables, str(file.name))
    return node


def substitute(text: str, variables: Mapping[str, str], place: str) -> str:
    """`text` with its variables replaced; `place` is named in errors."""

    def replacement(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["named"] or match["braced"]
        if name is None:
            raise UserError(
                f"{place}: {text!r} has a `$` that starts no variable.",
                hint="Write $$ for a plain $.",
            )
        return _expand(match, variables.get(name), variables, place)

    return _VARIABLE.sub(replacement, text)


def _expand(
    match: re.Match[str], value: str | None, variables: Mapping[str, str], place: str
) -> str:
    operator, argument = match["operator"] or "", match["argument"] or ""
    present = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return substitute(argument, variables, place) if present else ""
    if present:
        return value or ""
    if operator.endswith("?"):
        raise UserError(f"{place} needs the variable {match['braced']}.", why=argument)
    return substitute(argument, variables, place)


def merge(base: Any, override: Any, key: str = "") -> Any:
    """`base` with `override` laid over it by the rules of Compose."""
    if key in _MAPPINGS:
        return {**as_mapping(base), **as_mapping(override)}
    if key == "env_file":
        return as_list(base) + as_list(override)
    if key == "build":
        base, override = _long_build(base), _long_build(override)
    if isinstance(base, dict) and isinstance(override, dict):
        merged = dict(base)
        for name, value in override.items():
            merged[name] = merge(base[name], value, name) if name in base else value
        return merged
    if isinstance(base, list) and isinstance(override, list) and key not in _REPLACED:
        return _merge_lists(base, override, key)
    return override


def _merge_lists(base: list[Any], override: list[Any], key: str) -> list[Any]:
    if key != "volumes":
        return base + [item for item in override if item not in base]
    targets = {volume_target(item) for item in override}
    return [item for item in base if volume_target(item) not in targets] + override


def volume_target(item: Any) -> str:
    """The path in the container of one entry of `volumes`."""
    if isinstance(item, dict):
        return str(item.get("target", ""))
    parts = str(item).split(":")
    return parts[0] if len(parts) == 1 else parts[1]


def _long_build(value: Any) -> Any:
    return {"context": value} if isinstance(value, str) else value


def as_list(value: Any) -> list[Any]:
    """A list from what may be a single value."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def as_mapping(value: Any) -> dict[str, Any]:
    """A mapping from either form of `environment` and its like."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    return {
        name: (text if sign else None)
        for name, sign, text in (str(item).partition("=") for item in value)
    }
