"""What runs, where, and what it wrote: `status`, `logs` and `open`."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from groundplan.model import settings
from tests.support import Workspace, check, free_port, python, service, until, web

WORDS = """
    import sys, time
    for number in range(1, 6):
        print(f"{NAME} says {number}", flush=True)
        time.sleep(0.02)
    open("spoke.{NAME}", "w")
    time.sleep(600)
"""


def speaker(name: str) -> dict[str, object]:
    """A service that says five things."""
    program = WORDS.replace("{NAME}", name)
    return service(python(program), healthcheck=check(f"test -e spoke.{name}"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A running workspace that the tests only look at."""
    workspace = Workspace(tmp_path_factory.mktemp("running") / "shop")
    workspace.write(
        {"web": web(free_port()), "api": speaker("api"), "worker": speaker("worker")},
        {"tool": service(x_groundplan={"tool": True})},
    )
    try:
        workspace.up()
        yield workspace
    finally:
        workspace.close()


# -- status -----------------------------------------------------------------------------------


def test_status_as_json(running: Workspace) -> None:
    """`status --json` tells of each service its state, address, process and restarts."""
    tree = running.status()
    assert (tree["runtime"], tree["ready"]) == ("native", True)
    assert [item["name"] for item in tree["services"]] == ["web", "api", "worker", "tool"]
    web, api, _, tool = tree["services"]
    assert web["url"].startswith("http://localhost:")
    assert (web["state"], web["restarts"], web["is_tool"]) == ("healthy", 0, False)
    assert isinstance(web["pid"], int)
    assert 0 < web["seconds"] < 30
    assert api["url"] is None
    assert (tool["state"], tool["pid"], tool["is_tool"]) == ("off", None, True)


def test_status_as_a_table(running: Workspace) -> None:
    """`status` shows a line for each service, and how to start what is off."""
    done = running.gp("status")
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert str(running.service("web")["url"]) in lines["web"]
    assert str(running.service("web")["pid"]) in lines["web"]
    assert "./gp up --tools" in lines["tool"]
    assert "\033" not in done.stdout


def test_status_is_quick(running: Workspace) -> None:
    """`status` takes at most 0.3 s of the processor; a busy machine only ever adds, so the best of five counts."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times = []
    for _ in range(5):
        before = used()
        running.gp("status")
        times.append(used() - before)
    assert min(times) < 0.3


def test_status_of_nothing(workspace: Workspace) -> None:
    """Where nothing runs `status` says what to type, and ends with 3."""
    done = workspace.gp("status")
    assert (done.returncode, done.stdout) == (3, "Nothing is running. Type ./gp up\n")
    assert workspace.status()["ready"] is False


def test_status_writes_nothing(workspace: Workspace) -> None:
    """`status` in a fresh checkout leaves no trace."""
    workspace.gp("status")
    assert not workspace.state.exists()
    assert not workspace.settings.exists()


# -- logs -------------------------------------------------------------------------------------


def test_logs_are_merged_in_order_of_time(running: Workspace) -> None:
    """`logs` shows the lines of all services as they were written, each with its service's name."""
    done = running.gp("logs")
    assert done.returncode == 0
    lines = [line.split(" │ ") for line in done.stdout.splitlines()]
    said = {
        name: [text for who, text in lines if who.strip() == name] for name in ("api", "worker")
    }
    for name, texts in said.items():
        assert texts == [f"{name} says {number}" for number in range(1, 6)]
    times = sorted(
        (line.split()[0], name) for name in said for line in running.log(name).splitlines()
    )
    shown = [who.strip() for who, _ in lines if who.strip() in said]
    assert shown == [name for _, name in times]


def test_logs_of_some_services(running: Workspace) -> None:
    """`logs NAME` shows that service only; --lines the last lines of each."""
    done = running.gp("logs", "api", "worker", "--lines", "1")
    assert sorted(done.stdout.splitlines()) == ["api    │ api says 5", "worker │ worker says 5"]
    assert running.gp("logs", "--lines", "0").stdout == ""


def test_logs_of_an_unknown_service(running: Workspace) -> None:
    """An unknown service ends with 2 and the services that there are."""
    done = running.gp("logs", "apu")
    assert done.returncode == 2
    assert "web, api, worker" in done.stderr


def test_logs_before_the_first_start(workspace: Workspace) -> None:
    """Before the first start `logs` says what to type."""
    done = workspace.gp("logs")
    assert done.returncode == 1
    assert "./gp up" in done.stderr


