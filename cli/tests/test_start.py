"""How services start: in which order, when they count as ready, and what a failed start says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundplan.runtime.memory import recall
from tests.support import SLEEP, Workspace, check, python, service, until, web


def note(event: str) -> str:
    """A statement that adds a line to the shared file `order`."""
    return f"open('order', 'a').write('{event}\\n')"


def order(workspace: Workspace) -> list[str]:
    """The lines of the shared file."""
    return (workspace.app / "order").read_text().split()


# -- order ------------------------------------------------------------------------------------


def test_services_wait_for_what_they_depend_on(workspace: Workspace) -> None:
    """Each starts once the one before has completed, is healthy, or was started."""
    setup = f"import time; time.sleep(0.3); {note('setup-done')}"
    server = f"import time; {note('server-up')}; time.sleep(0.3); {note('server-healthy')}"
    workspace.write(
        {
            "client": service(
                python(f"{note('client-up')}; import time; time.sleep(600)"),
                depends_on={"server": {"condition": "service_healthy"}},
            ),
            "server": service(
                python(f"{server}; time.sleep(600)"),
                depends_on={"setup": {"condition": "service_completed_successfully"}},
                healthcheck=check("grep -q server-healthy order"),
            ),
            "setup": service(python(setup)),
        }
    )
    workspace.up()
    assert order(workspace) == ["setup-done", "server-up", "server-healthy", "client-up"]
    states = {item["name"]: item["state"] for item in workspace.status()["services"]}
    assert states == {"client": "healthy", "server": "healthy", "setup": "completed"}


def test_service_started_does_not_wait_for_health(workspace: Workspace) -> None:
    """A dependency that need only be started may become healthy later."""
    workspace.write(
        {
            "server": service(healthcheck=check("test -e client-was-here")),
            "client": service(
                python("open('client-was-here', 'w'); import time; time.sleep(600)"),
                depends_on=["server"],
            ),
        }
    )
    workspace.up()


def test_independent_services_start_together(workspace: Workspace) -> None:
    """Services that do not depend on each other start at once: each may wait for the others."""
    names = ["a", "b", "c"]
    everyone = " && ".join(f"test -e {name}.up" for name in names)
    workspace.write(
        {
            name: service(
                python(f"open('{name}.up', 'w'); import time; time.sleep(600)"),
                healthcheck=check(everyone),
            )
            for name in names
        }
    )
    workspace.up()


def test_named_service_starts_with_what_it_needs_only(workspace: Workspace) -> None:
    """`up NAME` starts that service and its dependencies; the others stay off."""
    workspace.write(
        {"db": service(), "api": service(depends_on=["db"]), "other": service(depends_on=["db"])}
    )
    workspace.up("api")
    tree = workspace.status()
    states = {item["name"]: item["state"] for item in tree["services"]}
    assert states == {"db": "healthy", "api": "healthy", "other": "off"}
    assert tree["ready"]


def test_tools_start_on_demand(workspace: Workspace) -> None:
    """A tool starts with `--tools` only."""
    workspace.write({"web": service(), "tool": service(x_groundplan={"tool": True})})
    workspace.up()
    assert workspace.service("tool")["state"] == "off"
    assert workspace.gp("down").returncode == 0
    workspace.up("--tools")
    assert workspace.service("tool")["state"] == "healthy"


# -- readiness --------------------------------------------------------------------------------


def test_ready_once_its_path_answers(workspace: Workspace) -> None:
    """A service with a `ready` path is ready as soon as that answers without an error."""
    (workspace.app / "sick").touch()
    workspace.write({"web": web()})
    start = workspace.start("up", "--detach")
    until(lambda: "listening" in workspace.log("web"))
    assert workspace.service("web")["state"] == "starting"
    assert workspace.gp("status").returncode == 3
    (workspace.app / "sick").unlink()
    assert start.wait(timeout=30) == 0
    assert workspace.gp("status").returncode == 0


@pytest.mark.parametrize(
    "test", [["CMD-SHELL", 'test -e "$$READY"'], ["CMD", "test", "-e", "well"], "test -e well"]
)
def test_ready_once_its_healthcheck_succeeds(workspace: Workspace, test: object) -> None:
    """A Compose healthcheck decides readiness, and runs in the service's folder and environment."""
    healthcheck = check("") | {"test": test}
    workspace.write({"web": service(healthcheck=healthcheck, environment={"READY": "well"})})
    start = workspace.start("up", "--detach")
    until(lambda: "awake" in workspace.log("web"))
    assert workspace.service("web")["state"] == "starting"
    (workspace.app / "well").touch()
    assert start.wait(timeout=30) == 0


