"""The servers that tests need, as containers: made from what the Compose files say, gone afterwards.

Their ports are random ones on 127.0.0.1, and their volumes are new. They are of the image, command,
environment, user, mounts and healthcheck of their service.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from docker.errors import DockerException
from docker.types import Mount as DockerMount
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from groundplan.errors import UserError
from groundplan.model.workspace import Healthcheck, Mount, Service, Workspace
from groundplan.runtime.docker import engine
from groundplan.runtime.native.addresses import LOOPBACK

_LABEL = "groundplan.servers"
"""Of containers and networks; its value is the folder of the instance that they belong to."""
_SHORTEST_PATIENCE = 60.0
_POLL_SECONDS = 0.2


@contextmanager
def run(workspace: Workspace, names: list[str]) -> Iterator[dict[str, str]]:
    """Run the services `names` meanwhile; gives the port of each variable that moves one.

    They are removed at the end; what a killed run left is removed first.
    Raises UserError where no engine answers, where tests run already, and where one does not get healthy.
    """
    _find_engine()
    # The program that would clean up after a crash needs an image more; the next run does it here.
    testcontainers_config.ryuk_disabled = True
    with _alone(workspace.state):
        label = f"{_LABEL}={workspace.state}"
        _remove(label)
        try:
            yield _start([workspace.service(name) for name in names], label)
        finally:
            _remove(label)


def _find_engine() -> None:
    try:
        engine.find()
    except UserError as error:
        hint = "Or take them from this machine: ./gp test --servers native"
        raise UserError(
            "Servers as containers need Docker.", f"{error.what} {error.why}", hint
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder of the instance: a second run would remove the containers of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UserError(
            "Tests are running already in this workspace.", hint="Wait for them, or end them."
        ) from error
    finally:
        os.close(handle)


def _remove(label: str) -> None:
    """Remove all containers with their volumes, and all networks, that have the label."""
    client = DockerClient().client
    for container in client.containers.list(all=True, filters={"label": label}):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": label}):
        network.remove()
    client.close()


def _start(services: list[Service], label: str) -> dict[str, str]:
    """Start all, and wait for all to be healthy; gives the ports by their variables."""
    labels = dict([label.split("=", 1)])
    network = Network(docker_network_kw={"labels": labels}).create()
    containers = {service.name: _container(service, network, labels) for service in services}
    for service in services:
        try:
            containers[service.name].start()
        except DockerException as error:
            raise _failed(service, f"{error}") from error
    for service in services:
        _wait(service, containers[service.name])
    return {
        port.variable: str(containers[service.name].get_exposed_port(port.target))
        for service in services
        for port in service.ports
        if port.variable
    }


def _container(service: Service, network: Network, labels: Mapping[str, str]) -> DockerContainer:
    check = service.healthcheck
    container = DockerContainer(
        service.image,
        env=service.environment,
        network=network,
        network_aliases=[service.name],
        labels=labels,
        user=service.confinement.user or None,
        entrypoint=list(service.entrypoint) or None,
        healthcheck=_healthcheck(check) if check else None,
        mounts=[_mount(mount) for mount in service.mounts],
    )
    if words := service.command[len(service.entrypoint) :]:
        container.with_command(list(words))
    for port in service.ports:
        if port.published:
            container.ports[f"{port.target}/tcp"] = (LOOPBACK, None)  # type: ignore[assignment] # an address too
    return container


def _mount(mount: Mount) -> DockerMount:
    """A folder of this machine; in place of a volume with data, a new one without a name."""
    source = mount.source if mount.is_bind else None
    kind = "bind" if mount.is_bind else "volume"
    return DockerMount(mount.target, source, type=kind, read_only=mount.read_only)


def _healthcheck(check: Healthcheck) -> dict[str, object]:
    """As the engine wants it, with its times in nanoseconds."""
    return {
        "test": list(check.test),
        "interval": int(check.interval * 1e9),
        "timeout": int(check.timeout * 1e9),
        "start_period": int(check.start_period * 1e9),
        "retries": check.retries,
    }


def _patience(check: Healthcheck) -> float:
    """Seconds that a server has to get healthy."""
    stated = check.start_period + check.interval * check.retries
    return max(stated, _SHORTEST_PATIENCE)


def _wait(service: Service, container: DockerContainer) -> None:
    if not service.healthcheck:
        return
    deadline = time.monotonic() + _patience(service.healthcheck)
    running = container.get_wrapped_container()
    while running.health != "healthy":
        has_ended = running.status == "exited"
        if has_ended or running.health == "unhealthy" or time.monotonic() > deadline:
            log = running.logs(tail=8).decode(errors="replace").strip().replace("\n", "\n  ")
            raise _failed(service, log, "ended" if has_ended else "did not get healthy")
        time.sleep(_POLL_SECONDS)
        running.reload()


def _failed(service: Service, why: str, what: str = "did not start") -> UserError:
    return UserError(
        f"The container of {service.name} ({service.image}) {what}.",
        why=why,
        hint="Try it by itself: ./gp up --runtime docker",
    )
