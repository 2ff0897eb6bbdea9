"""What the supervisor does when processes die, hang or leave others behind, and when it dies itself."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support import Workspace, check, is_alive, python, service, until, web

CHILD = "import subprocess; child = subprocess.Popen(['sleep', '700']); print('child', child.pid);"


def child_of(workspace: Workspace, name: str) -> int:
    """The process that a service with CHILD in its program started last."""
    lines = until(lambda: [line for line in workspace.log(name).splitlines() if "child" in line])
    return int(lines[-1].split()[-1])


def kill(pid: int) -> None:
    """End a process as the kernel does when memory is short."""
    os.kill(pid, signal.SIGKILL)


# -- services ---------------------------------------------------------------------------------


def test_service_that_crashes_is_started_again(workspace: Workspace) -> None:
    """A service that dies is started again and counted; its log holds both lives."""
    workspace.write({"web": web(restart="unless-stopped"), "other": service()})
    workspace.up()
    first, other = workspace.service("web")["pid"], workspace.service("other")["pid"]
    kill(first)
    until(lambda: workspace.service("web")["pid"] not in (None, first))
    workspace.until_state("web", "healthy")
    tree = {item["name"]: item for item in workspace.status()["services"]}
    assert tree["web"]["restarts"] == 1
    assert (tree["other"]["restarts"], tree["other"]["pid"]) == (0, other)
    assert workspace.log("web").count("listening") == 2
    assert workspace.get("web")


def test_status_says_why_a_service_restarts(workspace: Workspace) -> None:
    """While a service waits for its restart, the status says what happened and how long it waits."""
    program = "import time; time.sleep(0.3); raise SystemExit(9)"
    workspace.write({"web": service(python(program), restart="always")})
    workspace.start("up")
    why = workspace.until_state("web", "restarting")["why"]
    assert why == "It ended with exit code 9. Starting it again in 0.5 s."


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [("no", 0, "stopped"), ("no", 1, "failed"), ("on-failure", 0, "stopped")],
)
def test_service_that_its_policy_does_not_restart_stays_down(
    workspace: Workspace, policy: str, code: int, state: str
) -> None:
    """`restart: "no"` and `on-failure` mean that: the others run on, and the status is not ready."""
    program = f"import os, time\nwhile not os.path.exists('end'): time.sleep(0.02)\nexit({code})"
    workspace.write({"web": service(python(program), restart=policy), "other": service()})
    workspace.up()
    (workspace.app / "end").touch()
    web = workspace.until_state("web", state)
    assert web["why"] == f"It ended with exit code {code}."
    assert workspace.service("other")["state"] == "healthy"
    assert workspace.gp("status").returncode == 3


def test_service_that_is_sick_and_recovers(workspace: Workspace) -> None:
    """A service that answers with errors is shown as unhealthy, and is not restarted."""
    workspace.write({"web": web(restart="always", healthcheck=check("true"))})
    workspace.up()
    (workspace.app / "sick").touch()
    assert "answered 503" in workspace.until_state("web", "unhealthy")["why"]
    (workspace.app / "sick").unlink()
    assert workspace.until_state("web", "healthy")["restarts"] == 0


def test_service_that_no_longer_listens_is_replaced(workspace: Workspace) -> None:
    """A process that lives on but has closed its port is ended and started again."""
    program = """
        import os, threading, time
        from http.server import *
        handler = type("Handler", (BaseHTTPRequestHandler,), {
            "do_GET": lambda self: self.send_response(200) or self.end_headers()})
        server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not os.path.exists("deaf"): time.sleep(0.02)
        os.unlink("deaf")
        server.shutdown()
        server.server_close()
        time.sleep(600)
    """
    node = web(restart="always", healthcheck=check("true")) | {"command": python(program)}
    workspace.write({"web": node})
    workspace.up()
    first = workspace.service("web")["pid"]
    (workspace.app / "deaf").touch()
    until(lambda: workspace.service("web")["pid"] not in (None, first))
    assert workspace.until_state("web", "healthy")["restarts"] == 1
    assert not is_alive(first)


def test_descendants_of_a_dead_process_are_ended(workspace: Workspace) -> None:
    """What a crashed service left running is ended before it is started again."""
    program = f"{CHILD} import time; time.sleep(600)"
    workspace.write({"web": service(python(program), restart="always")})
    workspace.up()
    child = child_of(workspace, "web")
    kill(workspace.service("web")["pid"])
    until(lambda: not is_alive(child))
    until(lambda: workspace.log("web").count("child") == 2)


# -- the supervisor itself --------------------------------------------------------------------


def test_death_of_the_supervisor_ends_everything(workspace: Workspace) -> None:
    """When the supervisor is killed, all services end within seconds, and `up` works again."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    workspace.write({"web": web(), "stubborn": service(python(stubborn))})
    workspace.up()
    url = workspace.service("web")["url"]
    kill(workspace.peek()["supervisor"])
    done = workspace.gp("status")
    assert (done.returncode, done.stdout) == (3, "Nothing is running. Type ./gp up\n")
    until(lambda: not workspace.processes(), seconds=20)
    workspace.up()
    assert workspace.service("web")["url"] == url


