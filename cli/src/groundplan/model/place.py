"""Where the workspace is, and where a running instance of it keeps its state."""

import hashlib
import os
from pathlib import Path

from groundplan.errors import UserError

DEVELOPMENT = "development"
PRODUCTION = "production"
BASE_FILE = "docker-compose.yml"
DEVELOPMENT_FILE = "docker-compose.development.yml"
PRODUCTION_FILE = "docker-compose.production.yml"
IMAGES_FILE = "docker-compose.images.yml"
"""Pins every image of production by digest; written by `gp images pin`."""
PRODUCTION_FOLDER = Path("config") / "production"
"""Settings, secrets and certificates of production, relative to the workspace; git ignores them."""
PRODUCTION_SETTINGS = PRODUCTION_FOLDER / ".env"
SECRETS_FOLDER = PRODUCTION_FOLDER / "secrets"
FILES = {
    DEVELOPMENT: (BASE_FILE, DEVELOPMENT_FILE),
    PRODUCTION: (BASE_FILE, PRODUCTION_FILE),
}
"""The Compose files of each environment, in the order in which they are merged."""


def find_root() -> Path:
    """The checkout that holds the current folder, or $GROUNDPLAN_ROOT, which the wrapper sets."""
    folder = Path(os.environ.get("GROUNDPLAN_ROOT", Path.cwd())).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / BASE_FILE).is_file():
            return candidate
    raise UserError(
        f"No {BASE_FILE} in {folder} or above it.", hint="Go to a Groundplan workspace."
    )


def instance_name() -> str:
    """$GROUNDPLAN_INSTANCE: which of several running copies of one checkout is meant."""
    return os.environ.get("GROUNDPLAN_INSTANCE", DEVELOPMENT)


def state_folder(root: Path, instance: str) -> Path:
    """Folder of all that an instance keeps on this machine."""
    return root / "tmp" / instance


def servers_folder(root: Path, instance: str) -> Path:
    """Folder of the servers' own files.

    Servers that root starts give up root, and could not enter a checkout below /root or
    another private folder; theirs lie in /var/lib then.
    """
    if os.geteuid() != 0 or all(path.stat().st_mode & 0o001 for path in (root, *root.parents)):
        return state_folder(root, instance)
    key = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return Path("/var/lib/groundplan") / f"{root.name}-{key}" / instance


def settings_file(root: Path, instance: str) -> Path:
    """config/.env, or the private settings of another instance."""
    folder = root if instance == DEVELOPMENT else state_folder(root, instance)
    return folder / "config" / ".env"


def page_of(name: str) -> Path:
    """The page of a service, relative to the workspace."""
    return Path("docs") / "services" / f"{name}-service.md"
