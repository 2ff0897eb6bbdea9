"""What is backed up: each kind is a stream of bytes, and facts about it once it has ended."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from backup import facts
from backup.errors import BackupError
from backup.process import output_of
from backup.settings import ObjectStorage, Settings

_RDB_BEGIN = b"REDIS"
_NO_BUCKET = "404 Not Found"


@dataclass(frozen=True)
class Source:
    """One backup in the making."""

    file: str
    chunks: Iterator[bytes]
    facts: Callable[[], dict[str, Any]]
    """Asked once all chunks were read."""


@contextmanager
def dump(settings: Settings) -> Iterator[Source]:
    """The database as it is at one moment, and what it holds at the very same."""
    server = settings.postgres
    # Compressed by the repository, which finds what it has already only in plain data.
    argv = ["pg_dump", "-Fc", "-Z0", "--no-sync", f"--dbname={settings.database}"]
    with server.connect(settings.database) as connection, ThreadPoolExecutor(1) as pool:
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        [[snapshot]] = connection.run("SELECT pg_export_snapshot()")
        found = pool.submit(facts.read, connection)
        words = [*argv, f"--snapshot={snapshot}"]
        yield Source(
            "database.dump", output_of(words, server.environment, "pg_dump failed."), found.result
        )


@contextmanager
def base(settings: Settings) -> Iterator[Source]:
    """All files of the server, from which recovery to a point in time begins."""
    server = settings.postgres
    with server.connect(settings.database) as connection:
        [[cluster, version, owner, wal]] = connection.run(
            "SELECT system_identifier::text, current_setting('server_version'), "
            "pg_get_userbyid(10), pg_walfile_name(pg_current_wal_lsn()) FROM pg_control_system()"
        )
    # What it needs of WAL is in it: it can be restored by itself, too.
    words = ("-D", "-", "-Ft", "-X", "fetch", "-c", "fast", "--no-sync")
    argv = ["pg_basebackup", *words, "--manifest-checksums=SHA256"]
    found = {
        "cluster": cluster,
        "server_version": version,
        "owner": owner,
        "wal": wal,
        "database": settings.database,
    }
    yield Source(
        "base.tar",
        output_of(argv, server.environment, "pg_basebackup failed."),
        lambda: found,
    )


@contextmanager
def redis(settings: Settings) -> Iterator[Source]:
    """Sessions, rate limits and cache, as Redis writes them for a replica."""
    server = settings.redis
    if server is None:
        raise BackupError("Redis can't be backed up.", "REDIS_ADDRESS is not set.")
    argv = ["redis-cli", "-h", server.host, "-p", str(server.port), "--user", server.user]
    environment = {**os.environ, "REDISCLI_AUTH": server.password}
    chunks = output_of([*argv, "--rdb", "-"], environment, "Redis gave no snapshot.")
    yield Source("redis.rdb", _begins_with(_RDB_BEGIN, chunks), dict)


@contextmanager
def storage(settings: Settings) -> Iterator[Source]:
    """The list of all objects, one in JSON a line: name, size, time and checksum."""
    place = settings.storage
    if place is None:
        raise BackupError("Objects can't be listed.", "S3_ENDPOINT is not set.")
    counts = {"objects": 0, "object_bytes": 0}
    yield Source("objects.jsonl", _listing(place, counts), lambda: counts)


KINDS: dict[str, Callable[[Settings], AbstractContextManager[Source]]] = {
    "dump": dump,
    "base": base,
    "redis": redis,
    "storage": storage,
}


def _begins_with(sign: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if not first.startswith(sign):
        said = first[:200].decode(errors="replace").strip() or "nothing"
        raise BackupError("Redis gave no snapshot.", f"It said: {said}.")
    yield first
    yield from chunks


def _listing(place: ObjectStorage, counts: dict[str, int]) -> Iterator[bytes]:
    # Loaded once a day only: it would be a third of the memory of a service that mostly waits.
    import obstore  # noqa: PLC0415
    from obstore.exceptions import BaseError  # noqa: PLC0415
    from obstore.store import S3Store  # noqa: PLC0415

    # An empty file is none to the repository.
    yield json.dumps({"bucket": place.bucket}).encode() + b"\n"
    store = S3Store(
        place.bucket,
        endpoint=place.endpoint,
        access_key_id=place.access_key_id,
        secret_access_key=place.secret_access_key,
        region=place.region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "30s"},
        retry_config={"max_retries": 1},
    )
    try:
        for page in obstore.list(store, chunk_size=1000):
            counts["objects"] += len(page)
            counts["object_bytes"] += sum(each["size"] for each in page)
            yield b"".join(_line(dict(each)) for each in page)
    except (BaseError, OSError) as error:
        if _NO_BUCKET in str(error):
            return  # nothing was ever stored
        why = str(error).splitlines()[0]
        raise BackupError(f"The storage {place.endpoint} gave no list.", why) from error


def _line(found: dict[str, Any]) -> bytes:
    fields = {
        "name": found["path"],
        "bytes": found["size"],
        "time": found["last_modified"].isoformat(),
        "checksum": found["e_tag"],
    }
    return json.dumps(fields).encode() + b"\n"
