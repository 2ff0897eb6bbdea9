"""A PostgreSQL of the tests, with data in it, and settings for a service that backs it up."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from backup.postgres import Server
from backup.settings import Every, ObjectStorage, RedisServer, Settings
from backup.swap import drop_old

DATABASE = "shop"
ROLE = "shop_reader"
_TIMEOUT_S = 60.0

SCHEMA = (
    "CREATE EXTENSION pg_trgm SCHEMA public",
    "CREATE TABLE public.alembic_version (version_num text PRIMARY KEY)",
    "INSERT INTO public.alembic_version VALUES ('0042')",
    """
    CREATE TABLE public.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text,
        tags text[], at timestamptz DEFAULT now(), amount double precision, raw bytea, t text)""",
    """
    INSERT INTO public.customers (name, tags, amount, raw, t)
    SELECT 'Ada ' || n, ARRAY['a', 'b,c'], n / 7.0, decode(md5(n::text), 'hex'), NULL
    FROM generate_series(1, 500) n""",
    "CREATE INDEX ON public.customers USING gin (name public.gin_trgm_ops)",
    'CREATE TABLE public."Odd ""name""" (id int GENERATED ALWAYS AS IDENTITY, "select" jsonb)',
    'INSERT INTO public."Odd ""name""" ("select") VALUES (\'{"a": [1, null]}\'), (NULL)',
    "GRANT SELECT ON public.customers TO shop_reader",
)


@contextmanager
def world_readable_folder() -> Iterator[Path]:
    """A folder that the account of scratch servers can get to, as pytest's own can't be."""
    with tempfile.TemporaryDirectory(prefix="backup-") as made:
        place = Path(made)
        place.chmod(0o755)
        yield place


def run_sql(server: Server, *statements: str, database: str = DATABASE) -> Any:
    """Run statements and return the rows of the last."""
    rows: Any = None
    with server.connect(database) as connection:
        for statement in statements:
            rows = connection.run(statement)
    return rows


def fill(server: Server) -> None:
    """Make the database of the tests anew, and leave none beside it."""
    drop_old(server, DATABASE)
    run_sql(
        server,
        f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)",
        f"CREATE DATABASE {DATABASE}",
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
        database="postgres",
    )
    roles = run_sql(server, "SELECT rolname FROM pg_roles", database="postgres")
    if [ROLE] not in roles:
        run_sql(server, f"CREATE ROLE {ROLE}", database="postgres")
    run_sql(server, f"GRANT CONNECT ON DATABASE {DATABASE} TO {ROLE}", *SCHEMA)


def settings_for(server: Server, place: Path) -> Settings:
    """A service of its own, with its repository and state in `place`."""
    return Settings(
        system="shop",
        repository=str(place / "repository"),
        password="a key that only this test knows",  # noqa: S106 - of a test
        s3_access_key_id="",
        s3_secret_access_key="",
        state=place / "state",
        is_production=False,
        database=DATABASE,
        postgres=server,
        redis=RedisServer(
            *_address("REDIS_ADDRESS"), "default", os.environ.get("REDIS_PASSWORD", "")
        ),
        storage=ObjectStorage(
            endpoint=os.environ.get("S3_ENDPOINT", ""),
            bucket=f"backup-{os.getpid()}",
            region="us-east-1",
            access_key_id=os.environ.get("S3_ACCESS_KEY_ID", ""),
            secret_access_key=os.environ.get("S3_SECRET_ACCESS_KEY", ""),
        ),
        every=Every(
            **dict.fromkeys(("dump", "base", "redis", "storage", "drill"), timedelta(hours=1)),
            wal=timedelta(seconds=1),
            first=timedelta(seconds=1),
        ),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables from which a process reads these settings."""
    redis, storage = settings.redis, settings.storage
    assert redis
    assert storage
    hours = {
        f"BACKUP_{name.upper()}_HOURS": "1"
        for name in ("dump", "base", "redis", "storage", "verify")
    }
    return {
        **os.environ,
        "BACKUP_SYSTEM": settings.system,
        "BACKUP_REPOSITORY": settings.repository,
        "BACKUP_PASSWORD": settings.password,
        "BACKUP_STATE": str(settings.state),
        "ENVIRONMENT": "development",
        "POSTGRES_ADDRESS": f"{settings.postgres.host}:{settings.postgres.port}",
        "POSTGRES_USER": settings.postgres.user,
        "POSTGRES_PASSWORD": settings.postgres.password,
        "POSTGRES_DB": settings.database,
        "REDIS_ADDRESS": f"{redis.host}:{redis.port}",
        "REDIS_PASSWORD": redis.password,
        "S3_ENDPOINT": storage.endpoint,
        "S3_BUCKET": storage.bucket,
        "S3_ACCESS_KEY_ID": storage.access_key_id,
        "S3_SECRET_ACCESS_KEY": storage.secret_access_key,
        "BACKUP_WAL_SECONDS": "1",
        "BACKUP_FIRST_SECONDS": "3600",
        **hours,
    }


def command(settings: Settings, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m backup` with these settings, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "backup", *words, "--json"],
        env=environment_of(settings) | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )


def result_of(settings: Settings, *words: str, **variables: str) -> Any:
    """What a command that must succeed prints."""
    done = command(settings, *words, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def error_of(settings: Settings, *words: str, **variables: str) -> dict[str, str]:
    """What a command that must fail complains of."""
    done = command(settings, *words, **variables)
    assert done.returncode == 1, done.stdout + done.stderr
    error: dict[str, str] = json.loads(done.stderr.splitlines()[-1])
    assert error["event"] == "error"
    return error


@contextmanager
def serving(
    settings: Settings, log: Path = Path(os.devnull), **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """The service, for as long as this lasts; it writes to `log`."""
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "backup", "serve"],
            env=environment_of(settings) | variables,
            stderr=stream,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0 or process.returncode < 0


def until(condition: Callable[[], Any], what: str, seconds: float = _TIMEOUT_S) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"in vain waited for {what}"
        time.sleep(0.1)
    return found


def elsewhere(settings: Settings, **changes: Any) -> Settings:
    """Settings with other values."""
    return replace(settings, **changes)


def _address(variable: str) -> tuple[str, int]:
    host, _, port = os.environ.get(variable, "127.0.0.1:6379").rpartition(":")
    return host, int(port)
