"""Redis Commander, from its npm package."""

from collections.abc import Sequence

from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import HttpProbe
from groundplan.runtime.native.requirements import CachedNodeModules, Node, Requirement

_NODE = Node()
_MODULES = CachedNodeModules("Redis Commander", "redis-commander")


class _RedisCommander:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (_NODE, _MODULES)

    def launch(self, service: Service, site: Site) -> Launch:
        port = site.addresses.port(service.name, service.ports[0].target)
        values = service.environment
        redis = site.addresses.port(values["REDIS_HOST"], int(values["REDIS_PORT"]))
        run = site.workspace.state / "run" / service.name
        run.mkdir(parents=True, exist_ok=True)
        own = {
            "ADDRESS": "127.0.0.1",
            "PORT": str(port),
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(redis),
            "REDIS_PASSWORD": values.get("REDIS_PASSWORD", ""),
            "NO_LOG_DATA": "true",
            "HOME": str(run),
        }
        script = _MODULES.folder / "node_modules" / "redis-commander" / "bin" / "redis-commander.js"
        return Launch(
            argv=(str(_NODE.folder / "node"), str(script)),
            environment={**base_environment(), **own},
            cwd=script.parent.parent,
            probe=HttpProbe(f"http://127.0.0.1:{port}/"),
            url=f"http://localhost:{port}",
        )


DRIVER = _RedisCommander()
