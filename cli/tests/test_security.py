"""`gp lint --security`: what is known against packages, and what may not be shipped.

pip-audit and npm are real; the service that they ask is one of this test, which knows two vulnerabilities.
"""

import gzip
import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from groundplan.commands.security import TOOLS
from groundplan.errors import UserError
from groundplan.security import licences, locks, sbom
from groundplan.security.policy import Policy, load
from tests.support import Workspace, python

JINJA, LODASH = "GHSA-462w-v97r-4m45", "GHSA-35jh-r3h4-6jhm"
TOMORROW, YESTERDAY = (date.today() + timedelta(days) for days in (1, -1))
POLICY = 'licences = ["MIT", "ISC"]\n'


class Advisories(BaseHTTPRequestHandler):
    """What npm's registry and OSV answer, for the two packages that this test installs."""

    severity = "high"

    def do_POST(self) -> None:
        """Advisories for the packages of the request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        asked = json.loads(body)
        self._send(self._of_npm(asked) if self.path.endswith("/bulk") else self._of_osv(asked))

    def do_GET(self) -> None:
        """The versions of a package of npm."""
        versions = {v: {"name": "lodash", "version": v} for v in ("4.17.20", "4.17.21")}
        self._send({"name": "lodash", "dist-tags": {"latest": "4.17.21"}, "versions": versions})

    def _of_npm(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "lodash" not in asked:
            return {}
        url = f"https://github.com/advisories/{LODASH}"
        found = {"id": 1, "url": url, "title": "Command Injection", "severity": self.severity}
        return {"lodash": [{**found, "vulnerable_versions": "<4.17.21"}]}

    def _of_osv(self, asked: dict[str, Any]) -> dict[str, Any]:
        package = {"name": "jinja2", "ecosystem": "PyPI"}
        if asked["package"] != package:
            return {}
        events = [{"introduced": "0"}, {"fixed": "2.10.1"}]
        affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
        return {"vulns": [{"id": JINJA, "summary": "Sandbox Escape", "affected": affected}]}

    def _send(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def known(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables that lead pip-audit and npm to the service of this test."""
    Advisories.severity = "high"
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield {
            "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
            "PIP_AUDIT_OSV_URL": f"{url}/query",
            "npm_config_registry": url,
            "npm_config_cache": str(tmp_path / "npm"),
        }
        server.shutdown()
        thread.join()


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A workspace with a service that ships lodash, and a policy."""
    workspace.write({"shop": {"build": "./shop", "command": python("pass")}})
    shutil.rmtree(workspace.app)
    node_lock(workspace, lodash=("4.17.20", "MIT"))
    write(workspace, "config/security.toml", POLICY)
    return workspace


def write(workspace: Workspace, name: str, text: str) -> None:
    """Write a file of the workspace."""
    path = workspace.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def node_lock(workspace: Workspace, **packages: tuple[str, str]) -> None:
    """Lock packages of the service shop, and leave what their installation leaves."""
    own = {"name": "shop", "version": "1.0.0"}
    wanted = {"dependencies": {name: version for name, (version, _) in packages.items()}}
    entries = {
        f"node_modules/{name}": {"version": version, "license": licence}
        for name, (version, licence) in packages.items()
    }
    tree = {"lockfileVersion": 3, "requires": True, "packages": {"": own | wanted, **entries}}
    write(workspace, "shop/package.json", json.dumps(own | wanted))
    for name in ("shop/package-lock.json", "shop/node_modules/.installed.lock"):
        write(workspace, name, json.dumps(own | tree))


def python_lock(workspace: Workspace, *pins: str) -> None:
    """A Python lock file that no service uses, such as one of a template."""
    text = "".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in pins)
    write(workspace, "template/requirements.lock", text)


def test_known_vulnerabilities_fail(shop: Workspace, known: dict[str, str]) -> None:
    """Each one is told with package, version, advisory, fix and lock file, and the command ends with 1."""
    python_lock(shop, "Jinja2==2.10", "markupsafe==3.0.4")
    done = shop.gp("lint", "--security", **known)
    assert done.returncode == 1, done.stderr
    assert f"jinja2 2.10: {JINJA} Sandbox Escape (fixed in 2.10.1; template/" in done.stderr
    assert f"lodash 4.17.20: {LODASH} Command Injection (fixed in lodash 4.17.21;" in done.stderr
    assert done.stderr.count("failed") == 2
    assert "markupsafe" not in done.stderr


def test_nothing_known_is_well(shop: Workspace, known: dict[str, str]) -> None:
    """Without a known vulnerability the command ends with 0."""
    node_lock(shop, sound=("1.0.0", "ISC"))
    done = shop.gp("lint", "--security", **known)
    assert (done.returncode, done.stderr.count("failed")) == (0, 0), done.stderr


def test_a_slight_vulnerability_is_told_and_passes(shop: Workspace, known: dict[str, str]) -> None:
    """Below high it is a warning."""
    Advisories.severity = "moderate"
    done = shop.gp("lint", "--security", **known)
    assert done.returncode == 0, done.stderr
    assert f"moderate  lodash 4.17.20: {LODASH}" in done.stderr


@pytest.mark.parametrize(
    ("advisory", "until", "code", "words"),
    [
        (LODASH, TOMORROW, 0, f"accepted until {TOMORROW}: lodash"),
        (LODASH, YESTERDAY, 1, f"It was accepted until {YESTERDAY}."),
        ("GHSA-none", TOMORROW, 1, "accepts GHSA-none of lodash, which is not found: delete it."),
    ],
)
def test_exceptions_have_an_end(
    shop: Workspace, known: dict[str, str], advisory: str, until: date, code: int, words: str
) -> None:
    """An exception lets one advisory pass until its day, and must be needed."""
    entry = f'id = "{advisory}"\npackage = "lodash"\nuntil = {until}\nreason = "not reached"\n'
    write(shop, "config/security.toml", f"{POLICY}[[accepted]]\n{entry}")
    done = shop.gp("lint", "--security", **known)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


@pytest.mark.long
def test_no_answer_is_no_good_news(shop: Workspace, known: dict[str, str]) -> None:
    """Where the services can't be asked the command ends with 2, and tells what it did find."""
    python_lock(shop, "jinja2==2.10")
    nowhere = "http://127.0.0.1:9"
    done = shop.gp("lint", "--security", **{**known, "PIP_AUDIT_OSV_URL": nowhere})
    assert done.returncode == 2
    assert "The known vulnerabilities of Python packages could not be asked for." in done.stderr
    assert LODASH in done.stderr
    done = shop.gp("lint", "--security", **{**known, "npm_config_registry": nowhere})
    assert done.returncode == 2
    assert "of shop/package-lock.json could not be asked for." in done.stderr
    assert JINJA in done.stderr


