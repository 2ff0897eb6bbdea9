"""`status --map`: the system as boxes on a terminal."""

import pytest

from tests.support import Workspace, free_port, service, web

FLOWS = """\
flows:
  one:
    title: One
    steps:
      - {from: web, to: worker, protocol: http, operation: GET /}
"""


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A page, a worker and a tool."""
    folder = workspace.root / "docs" / "architecture"
    folder.mkdir(parents=True)
    (folder / "flows.yaml").write_text(FLOWS)
    edge = {"ready": "/", "tier": "edge", "role": "the pages"}
    workspace.write(
        {"web": web(free_port()) | {"x-groundplan": edge}, "worker": service(expose=["9000"])},
        {"viewer": service(x_groundplan={"tool": True, "tier": "tools"})},
    )
    return workspace


def test_the_map_of_the_design(shop: Workspace) -> None:
    """Where nothing runs the map shows the design, and ends with 3."""
    done = shop.gp("status", "--map", COLUMNS="80")
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Nothing is running; this is the design. Type ./gp up"
    assert [line.split()[1] for line in lines if line.startswith("┌─")] == [
        "edge", "application", "tools",
    ]  # fmt: skip
    for text in ("│ the pages", "│ → worker", "│ worker:9000 TCP"):
        assert text in done.stdout
    assert not shop.state.exists()


def test_the_map_of_the_running_system(shop: Workspace) -> None:
    """Where the system runs the map shows its states and the addresses in use."""
    port = free_port()
    shop.up(WEB_PORT=str(port))
    done = shop.gp("status", "--map")
    assert done.returncode == 0
    for text in (f"│ localhost:{port}", "│ healthy", "│ off"):
        assert text in done.stdout
    assert "the design" not in done.stdout


@pytest.mark.parametrize("columns", [28, 80, 81, 200])
def test_the_map_fits(shop: Workspace, columns: int) -> None:
    """No line is longer than the terminal, and all borders meet."""
    wide = service(x_groundplan={"role": "语言模型 " * 20})
    shop.write({f"service-with-a-long-name-{n}": service() for n in range(7)} | {"wide": wide})
    done = shop.gp("status", "--map", COLUMNS=str(columns))
    lines = [line for line in done.stdout.splitlines()[1:] if "语" not in line]
    assert max(map(len, lines)) <= columns
    assert len({len(line) for line in lines}) == 1
    assert {line[-1] for line in lines} == {"┐", "│", "┘"}


def test_the_map_without_box_drawing(shop: Workspace) -> None:
    """A terminal that knows ASCII only gets ASCII."""
    done = shop.gp("status", "--map", PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "+- edge ---" in done.stdout
    assert "| > worker" in done.stdout