def test_slow_healthcheck_counts_as_a_failure(workspace: Workspace) -> None:
    """A healthcheck that takes longer than its timeout is ended with all that it started."""
    hang = "test -e well || (sleep 700 & sleep 700)"
    workspace.write({"web": service(healthcheck=check(hang, timeout="200ms"))})
    start = workspace.start("up", "--detach")
    until(lambda: workspace.service("web")["pid"])
    until(lambda: any("sleep 700" in words for words in workspace.processes().values()))
    (workspace.app / "well").touch()
    assert start.wait(timeout=30) == 0
    until(lambda: not any("sleep 700" in words for words in workspace.processes().values()))


# -- failed starts ----------------------------------------------------------------------------


def test_service_that_dies_at_start_is_explained(workspace: Workspace) -> None:
    """A failed start ends with 1, names the service, its last lines and what to type; all is ended."""
    workspace.write(
        {
            "good": service(),
            "bad": service(
                python("print('one'); print('cannot read the moon'); raise SystemExit(7)"),
                healthcheck=check("false"),
                depends_on={"good": {"condition": "service_started"}},
            ),
            "after": service(depends_on={"bad": {"condition": "service_healthy"}}),
        }
    )
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "bad did not start" in done.stderr
    assert "exit code 7" in done.stderr
    assert "cannot read the moon" in done.stderr
    assert "./gp logs bad" in done.stderr
    workspace.until_ended()
    assert workspace.gp("status").returncode == 3


def test_failed_setup_stops_what_waits_for_it(workspace: Workspace) -> None:
    """Where a one-time service fails, what depends on it never starts."""
    workspace.write(
        {
            "setup": service(python("raise SystemExit('no schema')")),
            "web": service(
                python(note("web")),
                depends_on={"setup": {"condition": "service_completed_successfully"}},
            ),
        }
    )
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "setup did not start" in done.stderr
    assert "no schema" in done.stderr
    assert not (workspace.app / "order").exists()


def test_start_is_tried_again_a_few_times(workspace: Workspace) -> None:
    """A service with a restart policy gets three attempts before the start is given up."""
    workspace.write(
        {
            "web": service(
                python(f"{note('attempt')}; import time; time.sleep(0.2); raise SystemExit(1)"),
                restart="unless-stopped",
                healthcheck=check("false"),
            )
        }
    )
    assert workspace.gp("up", "--detach").returncode == 1
    assert order(workspace) == ["attempt"] * 3


def test_second_attempt_may_succeed(workspace: Workspace) -> None:
    """A service that comes up at its second attempt is no error."""
    program = f"""
        import os, time
        if not os.path.exists("order"):
            {note("first")}
            raise SystemExit(1)
        open("well", "w")
        time.sleep(600)
    """
    workspace.write(
        {"web": service(python(program), restart="always", healthcheck=check("test -e well"))}
    )
    workspace.up()


def test_service_that_never_gets_healthy_is_explained(workspace: Workspace) -> None:
    """A service that is not healthy in its start_period is given up, with what its check said."""
    workspace.write(
        {"web": service(healthcheck=check("echo no moon; exit 1", start_period="300ms"))}
    )
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "web did not start" in done.stderr
    assert "no moon" in done.stderr
    workspace.until_ended()


def test_healthcheck_with_a_program_that_is_missing(workspace: Workspace) -> None:
    """A healthcheck whose program is not on this machine is named."""
    healthcheck = check("", start_period="300ms") | {"test": ["CMD", "no-such-curl", "-f"]}
    workspace.write({"web": service(healthcheck=healthcheck)})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "no-such-curl" in done.stderr
    assert "Traceback" not in done.stderr


