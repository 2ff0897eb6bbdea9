"""Files of `NAME=value` lines, read as Compose reads an `env_file`."""

import re
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from groundplan.errors import UserError
from groundplan.model.interpolation import substitute

_SINGLE_QUOTED = re.compile(r"[^=]*=\s*'")


def read(file: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The values in `file`, with `variables` and the values above put in for `${NAME}`.

    A name without a value gets that of `variables`, or is left out. Raises UserError, naming file
    and line, for a line that can't be read.
    """
    values: dict[str, str] = {}
    with file.open(encoding="utf-8-sig") as stream:
        for binding in parse_stream(stream):
            place = f"{file.name}:{_line(binding)}"
            if binding.error:
                raise UserError(f"{place} can't be read.", hint="Write NAME=value.")
            if binding.key is None:
                continue
            if binding.value is None:
                values |= {name: variables[name] for name in [binding.key] if name in variables}
            elif _SINGLE_QUOTED.match(binding.original.string):
                values[binding.key] = binding.value
            else:
                values[binding.key] = str(substitute(binding.value, {**values, **variables}, place))
    return values


def _line(binding: Binding) -> int:
    """The line of the name: the text before it may hold empty lines."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