def test_a_licence_that_may_not_be_shipped(shop: Workspace, known: dict[str, str]) -> None:
    """A package under a licence that is not allowed, or under none, fails by name."""
    node_lock(shop, strict=("2.0.0", "AGPL-3.0-only"), either=("1.0.0", "(GPL-2.0 OR MIT)"))
    done = shop.gp("lint", "--security", **known)
    assert done.returncode == 1
    assert "shop: strict 2.0.0 has AGPL-3.0-only." in done.stderr
    assert "either" not in done.stderr


def test_bills_of_materials(shop: Workspace, known: dict[str, str], tmp_path: Path) -> None:
    """--sbom writes a CycloneDX file of each part, which names each package with its licence."""
    Advisories.severity = "low"
    folder = tmp_path / "bills"
    assert shop.gp("lint", "--security", "--sbom", str(folder), **known).returncode == 0
    bill = json.loads((folder / "shop.cdx.json").read_text())
    (component,) = bill["components"]
    assert (bill["bomFormat"], component["purl"]) == ("CycloneDX", "pkg:npm/lodash@4.17.20")
    assert component["licenses"] == [{"license": {"id": "MIT"}}]


@pytest.mark.long
def test_the_bill_of_a_python_part() -> None:
    """It holds what requirements.lock names, each with a licence, and nothing of development."""
    folder = Path(__file__).parent.parent
    if TOOLS.find() is None:
        TOOLS.fetch(lambda _: None)
    program = TOOLS.folder / "bin" / "cyclonedx-py"
    bill = sbom.of_python("cli", folder, Path(sys.executable), program)
    lock = locks.Lock(folder / "requirements.lock", "requirements.lock")
    names = {locks.normal(item["name"]) for item in bill.components}
    assert {"click", "pyyaml", "rich"} <= names <= {name for name, _ in lock.packages()}
    policy = load(Path(os.environ.get("GROUNDPLAN_ROOT", folder.parent)))
    assert list(licences.refused(bill, policy)) == []


@pytest.mark.parametrize(
    ("expression", "is_allowed"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("MIT OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR GPL-3.0) AND ISC", True),
        ("(MIT AND GPL-3.0) OR AGPL-3.0", False),
        ("GPL-3.0 OR (ISC AND MIT)", True),
        ("MIT WITH Some-exception", False),
        ("", False),
        ("(", False),
        ("MIT MIT", False),
    ],
)
def test_expressions_of_licences(expression: str, is_allowed: bool) -> None:
    """AND needs both, OR one; what is not understood is not allowed."""
    assert licences.allows(expression, frozenset({"MIT", "ISC"})) == is_allowed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("licences = [", "can't be read"),
        ("licences = 3", "`licences` is no list"),
        ("stated = []", "`stated` is no table"),
        ('[[accepted]]\nid = "a"', "security.toml:1 the exception has no package"),
        (
            '[[accepted]]\nid = "a"\npackage = "b"\nuntil = "soon"\nreason = "c"',
            "no until, or it is of the wrong kind",
        ),
        (
            'licences = []\n[[accepted]]\nid = "a"\npackage = "b"\nuntil = 2030-01-01\nreason = ""',
            "security.toml:2 the exception has no reason",
        ),
    ],
)
def test_a_policy_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong in the policy is told with its place, and the command ends with 2."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "security.toml").write_text(text)
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert words in str(error.value)
    assert error.value.code == 2


def test_a_package_that_tells_no_licence() -> None:
    """Its licence can be stated by the policy."""
    bill = sbom.Bill("api", {"components": [{"name": "quiet", "version": "1"}]})
    silent, told = (Policy(frozenset({"MIT"}), stated, ()) for stated in ({}, {"quiet": "MIT"}))
    assert list(licences.refused(bill, silent)) == ["api: quiet 1 has no licence."]
    assert list(licences.refused(bill, told)) == []


def test_options_that_do_not_go_together(workspace: Workspace) -> None:
    """A part, --fix, or --sbom alone are refused with 2."""
    for words in (["--security", "cli"], ["--security", "--fix"], ["--sbom", "x"]):
        assert workspace.gp("lint", *words).returncode == 2