def test_logs_follow(workspace: Workspace) -> None:
    """`logs --follow` shows old lines and each new one, also after a restart, until Ctrl-C."""
    program = """
        import os, time
        print("start", flush=True)
        while not os.path.exists("go"): time.sleep(0.02)
        os.unlink("go")
        print("new", flush=True)
        time.sleep(0.1)
    """
    workspace.write({"web": service(python(program), restart="always")})
    workspace.up()
    until(lambda: "start" in workspace.log("web"))
    follow = workspace.start("logs", "--follow")
    assert follow.stdout
    assert follow.stdout.readline() == "web │ start\n"
    for _ in range(2):
        (workspace.app / "go").touch()
        assert follow.stdout.readline() == "web │ new\n"
        assert follow.stdout.readline() == "web │ start\n"
    follow.send_signal(signal.SIGINT)
    _, said = follow.communicate(timeout=10)
    assert "Traceback" not in said


def test_strange_output_is_shown(workspace: Workspace) -> None:
    """Very long lines, bytes that are no UTF-8 and rewritten lines break nothing; none is lost."""
    program = r"""
        import sys, time
        write = sys.stdout.buffer.write
        write(b"caf\xe9 \xff\n")
        write(b"10%\r50%\rall done\n")
        write(b"START" + b"x" * 200_000 + b"END\n")
        write("grün [bold]plain[/bold] {}\n".encode())
        write(b"no end of line")
        sys.stdout.flush()
        open("done", "w")
        time.sleep(600)
    """
    workspace.write({"web": service(python(program), healthcheck=check("test -e done"))})
    workspace.up()
    until(lambda: "grün" in workspace.log("web"))
    lines = [line.partition("│ ")[2] for line in workspace.gp("logs").stdout.splitlines()]
    assert lines[0] == "caf� �"
    assert lines[1] == "all done"
    assert lines[2].startswith("START")
    assert "END" in "".join(lines)
    assert lines[-1] == "grün [bold]plain[/bold] {}"
    assert workspace.gp("down").returncode == 0
    assert "no end of line" in workspace.gp("logs").stdout


def test_log_of_the_last_run_is_kept(workspace: Workspace) -> None:
    """A new start begins a new log and keeps the last one beside it."""
    workspace.write({"web": web()})
    workspace.up()
    workspace.gp("down")
    workspace.up()
    old = workspace.state / "logs" / "web.log.1"
    assert old.read_text().count("listening") == 1
    assert workspace.log("web").count("listening") == 1


def test_foreground_shows_logs(workspace: Workspace) -> None:
    """`up` in the foreground goes on with the services' lines once all are ready."""
    program = """
        import os, time
        while not os.path.exists("go"): time.sleep(0.02)
        print("hello from web", flush=True)
        time.sleep(600)
    """
    workspace.write({"web": service(python(program))})
    up = workspace.start("up")
    workspace.until_state("web", "healthy")
    assert up.stderr
    while "ready in" not in up.stderr.readline():
        pass
    (workspace.app / "go").touch()
    while "web │ hello from web" not in up.stderr.readline():
        pass
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=20)
    assert up.returncode == 0


def test_terminal_shows_a_table_and_where_to_sign_in(workspace: Workspace) -> None:
    """On a terminal `up` shows each service, then the addresses and the first user's password."""
    workspace.write(
        {"web": web(), "api": service()},
        settings="ADMIN_EMAIL=me@example.com\nADMIN_PASSWORD=<random 20>\n",
    )
    terminal, other_end = os.openpty()
    up = workspace.start("up", terminal=other_end)
    os.close(other_end)
    shown = ""
    while "The logs follow" not in shown:
        shown += os.read(terminal, 4096).decode()
    up.send_signal(signal.SIGINT)
    with suppress(OSError):  # the terminal is gone
        while text := os.read(terminal, 4096):
            shown += text.decode()
    assert up.wait(timeout=30) == 0
    assert "Ready in" in shown
    assert str(workspace.service("web")["url"]) in shown
    assert "me@example.com" in shown
    assert settings.read(workspace.settings)["ADMIN_PASSWORD"] in shown
    os.close(terminal)


# -- open -------------------------------------------------------------------------------------


def test_open_prints_the_address(running: Workspace) -> None:
    """`open --print` prints the address of the first page, or of the one that is named."""
    url = running.service("web")["url"]
    for words in ([], ["web"]):
        done = running.gp("open", "--print", *words)
        assert (done.returncode, done.stdout) == (0, f"{url}\n")


def test_open_of_a_service_without_a_page(running: Workspace) -> None:
    """`open` of a service without a page, or an unknown one, ends with 2 and names the pages."""
    for name in ("api", "nothing"):
        done = running.gp("open", "--print", name)
        assert done.returncode == 2
        assert f"{name} has no page" in done.stderr
        assert "Pages: web" in done.stderr


def test_open_of_nothing(workspace: Workspace) -> None:
    """`open` where nothing runs says what to type."""
    done = workspace.gp("open")
    assert done.returncode == 1
    assert "./gp up" in done.stderr
