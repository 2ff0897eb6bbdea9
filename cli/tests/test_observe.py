"""`gp observe`, `gp trace` and `gp check --live`, with the real observer."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support import SLEEP, Workspace, free_port, service, until

SOURCE = Path(__file__).parents[2] / "services" / "observe"
FLOWS = """\
actors: [browser]
drive: [python, drive.py]
flows:
  read:
    title: A read
    steps:
      - {from: browser, to: api, protocol: http, operation: "GET /users/{id}"}
upkeep:
  - {from: api, to: db, protocol: postgresql, operation: SELECT *}
  - {from: api, to: db, protocol: postgresql, operation: DELETE sessions}
"""
DRIVE = """
import json, os, sys, urllib.request
assert json.loads(os.environ["GROUNDPLAN_STATUS"])["services"]
assert os.environ["SECRET"]
url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
body = open("spans.json", "rb").read()
request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
urllib.request.urlopen(request)
"""
Json = dict[str, Any]
_count = iter(range(1, 1000))


def span(kind: int, parent: Json | None = None, **attributes: str | int) -> Json:
    """A span of OTLP/JSON; `__` in the name of an attribute stands for a dot."""
    start = time.time_ns()
    number = next(_count)
    return {
        "traceId": parent["traceId"] if parent else f"{number:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": parent["spanId"] if parent else "",
        "name": "work",
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 12_000_000),
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue": str(value)}}
            for key, value in attributes.items()
        ],
    }


def read(database_port: int, path: str = "/users/7", statement: str = "SELECT users") -> Json:
    """The request that tells of one whole read."""
    asked = span(3, None, http__request__method="GET", url__path=path)
    answered = span(2, asked, http__request__method="GET", http__route="/users/{user_id}")
    query = span(
        3,
        answered,
        db__system__name="postgresql",
        db__query__summary=statement,
        server__address="127.0.0.1",
        server__port=database_port,
    )
    query["status"] = {"code": 2, "message": "too\nslow"}
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": name}}]
                },
                "scopeSpans": [{"spans": spans}],
            }
            for name, spans in (("browser", [asked]), ("the-api", [answered, query]))
        ]
    }


class Observed:
    """A workspace with an observer."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        ignored = shutil.ignore_patterns(".*", "tests", "__pycache__")
        shutil.copytree(SOURCE, root / "observe", ignore=ignored)
        if (SOURCE / ".venv").exists():
            (root / "observe" / ".venv").symlink_to(SOURCE / ".venv")
        telemetry = {
            "OTEL_SERVICE_NAME": "the-api",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://watcher:4318",
        }
        watcher = {
            "build": "./observe",
            "command": ["python", "-m", "observe"],
            "environment": {"OBSERVE_DATA": str(root / "tmp" / "observe")},
            "ports": [f"127.0.0.1:${{WATCHER_PORT:-{free_port()}}}:4318"],
            "x-groundplan": {"ready": "/healthz"},
        }
        self.workspace.write(
            {
                "api": service(SLEEP, environment=telemetry),
                "db": service(SLEEP, expose=["5432"]),
                "watcher": watcher,
            }
        )
        self.write_flows(FLOWS)
        (root / "drive.py").write_text(DRIVE)

    def write_flows(self, text: str) -> None:
        """Write flows.yaml."""
        file = self.workspace.root / "docs" / "architecture" / "flows.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @property
    def database_port(self) -> int:
        """Where the unpublished database listens on this machine."""
        return int(self.workspace.service("db")["ports"]["5432"])

    def will_drive(self, **fields: str) -> None:
        """What the next drive sends."""
        (self.workspace.root / "spans.json").write_text(
            json.dumps(read(self.database_port, **fields))
        )

    def send(self, **fields: str) -> str:
        """Send a read; its trace's id."""
        body = read(self.database_port, **fields)
        url = f"{self.workspace.service('watcher')['url']}/v1/traces"
        headers = {"Content-Type": "application/json"}
        urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10).close()  # noqa: S310 - http
        trace_id = str(body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"])
        until(lambda: self.workspace.gp("trace", trace_id).returncode == 0)
        return trace_id


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A running workspace with an observer."""
    observed = Observed(tmp_path_factory.mktemp("observed") / "shop")
    try:
        observed.workspace.up()
        yield observed
    finally:
        observed.workspace.close()


@pytest.fixture
def observed(shared: Observed) -> Observed:
    """The same, with nothing seen yet."""
    shared.write_flows(FLOWS)
    assert shared.workspace.gp("observe", "--once", "--reset").returncode == 0
    return shared


# -- check --live -----------------------------------------------------------------------------


def test_declared_calls_are_seen(observed: Observed) -> None:
    """What the drive did is found among the declared calls, also at an unpublished port."""
    observed.will_drive()
    done = observed.workspace.gp("check", "--live")
    assert done.returncode == 0, done.stdout + done.stderr
    seen, never = done.stdout.split("Declared, never exercised")
    assert "flows.yaml:7" in seen
    assert "flows.yaml:9" in seen
    assert "DELETE sessions" in never
    assert done.stdout.endswith("2 of 3 declared calls seen, 0 undeclared.\n")


def test_an_undeclared_call_fails(observed: Observed) -> None:
    """A call that nobody declared ends the check with 1, with the line that would declare it."""
    observed.will_drive(statement='DROP "users": all')
    done = observed.workspace.gp("check", "--live")
    assert done.returncode == 1
    assert 'api → db  postgresql  DROP "users": all  (1 times)' in done.stdout
    line = '- {from: api, to: db, protocol: postgresql, operation: "DROP \\"users\\": all"}'
    assert line in done.stdout
    observed.write_flows(f"{FLOWS}  {line}\n")
    assert observed.workspace.gp("check", "--live").returncode == 0


def test_live_findings_for_machines(observed: Observed) -> None:
    """JSON, SARIF and GitHub's annotations tell the same, with the line of flows.yaml."""
    observed.send(statement="DROP users")
    observed.will_drive()
    tree = json.loads(observed.workspace.gp("check", "--live", "--json").stdout)
    assert [call["line"] for call in tree["never_exercised"]] == [10]
    assert [edge["operation"] for edge in tree["undeclared"]] == ["DROP users"]
    github = observed.workspace.gp("check", "--live", "--format", "github")
    assert github.returncode == 1
    assert "::error file=docs/architecture/flows.yaml,line=10" in github.stdout


def test_watch_only_watches(observed: Observed) -> None:
    """`--watch` runs no drive and looks only at what happens meanwhile."""
    observed.send(statement="DROP users")
    observed.write_flows(FLOWS.replace("drive.py", "missing.py"))
    done = observed.workspace.gp("check", "--live", "--watch", "0.1")
    assert done.returncode == 0
    assert "0 of 3 declared calls seen, 0 undeclared." in done.stdout


@pytest.mark.parametrize(
    ("flows", "words"),
    [
        (FLOWS.replace("drive.py", "missing.py"), "python missing.py failed"),
        (FLOWS.replace("[python, drive.py]", "[no-such-program]"), "no-such-program failed"),
        ("actors: [browser]\n", "declares no calls"),
        ("flows: [", "flows.yaml:2 is not valid YAML"),
    ],
)
def test_what_keeps_the_check_from_running(observed: Observed, flows: str, words: str) -> None:
    """A drive that fails, or flows that can't be read, are told with a reason."""
    observed.write_flows(flows)
    done = observed.workspace.gp("check", "--live")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_make_no_sense_together(workspace: Workspace) -> None:
    """`--watch` without `--live`, and `--live` with a rule, are refused."""
    assert workspace.gp("check", "--watch", "1").returncode == 2
    assert workspace.gp("check", "--live", "--rule", "link").returncode == 2


# -- observe ----------------------------------------------------------------------------------


def test_observe_shows_who_calls_whom(observed: Observed) -> None:
    """The table names services, not addresses, and says what is undeclared."""
    observed.send()
    observed.send(statement="DROP users")
    until(lambda: "DROP" in observed.workspace.gp("observe", "--once").stdout)
    lines = observed.workspace.gp("observe", "--once").stdout.splitlines()
    assert lines[0].split()[:4] == ["caller", "callee", "protocol", "operation"]
    found = {line[:60].split()[3] + line[:60].split()[4]: line for line in lines[1:]}
    assert found["SELECTusers"].split()[:3] == ["api", "db", "postgresql"]
    assert "undeclared" not in found["SELECTusers"]
    assert "undeclared" in found["DROPusers"]
    assert found["GET/users/{user_id}"].split()[:2] == ["browser", "api"]


def test_observe_for_machines(observed: Observed) -> None:
    """`--once --json` gives the edges with counts, errors and durations in seconds."""
    observed.send()
    until(lambda: observed.workspace.gp("observe", "--once").stdout)
    (edge, _) = json.loads(observed.workspace.gp("observe", "--once", "--json").stdout)["edges"]
    assert (edge["caller"], edge["callee"], edge["count"], edge["errors"]) == ("api", "db", 1, 1)
    assert edge["p50"] == pytest.approx(0.012, rel=0.05)
    assert edge["declared"] is True


def test_observe_goes_on(observed: Observed) -> None:
    """Without a terminal `observe` shows what there is, then each edge that is used."""
    observed.send()
    observe = observed.workspace.start("observe")
    assert observe.stdout
    for _ in range(2):
        while "SELECT users" not in observe.stdout.readline():
            pass
        observed.send()
    observe.terminate()


# -- trace ------------------------------------------------------------------------------------


def test_a_trace_as_a_waterfall(observed: Observed) -> None:
    """A trace shows the calls below each other, with the reason of what failed, in 80 columns."""
    trace_id = observed.send()
    for words in ([trace_id], ["--last"], ["--last", "--operation", "GET /users/*"]):
        done = observed.workspace.gp("trace", *words, COLUMNS="80")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"{trace_id}  3 spans")
        assert "1 failed" in lines[0]
        assert [line.split()[0] for line in lines[2:5]] == ["browser", "api", "api"]
        assert "→ db SELECT users" in lines[4]
        assert lines[5].strip() == "too slow"
        assert max(map(len, lines)) <= 80
    tree = json.loads(observed.workspace.gp("trace", trace_id, "--json").stdout)
    assert [span["service"] for span in tree["spans"]] == ["browser", "api", "api"]


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["ab" * 16], 1, "There is no trace"),
        (["no/id?"], 1, "There is no trace"),
        (["--last", "--operation", "NOTHING*"], 1, "no trace with the operation 'NOTHING*'"),
        ([], 2, "Give a trace's id or --last"),
        (["ab" * 16, "--last"], 2, "Give a trace's id or --last"),
    ],
)
def test_traces_that_are_not_there(
    observed: Observed, words: list[str], code: int, reason: str
) -> None:
    """An unknown trace is told with what to type."""
    done = observed.workspace.gp("trace", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert reason in done.stderr


# -- without an observer ----------------------------------------------------------------------


@pytest.mark.parametrize("words", [["observe", "--once"], ["trace", "--last"], ["check", "--live"]])
def test_nothing_runs(workspace: Workspace, words: list[str]) -> None:
    """Where nothing runs the commands say how to start it."""
    done = workspace.gp(*words)
    assert done.returncode == 1
    assert "./gp up" in done.stderr


def test_no_service_sends_traces(workspace: Workspace) -> None:
    """A running workspace without an observer says what is missing."""
    workspace.up()
    done = workspace.gp("observe", "--once")
    assert done.returncode == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in done.stderr


def test_the_observer_is_not_running(tmp_path: Path) -> None:
    """Where only the other services were started, the error names the observer."""
    observed = Observed(tmp_path / "shop")
    try:
        observed.workspace.up("api")
        done = observed.workspace.gp("trace", "--last")
        assert done.returncode == 1
        assert "./gp up --detach watcher" in done.stderr
    finally:
        observed.workspace.close()
