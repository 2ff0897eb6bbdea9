"""How Compose files are read: merge, variables, forms of writing, and mistakes in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import UserError
from groundplan.model import compose
from groundplan.model.workspace import Service, duration
from tests.support import Tree, Workspace, service


def read(workspace: Workspace, node: Tree, override: Tree | None = None) -> Service:
    """The service that `node` describes, with `override` in the development file."""
    development = {"web": override} if override else {}
    workspace.write({"web": {"image": "web"} | node}, development)
    return workspace.load().services["web"]


# -- merge ------------------------------------------------------------------------------------


def test_override_replaces_scalars_and_keeps_the_rest(workspace: Workspace) -> None:
    """A value of the override replaces the one of the base, and others stay."""
    found = read(workspace, {"image": "a:1", "restart": "always"}, {"image": "a:2"})
    assert (found.image, found.restart) == ("a:2", "always")


@pytest.mark.parametrize("base", [["A=1", "B=2"], {"A": 1, "B": 2}], ids=["list", "mapping"])
@pytest.mark.parametrize("override", [["B=3", "C="], {"B": 3, "C": ""}], ids=["list", "mapping"])
def test_environment_merges_in_both_forms(
    workspace: Workspace, base: object, override: object
) -> None:
    """`environment` merges by name, as a list and as a mapping."""
    found = read(workspace, {"environment": base}, {"environment": override})
    assert found.environment == {"A": "1", "B": "3", "C": ""}


def test_command_is_replaced(workspace: Workspace) -> None:
    """A `command` of the override replaces the whole command."""
    assert read(workspace, {"command": ["a", "b"]}, {"command": "c 'd e'"}).command == ("c", "d e")


def test_lists_are_joined(workspace: Workspace) -> None:
    """Ports of both files are published, each once."""
    found = read(workspace, {"ports": ["81:1", "82:2"]}, {"ports": ["82:2", "83:3"]})
    assert [port.published for port in found.ports] == [81, 82, 83]


def test_port_that_both_files_publish_is_published_once(workspace: Workspace) -> None:
    """A port that one file writes with a variable and the other without is one port."""
    found = read(workspace, {"ports": ["8000:80"]}, {"ports": ["${SHOP:-8000}:80"]})
    assert [(port.published, port.target) for port in found.ports] == [(8000, 80)]


def test_volumes_are_replaced_by_target(workspace: Workspace) -> None:
    """A volume of the override takes the place of the one at the same path."""
    found = read(
        workspace,
        {"volumes": ["data:/data", "logs:/logs"]},
        {"volumes": [{"type": "bind", "source": "./here", "target": "/data"}, "/app/node_modules"]},
    )
    assert {mount.target: mount.source for mount in found.mounts} == {
        "/logs": "logs",
        "/data": str(workspace.root / "here"),
        "/app/node_modules": None,
    }


def test_short_build_keeps_its_folder_under_an_override(workspace: Workspace) -> None:
    """`build: ./app` and an override that adds a target build the same folder."""
    found = read(workspace, {"build": "./app"}, {"build": {"target": "dev"}})
    assert found.context == workspace.app


def test_dependencies_merge_in_both_forms(workspace: Workspace) -> None:
    """`depends_on` as a list and as a mapping add up."""
    services = {name: {"image": name} for name in ("a", "b", "c")}
    condition = {"condition": "service_healthy"}
    workspace.write(
        {**services, "web": {"image": "web", "depends_on": ["a", "b"]}},
        {"web": {"depends_on": {"b": condition, "c": condition}}},
    )
    assert workspace.load().services["web"].depends_on == {
        "a": "service_started",
        "b": "service_healthy",
        "c": "service_healthy",
    }


def test_env_files_of_both_files_are_read(workspace: Workspace) -> None:
    """An `env_file` of the override is read after that of the base."""
    (workspace.root / "a.env").write_text("A=1\nB=1\n")
    (workspace.root / "b.env").write_text("B=2\n")
    found = read(workspace, {"env_file": "a.env"}, {"env_file": ["b.env"]})
    assert found.environment == {"A": "1", "B": "2"}


def test_missing_env_file_is_named(workspace: Workspace) -> None:
    """A missing `env_file` is an error, unless it is not required."""
    with pytest.raises(UserError, match=r"none\.env of web is missing"):
        read(workspace, {"env_file": "none.env"})
    read(workspace, {"env_file": [{"path": "none.env", "required": False}]})


def test_override_adds_services(workspace: Workspace) -> None:
    """A service that only the development file has is part of the workspace."""
    workspace.write({"web": {"image": "web"}}, {"tool": {"image": "tool"}})
    assert list(workspace.load().services) == ["web", "tool"]


def test_anchors_and_merge_keys(workspace: Workspace) -> None:
    """YAML anchors and `<<` work."""
    workspace.write_text(
        """
        x-base: &base {image: web, environment: &env {A: "1"}}
        services:
          one: {<<: *base}
          two: {<<: *base, environment: {<<: *env, B: "2"}}
        """
    )
    found = workspace.load().services
    assert found["one"].environment == {"A": "1"}
    assert found["two"].environment == {"A": "1", "B": "2"}


# -- variables --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A and ${A}", "1 and 1"),
        ("${NONE}", ""),
        ("${NONE:-d}|${EMPTY:-d}|${A:-d}", "d|d|1"),
        ("${NONE-d}|${EMPTY-d}|${A-d}", "d||1"),
        ("${A:?must be set}|${EMPTY?must be set}", "1|"),
        ("${A:+x}|${EMPTY:+x}|${EMPTY+x}|${NONE+x}", "x||x|"),
        ("$$A costs 5 $$", "$A costs 5 $"),
        ("${NONE:-$A}", "1"),
        ("${NONE:-${EMPTY:-d}}", "d"),
        ("${NONE:-http://${A}:80}/x", "http://1:80/x"),
        ("${NONE:-}", ""),
    ],
)
def test_variables_in_all_forms(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    """Each form of a variable gives what Compose gives."""
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NONE", raising=False)
    assert read(workspace, {"environment": {"X": text}}).environment["X"] == expected


@pytest.mark.parametrize("text", ["${NONE:?set it in your shell}", "${NONE?set it in your shell}"])
def test_required_variable_is_asked_for(workspace: Workspace, text: str) -> None:
    """A required variable that is missing is named, with its message and file."""
    workspace.write({"web": {"image": text}})
    done = workspace.gp("up", "--dry-run")
    assert done.returncode == 1
    assert "docker-compose.yml needs the variable NONE" in done.stderr
    assert "set it in your shell" in done.stderr


@pytest.mark.parametrize("text", ["costs 5 $", "${}", "${A", "$-"])
def test_lone_dollar_is_refused(workspace: Workspace, text: str) -> None:
    """A `$` that starts no variable is an error that says how to write it."""
    with pytest.raises(UserError) as caught:
        read(workspace, {"environment": {"X": text}})
    assert "docker-compose.yml" in caught.value.what
    assert "$$" in caught.value.hint


@given(st.text())
def test_text_with_doubled_dollars_comes_out_as_it_was_meant(text: str) -> None:
    """Any text survives, once each `$` in it is written twice."""
    assert compose.substitute(text.replace("$", "$$"), {}, "file") == text


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), st.text(), min_size=1))
def test_values_of_variables_are_not_read_again(variables: dict[str, str]) -> None:
    """A variable's value comes out as it is, whatever it holds."""
    text = "|".join(f"${{{name}}}" for name in variables)
    assert compose.substitute(text, variables, "file") == "|".join(variables.values())


