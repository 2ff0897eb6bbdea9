"""`gp models`: language models of the running Ollama, by its HTTP API."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.model.workspace import load
from groundplan.runtime import choice

_IMAGE = "ollama"
_TIMEOUT = 60.0
"""Seconds without a word after which Ollama counts as gone; a pull reports several times a second."""


def pull(name: str, as_json: bool) -> None:
    """Download a model, showing how many bytes are there."""
    events = _checked(name, _ask("/api/pull", {"model": name}))
    if as_json:
        for event in events:
            print(json.dumps(event), flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {}
        for event in events:
            part = event.get("digest") or event["status"]
            if part not in tasks:
                tasks[part] = progress.add_task(event["status"], total=event.get("total", 1))
            done = event.get("completed", 0 if "total" in event else 1)
            progress.update(tasks[part], completed=done)
    Console(stderr=True).print(f"{name} is there.")


def show(as_json: bool) -> None:
    """Print the models and their sizes."""
    answer = next(_ask("/api/tags"))
    rows = [{"name": model["name"], "bytes": model["size"]} for model in answer["models"]]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['name']:<32} {row['bytes'] / 1e6:10.1f} MB")
    if not rows:
        print("There is no model yet. Get one: ./gp models pull llama3.2:1b")


def _checked(name: str, events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events of a pull; raises UserError where one tells of a failure, or "success" never comes."""
    last = ""
    for event in events:
        if "error" in event:
            raise _failed(name, event["error"])
        last = event.get("status", "")
        yield event
    if last != "success":
        raise _failed(name, "Ollama ended the download early.")


def _failed(name: str, why: str) -> UserError:
    return UserError(
        f"The model {name} could not be downloaded.",
        why=why,
        hint="Look at the name and the network, then type it again: what is there already is kept.",
    )


def _ask(path: str, body: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Each JSON object of Ollama's answer, as it comes."""
    data = json.dumps(body).encode() if body else None
    request = Request(_url() + path, data, {"Content-Type": "application/json"})  # noqa: S310 - the state's own http URL
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - see above
            for line in answer:
                yield json.loads(line)
    except HTTPError as error:
        raise UserError("Ollama refused.", why=_told(error)) from error
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(
            "Ollama does not answer.", why=str(error), hint="Look at ./gp logs and ./gp status."
        ) from error


def _told(error: HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}: {text[:200]}"


def _url() -> str:
    """Where the running Ollama is; raises UserError where none runs."""
    root, instance = find_root(), instance_name()
    services = load(root, instance=instance).services.values()
    names = [service.name for service in services if service.image_name == _IMAGE]
    if not names:
        raise UserError(
            "The workspace has no Ollama.", hint="Add a service with the image ollama/ollama."
        )
    state = choice.current(root, instance).status()
    running = (service.url for service in state.services if service.name in names and service.pid)
    if url := next(running, None):
        return url
    raise UserError("Ollama is not running.", hint=f"Start it: ./gp up --detach {names[0]}")
