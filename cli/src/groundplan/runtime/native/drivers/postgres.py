"""PostgreSQL, from the distribution's packages."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import Addresses, base_environment
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.drivers.base import Launch, Site, as_account
from groundplan.runtime.native.probes import CommandProbe
from groundplan.runtime.native.requirements import DebianProgram, Requirement

# LLVM serves only the just-in-time compiler, which is switched off, and is a third of the size.
_PACKAGES = Packages(
    "postgresql", ("postgresql",), without=("libllvm", "ssl-cert", "sysstat", "libz3")
)
PROGRAM = DebianProgram("PostgreSQL", _PACKAGES, "postgres", ("usr/lib/postgresql/*/bin",))

_DATA = "/var/lib/postgresql/data"


class _Postgres:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (PROGRAM,)

    def launch(self, service: Service, site: Site) -> Launch:
        data = site.volume(service, _DATA) / "pgdata"
        environment = {**base_environment(), **PROGRAM.environment}
        if not (data / "PG_VERSION").exists():
            _initialise(service, site, data, environment)
        _check_version(service, data)
        port = site.addresses.port(service.name, service.ports[0].target)
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "jit=off",
        )
        arguments = service.command[1:] if service.command[:1] == ("postgres",) else ()
        bin_folder = PROGRAM.path.parent
        return Launch(
            argv=(
                str(PROGRAM.path),
                "-D",
                str(data),
                *(f"--{setting}" for setting in settings),
                *arguments,
            ),
            environment=environment,
            cwd=data.parent,
            probe=CommandProbe(
                (str(bin_folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)),
                environment,
            ),
            account=site.account,
            stop_signal=signal.SIGINT,  # "fast": roll back and end, without waiting for clients to go
            url=f"postgresql://{service.environment['POSTGRES_USER']}@localhost:{port}/{_database(service)}",
        )


def client(service: Service, addresses: Addresses) -> tuple[str, dict[str, str]]:
    """psql, and the variables that connect it to the running service."""
    port = addresses.port(service.name, service.ports[0].target)
    settings = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": service.environment["POSTGRES_USER"],
        "PGPASSWORD": service.environment["POSTGRES_PASSWORD"],
        "PGDATABASE": _database(service),
    }
    return str(PROGRAM.path.parent / "psql"), {**PROGRAM.environment, **settings}


def _database(service: Service) -> str:
    return service.environment.get("POSTGRES_DB") or service.environment["POSTGRES_USER"]


def _initialise(service: Service, site: Site, data: Path, environment: dict[str, str]) -> None:
    """Make the cluster and its database beside `data`, then move it there: it appears whole or not at all."""
    for name in ("POSTGRES_USER", "POSTGRES_PASSWORD"):
        if not service.environment.get(name):
            raise UserError(f"{service.name} needs {name}.", hint="Set it in config/.env.")
    partial = data.with_name("pgdata.partial")
    shutil.rmtree(partial, ignore_errors=True)
    user = service.environment["POSTGRES_USER"]
    password = site.write(data.with_name("password"), service.environment["POSTGRES_PASSWORD"])
    options = [
        "--username",
        user,
        "--pwfile",
        str(password),
        "--auth=scram-sha-256",
        "--locale=C.UTF-8",
    ]
    bin_folder = PROGRAM.path.parent
    try:
        _run(
            site,
            environment,
            [str(bin_folder / "initdb"), "-D", str(partial), "--encoding=UTF8", *options],
        )
    finally:
        password.unlink()
    if _database(service) != "postgres":
        statement = f'CREATE DATABASE "{_database(service)}"\n'
        _run(
            site,
            environment,
            [str(PROGRAM.path), "--single", "-D", str(partial), "postgres"],
            statement,
        )
    partial.rename(data)


def _run(site: Site, environment: dict[str, str], argv: list[str], statement: str = "") -> None:
    done = subprocess.run(
        argv,
        env=environment,
        cwd="/",
        input=statement,
        capture_output=True,
        text=True,
        preexec_fn=as_account(site.account),
    )
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise UserError(
            f"{Path(argv[0]).name} failed.", why=(done.stdout + done.stderr).strip()[-600:]
        )


def _check_version(service: Service, data: Path) -> None:
    written = (data / "PG_VERSION").read_text().strip()
    environment = {**base_environment(), **PROGRAM.environment}
    shown = subprocess.run(
        [str(PROGRAM.path), "--version"], env=environment, capture_output=True, text=True
    ).stdout
    version = shown.partition("(PostgreSQL)")[2].split()[0].split(".")[0]
    if written != version:
        raise UserError(
            f"The data of {service.name} were written by PostgreSQL {written}, and this machine has {version}.",
            hint=f"Install PostgreSQL {written}, or start empty: ./gp down --volumes",
        )


DRIVER = _Postgres()
