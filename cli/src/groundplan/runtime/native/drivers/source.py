"""Services whose source is in the workspace: their command, run by their own toolchain."""

from collections.abc import Sequence

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.drivers.programs import programs_of
from groundplan.runtime.native.probes import CommandProbe, HttpProbe, Probe
from groundplan.runtime.native.requirements import LIBRARIES, Requirement, search_path, toolchain


class _Source:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        assert service.context
        return (*toolchain(service.context), *programs_of(service))

    def launch(self, service: Service, site: Site) -> Launch:
        assert service.context
        if not service.command:
            raise UserError(
                f"{service.name} has no `command`.",
                why="The native runtime does not read Dockerfiles.",
                hint="Give its `command` in docker-compose.development.yml.",
            )
        for mount in service.mounts:
            if mount.source and not mount.is_bind:
                site.addresses.volume(service, mount.target).mkdir(parents=True, exist_ok=True)
        environment = environment_of(service, site)
        return Launch(
            argv=tuple(site.addresses.translate(word, service) for word in service.command),
            environment=environment,
            cwd=service.context,
            probe=_probe(service, site, environment),
            url=_url(service),
        )


def environment_of(service: Service, site: Site) -> dict[str, str]:
    """The whole environment of a service that is built here."""
    assert service.context
    own = site.addresses.environment(service)
    programs = programs_of(service)
    libraries = ":".join(filter(None, (item.environment.get(LIBRARIES) for item in programs)))
    linked = {LIBRARIES: libraries} if libraries else {}
    path = search_path(service.context, programs)
    return {**base_environment(), **own, **linked, "PATH": path}


def _probe(service: Service, site: Site, environment: dict[str, str]) -> Probe | None:
    if service.ready:
        port = site.addresses.port(service.name, service.ports[0].target)
        return HttpProbe(f"http://127.0.0.1:{port}{service.ready}")
    if service.healthcheck and service.healthcheck.test:
        kind, *words = service.healthcheck.test
        argv = ("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)
        argv = tuple(site.addresses.translate(word, service) for word in argv)
        return CommandProbe(argv, environment, str(service.context))
    return None


def _url(service: Service) -> str | None:
    published = [port.published for port in service.ports if port.published]
    return f"http://localhost:{published[0]}" if published else None


DRIVER = _Source()