def test_program_that_is_missing(workspace: Workspace) -> None:
    """A command whose program is not on this machine is named, and what to type."""
    workspace.write({"web": service(["no-such-program"])})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "web can't be started" in done.stderr
    assert "no-such-program" in done.stderr
    assert "./gp doctor" in done.stderr


def test_missing_command(workspace: Workspace) -> None:
    """A service that is built here and has no `command` is an error that says where to give it."""
    workspace.write({"web": {"build": "./app"}})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "web has no `command`" in done.stderr
    assert "docker-compose.development.yml" in done.stderr


def test_unknown_service(workspace: Workspace) -> None:
    """An unknown service ends with 2, and the services that there are."""
    workspace.write({"web": service(), "worker": service()})
    done = workspace.gp("up", "wbe")
    assert done.returncode == 2
    assert "There is no service 'wbe'" in done.stderr
    assert "web, worker" in done.stderr


def test_unknown_image(workspace: Workspace) -> None:
    """An image that can't run natively is named, with those that can."""
    workspace.write({"search": {"image": "opensearch:3"}})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "search can't run without Docker" in done.stderr
    assert "opensearch:3" in done.stderr
    assert "postgres" in done.stderr


def test_error_with_very_long_lines_is_whole(workspace: Workspace) -> None:
    """The last lines of a service are shown although they are very long."""
    program = "print('x' * 50_000); print('y' * 50_000); raise SystemExit('the end')"
    workspace.write({"web": service(python(program), healthcheck=check("false"))})
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "web did not start" in done.stderr
    assert "the end" in done.stderr
    assert "Traceback" not in done.stderr


# -- up again ---------------------------------------------------------------------------------


def test_up_twice_is_harmless(workspace: Workspace) -> None:
    """A second `up` finds the system running, leaves it alone and ends with 0."""
    workspace.write({"web": web()})
    workspace.up()
    pid = workspace.service("web")["pid"]
    done = workspace.up()
    assert "The system runs already" in done.stderr
    assert str(workspace.service("web")["url"]) in done.stderr
    assert workspace.service("web")["pid"] == pid


def test_up_of_what_does_not_run_says_what_to_do(workspace: Workspace) -> None:
    """`up` of a service that the running system leaves out is an error that says what to type."""
    workspace.write({"web": service(), "other": service()})
    workspace.up("web")
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "without other" in done.stderr
    assert "./gp down" in done.stderr


def test_two_starts_at_once(workspace: Workspace) -> None:
    """Two `up` at the same time start the system once, and both succeed."""
    workspace.write({"web": web()})
    starts = [workspace.start("up", "--detach") for _ in range(2)]
    for start in starts:
        _, said = start.communicate(timeout=30)
        assert start.returncode == 0, said
    assert workspace.log("web").count("listening") == 1


def test_many_note_the_runtime_at_once(tmp_path: Path) -> None:
    """Commands that write down at the same time what runs here don't get in each other's way."""
    noting = (
        "from pathlib import Path; from groundplan.runtime.memory import remember\n"
        f"for _ in range(300): remember(Path({str(tmp_path)!r}), 'development', 'native')"
    )
    for each in [subprocess.Popen([sys.executable, "-c", noting]) for _ in range(3)]:
        assert each.wait(timeout=30) == 0
    assert recall(tmp_path, "development") == {"runtime": "native"}
    [left] = (tmp_path / "tmp" / "development").iterdir()
    assert left.name == "runtime.json"


def test_joined_start_that_fails_is_no_success(workspace: Workspace) -> None:
    """An `up` that waits for another one fails with it."""
    workspace.write(
        {
            "web": service(
                python(
                    """
                    import os, time
                    while not os.path.exists("fail"): time.sleep(0.02)
                    raise SystemExit(1)
                    """
                ),
                healthcheck=check("false"),
            )
        }
    )
    first = workspace.start("up", "--detach")
    workspace.until_state("web", "starting")
    second = workspace.start("up", "--detach")
    until(lambda: workspace.service("web")["pid"])
    (workspace.app / "fail").touch()
    assert first.wait(timeout=30) == 1
    assert second.wait(timeout=30) == 1


