"""Shapes of single values: texts, numbers, flags, durations, sizes, paths and commands."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from groundplan.errors import UserError
from groundplan.model import units
from groundplan.model.shapes import Place, Shape, items_of


@dataclass(frozen=True)
class Scalar(Shape):
    """One value of some types."""

    types: tuple[type, ...]
    name: str
    parse: Callable[[Any], Any] = lambda value: value
    choices: tuple[str, ...] = ()

    def read(self, value: Any, place: Place) -> Any:
        """`value`, parsed."""
        if not isinstance(value, self.types) or (
            isinstance(value, bool) and bool not in self.types
        ):
            hint = "Quote it." if str in self.types and not isinstance(value, dict | list) else ""
            raise place.error(f"must be {self.name}", hint=hint)
        if self.choices and value not in self.choices:
            raise place.error(f"is {value!r}", hint=f"Write one of {', '.join(self.choices)}.")
        try:
            return self.parse(value)
        except ValueError as error:
            raise place.error(f"is {value!r}, and must be {self.name}") from error
        except UserError as error:
            raise place.error(f"is not right: {error.what.rstrip('.')}", hint=error.hint) from error


def _flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "y": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "n": False, "off": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError
    return words[str(value).lower()]


def _checked(parse: Callable[[Any], Any]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        parse(value)
        return str(value)

    return check


TEXT = Scalar((str,), "text")
FLAG = Scalar((bool, str), "true or false", _flag)
INTEGER = Scalar((int, str), "a whole number", int)
NUMBER = Scalar((int, float, str), "a number", _checked(float))
DURATION = Scalar((str,), "a duration", _checked(units.duration))
SIZE = Scalar((int, float, str), "a size", _checked(units.size))


def choice(*words: str) -> Scalar:
    """A text that is one of `words`."""
    return Scalar((str,), "text", choices=words)


class PathText(Shape):
    """A path; it becomes an absolute one. A URL stays as it is."""

    def read(self, value: Any, place: Place) -> str:
        """The absolute path."""
        return absolute(TEXT.read(value, place), place)


PATH = PathText()


def absolute(text: str, place: Place) -> str:
    """The absolute path for `text`, which is relative to the file's folder."""
    if "://" in text or text.startswith(("git@", "github.com/", "service:")):
        return text
    return os.path.normpath(place.folder / Path(text).expanduser())


class Words(Shape):
    """A command: a list, or a text that a shell would split. An override replaces it."""

    is_nullable = True

    def read(self, value: Any, place: Place) -> list[str]:
        """The words."""
        if isinstance(value, str):
            try:
                return shlex.split(value)
            except ValueError as error:
                raise place.error("can't be split into words", why=f"{error}.") from error
        return [
            TEXT.read(word, place.child(index)) for index, word in enumerate(items_of(value, place))
        ]


class Test(Shape):
    """The test of a healthcheck. An override replaces it."""

    def read(self, value: Any, place: Place) -> list[str]:
        """The words, the first of which says how they run."""
        if isinstance(value, str):
            return ["CMD-SHELL", value]
        words = [TEXT.read(word, place.child(i)) for i, word in enumerate(items_of(value, place))]
        if words and words[0] not in ("CMD", "CMD-SHELL", "NONE"):
            raise place.error("must begin with CMD, CMD-SHELL or NONE")
        return words


def text_of(value: Any) -> str:
    """The text that Compose makes of a number or a boolean."""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        _float(value)
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else str(value)
    )


def _float(value: float) -> str:
    """As Go prints it: shortest, with an exponent from a million on."""
    sign, digits, power = Decimal(repr(value)).normalize().as_tuple()
    exponent = len(digits) + int(power) - 1
    if -5 < exponent < 6:
        return format(Decimal(repr(value)).normalize(), "f")
    rest = "".join(map(str, digits[1:]))
    mantissa = f"{digits[0]}.{rest}" if rest else str(digits[0])
    return f"{'-' if sign else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
