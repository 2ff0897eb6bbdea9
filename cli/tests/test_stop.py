"""How everything is stopped, and what is kept."""

import signal
from pathlib import Path

import pytest

from tests.support import Workspace, check, is_alive, python, service, until

STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
    open("up", "w")
    time.sleep(600)
    time.sleep(600)
"""


def polite(name: str, seconds: float = 0.0) -> list[str]:
    """A program that adds its name to the file `order` when it is asked to end."""
    return python(
        f"""
        import signal, sys, time
        def leave(*_):
            time.sleep({seconds})
            open("order", "a").write("{name}\\n")
            print("goodbye", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        open("{name}.up", "w")
        time.sleep(600)
        """
    )


def stop_order(workspace: Workspace) -> list[str]:
    """Who ended, in order."""
    return (workspace.app / "order").read_text().split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_everything(workspace: Workspace, number: signal.Signals) -> None:
    """Ctrl-C, a termination or a closed terminal stops all services gracefully, and ends with 0."""
    workspace.write({"web": service(polite("web"), healthcheck=check("test -e web.up"))})
    up = workspace.start("up")
    workspace.until_state("web", "healthy")
    up.send_signal(number)
    _, said = up.communicate(timeout=30)
    assert up.returncode == 0, said
    assert "Stopping." in said
    assert stop_order(workspace) == ["web"]
    assert "goodbye" in workspace.log("web")
    workspace.until_ended()


def test_services_stop_before_what_they_need(workspace: Workspace) -> None:
    """A service is stopped only when those that depend on it are gone."""
    healthy = {"condition": "service_healthy"}
    workspace.write(
        {
            "db": service(polite("db"), healthcheck=check("test -e db.up")),
            "api": service(
                polite("api", 0.2),
                healthcheck=check("test -e api.up"),
                depends_on={"db": healthy},
            ),
            "web": service(
                polite("web", 0.2),
                healthcheck=check("test -e web.up"),
                depends_on={"api": healthy},
            ),
        }
    )
    workspace.up()
    assert workspace.gp("down").returncode == 0
    assert stop_order(workspace) == ["web", "api", "db"]


def test_process_that_ignores_the_request_is_killed(workspace: Workspace) -> None:
    """After stop_grace_period a process that does not end is killed."""
    node = service(python(STUBBORN), stop_grace_period="300ms", healthcheck=check("test -e up"))
    workspace.write({"web": node})
    workspace.up()
    pid = workspace.service("web")["pid"]
    assert workspace.gp("down").returncode == 0
    assert not is_alive(pid)
    assert " no\n" in workspace.log("web")


def test_down_during_a_start(workspace: Workspace) -> None:
    """`down` ends a system that is still starting; the waiting `up` fails."""
    workspace.write(
        {
            "db": service(healthcheck=check("false")),
            "web": service(depends_on={"db": {"condition": "service_healthy"}}),
        }
    )
    up = workspace.start("up", "--detach")
    workspace.until_state("db", "starting")
    assert workspace.gp("down").returncode == 0
    assert up.wait(timeout=30) == 1
    workspace.until_ended()


def test_interrupted_start_in_the_background(workspace: Workspace) -> None:
    """Ctrl-C while `up --detach` waits ends what it started."""
    workspace.write({"web": service(healthcheck=check("false"))})
    up = workspace.start("up", "--detach")
    workspace.until_state("web", "starting")
    up.send_signal(signal.SIGINT)
    _, said = up.communicate(timeout=30)
    assert up.returncode == 1
    assert "Traceback" not in said
    workspace.until_ended()


def test_down_without_a_running_system(workspace: Workspace) -> None:
    """`down` where nothing runs says so and is no error."""
    done = workspace.gp("down")
    assert (done.returncode, done.stderr) == (0, "Nothing was running.\n")


def test_two_downs_at_once(workspace: Workspace) -> None:
    """Two `down` at the same time both succeed."""
    workspace.write({"web": service(polite("web", 0.3), healthcheck=check("test -e web.up"))})
    workspace.up()
    for each in [workspace.start("down") for _ in range(2)]:
        assert each.wait(timeout=30) == 0
    assert stop_order(workspace) == ["web"]


def test_down_works_although_the_compose_file_broke(workspace: Workspace) -> None:
    """A mistake in the Compose file is no reason that a running system can't be stopped."""
    workspace.up()
    workspace.write_text("services: [")
    done = workspace.gp("down")
    assert done.returncode == 0, done.stderr
    workspace.until_ended()


def test_down_dry_run_stops_nothing(workspace: Workspace) -> None:
    """`down --dry-run` says what would be stopped and deleted, and does nothing."""
    workspace.up()
    done = workspace.gp("down", "--volumes", "--dry-run")
    assert done.returncode == 0
    assert "Would stop every service and delete" in done.stderr
    assert workspace.status()["ready"]


# -- data -------------------------------------------------------------------------------------


@pytest.fixture
def with_data(workspace: Workspace) -> Workspace:
    """A running workspace whose service keeps a file in a volume."""
    program = "import os, time; open(os.environ['DATA'] + '/kept', 'a').write('x'); time.sleep(600)"
    workspace.write(
        {
            "web": service(
                python(program),
                environment={"DATA": "/data"},
                volumes=["data:/data"],
                healthcheck=check("true"),
            )
        }
    )
    workspace.up()
    until(file(workspace).exists)
    return workspace


def file(workspace: Workspace) -> Path:
    """The file in the volume."""
    return workspace.load().servers / "volumes" / "data" / "kept"


def test_down_keeps_data(with_data: Workspace) -> None:
    """`down` keeps the volumes, and the next `up` finds them."""
    assert with_data.gp("down").returncode == 0
    with_data.up()
    until(lambda: file(with_data).read_text() == "xx")


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "enter", "end of input"])
def test_down_with_volumes_asks(with_data: Workspace, answer: str) -> None:
    """`down --volumes` asks first; anything but yes stops and deletes nothing."""
    done = with_data.gp("down", "--volumes", answer=answer)
    assert done.returncode == 1
    assert "Delete the data" in done.stderr
    assert file(with_data).exists()
    assert with_data.status()["ready"]


@pytest.mark.parametrize(("words", "answer"), [(["--yes"], ""), ([], "y\n")], ids=["--yes", "y"])
def test_down_with_volumes_deletes(with_data: Workspace, words: list[str], answer: str) -> None:
    """`down --volumes` with a yes stops everything and deletes the data; the settings stay."""
    assert with_data.gp("down", "--volumes", *words, answer=answer).returncode == 0
    assert not file(with_data).exists()
    with_data.until_ended()
    assert with_data.settings.exists()
