"""The containers of this machine that Compose made, as the engine tells them."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from groundplan.runtime.docker.engine import find
from groundplan.runtime.events import State

LABEL = "com.docker.compose"
PROJECT = f"{LABEL}.project"
LIVE = (State.HEALTHY, State.STARTING, State.UNHEALTHY)
_LOOPBACK = ("127.0.0.1", "0.0.0.0", "")  # noqa: S104 - read here, not listened on


@dataclass(frozen=True)
class Container:
    """One container of a service."""

    id: str
    project: str
    service: str
    folder: Path
    """The project's folder."""
    files: tuple[str, ...]
    """The names of the Compose files that it was made from."""
    state: State
    why: str
    """What is wrong with it, as a sentence; empty where nothing is."""
    is_checked: bool
    """True if it has a health check."""
    pid: int | None
    restarts: int
    started: float
    """When it was started last, in seconds since 1970; 0 if never."""
    ports: dict[int, int]
    """Its published ports, with the port of this machine."""
    addresses: tuple[str, ...]
    """Its addresses in its networks."""
    report: str = ""
    """What its health check printed last."""

    def state_if(self, *, is_oneshot: bool) -> State:
        """Its state, where it is known whether it is one that ends.

        One that ends is never healthy or ill: its image may have the health check of a server.
        """
        if not is_oneshot:
            return self.state
        if self.state == State.STOPPED:
            return State.COMPLETED
        return State.STARTING if self.state in LIVE else self.state


def listed(*filters: str) -> list[Container]:
    """The containers of services that match all `filters` of `docker ps`, stopped ones too."""
    program = find().program
    words = [word for each in (f"label={PROJECT}", *filters) for word in ("--filter", each)]
    numbers = _output([program, "ps", "--all", "--quiet", "--no-trunc", *words]).split()
    if not numbers:
        return []
    # One that is removed in between is left out of the answer.
    nodes = json.loads(_output([program, "container", "inspect", *numbers]) or "[]")
    found = [_container(node) for node in nodes if _labels(node).get(f"{LABEL}.oneoff") == "False"]
    return sorted(found, key=lambda container: (container.service, container.id))


def of_project(name: str) -> list[Container]:
    """The containers of a Compose project."""
    return listed(f"label={PROJECT}={name}")


def of_folder(root: Path, files: Iterable[str]) -> list[Container]:
    """The containers that were made from these Compose files of `root`, and perhaps more of them."""
    wanted = tuple(files)
    return [
        each for each in listed() if each.folder == root and each.files[: len(wanted)] == wanted
    ]


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


def _labels(node: dict[str, Any]) -> dict[str, str]:
    return node["Config"].get("Labels") or {}


def _container(node: dict[str, Any]) -> Container:
    labels, told = _labels(node), node["State"]
    state, why = state_of(told)
    files = labels.get(f"{PROJECT}.config_files", "")
    return Container(
        id=node["Id"],
        project=labels[PROJECT],
        service=labels[f"{LABEL}.service"],
        folder=Path(labels.get(f"{PROJECT}.working_dir", "/")).resolve(),
        files=tuple(Path(file).name for file in files.split(",")),
        state=state,
        why=why,
        is_checked="Health" in told,
        pid=told["Pid"] or None,
        restarts=node["RestartCount"],
        started=_time(told["StartedAt"]),
        ports=_ports(node["NetworkSettings"].get("Ports") or {}),
        addresses=tuple(
            network["IPAddress"]
            for network in node["NetworkSettings"]["Networks"].values()
            if network.get("IPAddress")
        ),
        report=_report(told),
    )


def state_of(told: dict[str, Any]) -> tuple[State, str]:
    """Our state for the `State` of an inspected container, and what is wrong as a sentence."""
    health = told.get("Health") or {}
    match told["Status"], health.get("Status"):
        case "running", "starting":
            return State.STARTING, ""
        case "running", "unhealthy":
            return State.UNHEALTHY, _last_check(told)
        case "running", _:
            return State.HEALTHY, ""
        case "restarting", _:
            return State.RESTARTING, _end(told)
        case "exited" | "dead", _:
            return (State.FAILED, _end(told)) if told["ExitCode"] else (State.STOPPED, "")
        case "created", _ if told["Error"]:
            return State.FAILED, told["Error"]
        case _:
            return State.WAITING, ""


def _end(told: dict[str, Any]) -> str:
    if told["OOMKilled"]:
        return "It was killed because it needed more memory than its limit."
    return f"It ended with exit code {told['ExitCode']}."


def _report(told: dict[str, Any]) -> str:
    checks = (told.get("Health") or {}).get("Log") or []
    return str(checks[-1]["Output"]).strip() if checks else ""


def _last_check(told: dict[str, Any]) -> str:
    output = _report(told).splitlines()[-1:]
    return "Its health check fails" + (f": {output[0][:200]}" if output else ".")


def _time(text: str) -> float:
    """Seconds since 1970; the engine writes nanoseconds, and the year 1 for never."""
    if text.startswith("0001"):
        return 0.0
    whole = text.partition(".")[0].rstrip("Z")
    fraction = text.partition(".")[2].rstrip("Z") or "0"
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction}")


def _ports(node: dict[str, list[dict[str, str]] | None]) -> dict[int, int]:
    return {
        int(target.partition("/")[0]): int(binding["HostPort"])
        for target, bindings in node.items()
        for binding in bindings or ()
        if binding["HostIp"] in _LOOPBACK
    }
