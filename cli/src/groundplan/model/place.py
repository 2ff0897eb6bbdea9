"""Where the workspace is, and where a running instance of it keeps its state."""

import os
from pathlib import Path

from groundplan.errors import UserError

DEVELOPMENT = "development"
FILES = ("docker-compose.yml", "docker-compose.development.yml")


def find_root() -> Path:
    """The checkout that holds the current folder, or $GROUNDPLAN_ROOT, which the wrapper sets."""
    folder = Path(os.environ.get("GROUNDPLAN_ROOT", Path.cwd())).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILES[0]).is_file():
            return candidate
    raise UserError(f"No {FILES[0]} in {folder} or above it.", hint="Go to a Groundplan workspace.")


def instance_name() -> str:
    """$GROUNDPLAN_INSTANCE: which of several running copies of one checkout is meant."""
    return os.environ.get("GROUNDPLAN_INSTANCE", DEVELOPMENT)


def state_folder(root: Path, instance: str) -> Path:
    """Folder of all that an instance keeps on this machine."""
    return root / "tmp" / instance


def settings_file(root: Path, instance: str) -> Path:
    """config/.env, or the private settings of another instance."""
    folder = root if instance == DEVELOPMENT else state_folder(root, instance)
    return folder / "config" / ".env"
