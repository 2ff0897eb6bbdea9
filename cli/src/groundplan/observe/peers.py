"""Names for what traffic calls by an address."""

from groundplan.model.workspace import Workspace
from groundplan.runtime.native.addresses import LOOPBACK
from groundplan.runtime.state import SystemState

_LOOPBACK = {LOOPBACK, "localhost", "::1", "[::1]"}


class Peers:
    """Finds the service behind a name or an address of the running system."""

    def __init__(self, workspace: Workspace, state: SystemState) -> None:
        self._names = {
            service.environment.get("OTEL_SERVICE_NAME", name): name
            for name, service in workspace.services.items()
            if name not in workspace.oneshots
        }
        self._hosts = set(workspace.services)
        self._ports = {
            str(port): service.name for service in state.services for port in service.ports.values()
        }

    def name(self, text: str) -> str:
        """The service that calls itself so or listens at "host:port"; else `text` as it is."""
        host, _, port = text.rpartition(":")
        if host in _LOOPBACK and port in self._ports:
            return self._ports[port]
        if host in self._hosts:
            return host
        return self._names.get(text, text)
