"""Production as a runtime: what runs, its logs, and its end. `gp deploy` starts it."""

from pathlib import Path

from groundplan.deploy.deployment import deployment_of
from groundplan.model.workspace import Workspace
from groundplan.runtime.docker import containers
from groundplan.runtime.docker.containers import Container
from groundplan.runtime.docker.engine import Project
from groundplan.runtime.docker.runtime import DockerRuntime


class ProductionRuntime(DockerRuntime):
    """The containers of production, from its own Compose files and settings."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._deployment = deployment_of(root)

    def _workspace(self) -> Workspace:
        return self._deployment.workspace

    def _project(self) -> Project:
        return self._deployment.project

    def _containers(self) -> list[Container]:
        return containers.of_project(self._deployment.project.name)