def test_entry_without_value_comes_from_this_machine(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`environment: [A]` passes on the machine's A, and nothing if there is none."""
    monkeypatch.setenv("A", "mine")
    monkeypatch.delenv("B", raising=False)
    assert read(workspace, {"environment": ["A", "B"]}).environment == {"A": "mine"}


# -- forms of writing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1.5s", 1.5), ("20us", 0.00002)],
)
def test_durations(text: str, seconds: float) -> None:
    """Durations are read in Compose's units."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "30", "5 s", "-1s", "1d", "1s30"])
def test_what_is_no_duration_is_refused(workspace: Workspace, text: str) -> None:
    """A duration without a unit, or with a wrong one, is an error that shows the right form."""
    with pytest.raises(UserError) as caught:
        read(workspace, {"stop_grace_period": text})
    assert "1m30s" in caught.value.hint


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    """A duration of several parts is their sum."""
    expected = hours * 3600 + minutes * 60 + seconds + thousandths / 1000
    assert duration(f"{hours}h{minutes}m{seconds}s{thousandths}ms") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("8000", (8000, None, None)),
        (8000, (8000, None, None)),
        ("9000:8000", (8000, 9000, None)),
        ("127.0.0.1:9000:8000", (8000, 9000, None)),
        ("[::1]:9000:8000/tcp", (8000, 9000, None)),
        ("127.0.0.1::8000", (8000, None, None)),
        ("${SHOP_AT:-9000}:8000", (8000, 9000, "SHOP_AT")),
        ("127.0.0.1:${SHOP_AT:-9000}:8000", (8000, 9000, "SHOP_AT")),
        ({"target": 8000, "published": "9000"}, (8000, 9000, None)),
        ({"target": 8000, "published": "${SHOP_AT:-9000}"}, (8000, 9000, "SHOP_AT")),
        ({"target": 8000}, (8000, None, None)),
    ],
    ids=str,
)
def test_ports(
    workspace: Workspace, item: object, expected: tuple[int, int | None, str | None]
) -> None:
    """A port is read in the short and the long form, with and without a variable."""
    (port,) = read(workspace, {"ports": [item]}).ports
    assert (port.target, port.published, port.variable) == expected


def test_exposed_ports_come_after_published_ones(workspace: Workspace) -> None:
    """`expose` adds the ports that `ports` does not have."""
    found = read(workspace, {"ports": ["9000:8000"], "expose": ["8000", 8001]})
    assert [(port.target, port.published) for port in found.ports] == [(8000, 9000), (8001, None)]


def test_variable_moves_a_port(workspace: Workspace) -> None:
    """The variable of a published port moves it."""
    workspace.write({"web": {"image": "web", "ports": ["127.0.0.1:${SHOP_AT:-9000}:8000"]}})
    (port,) = workspace.load({"SHOP_AT": "9100"}).services["web"].ports
    assert port.published == 9100


@pytest.mark.parametrize("item", ["a:b", "9000-9010:9000-9010", {"published": 9000}], ids=str)
def test_port_that_cannot_be_read(workspace: Workspace, item: object) -> None:
    """A port that can't be read is an error that names it and its service."""
    with pytest.raises(UserError, match="of web can't be read"):
        read(workspace, {"ports": [item]})


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"test": "true"}, ("CMD-SHELL", "true")),
        ({"test": ["CMD", "true"]}, ("CMD", "true")),
        ({"test": ["NONE"]}, None),
        ({"disable": True, "test": "true"}, None),
    ],
    ids=str,
)
def test_healthchecks(workspace: Workspace, node: Tree, expected: tuple[str, ...] | None) -> None:
    """A healthcheck is read in all forms, and can be switched off."""
    found = read(workspace, {"healthcheck": node}).healthcheck
    assert (found.test if found else None) == expected


