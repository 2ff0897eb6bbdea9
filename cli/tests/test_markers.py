"""Blocks between markers: nothing else of a file changes, and what was put in comes out again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import UserError
from groundplan.model import markers

GOLDEN = Path(__file__).with_name("golden") / "markers"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())
BLOCK = """\
billing:
  image: groundplan/billing:dev

  # Why it is so.
  command: ["serve"]
"""
PLAIN = "services:\n  ##<<SERVICES>>\n  api:\n    image: api:1\n  ##<</SERVICES>>\n"

lines = st.text(
    alphabet=st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12
).filter(lambda line: "##<<" not in line)
newlines = st.sampled_from(["\n", "\r\n"])
blocks = st.lists(lines, min_size=1, max_size=4).filter(
    lambda block: bool(block[0].strip()) and bool(block[-1].strip())
)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Any file with a section in it: any lines, either kind of line end, the last one perhaps missing."""
    newline, indent = draw(newlines), draw(st.sampled_from(["", "  ", "\t"]))
    parts = [draw(st.lists(lines, max_size=6)) for _ in range(3)]
    text = newline.join(
        [*parts[0], f"{indent}##<<SERVICES>>", *parts[1], f"{indent}##<</SERVICES>>", *parts[2]]
    )
    return text + (newline if draw(st.booleans()) else "")


def read(case: str, name: str) -> str:
    """A golden file, with its line ends as they are."""
    return (GOLDEN / case / name).read_bytes().decode()


@pytest.mark.parametrize("case", CASES)
def test_golden_files(case: str) -> None:
    """A block stands where and as the golden file has it, and comes out without a trace."""
    before, after = read(case, "before.txt"), read(case, "after.txt")
    assert markers.insert(before, "SERVICES", BLOCK, "x.yml") == after
    assert markers.remove(after, "SERVICES", BLOCK, "x.yml") == before
    assert markers.remove_entry(after, "SERVICES", "billing", "x.yml") == before


@given(files(), blocks)
def test_what_is_put_in_comes_out(text: str, block: list[str]) -> None:
    """Whatever the file and the block are, removing the block gives the file back byte by byte."""
    written = "\n".join(block) + "\n"
    if not markers.contains(text, "SERVICES", written, "x"):
        new = markers.insert(text, "SERVICES", written, "x")
        assert new != text
        assert markers.remove(new, "SERVICES", written, "x") == text


@given(files(), blocks)
def test_a_second_time_changes_nothing(text: str, block: list[str]) -> None:
    """Putting a block in is idempotent."""
    written = "\n".join(block)
    once = markers.insert(text, "SERVICES", written, "x")
    assert markers.insert(once, "SERVICES", written, "x") == once
    assert markers.contains(once, "SERVICES", written, "x")


@given(files(), blocks, blocks)
def test_blocks_come_out_in_any_order(text: str, first: list[str], second: list[str]) -> None:
    """Of two entries each can go first; the file is then as it was."""
    one = "\n".join(["one:", *(f"  {line}" for line in first)])
    two = "\n".join(["two:", *(f"  {line}" for line in second)])
    both = markers.insert(markers.insert(text, "SERVICES", one, "x"), "SERVICES", two, "x")
    for order in ((one, two), (two, one)):
        left = both
        for block in order:
            left = markers.remove(left, "SERVICES", block, "x")
        assert left == text


@given(files(), blocks)
def test_only_lines_are_added(text: str, block: list[str]) -> None:
    """Every line of the user is still there, in its order, and none of them is changed."""
    new = markers.insert(text, "SERVICES", "\n".join(block), "x")
    rest = iter(new.split("\n"))
    assert all(line in rest for line in text.split("\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "x.yml:1 lacks the markers ##<<SERVICES>>"),
        ("", "x.yml:1 lacks the markers"),
        ("##<<SERVICES>>\na: 1\n", "x.yml:1 ##<<SERVICES>> is never closed"),
        ("a: 1\n##<</SERVICES>>\n", "x.yml:2 ##<</SERVICES>> closes what is not open"),
        (PLAIN + PLAIN, "x.yml:7 ##<<SERVICES>> stands there a second time"),
        (
            "##<<SERVICES>>\n##<<SERVICES>>\n##<</SERVICES>>\n",
            "x.yml:2 ##<<SERVICES>> opens inside",
        ),
        ("##<<A>>\n##<<SERVICES>>\n##<</A>>\n##<</SERVICES>>\n", "x.yml:2 ##<<SERVICES>> opens"),
        ("##<<SERVICES>>\n##<</A>>\n", "x.yml:2 ##<</A>> closes what is not open inside"),
        ("  ##<<SERVICES>>\n##<</SERVICES>>\n", "x.yml:2 ##<</SERVICES>> is indented unlike"),
        ("##<<services>>\n##<</services>>\n", "x.yml:2 lacks the markers"),
    ],
)
def test_markers_that_are_not_in_order_are_refused(text: str, message: str) -> None:
    """The error names the file and the line, for every way to break markers."""
    with pytest.raises(UserError) as error:
        markers.insert(text, "SERVICES", BLOCK, "x.yml")
    assert message in error.value.what
    assert "git checkout -- x.yml" in error.value.hint


def test_removing_what_is_not_there_is_refused() -> None:
    """A block that differs by one letter is not removed."""
    text = markers.insert(PLAIN, "SERVICES", BLOCK, "x.yml")
    with pytest.raises(UserError, match=r"x\.yml:2 SERVICES does not hold"):
        markers.remove(text, "SERVICES", BLOCK.replace("dev", "prod"), "x.yml")


def test_a_part_of_a_block_is_no_block() -> None:
    """The first lines of another entry don't count as the block that shall go."""
    with pytest.raises(UserError, match="does not hold"):
        markers.remove(PLAIN, "SERVICES", "api:", "x.yml")


def test_entries_are_found_with_their_comments() -> None:
    """An entry goes with the comment above it, and its neighbours stay with theirs."""
    text = (
        "##<<SERVICES>>\n# one\n'one':\n  a: |\n    text\n\n    # text\n# astray\n  b: 1\n\n"
        "# free\n\n# two\ntwo:\n  a: 1\n# last\n##<</SERVICES>>\nthree:\n"
    )
    assert markers.sections(text, "x") == {"one": "SERVICES", "two": "SERVICES"}
    one = markers.entry(text, "SERVICES", "one", "x")
    assert one is not None
    assert one.startswith("# one\n'one':")
    assert one.endswith("# astray\n  b: 1\n")
    assert markers.remove_entry(text, "SERVICES", "two", "x") == text.replace(
        "\n# two\ntwo:\n  a: 1\n", ""
    )
    assert markers.entry(text, "SERVICES", "three", "x") is None
    assert markers.remove_entry(text, "SERVICES", "three", "x") == text
