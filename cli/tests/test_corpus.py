"""What Compose makes of the files in tests/corpus, and what Groundplan makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundplan.errors import UserError
from groundplan.model import compose, env_file, service, units
from groundplan.model.shapes import Place
from tests.record_corpus import CORPUS, HOME, compose_files, environment

Tree = dict[str, Any]

REFUSED_HERE = {
    "lone-dollar": "starts no variable",
    "several-documents": "another document",
    "dates": "Quote it",
    "one-letter-volume": "takes for a drive",
    "unknown-tag": "unknown tag",
    "include": "not supported",
    "unsupported-keys": "not supported",
}
"""Cases that Compose reads and Groundplan refuses: all there are, with what it says."""

READ_HERE = {"json-escaped-slash"}
"""Cases that Compose refuses and Groundplan reads, because they can mean one thing only."""

CASES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
EXPECTED = {name: json.loads((CORPUS / name / "expected.json").read_text()) for name in CASES}
READ = [name for name in CASES if "config" in EXPECTED[name] and name not in REFUSED_HERE]
REFUSED = [name for name in CASES if "refused" in EXPECTED[name] and name not in READ_HERE]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", HOME)


@pytest.mark.parametrize("name", READ)
def test_files_are_read_as_compose_reads_them(name: str) -> None:
    """Every key of every service, network, volume, secret and config is what Compose says."""
    assert as_compose(CORPUS / name) == theirs(CORPUS / name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_compose_refuses_is_refused(name: str) -> None:
    """A mistake that Compose refuses is refused here, with its file."""
    with pytest.raises(UserError) as caught:
        as_compose(CORPUS / name)
    assert ".yml" in str(caught.value) or ".env" in str(caught.value)


@pytest.mark.parametrize("name", REFUSED_HERE)
def test_what_is_not_supported_is_refused(name: str) -> None:
    """What Groundplan would read wrongly is refused, with file and line."""
    assert "config" in EXPECTED[name]
    with pytest.raises(UserError, match=r"docker-compose\.yml:\d+") as caught:
        as_compose(CORPUS / name)
    assert REFUSED_HERE[name] in str(caught.value)


@pytest.mark.parametrize("name", sorted(READ_HERE))
def test_what_can_mean_one_thing_only_is_read(name: str) -> None:
    """The few files that only Compose refuses are known."""
    assert "refused" in EXPECTED[name]
    assert as_compose(CORPUS / name)["services"]


# -- both sides in one form -------------------------------------------------------------------
# Compose prints sizes as bytes and durations rounded, escapes each `$`, states its defaults, and
# leaves out inactive services and what no service uses. Nothing else is evened out.

DEFAULTS: Tree = {
    "command": None,
    "entrypoint": None,
    "ipam": {},
    "resources": {},
    "placement": {},
    "bind": {},
    "volume": {},
    "exec": {"command": None},
    "privileged": False,
    "create_host_path": False,
}
SIZES = {
    "memory",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "mem_swappiness",
    "shm_size",
    "size",
}
DURATIONS = {
    *("interval", "timeout", "start_period", "start_interval", "stop_grace_period"),
    *("delay", "monitor", "window"),
}


def theirs(folder: Path) -> Tree:
    """What Compose said of a case."""
    text = json.dumps(EXPECTED[folder.name]["config"])
    text = text.replace("<root>", str(folder)).replace("<above>", str(folder.parent))
    tree = json.loads(text.replace("$$", "$"))
    for each in tree["services"].values():
        if variables := each.get("environment"):
            each["environment"] = {k: v for k, v in variables.items() if v is not None}
    evened: Tree = even(tree)
    return evened


def as_compose(folder: Path) -> Tree:
    """What Groundplan reads in a case, in the words of Compose."""
    files, given = compose_files(folder), environment(folder)
    beside = folder / ".env"
    variables = (env_file.read(beside, given) if beside.is_file() else {}) | given
    tree = compose.load(files, variables)
    inputs = service.Inputs(Place(tuple(files)), variables, {})
    services = {}
    for name, node in tree["services"].items():
        made = service.service_of(name, node, inputs) if _is_native(node) else None
        if made is None or made.is_active:
            values = service.environment(node, inputs, inputs.place.child("services").child(name))
            services[name] = _service(node, values, variables)
    project = tree.get("name", folder.name)
    tree = {key: value for key, value in tree.items() if key not in ("version", "x-groundplan")}
    tree = tree | {"name": project, "services": services}
    for kind in ("networks", "volumes", "secrets", "configs"):
        tree[kind] = _resources(tree.get(kind, {}), _used(services, kind), project)
    evened: Tree = even({key: value for key, value in tree.items() if value})
    return evened


def _is_native(node: Tree) -> bool:
    """False for a range of published ports, which only Compose can choose from."""
    return not any("-" in port.get("published", "") for port in node.get("ports", []))


def _service(node: Tree, values: dict[str, str], variables: dict[str, str]) -> Tree:
    node = {key: value for key, value in node.items() if key != "env_file"}
    node["environment"] = values
    if "network_mode" not in node:
        node["networks"] = node.get("networks") or {"default": None}
    if build := node.get("build"):
        node["build"] = _build(build, variables)
    if "depends_on" in node:
        node["depends_on"] = {
            name: {"required": True} | item for name, item in node["depends_on"].items()
        }
    if hosts := node.get("extra_hosts"):
        node["extra_hosts"] = [f"{name}={item}" for name in sorted(hosts) for item in hosts[name]]
    node["secrets"] = [
        {"target": f"/run/secrets/{item['source']}"} | item for item in node.get("secrets", [])
    ]
    if node.get("pull_policy") == "if_not_present":
        node["pull_policy"] = "missing"
    return node


def _build(build: Tree, variables: dict[str, str]) -> Tree:
    default: Tree = {} if "dockerfile_inline" in build else {"dockerfile": "Dockerfile"}
    build = default | build
    if args := build.get("args"):
        build["args"] = {key: variables.get(key) if v is None else v for key, v in args.items()}
    if hosts := build.get("extra_hosts"):
        build["extra_hosts"] = [f"{name}={item}" for name in hosts for item in hosts[name]]
    return build


def _used(services: Tree, kind: str) -> set[str]:
    found = set()
    for node in services.values():
        for item in node.get(kind) or []:
            found.add(item if isinstance(item, str) else item.get("source"))
        for item in node.get("build", {}).get(kind, []):
            found.add(item["source"])
    return found


def _resources(nodes: Tree, used: set[str], project: str) -> Tree:
    nodes = nodes | ({"default": nodes.get("default")} if "default" in used else {})
    return {
        name: {"name": name if (node or {}).get("external") else f"{project}_{name}"} | (node or {})
        for name, node in nodes.items()
        if name in used
    }


def even(value: Any, key: str = "") -> Any:
    """`value` without extensions and defaults, with sizes in bytes and durations in seconds."""
    if isinstance(value, dict):
        found = {name: even(item, name) for name, item in value.items() if name[:2] != "x-"}
        return {
            name: item
            for name, item in found.items()
            if item not in ({}, []) and (name not in DEFAULTS or item != DEFAULTS[name])
        }
    if isinstance(value, list):
        return [even(item) for item in value]
    if key in SIZES:
        return units.size(value)
    if key in DURATIONS:
        return units.duration(value)
    return float(value) if key in ("cpus", "value", "max_failure_ratio") else value