def test_words_that_look_like_booleans_stay_words(workspace: Workspace) -> None:
    """`no`, `on` and times are text, as in Compose; only `true` and `false` are booleans."""
    workspace.write_text(
        """
        services:
          web:
            image: web
            restart: no
            environment: {A: on, B: yes, C: true, D: 12:30, E: 2026-11-22T10:00:00Z}
        """
    )
    found = workspace.load().services["web"]
    assert found.restart == "no"
    assert found.environment == {
        "A": "on",
        "B": "yes",
        "C": "true",
        "D": "12:30",
        "E": "2026-11-22T10:00:00Z",
    }


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  web: [1,\n", "docker-compose.yml:3:1 is not valid YAML"),
        ("services:\n  web:\n\timage: x\n", "docker-compose.yml:3:1 is not valid YAML"),
        ("services: {web: {image: !reset null}}\n", "docker-compose.yml:1:25 is not valid YAML"),
        ("- a\n", "docker-compose.yml is not a Compose file"),
        ("", "docker-compose.yml is not a Compose file"),
        ("services: {}\n", "docker-compose.yml has no services"),
        ("services: [web]\n", "docker-compose.yml has no services"),
        ("services: {web: 1}\n", "The service 'web' is not a mapping"),
        ("services: {web: {command: x}}\n", "'web' has neither `image` nor `build`"),
        ("services: {a: {image: a, depends_on: [b]}}\n", "a depends on 'b', which is no service"),
    ],
)
def test_mistake_in_the_compose_file_is_named(workspace: Workspace, text: str, said: str) -> None:
    """A mistake ends the command with 1, one line that names it and its place, and no traceback."""
    workspace.write_text(text)
    done = workspace.gp("up", "--dry-run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ring_of_dependencies_is_shown(workspace: Workspace) -> None:
    """Services that wait for each other are refused, and the ring is shown."""
    workspace.write(
        {
            "outside": service(depends_on=["a"]),
            "a": service(depends_on=["b"]),
            "b": service(depends_on=["c"]),
            "c": service(depends_on=["a"]),
        }
    )
    done = workspace.gp("up", "--dry-run")
    assert done.returncode == 1
    assert "a → b → c → a" in done.stderr


def test_missing_file_is_named(workspace: Workspace) -> None:
    """A missing Compose file is named, with the command that brings it back."""
    (workspace.root / "docker-compose.development.yml").unlink()
    done = workspace.gp("status")
    assert done.returncode == 3  # the state needs no Compose file
    done = workspace.gp("up", "--dry-run")
    assert done.returncode == 1
    assert "docker-compose.development.yml is missing" in done.stderr
    assert "git checkout" in done.stderr


def test_outside_of_a_workspace(workspace: Workspace, tmp_path: Path) -> None:
    """A command outside of a workspace says so."""
    done = workspace.gp("up", GROUNDPLAN_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert f"No docker-compose.yml in {tmp_path}" in done.stderr


def test_workspace_is_found_from_a_folder_below(workspace: Workspace) -> None:
    """A command works anywhere in the workspace."""
    assert workspace.gp("up", "--dry-run", GROUNDPLAN_ROOT=str(workspace.app)).returncode == 0
