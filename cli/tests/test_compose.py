"""How Compose files are read: merge, variables, forms of writing, and mistakes in them."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import UserError
from groundplan.model import compose
from groundplan.model import workspace as model
from groundplan.model.interpolation import substitute
from groundplan.model.specification import SERVICE
from groundplan.model.workspace import Service, duration
from tests.support import Tree, Workspace, check, service

ODD = ["", "a", "a:b", "80:80", "1s", "source", "target", "file", "1-2", "$$", "name"]


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
    with pytest.raises(
        UserError, match=r"docker-compose\.yml:4 services\.web\.env_file\.0 is missing"
    ):
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
    assert "docker-compose.yml:3 needs the variable NONE" in done.stderr
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
    assert substitute(text.replace("$", "$$"), {}, "file") == text


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), st.text(), min_size=1))
def test_values_of_variables_are_not_read_again(variables: dict[str, str]) -> None:
    """A variable's value comes out as it is, whatever it holds."""
    text = "|".join(f"${{{name}}}" for name in variables)
    assert substitute(text, variables, "file") == "|".join(variables.values())


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


@pytest.mark.parametrize(
    "item",
    ["a:b", "9000-9010:80", "9000-9010:80-81", "1.2.3.400:80:80", "90000:80", {"published": 9000}],
    ids=str,
)
def test_port_that_cannot_be_read(workspace: Workspace, item: object) -> None:
    """A port that can't be read is an error that names it and its service."""
    with pytest.raises(UserError, match=r"docker-compose\.yml:5 services\.web\.ports\.0"):
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
    """`no`, `on` and 12:30 are text, as in Compose; only `true` and `false` are booleans."""
    workspace.write_text(
        """
        services:
          web:
            image: web
            restart: no
            environment: {A: on, B: yes, C: true, D: 12:30, E: 1.10}
        """
    )
    found = workspace.load().services["web"]
    assert found.restart == "no"
    assert found.environment == {
        "A": "on",
        "B": "yes",
        "C": "true",
        "D": "12:30",
        "E": "1.1",
    }


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  web: [1,\n", "docker-compose.yml:3:1 is not valid YAML"),
        ("services:\n  web:\n\timage: x\n", "docker-compose.yml:3:1 is not valid YAML"),
        ("services: {web: {image: !reset null}}\n", "has neither `image` nor `build`"),
        ("services: {web: {image: !env x}}\n", "docker-compose.yml:1 has the unknown tag !env"),
        ("- a\n", "docker-compose.yml is not a Compose file"),
        ("", "docker-compose.yml is not a Compose file"),
        ("services: {}\n", "docker-compose.yml has no services"),
        ("services: [web]\n", "docker-compose.yml:1 services must be a mapping"),
        ("services:\n  web: 1\n", "docker-compose.yml:2 services.web must be a mapping"),
        ("services:\n  web: {user: x}\n", "yml:2 services.web has neither `image` nor `build`"),
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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["image: a", "enviroment: {}"],
            "5 services.web.enviroment is no key that Compose knows. Did",
        ),
        (["image: a", "deploy:", "  resource: {}"], "6 services.web.deploy.resource is no key"),
        (
            ["image: a", "ports:", "- {target: 80, host: x}"],
            "6 services.web.ports.0.host is no key",
        ),
        (
            ["image: a", "x-groundplan:", "  titel: Web"],
            "6 services.web.x-groundplan.titel is no key",
        ),
        (
            ["image: a", "x-groundplan: {tier: cloud}"],
            "5 services.web.x-groundplan.tier is 'cloud'",
        ),
        (["image: a", "user: 1000"], "5 services.web.user must be text. Quote it"),
        (["image: a", "restart: {}"], "5 services.web.restart must be text"),
        (["image: a", "image: b"], "5 has the key 'image' again. Line 4 has it"),
        (["image: a", "environment: {1: x}"], "5 has the key 1, which is no text"),
        (["image: a", "environment:", "- 5"], "6 services.web.environment.0 must be text"),
        (
            ["image: a", "mem_limit: lots"],
            "5 services.web.mem_limit is not right: 'lots' is no size",
        ),
        (
            ["image: a", "init: perhaps"],
            "5 services.web.init is 'perhaps', and must be true or false",
        ),
        (["image: a", "networks: [front]"], "5 services.web.networks.front is no network"),
        (["image: a", "secrets:", "- token"], "6 services.web.secrets.0 names 'token'"),
        (["image: a", "gpus: all"], "5 services.web.gpus is not supported by Groundplan"),
        (["image: a", "ports:"], "5 services.web.ports has no value"),
        (["image: a", 'command: unclosed "'], "5 services.web.command can't be split"),
        (["image: a", "environment: {A: 2026-11-22}"], "5 has the date 2026-11-22. Quote it"),
    ],
    ids=str,
)
def test_mistake_is_told_with_its_line(workspace: Workspace, lines: list[str], said: str) -> None:
    """What Compose would refuse, and what Groundplan can't read, is told with file and line."""
    body = "".join(f"    {line}\n" for line in lines)
    workspace.write_text(f"# A comment.\nservices:\n  web:\n{body}")
    with pytest.raises(UserError) as caught:
        workspace.load()
    assert f"docker-compose.yml:{said}" in str(caught.value)


def test_mistake_in_the_override_is_told_with_its_file(workspace: Workspace) -> None:
    """A mistake in the development file names that file."""
    with pytest.raises(UserError, match=r"docker-compose\.development\.yml:3 .* mean 'ports'"):
        read(workspace, {}, {"port": ["80:80"]})


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(sorted(SERVICE.fields)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(ODD),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(ODD), inner),
        max_leaves=4,
    ),
)
def test_any_value_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    """Whatever stands at a key of a service, it is read, or refused as a user's error."""
    file = tmp_path_factory.mktemp("any") / "docker-compose.yml"
    file.write_text(yaml.safe_dump({"services": {"web": {"image": "web", key: value}}}))
    with suppress(UserError):
        assert compose.load([file], {})["services"]


