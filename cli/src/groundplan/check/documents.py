"""What Markdown pages hold: links, headings, code and tables, each with its line."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it.token import Token

from groundplan.check.facts import Facts

_HTML_LINK = re.compile(r"""\b(?:href|src|srcset)\s*=\s*["']([^"'\s]+)""")
_HTML_ANCHOR = re.compile(r"""\b(?:id|name)\s*=\s*["']([^"']+)""")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Piece:
    """A piece of a page's text, and the line on which it begins."""

    text: str
    line: int


@dataclass(frozen=True)
class Row:
    """A row of a table: the text of its cells below the headers."""

    cells: dict[str, str]
    line: int


def links(facts: Facts, page: str) -> Iterator[Piece]:
    """Targets of links and images, those in HTML too."""
    for token, line in _inline(facts, page):
        if token.type == "link_open":
            yield Piece(str(token.attrGet("href")), line)
        elif token.type == "image":
            yield Piece(str(token.attrGet("src")), line)
        elif token.type == "html_inline":
            yield from (Piece(target, line) for target in _HTML_LINK.findall(token.content))
    for html in _blocks(facts, page, "html_block"):
        yield from (Piece(target, html.line) for target in _HTML_LINK.findall(html.text))


def plain(facts: Facts, page: str) -> Iterator[Piece]:
    """Text outside links, code and HTML."""
    return (Piece(t.content, line) for t, line in _inline(facts, page) if t.type == "text")


def code(facts: Facts, page: str) -> Iterator[Piece]:
    """Code in the text, and each line of blocks of code."""
    for token, line in _inline(facts, page):
        if token.type == "code_inline":
            yield Piece(token.content, line)
    yield from _blocks(facts, page, "fence")
    yield from _blocks(facts, page, "code_block")


def headings(facts: Facts, page: str) -> list[Piece]:
    """Headings as they are written, with their hashes: "## Settings"."""
    tokens = facts.markdown(page)
    return [
        Piece(f"{'#' * int(token.tag[1:])} {following.content}", _first_line(token))
        for token, following in itertools.pairwise(tokens)
        if token.type == "heading_open"
    ]


def anchors(facts: Facts, page: str) -> set[str]:
    """What can stand behind `#` in a link to the page."""
    seen: Counter[str] = Counter()
    found = set(_HTML_ANCHOR.findall(facts.text(page)))
    for heading in headings(facts, page):
        text = _NOT_IN_ANCHOR.sub("", heading.text.lstrip("#").strip().lower()).replace(" ", "-")
        found.add(f"{text}-{seen[text]}" if seen[text] else text)
        seen[text] += 1
    return found


def rows(facts: Facts, page: str) -> Iterator[Row]:
    """The rows of all tables below their headers."""
    headers: list[str] = []
    cells: list[str] = []
    is_header, line = False, 0
    for token in facts.markdown(page):
        if token.type in ("thead_open", "tbody_open"):
            is_header = token.type == "thead_open"
        elif token.type == "tr_open":
            cells, line = [], _first_line(token)
        elif token.type == "inline" and token.level and line:
            cells.append(token.content)
        elif token.type == "tr_close" and is_header:
            headers = cells
        elif token.type == "tr_close":
            yield Row(dict(zip(headers, cells, strict=False)), line)


def _inline(facts: Facts, page: str) -> Iterator[tuple[Token, int]]:
    for block in facts.markdown(page):
        line = _first_line(block)
        for token in block.children or ():
            yield token, line
            if token.type in ("softbreak", "hardbreak"):
                line += 1


def _blocks(facts: Facts, page: str, kind: str) -> Iterator[Piece]:
    for token in facts.markdown(page):
        if token.type == kind:
            first = _first_line(token) + (kind == "fence")
            yield from (Piece(t, n) for n, t in enumerate(token.content.split("\n"), first) if t)


def _first_line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1
