"""Everything that the service reads from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from backup.errors import BackupError
from backup.postgres import Server


@dataclass(frozen=True)
class RedisServer:
    """Where Redis is."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class ObjectStorage:
    """The bucket whose objects are listed."""

    endpoint: str
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Every:
    """How often each is made. Nothing that was never made is begun sooner than `first`."""

    dump: timedelta
    base: timedelta
    redis: timedelta
    storage: timedelta
    drill: timedelta
    wal: timedelta
    first: timedelta


@dataclass(frozen=True)
class Settings:
    """Settings come from variables of the same name, or from the file that NAME_FILE names."""

    system: str
    """Name of the product: backups of another are refused."""
    repository: str
    """A folder, or what else restic understands: s3:https://HOST/BUCKET/PATH."""
    password: str = field(repr=False)
    s3_access_key_id: str
    s3_secret_access_key: str = field(repr=False)
    state: Path
    is_production: bool
    database: str
    postgres: Server
    redis: RedisServer | None
    storage: ObjectStorage | None
    every: Every

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings; raises BackupError that names each bad variable."""
        read = _Reader(os.environ if environment is None else environment)
        settings = cls(
            system=read.text("BACKUP_SYSTEM"),
            repository=read.text("BACKUP_REPOSITORY"),
            password=read.text("BACKUP_PASSWORD"),
            s3_access_key_id=read.text("BACKUP_S3_ACCESS_KEY_ID", ""),
            s3_secret_access_key=read.text("BACKUP_S3_SECRET_ACCESS_KEY", ""),
            state=Path(read.text("BACKUP_STATE")),
            is_production=read.text("ENVIRONMENT", "production") == "production",
            database=read.text("POSTGRES_DB"),
            postgres=Server(
                *read.address("POSTGRES_ADDRESS"),
                user=read.text("POSTGRES_USER"),
                password=read.text("POSTGRES_PASSWORD"),
                ca_file=read.text("POSTGRES_CA_FILE", ""),
            ),
            redis=_redis(read),
            storage=_storage(read),
            every=Every(
                dump=read.hours("BACKUP_DUMP_HOURS", 24),
                base=read.hours("BACKUP_BASE_HOURS", 168),
                redis=read.hours("BACKUP_REDIS_HOURS", 1),
                storage=read.hours("BACKUP_STORAGE_HOURS", 24),
                drill=read.hours("BACKUP_VERIFY_HOURS", 168),
                wal=read.seconds("BACKUP_WAL_SECONDS", 60),
                first=read.seconds("BACKUP_FIRST_SECONDS", 600),
            ),
        )
        read.refuse_problems()
        return settings


def _redis(read: "_Reader") -> RedisServer | None:
    """None without an address: what only restores needs none."""
    if not read.text("REDIS_ADDRESS", ""):
        return None
    return RedisServer(
        *read.address("REDIS_ADDRESS"),
        user=read.text("REDIS_USER", "default"),
        password=read.text("REDIS_PASSWORD"),
    )


def _storage(read: "_Reader") -> ObjectStorage | None:
    if not read.text("S3_ENDPOINT", ""):
        return None
    return ObjectStorage(
        endpoint=read.text("S3_ENDPOINT"),
        bucket=read.text("S3_BUCKET"),
        region=read.text("S3_REGION", "us-east-1"),
        access_key_id=read.text("S3_ACCESS_KEY_ID"),
        secret_access_key=read.text("S3_SECRET_ACCESS_KEY"),
    )


class _Reader:
    """Reads variables and remembers what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._environment.get(name) or self._from_file(name) or default
        if value is None:
            self._problems.append(f"{name} is not set.")
        elif "<random" in value:
            self._problems.append(f"{name} still holds a placeholder.")
        return value or ""

    def _from_file(self, name: str) -> str:
        path = self._environment.get(f"{name}_FILE")
        try:
            return Path(path).read_text().removesuffix("\n") if path else ""
        except (OSError, UnicodeDecodeError) as error:
            self._problems.append(f"{name}_FILE: {path} can't be read: {error}.")
            return ""

    def address(self, name: str) -> tuple[str, int]:
        host, _, port = self.text(name).rpartition(":")
        if host and port.isdigit():
            return host.strip("[]"), int(port)
        self._problems.append(f"{name} must be host:port.")
        return "", 0

    def hours(self, name: str, default: float) -> timedelta:
        return self._span(name, default, timedelta(hours=1))

    def seconds(self, name: str, default: float) -> timedelta:
        return self._span(name, default, timedelta(seconds=1))

    def _span(self, name: str, default: float, unit: timedelta) -> timedelta:
        try:
            span = float(self._environment.get(name) or default) * unit
        except (ValueError, OverflowError):
            span = timedelta()
        if span <= timedelta():
            self._problems.append(f"{name} must be a number above 0.")
        return span

    def refuse_problems(self) -> None:
        if self._problems:
            why = " ".join(dict.fromkeys(self._problems))
            raise BackupError("The settings are wrong.", why, "./gp secrets check")