# -- places -----------------------------------------------------------------------------------

BASE = """\
x-common: &common
  image: web
services:
  web:
    <<: *common
    environment:
      A: "1"
    ports:
      - "80:80"
      - "81:81"
"""
DEVELOPMENT = """\
services:
  web:
    environment: {A: "2"}
    ports: ["82:82"]
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("services", "web", "ports", 0), "docker-compose.development.yml:4"),
        (("services", "web", "ports", 1), "docker-compose.yml:10"),
        (("services", "web", "environment", "A"), "docker-compose.development.yml:3"),
        (("services", "web", "image"), "docker-compose.yml:2"),
        (("services", "web", "user"), "docker-compose.development.yml:2"),
        (("volumes", "data"), "docker-compose.development.yml:1"),
    ],
    ids=str,
)
def test_place_of_a_value(workspace: Workspace, path: tuple[str | int, ...], expected: str) -> None:
    """A value stands in the last file that has it; what no file has, at its nearest parent."""
    workspace.write_text(BASE)
    (workspace.root / "docker-compose.development.yml").write_text(DEVELOPMENT)
    file, line = compose.locate(workspace.load().files, path)
    assert f"{file.name}:{line}" == expected


def test_place_follows_an_edit(workspace: Workspace) -> None:
    """A file that was changed is read again."""
    file = workspace.root / "docker-compose.yml"
    workspace.write_text("services:\n  web: {image: a}\n")
    assert compose.locate([file], ("services", "web"))[1] == 2
    workspace.write_text("# Moved down.\n\nservices:\n  web: {image: a}\n")
    assert compose.locate([file], ("services", "web"))[1] == 4


# -- what the workspace knows -----------------------------------------------------------------


def test_description_knows_where_it_comes_from(workspace: Workspace) -> None:
    """The description knows its files, its environment and the machine that the limits fit into."""
    extension = {"machine": {"cpus": "8", "memory": "8G"}}
    text = yaml.safe_dump({"x-groundplan": extension, "services": {"web": {"image": "web"}}})
    workspace.write_text(text)
    found = model.describe(workspace.root, "production")
    assert [file.name for file in found.files] == ["docker-compose.yml"]
    assert (found.environment, found.machine) == ("production", {"cpus": "8", "memory": "8G"})


def test_contract_and_publicity(workspace: Workspace) -> None:
    """`x-groundplan` says where a service's contract is, and whether it is public."""
    extension = {"contract": "contracts/openapi.json", "public": True}
    found = read(workspace, {"x-groundplan": extension})
    assert (found.contract, found.is_public) == ("contracts/openapi.json", True)
    assert (read(workspace, {}).contract, read(workspace, {}).is_public) == (None, False)


def test_description_ignores_this_machine(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description of a workspace is the same on every machine, and writes nothing."""
    monkeypatch.setenv("WEB_PORT", "9999")
    monkeypatch.setenv("A", "mine")
    (workspace.root / ".env").write_text("WEB_PORT=8888\n")
    workspace.write(
        {"web": {"image": "web", "ports": ["${WEB_PORT:-80}:80"], "environment": ["A"]}}
    )
    found = model.describe(workspace.root).services["web"]
    assert (found.ports[0].published, found.environment) == (80, {})
    assert not workspace.settings.exists()


def test_variables_beside_the_files(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` beside the Compose files gives variables; the environment's are stronger."""
    monkeypatch.delenv("TAG", raising=False)
    (workspace.root / ".env").write_text("TAG=7\n")
    assert read(workspace, {"image": "web:${TAG}"}).image == "web:7"
    monkeypatch.setenv("TAG", "8")
    assert read(workspace, {"image": "web:${TAG}"}).image == "web:8"


def test_service_of_a_profile_waits_to_be_named(workspace: Workspace) -> None:
    """`up` leaves a service with profiles out, unless one is active or the service is named."""
    workspace.write({"web": service(), "debug": service(profiles=["debug"])})
    assert workspace.gp("up", "--dry-run").stdout.split() == ["web"]
    assert workspace.gp("up", "--dry-run", "debug").stdout.split() == ["debug"]
    done = workspace.gp("up", "--dry-run", COMPOSE_PROFILES="other,debug")
    assert done.stdout.split() == ["web", "debug"]


def test_protocols_of_ports(workspace: Workspace) -> None:
    """A port's protocol is that of `x-groundplan`, else its transport."""
    protocols = {"x-groundplan": {"protocols": {"80": "HTTP"}}}
    found = read(workspace, {"ports": ["80:80", "53:53/udp"], "expose": ["90-91"]} | protocols)
    assert [(port.target, port.protocol) for port in found.ports] == [
        (80, "HTTP"),
        (53, "UDP"),
        (90, "TCP"),
        (91, "TCP"),
    ]


def test_hundred_services_are_described_at_once(workspace: Workspace) -> None:
    """A workspace of 100 services is read in half a second of work."""
    names = [f"service-{number}" for number in range(100)]
    node = {
        "image": "web",
        "environment": {f"NAME_{number}": "value" for number in range(10)},
        "healthcheck": check("true"),
        "deploy": {"resources": {"limits": {"cpus": "1.0", "memory": "1G"}}},
    }
    ports = {name: {"ports": [f"{9000 + index}:80"]} for index, name in enumerate(names)}
    workspace.write(dict.fromkeys(names, node), ports)
    began = time.process_time()
    assert len(model.describe(workspace.root).services) == len(names)
    assert time.process_time() - began < 0.5


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
