"""Ollama, where it is installed: no package registry holds it."""

from collections.abc import Sequence

from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import HttpProbe
from groundplan.runtime.native.requirements import Installed, Requirement

PROGRAM = Installed("Ollama", "ollama", "Install Ollama from its own site, or run it with Docker.")


class _Ollama:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (PROGRAM,)

    def launch(self, service: Service, site: Site) -> Launch:
        # The models are the developer's own files, so Ollama runs as the developer.
        folder = site.addresses.volume(service, "/root/.ollama")
        folder.mkdir(parents=True, exist_ok=True)
        port = site.addresses.port(service.name, service.ports[0].target)
        own = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(folder / "models")}
        return Launch(
            argv=(PROGRAM.find() or PROGRAM.binary, "serve"),
            environment={**base_environment(), **own},
            cwd=folder,
            probe=HttpProbe(f"http://127.0.0.1:{port}/"),
            url=f"http://localhost:{port}",
        )


DRIVER = _Ollama()
