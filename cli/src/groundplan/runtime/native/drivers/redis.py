"""Redis, from the distribution's packages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import GreetingProbe
from groundplan.runtime.native.requirements import DebianProgram, Requirement

PROGRAM = DebianProgram("Redis", Packages("redis", ("redis-server",)), "redis-server")


class _Redis:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (PROGRAM,)

    def launch(self, service: Service, site: Site) -> Launch:
        data = site.volume(service, "/data")
        port = site.addresses.port(service.name, service.ports[0].target)
        arguments = service.command[1:] if service.command[:1] == ("redis-server",) else ()
        return Launch(
            argv=(
                str(PROGRAM.path),
                "-",
                *(site.addresses.translate(word, service) for word in arguments),
            ),
            environment={**base_environment(), **PROGRAM.environment},
            cwd=data,
            # Through standard input, since a command line can be read by every user of the machine.
            stdin=_configuration(service, data, port).encode(),
            probe=GreetingProbe(port, b"PING\r\n", (b"+PONG", b"-NOAUTH")),
            account=site.account,
            url=f"redis://localhost:{port}",
        )


def _configuration(service: Service, data: Path, port: int) -> str:
    password = service.environment.get("REDIS_PASSWORD")
    if not password:
        raise UserError(f"{service.name} needs REDIS_PASSWORD.", hint="Set it in config/.env.")
    own = [f"bind 127.0.0.1\nport {port}", f"dir {data}", f"requirepass {password}", "daemonize no"]
    return "\n".join([*(file.read_text() for file in _mounted_files(service)), *own, ""])


def _mounted_files(service: Service) -> Iterator[Path]:
    for mount in service.mounts:
        if mount.is_bind and mount.source:
            path = Path(mount.source)
            file = path / "redis.conf" if path.is_dir() else path
            if file.name == "redis.conf" and file.is_file():
                yield file


DRIVER = _Redis()
