"""config/.env: random secrets, written once, readable by their owner only."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from groundplan.files import partial_of
from groundplan.model import settings
from tests.support import Workspace, service, web

EXAMPLE = """\
# Who signs in first.
ADMIN_EMAIL=admin@example.com
ADMIN_PASSWORD=<random 20>
TOKEN=<random 64>
PAIR="\\"${ADMIN_EMAIL},${TOKEN}\\""
"""


def test_first_load_writes_random_secrets(workspace: Workspace) -> None:
    """Each `<random N>` becomes N letters and digits; all else is copied as it stands."""
    workspace.write({"web": service()}, settings=EXAMPLE)
    workspace.load()
    form = re.sub(r"<random (\d+)>", r"[A-Za-z0-9]{\1}", re.sub(r"([$.{}\\])", r"\\\1", EXAMPLE))
    assert re.fullmatch(form, workspace.settings.read_text())


def test_settings_are_private(workspace: Workspace) -> None:
    """Only the owner may read config/.env."""
    workspace.load()
    assert stat.S_IMODE(workspace.settings.stat().st_mode) == 0o600


def test_no_two_secrets_are_equal(workspace: Workspace, neighbour: Workspace) -> None:
    """Every secret of every workspace is another one."""
    found: list[str] = []
    for each in (workspace, neighbour):
        each.write({"web": service()}, settings="A=<random 32>\nB=<random 32>\n")
        each.load()
        found += settings.read(each.settings).values()
    assert len(set(found)) == 4


def test_settings_are_kept(workspace: Workspace) -> None:
    """A later load changes nothing, whatever the user wrote there."""
    workspace.load()
    workspace.settings.write_text("SECRET=mine\n")
    workspace.load()
    assert workspace.settings.read_text() == "SECRET=mine\n"


def test_setting_may_refer_to_others(workspace: Workspace) -> None:
    """`${NAME}` in a setting stands for another setting."""
    workspace.write({"web": service()}, settings=EXAMPLE)
    workspace.load()
    found = settings.read(workspace.settings)
    assert found["PAIR"] == f'"admin@example.com,{found["TOKEN"]}"'


def test_services_get_settings_and_may_override_them(workspace: Workspace) -> None:
    """`env_file: config/.env` gives a service the settings; its `environment` goes before them."""
    node = service(env_file="config/.env", environment={"B": "own"})
    workspace.write({"web": node, "other": service()}, settings="A=shared\nB=shared\n")
    found = workspace.load().services
    assert found["web"].environment == {"A": "shared", "B": "own"}
    assert found["other"].environment == {}


def test_placeholder_that_was_left_is_refused(workspace: Workspace) -> None:
    """Nothing starts on a placeholder: the setting is named, and what to do."""
    workspace.settings.write_text("A=1\nSECRET=<random 20>\n")
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert "placeholder of SECRET" in done.stderr
    assert str(workspace.settings) in done.stderr
    assert workspace.status()["services"] == []


def test_crash_while_writing_leaves_nothing_half_written(workspace: Workspace) -> None:
    """What a crash left of the settings, open to all, is no obstacle and is not used."""
    partial = partial_of(workspace.settings)
    partial.write_text("SECRET=ha")
    partial.chmod(0o644)
    workspace.load()
    assert len(settings.read(workspace.settings)["SECRET"]) == 24
    assert stat.S_IMODE(workspace.settings.stat().st_mode) == 0o600
    assert [file.name for file in workspace.settings.parent.glob(".env.*")] == [".env.example"]


def test_two_commands_at_once_get_the_same_secrets(tmp_path: Path) -> None:
    """Of several first commands at once one writes the settings, and all read the same."""
    example = tmp_path / ".env.example"
    example.write_text("SECRET=<random 24>\n")
    count = 4
    with ThreadPoolExecutor(count) as pool:
        for round_ in range(50):
            file, barrier = tmp_path / str(round_) / ".env", Barrier(count)

            def first_command(file: Path = file, barrier: Barrier = barrier) -> tuple[bool, str]:
                barrier.wait()
                return settings.ensure(file, example), file.read_text()

            outcomes = [pool.submit(first_command) for _ in range(count)]
            wrote, read = zip(*(outcome.result() for outcome in outcomes), strict=True)
            assert sum(wrote) == 1
            assert len(set(read)) == 1


def test_missing_example_is_named(workspace: Workspace) -> None:
    """Without config/.env.example the error names it and the command that brings it back."""
    (workspace.root / "config" / ".env.example").unlink()
    done = workspace.gp("up", "--detach")
    assert done.returncode == 1
    assert ".env.example is missing" in done.stderr
    assert "git checkout" in done.stderr
    assert not workspace.settings.exists()


def test_another_instance_has_settings_of_its_own(workspace: Workspace) -> None:
    """An instance besides the developer's keeps its settings in its own folder below tmp."""
    workspace.gp("up", "--dry-run", GROUNDPLAN_INSTANCE="test")
    assert (workspace.root / "tmp" / "test" / "config" / ".env").is_file()
    assert not workspace.settings.exists()


def test_first_start_says_where_to_sign_in(workspace: Workspace) -> None:
    """The first start names the new file and the first user, but never prints a password."""
    workspace.write({"web": web()}, settings=EXAMPLE)
    first, second = workspace.up(), workspace.up()
    password = settings.read(workspace.settings)["ADMIN_PASSWORD"]
    assert "Wrote config/.env with new random secrets" in first.stderr
    assert "Wrote config/.env" not in second.stderr
    for done in (first, second):
        assert "admin@example.com" in done.stderr
        assert password not in done.stderr + done.stdout


def test_settings_that_came_later_are_added(workspace: Workspace) -> None:
    """What the example has and config/.env has not is put at its end; what stands there stays."""
    workspace.load()
    workspace.settings.write_text("# mine\nSECRET=kept # by me")
    workspace.write({"web": service()}, settings="SECRET=<random 24>\n# Later.\nLATER=<random 8>\n")
    workspace.load()
    text = workspace.settings.read_text()
    assert re.fullmatch(r"# mine\nSECRET=kept # by me\nLATER=\w{8}\n", text)
    assert stat.S_IMODE(workspace.settings.stat().st_mode) == 0o600
