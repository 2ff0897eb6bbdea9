"""Which secrets there are: what the Compose files of production declare, and what those are made of."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundplan.model import env_file
from groundplan.model.place import PRODUCTION, PRODUCTION_SETTINGS, SECRETS_FOLDER
from groundplan.model.workspace import Workspace, describe
from groundplan.secrets.store import Store


@dataclass(frozen=True)
class Inventory:
    """The secrets of a workspace's production."""

    root: Path

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings of production; empty where there are none yet."""
        file = self.root / PRODUCTION_SETTINGS
        return env_file.read(file, {}) if file.exists() else {}

    @cached_property
    def workspace(self) -> Workspace:
        """Production as Compose reads it: this process's environment goes before the settings."""
        return describe(self.root, PRODUCTION, {**self.settings, **os.environ})

    @property
    def store(self) -> Store:
        """Where they are kept."""
        return Store(self.root / SECRETS_FOLDER)

    @property
    def names(self) -> list[str]:
        """Every secret that a service reads from the folder of secrets."""
        folder = self.store.folder
        return [
            name for name, file in self.workspace.secrets.items() if file and file.parent == folder
        ]

    def readers(self, name: str) -> list[str]:
        """The services that read secret `name`."""
        return [it.name for it in self.workspace.services.values() if name in it.secrets]

    def services_with(self, ending: str) -> list[str]:
        """What stands before `ending` in names of secrets: for "rabbitmq-user" the users of RabbitMQ."""
        matches = (re.fullmatch(rf"(.+)-{ending}", name) for name in self.names)
        return [match[1] for match in matches if match]