def test_start_right_after_the_death_of_the_supervisor(workspace: Workspace) -> None:
    """An `up` at once after the supervisor was killed gets its ports back and works."""
    workspace.write({"web": web()})
    workspace.up()
    before = workspace.service("web")
    kill(workspace.peek()["supervisor"])
    workspace.up()
    assert workspace.service("web")["url"] == before["url"]
    assert not is_alive(before["pid"])


@pytest.mark.parametrize("command", [["down"], ["up", "--detach"]], ids=["down", "up"])
def test_strays_are_ended(workspace: Workspace, command: list[str]) -> None:
    """When supervisor and keeper are killed, the next `down` or `up` ends what they left."""
    program = f"{CHILD} import time; time.sleep(600)"
    workspace.write({"web": service(python(program))})
    workspace.up()
    strays = [workspace.service("web")["pid"], child_of(workspace, "web")]
    keeper, supervisor = workspace.keeper(), workspace.peek()["supervisor"]
    kill(keeper)
    kill(supervisor)
    assert all(map(is_alive, strays))
    done = workspace.gp(*command)
    assert done.returncode == 0
    assert not any(map(is_alive, strays))
    if command == ["down"]:
        assert done.stderr == "Stopped.\n"


def test_another_workspace_is_left_alone(workspace: Workspace, neighbour: Workspace) -> None:
    """`down` ends the strays of its own workspace only."""
    for each in (workspace, neighbour):
        each.write({"web": web()})
        each.up()
    workspace.gp("down")
    assert neighbour.status()["ready"]
    workspace.until_ended()


def test_hung_healthchecks_do_not_pile_up(workspace: Workspace) -> None:
    """A healthcheck that hangs is ended each time: at most one runs, and none after `down`."""
    hang = "test -e hang || exit 0; sleep 700 & wait"
    workspace.write({"web": service(healthcheck=check(hang, timeout="100ms"), restart="always")})
    workspace.up()
    (workspace.app / "hang").touch()
    workspace.until_state("web", "unhealthy")
    for _ in range(5):
        checks = [words for words in workspace.processes().values() if "sleep 700" in words]
        assert len(checks) <= 2, checks  # a shell and its sleep
    assert workspace.gp("down").returncode == 0
    workspace.until_ended()


def test_processes_are_marked(workspace: Workspace) -> None:
    """Every process of a service has a session of its own and knows its workspace."""
    workspace.up()
    pid = workspace.service("web")["pid"]
    assert os.getsid(pid) == pid
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert str(workspace.state) in environment


def test_services_do_not_inherit_the_users_environment(workspace: Workspace) -> None:
    """A service gets what Compose gives it, and no secret of the shell that started it."""
    workspace.write({"web": web(environment={"OWN": "yes"})})
    workspace.up(AWS_PROFILE="of-the-user")
    found = workspace.get("web")
    assert found["OWN"] == "yes"
    assert "AWS_PROFILE" not in found


def test_a_workspace_that_was_deleted_stays_deleted(workspace: Workspace) -> None:
    """Where its folder is gone, the supervisor ends with all that it started, and makes none anew."""
    workspace.write({"web": web(restart="unless-stopped")})
    workspace.up()
    web_pid = workspace.service("web")["pid"]
    supervisor = workspace.status()["supervisor"]
    shutil.rmtree(workspace.state)
    kill(web_pid)
    until(lambda: not is_alive(supervisor))
    assert not workspace.state.exists()
