"""`gp check` as a user meets it: output, exit codes, exceptions, baseline, and trees of all kinds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from groundplan.check import baseline
from groundplan.check.engine import Report
from groundplan.check.finding import Finding, Level
from groundplan.check.formats import github
from groundplan.errors import UserError
from groundplan.files import partial_of
from tests.shop import ALLOW, BASE, RULES, Shop

PINNED = "image: postgres:17"
LATEST = "image: postgres:latest"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace without a mistake, at a path with a space."""
    return Shop(tmp_path / "a shop")


def gp_check(shop: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `gp check` in the workspace."""
    return subprocess.run(
        [sys.executable, "-m", "groundplan", "check", *words],
        cwd=shop.root,
        env={**os.environ, "GROUNDPLAN_ROOT": str(shop.root)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def rules(*ids: str) -> list[str]:
    """The words that choose rules, all of the shop's if none is named."""
    return [word for rule in ids or RULES for word in ("--rule", rule)]


# -- output and exit codes --------------------------------------------------------------------


def test_clean_workspace_ends_with_0(shop: Shop) -> None:
    """Nothing wrong: one line, exit code 0."""
    done = gp_check(shop, *rules("image-pinned"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "All is well.\n", "")


def test_finding_ends_with_1_and_says_where_and_what_to_do(shop: Shop) -> None:
    """A finding is shown below its file with line, rule and fix."""
    shop.edit(BASE, PINNED, LATEST)
    done = gp_check(shop, *rules())
    (line,) = [line for line in done.stdout.splitlines() if "error  " in line]
    number = shop.read(BASE)[: shop.read(BASE).index(LATEST)].count("\n") + 1
    assert line.startswith(f"  {BASE}:{number}  error")
    assert line.endswith("[image-pinned]")
    assert "Name a version" in done.stdout
    assert done.returncode == 1


def test_unknown_rule_and_options_that_exclude_each_other_end_with_2(shop: Shop) -> None:
    """Usage errors have an exit code of their own, and say what there is."""
    unknown = gp_check(shop, "--rule", "no-such-rule")
    assert (unknown.returncode, "Rules: compose-valid, marker" in unknown.stderr) == (2, True)
    assert gp_check(shop, "--rule", "exception").returncode == 2
    assert gp_check(shop, "--explain", "no-such-rule").returncode == 2
    assert gp_check(shop, "--explain", "marker", "--write-baseline").returncode == 2
    assert gp_check(shop, "--format", "xml").returncode == 2


def test_rule_is_explained(shop: Shop) -> None:
    """--explain prints why and fix, also where the Compose files can't be read."""
    shop.write(BASE, "services: [")
    done = gp_check(shop, "--explain", "volume-backup")
    assert done.returncode == 0
    assert "Why: " in done.stdout
    assert "Fix: " in done.stdout


def test_json(shop: Shop) -> None:
    """--json and --format json give findings with all fields, notes included."""
    shop.edit(BASE, PINNED, LATEST)
    done = gp_check(shop, "--json")
    tree = json.loads(done.stdout)
    assert done.stdout == gp_check(shop, "--format", "json").stdout
    (finding,) = [item for item in tree["findings"] if item["rule"] == "image-pinned"]
    assert set(finding) == {"rule", "message", "file", "line", "fix", "level"}
    assert tree["notes"] > 0
    assert done.returncode == 1


def test_notes_are_counted_and_shown_on_demand(shop: Shop) -> None:
    """People see the number of notes, and the notes with --notes; they don't fail."""
    hidden, shown = gp_check(shop), gp_check(shop, "--notes")
    assert "reaches and never uses" not in hidden.stdout
    assert "notes (--notes shows them)" in hidden.stdout
    assert "reaches and never uses" in shown.stdout


def test_sarif(shop: Shop) -> None:
    """The SARIF log has what its schema demands, and places relative to the root."""
    shop.write("services/w b/Dockerfile", "FROM node\n")
    log = json.loads(gp_check(shop, "--format", "sarif", *rules("image-pinned")).stdout)
    assert (log["version"], "sarif-2.1.0" in log["$schema"]) == ("2.1.0", True)
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    (result,) = run["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "image-pinned"
    assert result["message"]["text"]
    assert result["level"] in ("error", "warning", "note")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "services/w%20b/Dockerfile"
    assert place["region"] == {"startLine": 1}


def test_github_annotations_are_escaped() -> None:
    """What a file's name or a message holds can't end an annotation or start another one."""
    finding = Finding("50%\n::error::x", "a,b:c.yml", 3, Level.NOTE, "Mend.", "marker")
    first = github(Report((finding,))).splitlines()[0]
    assert first == ("::notice file=a%2Cb%3Ac.yml,line=3,title=marker::50%25%0A::error::x Mend.")


def test_control_characters_do_not_reach_the_terminal(shop: Shop) -> None:
    """A file's name can't move the cursor."""
    shop.write("bad\033[2J/Dockerfile", "FROM node\n")
    done = gp_check(shop, *rules("image-pinned"))
    assert "\033" not in done.stdout
    assert r"bad\x1b[2J/Dockerfile" in done.stdout


def test_warnings_fail_with_strict_only() -> None:
    """Errors always fail, warnings with --strict, notes never."""
    for level, fails, fails_strictly in (
        (Level.ERROR, True, True),
        (Level.WARNING, False, True),
        (Level.NOTE, False, False),
    ):
        report = Report((Finding("x", "y", 1, level, "z", "marker"),))
        assert report.has_failed(strict=False) is fails
        assert report.has_failed(strict=True) is fails_strictly


# -- trees of all kinds -----------------------------------------------------------------------


def test_unreadable_compose_file_is_told_whatever_rule_is_asked(shop: Shop) -> None:
    """A rule that can't look at anything does not say that all is well."""
    shop.write(BASE, "services:\n  web: {image: web:1\n")
    (finding,) = shop.findings("port-conflict")
    assert (finding.rule, finding.file) == ("compose-valid", BASE)
    assert finding.line > 1


def test_no_workspace(tmp_path: Path) -> None:
    """Outside of a workspace the error says so."""
    shop = Shop(tmp_path)
    (shop.root / BASE).unlink()
    done = gp_check(shop)
    assert (done.returncode, "docker-compose.yml" in done.stderr) == (1, True)


def test_nothing_is_written(shop: Shop) -> None:
    """A check leaves every file and folder as it was."""
    before = sorted(shop.root.rglob("*"))
    gp_check(shop)
    assert sorted(shop.root.rglob("*")) == before


def test_git_says_which_files_belong_to_the_workspace(shop: Shop) -> None:
    """What git ignores is not checked; what it does not track yet is."""
    subprocess.run(["git", "init", "-q"], cwd=shop.root, check=True)
    shop.write(".gitignore", "cache/\n")
    shop.write("cache/Dockerfile", "FROM node\n")
    shop.write("new/Dockerfile", "FROM node\n")
    assert [finding.file for finding in shop.findings("image-pinned")] == ["new/Dockerfile"]


def test_without_git_dependencies_are_passed_by(shop: Shop) -> None:
    """Without git every file is checked but dependencies and local state."""
    for folder in ("node_modules/x", ".venv/x", "tmp/x", "own"):
        shop.write(f"{folder}/Dockerfile", "FROM node\n")
    assert [finding.file for finding in shop.findings("image-pinned")] == ["own/Dockerfile"]


# -- exceptions -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{0} # {1}", "# {1}\n    {0}"], ids=["same line", "line above"])
def test_exception_with_a_reason(shop: Shop, form: str) -> None:
    """A comment on the line or above it excuses the finding of that rule."""
    shop.edit(BASE, PINNED, form.format(LATEST, f"{ALLOW} image-pinned: built here"))
    assert shop.findings() == []


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("image-pinned:", "gives no reason"),
        ("image-pinned", "gives no reason"),
        ("image-pined: built here", "'image-pined', which is no rule"),
        (": built here", "'', which is no rule"),
        ("marker: built here", "excuses nothing"),
    ],
)
def test_exception_that_is_wrong(shop: Shop, comment: str, words: str) -> None:
    """An exception without reason, of an unknown rule or of another one is an error itself."""
    shop.edit(BASE, PINNED, f"{LATEST} # {ALLOW} {comment}")
    found = {finding.rule: finding for finding in shop.findings()}
    assert set(found) == {"exception", "image-pinned"}
    assert words in found["exception"].message
    assert found["exception"].line == found["image-pinned"].line


def test_exception_that_is_no_longer_needed(shop: Shop) -> None:
    """An exception that excuses nothing must go; a rule that was not asked says nothing of it."""
    shop.edit(BASE, PINNED, f"{PINNED} # {ALLOW} image-pinned: built here")
    assert [finding.rule for finding in shop.findings()] == ["exception"]
    assert shop.findings("marker") == []


def test_exception_in_markdown(shop: Shop) -> None:
    """In a page the comment is one of HTML, and what stands in code is an example."""
    shop.write("page.md", f"a <!-- {ALLOW} marker: a reason -->\n\n`<!-- {ALLOW} x: y -->`\n")
    (finding,) = shop.findings()
    assert (finding.file, finding.line) == ("page.md", 1)
    assert "excuses nothing" in finding.message


# -- baseline ---------------------------------------------------------------------------------


def test_baseline_lets_pass_what_was_there(shop: Shop) -> None:
    """What is in the baseline does not fail, wherever its line moves; what is new does."""
    shop.edit(BASE, PINNED, LATEST)
    assert gp_check(shop, "--write-baseline").returncode == 0
    shop.write(BASE, f"# moved\n{shop.read(BASE)}")
    done = gp_check(shop, *rules())
    assert (done.returncode, "1 in the baseline" in done.stdout) == (0, True)
    shop.edit(BASE, "image: rabbitmq:4", "image: rabbitmq")
    assert [finding.rule for finding in shop.findings()] == ["image-pinned"]


def test_baseline_counts_equal_findings(shop: Shop) -> None:
    """A second mistake of the same words is a new one."""
    shop.write("Dockerfile", "FROM node\n")
    gp_check(shop, "--write-baseline")
    shop.write("Dockerfile", "FROM node\nFROM node\n")
    assert len(shop.findings("image-pinned")) == 1


def test_baseline_must_shrink(shop: Shop) -> None:
    """What was mended must leave the baseline, and --shrink-baseline takes it out."""
    shop.edit(BASE, PINNED, LATEST)
    shop.write("Dockerfile", "FROM node\n")
    gp_check(shop, "--write-baseline")
    shop.edit(BASE, LATEST, PINNED)
    (stale,) = shop.findings()
    assert (stale.rule, stale.file, "--shrink-baseline" in stale.fix) == (
        "baseline",
        baseline.FILE,
        True,
    )
    assert "postgres:latest" in shop.line(stale)
    done = gp_check(shop, "--shrink-baseline")
    assert (done.returncode, done.stdout) == (0, f"Taken out of {baseline.FILE}: 1.\n")
    assert shop.findings() == []


def test_baseline_never_grows(shop: Shop) -> None:
    """Neither writing it a second time nor shrinking it takes in what is new."""
    gp_check(shop, "--write-baseline")
    before = shop.read(baseline.FILE)
    shop.edit(BASE, PINNED, LATEST)
    again = gp_check(shop, "--write-baseline")
    assert (again.returncode, "can only shrink" in again.stderr) == (2, True)
    gp_check(shop, "--shrink-baseline")
    assert shop.read(baseline.FILE) == before
    assert [finding.rule for finding in shop.findings()] == ["image-pinned"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"findings": 3}', '{"findings": [{"rule": "marker"}]}', "\xff"]
)
def test_broken_baseline_is_refused(shop: Shop, text: str) -> None:
    """A baseline that can't be read is no empty one."""
    (shop.root / baseline.FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"check-baseline\.json can't be read"):
        shop.findings()


def test_baseline_in_a_tree_that_cannot_be_written(shop: Shop) -> None:
    """The error says what can't be written, and nothing half-written is left."""
    partial_of(shop.root / baseline.FILE).mkdir()  # holds for root too, whom modes don't stop
    done = gp_check(shop, "--write-baseline")
    assert (done.returncode, "can't be written" in done.stderr) == (1, True)
    assert not (shop.root / baseline.FILE).exists()
