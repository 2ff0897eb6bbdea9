"""How wide a text is on paper, without a font at hand: rather too wide than too narrow."""

import unicodedata

# Widths in em of DejaVu Sans, the widest of the fonts that the pictures ask for.
_WIDTHS = {
    **dict.fromkeys("ijlI.,:;'|!", 0.36),
    **dict.fromkeys(' ()[]-/\\ftr"', 0.46),
    **dict.fromkeys("mwMW@%&→", 1.03),
    **dict.fromkeys("+=<>~×#", 0.86),
}
_BOLD = 1.12


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line of `text` in pixels, at a font size of `size` pixels."""
    return sum(map(_em, text)) * size * (_BOLD if bold else 1)


def _em(character: str) -> float:
    if known := _WIDTHS.get(character):
        return known
    if unicodedata.combining(character):
        return 0.0
    if character.isascii():
        return 0.8 if character.isupper() else 0.66
    return 1.1 if unicodedata.east_asian_width(character) in "WF" else 0.9


def wrap(text: str, size: float, limit: float, lines: int, bold: bool = False) -> list[str]:
    """`text` in at most `lines` lines of at most `limit` pixels; what is left out leaves an "…"."""
    wrapped: list[str] = []
    rest = " ".join(text.split())
    while rest and len(wrapped) < lines:
        line = _head(rest, size, limit, bold)
        wrapped.append(line)
        rest = rest[len(line) :].lstrip()
    if rest:
        wrapped[-1] = _shorten(wrapped[-1], size, limit, bold)
    return wrapped


def _head(text: str, size: float, limit: float, bold: bool) -> str:
    """As much of `text` as fits, up to a space, else up to the mark of a path or address."""
    if width(text, size, bold) <= limit:
        return text
    end = 1
    while width(text[: end + 1], size, bold) <= limit:
        end += 1
    space = text.rfind(" ", 0, end + 1)
    mark = max(text.rfind(mark, 1, end) for mark in "/:.-_")
    return text[: next((place for place in (space, mark) if place > 0), end)]


def _shorten(line: str, size: float, limit: float, bold: bool) -> str:
    while width(line + "…", size, bold) > limit:
        line = line[:-1]
    return line + "…"
