"""pgAdmin, from its Python package, with the workspace's PostgreSQL servers entered."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.drivers import postgres
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import HttpProbe
from groundplan.runtime.native.requirements import CachedPythonEnvironment, Requirement

_ENVIRONMENT = CachedPythonEnvironment("pgAdmin", "pgadmin")

# Desktop mode asks for no login: it listens on loopback only, for the person at this machine.
_CONFIGURATION = """\
SERVER_MODE = False
DATA_DIR = {folder!r}
LOG_FILE = {folder!r} + "/pgadmin.log"
SQLITE_PATH = {folder!r} + "/pgadmin.db"
SESSION_DB_PATH = {folder!r} + "/sessions"
STORAGE_DIR = {folder!r} + "/storage"
AZURE_CREDENTIAL_CACHE_DIR = {folder!r} + "/azure"
KERBEROS_CCACHE_DIR = {folder!r} + "/kerberos"
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
"""


class _PgAdmin:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (_ENVIRONMENT,)

    def launch(self, service: Service, site: Site) -> Launch:
        folder = site.workspace.state / "run" / service.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "config_local.py").write_text(_CONFIGURATION.format(folder=str(folder)))
        environment = {**base_environment(), "PYTHONPATH": str(folder), "HOME": str(folder)}
        if not (folder / "pgadmin.db").exists():
            _setup(environment, "setup-db")
        _setup(environment, "load-servers", str(_servers(service, site, folder)), "--replace")
        port = site.addresses.port(service.name, service.ports[0].target)
        gunicorn = (
            "-m",
            "gunicorn",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            "1",
            "--threads",
            "8",
        )
        return Launch(
            argv=(_python(), *gunicorn, "--chdir", str(_package()), "pgAdmin4:app"),
            environment=environment,
            cwd=folder,
            probe=HttpProbe(f"http://127.0.0.1:{port}/misc/ping"),
            url=f"http://localhost:{port}",
        )


def _servers(service: Service, site: Site, folder: Path) -> Path:
    """Write the list of servers that pgAdmin shows, and the file that holds their passwords."""
    servers: dict[str, dict[str, object]] = {}
    passwords: list[str] = []
    for name in service.depends_on:
        other = site.workspace.services[name]
        if other.image_name != "postgres":
            continue
        _, values = postgres.client(other, site.addresses)
        passwords.append(
            ":".join(values[f"PG{key}"] for key in ("HOST", "PORT"))
            + f":*:{values['PGUSER']}:{values['PGPASSWORD']}\n"
        )
        servers[str(len(servers) + 1)] = {
            "Name": name,
            "Group": site.workspace.name,
            "Host": values["PGHOST"],
            "Port": int(values["PGPORT"]),
            "MaintenanceDB": values["PGDATABASE"],
            "Username": values["PGUSER"],
            "ConnectionParameters": {"sslmode": "prefer", "passfile": str(folder / "passwords")},
        }
    with os.fdopen(
        os.open(folder / "passwords", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
    ) as stream:
        stream.writelines(passwords)
    file = folder / "servers.json"
    file.write_text(json.dumps({"Servers": servers}))
    return file


def _setup(environment: dict[str, str], *words: str) -> None:
    command = [_python(), str(_package() / "setup.py"), *words]
    done = subprocess.run(command, env=environment, cwd=_package(), capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(
            f"pgAdmin's {words[0]} failed.", why=(done.stdout + done.stderr).strip()[-600:]
        )


def _python() -> str:
    return str(_ENVIRONMENT.folder / "bin" / "python")


def _package() -> Path:
    return next(_ENVIRONMENT.folder.glob("lib/python3*/site-packages/pgadmin4"))


DRIVER = _PgAdmin()
