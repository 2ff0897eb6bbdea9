"""Which digest every image of production has in its registry now, as a Compose file that pins them."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groundplan.check import dockerfile
from groundplan.errors import UserError
from groundplan.files import write_whole
from groundplan.model.place import IMAGES_FILE
from groundplan.model.workspace import Service, Workspace
from groundplan.runtime.docker.engine import find

_HEADER = f"""\
# The images of production by digest, so that a name means the same image on every day and machine.
# `./gp images pin` writes this file; {IMAGES_FILE} is merged last.
"""
_PINNED = re.compile(r"(?:docker-image://)?([^\s'\"/@][^\s'\"@]*)@(sha256:[0-9a-f]{64})")
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Use:
    """An image that a service runs, or that it is built from."""

    image: str
    service: str
    is_base: bool
    place: str
    """Where it is named, for people."""


def uses(workspace: Workspace) -> Iterator[Use]:
    """Every image of `workspace` that comes from a registry by a tag.

    Raises UserError for a Dockerfile whose image is not known before it is built.
    """
    for service in workspace.services.values():
        if service.context is None:
            if "@" not in service.image:
                yield Use(service.image, service.name, is_base=False, place=service.name)
        else:
            yield from _bases(workspace, service)


def _bases(workspace: Workspace, service: Service) -> Iterator[Use]:
    assert service.context
    file = service.dockerfile or service.context / "Dockerfile"
    shown = file.relative_to(workspace.root) if file.is_relative_to(workspace.root) else file
    try:
        stages = list(dockerfile.read(file.read_text()).images())
    except OSError as error:
        raise UserError(f"{shown} can't be read.", why=f"{error.strerror}.") from error
    for stage in stages:
        place = f"{shown}:{stage.line}"
        if "$" in stage.base:
            raise UserError(
                f"{place}: the image {stage.base} is not known before it is built.",
                hint="Give the ARG a default, or name the image.",
            )
        if "@" not in stage.base:
            yield Use(stage.base, service.name, is_base=True, place=place)


def digests(wanted: list[Use]) -> dict[str, str]:
    """The digest of each image; raises UserError where there is no engine, no image or no answer."""
    program = find().program
    places = {use.image: use.place for use in reversed(wanted)}
    images = sorted(places)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda image: _digest(program, image, places[image]), images)
        return dict(zip(images, found, strict=True))


def _digest(program: str, image: str, place: str) -> str:
    argv = [program, "buildx", "imagetools", "inspect", image, "--format", "{{json .Manifest}}"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise _unknown(image, f"Its registry did not answer within {_TIMEOUT:.0f} s.") from error
    if done.returncode == 0:
        return str(json.loads(done.stdout)["digest"])
    said = (done.stderr.strip().splitlines() or ["It printed nothing."])[-1]
    if said.endswith(": not found"):
        raise UserError(
            f"There is no image {image} in its registry.",
            why=f"{place} names it.",
            hint="Mend its name or its tag there. Nothing was written.",
        )
    raise _unknown(image, said.removeprefix("ERROR: "))


def _unknown(image: str, why: str) -> UserError:
    return UserError(
        f"The digest of {image} could not be looked up.",
        why=why,
        hint="Mind the network, or sign in (docker login); then type ./gp images pin again. "
        "Nothing was written.",
    )


def compose_file(wanted: list[Use], found: Mapping[str, str]) -> str:
    """The text of the Compose file that pins `wanted`."""
    services: dict[str, Any] = {}
    for use in wanted:
        pinned = f"{use.image}@{found[use.image]}"
        if use.is_base:
            # A context with an image's name takes the place of that image wherever FROM names it.
            entry = services.setdefault(use.service, {"build": {"additional_contexts": {}}})
            entry["build"]["additional_contexts"][use.image] = f"docker-image://{pinned}"
        else:
            services[use.service] = {"image": pinned}
    return _HEADER + yaml.safe_dump({"services": services}, sort_keys=False, width=200)


def pinned(text: str) -> dict[str, str]:
    """The digest of each image in a file that `compose_file` made."""
    return dict(_PINNED.findall(text))


def write(root: Path, text: str) -> None:
    """Put the file in its place, whole; raises UserError where it can't be written."""
    file = root / IMAGES_FILE
    try:
        write_whole({file: text})
    except OSError as error:
        raise UserError(f"{file} can't be written.", why=f"{error.strerror}.") from error
