"""RabbitMQ with its Erlang, from the distribution's packages."""

import os
import re
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import GreetingProbe
from groundplan.runtime.native.requirements import DebianProgram, Requirement

# The wrappers in /usr/sbin insist on root or the user rabbitmq; the scripts below lib don't.
_PACKAGES = Packages("rabbitmq", ("rabbitmq-server",), without=("logrotate",))
PROGRAM = DebianProgram(
    "RabbitMQ", _PACKAGES, "rabbitmq-server", ("usr/lib/rabbitmq/lib/*/sbin",), on_path=False
)

_AMQP = 5672
_MANAGEMENT = 15672
_STOP_GRACE = 2.0


class _RabbitMQ:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (PROGRAM,)

    def launch(self, service: Service, site: Site) -> Launch:
        port = site.addresses.port(service.name, _AMQP)
        environment = _environment(service, site)
        epmd = [
            _erlang() + "/epmd",
            "-address",
            "127.0.0.1",
            "-port",
            environment["ERL_EPMD_PORT"],
        ]
        # The port mapper is ours and on loopback; RabbitMQ would start one that listens everywhere.
        script = f"{shlex.join(epmd)} & exec {shlex.quote(str(PROGRAM.path))}"
        return Launch(
            argv=("sh", "-c", script),
            environment=environment,
            cwd=Path(environment["HOME"]),
            probe=GreetingProbe(port, b"AMQP\x00\x00\x09\x01", (b"\x01",)),
            account=site.account,
            # Its queues are closed within a fraction of a second; then it idles for up to ten.
            stop_grace=_STOP_GRACE,
            url=_url(service, site, port),
        )


def _environment(service: Service, site: Site) -> dict[str, str]:
    data = site.volume(service, "/var/lib/rabbitmq")
    run = site.run_folder(service)
    cookie = data / ".erlang.cookie"
    if not cookie.exists():
        site.write(cookie, secrets.token_hex(24)).chmod(0o400)
    return {
        **base_environment(),
        **PROGRAM.environment,
        "HOME": str(data),
        "PATH": f"{_erlang()}:{os.environ.get('PATH', os.defpath)}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(site.addresses.spare_port()),
        "RABBITMQ_DIST_PORT": str(site.addresses.spare_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # Beside a name of this machine, the node must be found at the loopback address.
        "RABBITMQ_NODENAME": f"{service.name}@localhost",
        "RABBITMQ_MNESIA_BASE": str(site.own(data / "mnesia")),
        "RABBITMQ_LOG_BASE": str(run),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(
            site.write(run / "rabbitmq.conf", _configuration(service, site))
        ),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(
            site.write(run / "enabled_plugins", _plugins(service))
        ),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
    }


def _configuration(service: Service, site: Site) -> str:
    for name in ("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"):
        if not service.environment.get(name):
            raise UserError(f"{service.name} needs {name}.", hint="Set it in config/.env.")
    own = [
        f"listeners.tcp.1 = 127.0.0.1:{site.addresses.port(service.name, _AMQP)}",
        f"default_user = {service.environment['RABBITMQ_DEFAULT_USER']}",
        f"default_pass = {service.environment['RABBITMQ_DEFAULT_PASS']}",
        "log.console = true",
        "log.file = false",
    ]
    if _has_management(service):
        management = site.addresses.port(service.name, _MANAGEMENT)
        own += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management}"]
    files = [
        Path(mount.source)
        for mount in service.mounts
        if mount.is_bind and mount.target.endswith(".conf") and mount.source
    ]
    return "\n".join([*(file.read_text() for file in files), *own, ""])


def _plugins(service: Service) -> str:
    return "[rabbitmq_management].\n" if _has_management(service) else "[].\n"


def _has_management(service: Service) -> bool:
    return any(port.target == _MANAGEMENT for port in service.ports)


def _url(service: Service, site: Site, port: int) -> str:
    if _has_management(service):
        return f"http://localhost:{site.addresses.port(service.name, _MANAGEMENT)}"
    return f"amqp://localhost:{port}"


def _erlang() -> str:
    """Folder of Erlang's programs that find their libraries where they really are."""
    root = Path("/usr/lib/erlang")
    if not PROGRAM.path.is_relative_to(_PACKAGES.target):
        return str(root / "bin")
    root = _PACKAGES.target / "usr/lib/erlang"
    script = root / "bin" / "erl"
    text = script.read_text()
    relocated = re.sub(r"ROOTDIR=/usr/lib/erlang\b", f"ROOTDIR={shlex.quote(str(root))}", text)
    if relocated != text:
        script.write_text(relocated)
    return str(root / "bin")


DRIVER = _RabbitMQ()
