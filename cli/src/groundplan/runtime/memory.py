"""tmp/INSTANCE/runtime.json: what ran here last, for commands that come while nothing runs."""

import json
import os
from pathlib import Path

from groundplan.model.place import state_folder

_FILE = "runtime.json"


def remember(root: Path, instance: str, runtime: str, project: str | None = None) -> None:
    """Note the runtime, and the Compose project if it is one; a project that was noted is kept."""
    file = state_folder(root, instance) / _FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    noted = (
        recall(root, instance) | {"runtime": runtime} | ({"project": project} if project else {})
    )
    partial = file.with_name(f"{_FILE}.{os.getpid()}")  # two commands may do this at once
    partial.write_text(json.dumps(noted))
    partial.replace(file)


def recall(root: Path, instance: str) -> dict[str, str]:
    """What was noted: "runtime" and "project"; empty where nothing was."""
    try:
        noted = json.loads((state_folder(root, instance) / _FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return {str(key): str(value) for key, value in noted.items()}
