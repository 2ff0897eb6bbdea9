"""`backup` and `restore`: what they ask of the service that makes backups, and what they make of its answers.

That service is a stand-in here: a program that says what a test wants. The real one is in tests/test_backup.py
of the whole system.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support import Tree, Workspace, check, python, service, until

DUMP: Tree = {
    "id": "2026-11-23T081530Z-dump",
    "kind": "dump",
    "bytes": 2_500_000,
    "seconds": 1.2,
    "rows": 42,
}
REDIS: Tree = {"id": "2026-11-23T080000Z-redis", "kind": "redis", "bytes": 900, "seconds": 0.1}
LISTED: Tree = {"backups": [REDIS, DUMP], "repository": "/backups", "restorable": None}
RESTORED: Tree = {
    "database": "x_2",
    "swapped": True,
    "kept_as": "x_1",
    "rows": 42,
    "tables": 7,
    "seconds": 3,
}
PROGRAM = """
    import json, sys
    from pathlib import Path

    words = sys.argv[1:]
    with Path("asked.jsonl").open("a") as asked:
        asked.write(json.dumps(words) + "\\n")
    for line in json.loads(Path("said.json").read_text()).get(words[0], []):
        if isinstance(line, str):
            print(line, file=sys.stderr)
        elif "event" in line:
            print(json.dumps(line), file=sys.stderr, flush=True)
            if line["event"] == "scratch":
                answer = json.loads(sys.stdin.readline())
                print(json.dumps({"event": "progress", "text": f"smoke test: {answer}"}), file=sys.stderr)
            if line["event"] == "error":
                sys.exit(1)
        else:
            print(json.dumps(line))
            sys.exit(0)
    sys.exit(3)
"""


class Backups:
    """A running workspace with a service that says what the test wants."""

    def __init__(self, workspace: Workspace, **services: Tree) -> None:
        self.workspace = workspace
        (workspace.app / "backup.py").write_text(dedent(PROGRAM))
        self.say(list=[LISTED])
        keeper = service(
            x_groundplan={
                "commands": {name: ["python", "backup.py"] for name in ("backup", "restore")}
            }
        )
        workspace.write({"keeper": keeper, **services})
        workspace.up()

    def say(self, **answers: list[str | Tree]) -> None:
        """What each word is answered from now on: events, lines of tools, and a result."""
        (self.workspace.app / "said.json").write_text(json.dumps(answers))

    def asked(self) -> list[list[str]]:
        """The words of each time that the service was asked."""
        file = self.workspace.app / "asked.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def error(what: str, why: str = "", hint: str = "") -> Tree:
    """What a service says last when it fails."""
    return {"event": "error", "what": what, "why": why, "hint": hint}


# -- backup -----------------------------------------------------------------------------------


def test_backup_shows_progress_and_result(workspace: Workspace) -> None:
    """`backup now` asks for a dump, shows each step on standard error, and says what was made."""
    backups = Backups(workspace)
    step = {"event": "progress", "text": "dumping users", "done": 1, "total": 2}
    backups.say(now=[step, {"backups": [DUMP]}])
    done = workspace.gp("backup", "now")
    assert done.returncode == 0, done.stderr
    assert backups.asked() == [["now", "--kind", "dump", "--json"]]
    assert "dumping users (50%)" in done.stderr
    assert done.stdout == f"{DUMP['id']}: 2.5 MB in 1.2 s\n"
    assert json.loads(workspace.gp("backup", "now", "--json").stdout) == {"backups": [DUMP]}


def test_backup_list_is_a_table(workspace: Workspace) -> None:
    """`backup list` shows id, kind, size and rows, and from when to when any second can be restored."""
    backups = Backups(workspace)
    moments = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-23T08:20:00Z"}
    backups.say(list=[LISTED | {"restorable": moments}])
    lines = workspace.gp("backup", "list").stdout.splitlines()
    assert lines[0].split() == [REDIS["id"], "redis", "900", "B"]
    assert lines[1].split() == [DUMP["id"], "dump", "2.5", "MB", "42", "rows"]
    assert moments["from"] in lines[2]
    assert moments["to"] in lines[2]
    backups.say(list=[LISTED | {"backups": []}])
    assert "no backup in /backups yet" in workspace.gp("backup", "list").stdout


def test_error_of_the_service_is_told(workspace: Workspace) -> None:
    """What the service says went wrong is told as an error of the tool, and nothing is printed as a result."""
    backups = Backups(workspace)
    backups.say(now=[error("No space is left.", "The disk is full.", "Make room.")])
    done = workspace.gp("backup", "now")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No space is left.\n  The disk is full.\n  Make room." in done.stderr


def test_failure_without_an_explanation_shows_the_last_lines(workspace: Workspace) -> None:
    """Where a service ends without saying why, its last lines are shown, and where to look."""
    backups = Backups(workspace)
    backups.say(prune=["Traceback", "KeyError: 'x'"])
    done = workspace.gp("backup", "prune")
    assert done.returncode == 1
    assert "KeyError: 'x'" in done.stderr
    assert "./gp logs keeper" in done.stderr


def test_no_service_makes_backups(workspace: Workspace) -> None:
    """Without a service that offers it, or a running system, the command says what to do."""
    done = workspace.gp("backup", "now")
    assert done.returncode == 1
    assert "./gp up" in done.stderr
    workspace.up()
    done = workspace.gp("backup", "now")
    assert done.returncode == 1
    assert "No service offers the command 'backup'" in done.stderr


# -- verify -----------------------------------------------------------------------------------

SCRATCH: Tree = {
    "event": "scratch",
    "host": "127.0.0.1",
    "port": 5433,
    "user": "u",
    "password": "p",
    "database": "d",
}
VERIFIED: Tree = {"id": DUMP["id"], "tables": 7, "rows": 42, "seconds": 2, "smoke": "passed"}
SMOKE = """
    import os, sys
    names = ("POSTGRES_ADDRESS", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "POSTGRES_CA_FILE")
    values = [os.environ[name] for name in names]
    sys.exit(values != ["127.0.0.1:5433", "u", "p", "d", ""] and f"not the scratch server: {values}")