def test_status_in_a_loop_is_no_obstacle(workspace: Workspace) -> None:
    """Scripts that ask for the status all the time don't disturb a start."""
    loop = [workspace.start("status") for _ in range(6)]
    workspace.up()
    for each in loop:
        each.wait(timeout=30)
    assert workspace.status()["ready"]


# -- plan and installation --------------------------------------------------------------------


def test_dry_run_starts_nothing(workspace: Workspace) -> None:
    """`up --dry-run` shows the order and what would be installed, and does nothing."""
    workspace.write(
        {"db": web(), "api": service(depends_on={"db": {"condition": "service_healthy"}})}
    )
    (workspace.app / ".venv" / "installed.lock").unlink()
    done = workspace.gp("up", "--dry-run")
    assert done.returncode == 0
    assert "api\n  after: db service_healthy\n  installs: Python packages of app" in done.stdout
    plan = json.loads(workspace.gp("up", "--dry-run", "--json").stdout)
    assert [(row["service"], row["after"]) for row in plan] == [
        ("db", []),
        ("api", ["db service_healthy"]),
    ]
    workspace.until_ended()
    assert not (workspace.app / ".venv" / "installed.lock").exists()
    assert not (workspace.state / "state.json").exists()


def test_environment_of_a_python_service_is_made_once(workspace: Workspace) -> None:
    """The first start makes .venv from the lock file; a changed lock file makes it anew."""
    venv = workspace.app / ".venv"
    shutil.rmtree(venv)
    workspace.write({"web": service(python("import sys; print(sys.prefix); " + SLEEP[-1]))})
    workspace.up()
    assert f" {venv}\n" in workspace.log("web")
    made = (venv / "pyvenv.cfg").stat().st_mtime_ns
    assert workspace.gp("down").returncode == 0
    workspace.up()
    assert (venv / "pyvenv.cfg").stat().st_mtime_ns == made
    assert workspace.gp("down").returncode == 0
    (workspace.app / "requirements.lock").write_text("# changed\n")
    workspace.up()
    assert (venv / "pyvenv.cfg").stat().st_mtime_ns != made


def test_missing_lock_file(workspace: Workspace) -> None:
    """A Python service without a lock file is an error that says how to write it."""
    (workspace.app / "requirements.lock").unlink()
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "app has no lock file" in done.stderr
    assert "uv pip compile" in done.stderr


def test_program_that_cannot_be_fetched(workspace: Workspace) -> None:
    """A program that is in no package is named with its remedy; as a tool it is left out."""
    ollama = {"image": "ollama/ollama", "ports": ["11434"], "volumes": ["./models:/root/.ollama"]}
    workspace.write({"web": service(), "ollama": ollama | {"x-groundplan": {"tool": True}}})
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = workspace.gp("up", "ollama", "--detach", PATH=path)
    assert done.returncode == 1
    assert "Ollama is not on this machine" in done.stderr
    assert "Install Ollama" in done.stderr
    done = workspace.up("--tools", PATH=path)
    assert "ollama is left out" in done.stderr
    assert workspace.service("ollama")["state"] == "off"


# -- machines that read -----------------------------------------------------------------------


def test_events_as_json(workspace: Workspace) -> None:
    """`up --json` prints one JSON object a line: states, then `ready`."""
    workspace.write({"web": web()})
    done = workspace.up("--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    states = [event["state"] for event in events if event["kind"] == "state"]
    assert states == ["starting", "healthy"]
    assert events[-1]["kind"] == "ready"
    assert events[-1]["seconds"] > 0


def test_error_as_json(workspace: Workspace) -> None:
    """A failed `up --json` ends with an object of kind `error`."""
    workspace.write({"web": service(python("raise SystemExit(7)"), healthcheck=check("false"))})
    start = workspace.start("up", "--json")
    out, _ = start.communicate(timeout=30)
    error = json.loads(out.splitlines()[-1])
    assert start.returncode == error["code"] == 1
    assert error["kind"] == "error"
    assert error["what"] == "web did not start."
