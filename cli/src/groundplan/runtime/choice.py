"""Which runtime is meant."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from groundplan.errors import UserError
from groundplan.model.place import DEVELOPMENT
from groundplan.runtime import memory
from groundplan.runtime.native.runtime import NativeRuntime

if TYPE_CHECKING:
    from groundplan.runtime.docker.runtime import DockerRuntime
    from groundplan.runtime.protocol import Runtime

VARIABLE = "GROUNDPLAN_RUNTIME"
NAMES = ("docker", "native")


def choose(root: Path, instance: str, wanted: str | None) -> tuple[Runtime, str]:
    """The runtime for `up`, and a sentence where it is not the one that one would expect.

    What runs already, else `wanted`, $GROUNDPLAN_RUNTIME, Docker where an engine answers, or native.
    """
    running = _running(root, instance, _from_environment())
    wanted = wanted or _from_environment()
    if running and wanted not in (None, running.name):
        raise UserError(
            f"The system runs already, with the runtime {running.name}.",
            hint="Stop it first: ./gp down",
        )
    if running:
        return running, ""
    if wanted == "native":
        return NativeRuntime(root, instance), ""
    if instance != DEVELOPMENT:
        if wanted:
            raise UserError(
                f"The instance {instance!r} can't run with Docker.",
                why="The Compose files read config/.env, which belongs to the instance development.",
                hint="Run it natively, or use a second checkout: ./gp up --runtime native",
            )
        return NativeRuntime(root, instance), ""
    return (_docker(root, instance), "") if wanted else _by_engine(root, instance)


def current(root: Path, instance: str, is_production: bool = False) -> Runtime:
    """The runtime that runs; where none does, the one that ran last."""
    if is_production:
        from groundplan.deploy.production import ProductionRuntime

        return ProductionRuntime(root)
    wanted = _from_environment()
    if running := _running(root, instance, wanted):
        return running
    last = wanted or memory.recall(root, instance).get("runtime")
    if last == "docker" and shutil.which("docker"):
        return _docker(root, instance)
    return NativeRuntime(root, instance)


def _running(root: Path, instance: str, wanted: str | None) -> Runtime | None:
    """The runtime that has something running; the native one is asked first, since that is quick."""
    native = NativeRuntime(root, instance)
    if native.is_supervised:
        return native
    if wanted == "native" or instance != DEVELOPMENT or not shutil.which("docker"):
        return None
    docker = _docker(root, instance)
    try:
        return docker if docker.is_running else None
    except UserError:  # no engine: nothing of it runs
        return None


def _by_engine(root: Path, instance: str) -> tuple[Runtime, str]:
    from groundplan.runtime.docker import engine

    try:
        engine.find()
    except UserError as error:
        native = NativeRuntime(root, instance)
        if shutil.which("docker") is None:
            return native, ""
        return native, f"{error.what} {error.why} Running natively."
    return _docker(root, instance), ""


def _docker(root: Path, instance: str) -> DockerRuntime:
    from groundplan.runtime.docker.runtime import DockerRuntime

    return DockerRuntime(root, instance)


def _from_environment() -> str | None:
    name = os.environ.get(VARIABLE) or None
    if name not in (None, *NAMES):
        raise UserError(f"{VARIABLE} is {name!r}.", hint=f"It can be {' or '.join(NAMES)}.", code=2)
    return name