"""


def test_verify_lets_the_application_try_the_copy(workspace: Workspace) -> None:
    """The command `smoke` of another service runs with the address and login of the scratch server."""
    own = {"POSTGRES_ADDRESS": "db:5432", "POSTGRES_CA_FILE": "/ca"}
    backups = Backups(
        workspace, api=service(environment=own, x_groundplan={"commands": {"smoke": python(SMOKE)}})
    )
    backups.say(verify=[SCRATCH, VERIFIED])
    done = workspace.gp("backup", "verify")
    assert done.returncode == 0, done.stderr
    assert "smoke test: {'smoke': 'passed'}" in done.stderr
    assert "7 tables with 42 rows" in done.stdout
    assert backups.asked()[0][:3] == ["verify", "latest", "--smoke"]


def test_smoke_test_that_fails_is_told_with_its_reason(workspace: Workspace) -> None:
    """The service hears that the smoke test failed, and why; where there is none it hears that."""
    fails = service(x_groundplan={"commands": {"smoke": python("raise SystemExit('no users')")}})
    backups = Backups(workspace, api=fails)
    backups.say(verify=[SCRATCH, VERIFIED])
    assert "'failed', 'why': 'no users'" in workspace.gp("backup", "verify", DUMP["id"]).stderr


def test_verify_of_what_holds_no_tables(workspace: Workspace) -> None:
    """Of Redis and of the list of objects it is said that they can be read; without `smoke` none is asked for."""
    backups = Backups(workspace)
    backups.say(verify=[VERIFIED | {"id": REDIS["id"], "tables": None, "rows": None}])
    assert "can be read" in workspace.gp("backup", "verify", REDIS["id"]).stdout
    assert backups.asked()[0][:3] == ["verify", REDIS["id"], "--listen"]


# -- extract ----------------------------------------------------------------------------------


def test_extract_writes_a_whole_file(workspace: Workspace) -> None:
    """The content of a backup becomes a file; one that is there, or can't be written, is left as it is."""
    backups = Backups(workspace)
    backups.say(extract=[{"any": "content"}])
    file = workspace.root / "users.dump"
    done = workspace.gp("backup", "extract", "latest", "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_text() == '{"any": "content"}\n'
    again = workspace.gp("backup", "extract", "latest", "--output", str(file))
    assert again.returncode == 2
    assert "is there already" in again.stderr
    nowhere = workspace.gp("backup", "extract", "latest", "--output", str(file / "x"))
    assert "can't be written" in nowhere.stderr


def test_extract_that_fails_leaves_no_file(workspace: Workspace) -> None:
    """A damaged backup leaves nothing behind that could be taken for a whole one."""
    backups = Backups(workspace)
    backups.say(extract=[error("It is damaged.")])
    done = workspace.gp("backup", "extract", "latest", "--output", "users.dump")
    assert done.returncode == 1
    assert not list(workspace.root.glob("users.dump*"))


# -- restore ----------------------------------------------------------------------------------


def test_restore_swaps_and_lets_services_know(workspace: Workspace) -> None:
    """After a restore every service that offers `restored` is told, and what was put aside is named."""
    told = service(
        x_groundplan={"commands": {"restored": python("open('told', 'w').write('yes')")}}
    )
    backups = Backups(workspace, api=told)
    backups.say(list=[LISTED], restore=[RESTORED])
    done = workspace.gp("restore", "latest", "--swap", "--yes")
    assert done.returncode == 0, done.stderr
    assert backups.asked()[1] == ["restore", "latest", "--swap", "--json"]
    assert (workspace.app / "told").read_text() == "yes"
    assert "kept as x_1" in done.stdout
    assert "--drop-old" in done.stdout


def test_restore_asks_first(workspace: Workspace) -> None:
    """Without a yes nothing is restored."""
    backups = Backups(workspace)
    done = workspace.gp("restore", DUMP["id"], answer="n\n")
    assert done.returncode == 1
    assert "Nothing was changed." in done.stderr
    done = workspace.gp("restore", "--drop-old", answer="n\n")
    assert "Nothing was changed." in done.stderr
    assert [words[0] for words in backups.asked()] == ["list"]


def test_restore_dry_run_only_says_what_it_would_do(workspace: Workspace) -> None:
    """`--dry-run` names the steps and restores nothing."""
    backups = Backups(workspace)
    done = workspace.gp("restore", "--time", "2026-11-23T08:00:00Z", "--dry-run")
    assert "restore what was there at 2026-11-23T08:00:00Z" in done.stdout
    assert backups.asked() == [["list", "--time", "2026-11-23T08:00:00Z", "--json"]]


def test_restore_to_what_is_no_time_is_refused_before_it_asks(workspace: Workspace) -> None:
    """Nobody is asked to agree to what can't be done."""
    backups = Backups(workspace)
    backups.say(list=[error("'yesterday' is no time.")])
    done = workspace.gp("restore", "--time", "yesterday")
    assert done.returncode == 1
    assert "'yesterday' is no time." in done.stderr
    assert "Put" not in done.stderr
    assert [words[0] for words in backups.asked()] == ["list"]


def test_prune_dry_run_names_what_would_go(workspace: Workspace) -> None:
    """`backup prune --dry-run` asks for the same, and removes nothing."""
    backups = Backups(workspace)
    backups.say(prune=[{"kept": 3, "removed": 1, "ids": [DUMP["id"]]}])
    done = workspace.gp("backup", "prune", "--dry-run")
    assert done.stdout == f"would be removed: {DUMP['id']}\n1 would be removed, 3 kept.\n"
    assert backups.asked() == [["prune", "--dry-run", "--json"]]
    assert workspace.gp("backup", "prune").stdout == f"removed: {DUMP['id']}\n1 removed, 3 kept.\n"


@pytest.mark.parametrize(
    ("backup", "text"),
    [
        ("2026-01-01T000000Z-dump", "There is no backup '2026-01-01T000000Z-dump' in /backups."),
        (REDIS["id"], "holds no database: it is of the kind redis"),
        ("../../etc/passwd", "There is no backup"),
    ],
)
def test_restore_of_what_is_no_dump(workspace: Workspace, backup: str, text: str) -> None:
    """A wrong id is refused before anything is touched, with the command that lists the right ones."""
    backups = Backups(workspace)
    done = workspace.gp("restore", backup, "--yes")
    assert done.returncode == 2
    assert text in done.stderr
    assert "./gp backup list" in done.stderr
    assert [words[0] for words in backups.asked()] == ["list"]


@pytest.mark.parametrize(
    "words", [[], ["--swap"], ["latest", "--time", "now"], ["latest", "--drop-old"]]
)
def test_restore_of_nothing_or_of_two_things(workspace: Workspace, words: list[str]) -> None:
    """It must be said what is restored, and one thing only."""
    done = workspace.gp("restore", *words)
    assert done.returncode == 2
    assert "Give one of ID, --time, --swap-back and --drop-old." in done.stderr


def test_restore_onto_a_running_system_tells_what_the_service_says(workspace: Workspace) -> None:
    """A refusal of the service ends the restore; no other service is told anything."""
    told = service(x_groundplan={"commands": {"restored": python("open('told', 'w')")}})
    backups = Backups(workspace, api=told)
    backups.say(list=[LISTED], restore=[error("3 connections use the database.", hint="--swap")])
    done = workspace.gp("restore", "latest", "--yes")
    assert done.returncode == 1
    assert "3 connections use the database." in done.stderr
    assert not (workspace.app / "told").exists()


def test_service_that_cannot_take_note_of_a_restore(workspace: Workspace) -> None:
    """Where a service fails to forget what it knew, the restore stands, and it is said what to do."""
    fails = service(x_groundplan={"commands": {"restored": python("raise SystemExit('no Redis')")}})
    backups = Backups(workspace, api=fails)
    backups.say(list=[LISTED], restore=[RESTORED])
    done = workspace.gp("restore", "latest", "--swap", "--yes")
    assert done.returncode == 1
    assert "The database is restored, but api" in done.stderr
    assert "no Redis" in done.stderr


def test_swap_back_and_drop_old(workspace: Workspace) -> None:
    """A restore is undone, or what it put aside deleted, by the service that may."""
    backups = Backups(workspace)
    answers: Tree = {"swap-back": [{"database": "x"}], "drop-old": [{"dropped": ["x_1"]}]}
    backups.say(**answers)
    assert "from before the restore" in workspace.gp("restore", "--swap-back", "--yes").stdout
    assert workspace.gp("restore", "--drop-old", "--yes").stdout == "Deleted: x_1.\n"


# -- status -----------------------------------------------------------------------------------


def moment(**ago: float) -> str:
    """A moment in the past as the service writes it."""
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def reporting(workspace: Workspace, report: str) -> None:
    """Start a service whose health check prints `report`."""
    Path(workspace.app / "report").write_text(report)
    workspace.write({"keeper": service(healthcheck=check("cat report"))})
    workspace.up()


def test_status_tells_how_old_backups_are(workspace: Workspace) -> None:
    """The age of each kind stands below the services, what is overdue is marked, and JSON has both."""
    fresh = {"last": moment(hours=3, minutes=1), "stale_at": moment(hours=-20), "error": None}
    old = {"last": moment(days=9, minutes=1), "stale_at": moment(days=1), "error": None}
    none = {"last": None, "stale_at": None, "error": None}
    reporting(workspace, json.dumps({"backups": {"dump": fresh, "drill": old, "base": none}}))
    text = workspace.gp("status").stdout
    assert "backups: dump 3 h ago, drill 9 d ago (overdue), base none yet\n" in text
    told = workspace.status()["backups"]
    assert [told[kind]["stale"] for kind in ("dump", "drill", "base")] == [False, True, False]


def test_status_tells_why_a_backup_failed(workspace: Workspace) -> None:
    """A failed backup counts as overdue at once, and its reason is shown."""
    failed = {"last": None, "stale_at": None, "error": "no space left"}
    reporting(workspace, json.dumps({"backups": {"dump": failed}}))
    text = workspace.gp("status").stdout
    assert "dump none yet (overdue)" in text
    assert "dump failed: no space left" in text


@pytest.mark.parametrize("report", ["fine", "{}", "[]", '{"backups": 3}', '{"backups": {"x": {}}}'])
def test_status_takes_other_reports_for_none(workspace: Workspace, report: str) -> None:
    """A health check may print anything: what is no report of backups changes nothing."""
    reporting(workspace, report)
    done = workspace.gp("status")
    assert done.returncode == 0, done.stderr
    assert "backups" not in done.stdout
    assert workspace.status()["backups"] == {}


def test_status_follows_the_report(workspace: Workspace) -> None:
    """A new report is seen while the system runs."""
    reporting(workspace, "{}")
    item = {"last": moment(minutes=1), "stale_at": None, "error": None}
    (workspace.app / "report").write_text(json.dumps({"backups": {"dump": item}}))
    until(lambda: "dump" in workspace.status()["backups"])


# -- programs ---------------------------------------------------------------------------------


def test_programs_of_a_service_are_on_its_path(workspace: Workspace) -> None:
    """A service that asks for PostgreSQL finds initdb, and its own Python before the machine's."""
    show = python(
        "import shutil, sys; print([shutil.which('initdb'), shutil.which('python')]); sys.exit(0)"
    )
    extension = {"commands": {"seed": show}, "programs": ["postgresql", "redis", "restic"]}
    workspace.write({"keeper": service(x_groundplan=extension)})
    workspace.up()
    done = workspace.gp("db", "seed")
    assert "/bin/initdb" in done.stdout
    assert str(workspace.app / ".venv" / "bin" / "python") in done.stdout


def test_unknown_program_is_refused(workspace: Workspace) -> None:
    """A program that the tool does not know is refused with file, line and those that there are."""
    workspace.write({"keeper": service(x_groundplan={"programs": ["mysql"]})})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "docker-compose.yml:" in done.stderr
    assert "postgresql" in done.stderr
