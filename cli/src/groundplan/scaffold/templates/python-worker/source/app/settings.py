"""Everything the worker reads from its environment, checked before anything starts."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE = "service-name"


def _check_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("must be host:port")
    return value


def _check_secret(value: SecretStr) -> SecretStr:
    if "<random" in value.get_secret_value():
        raise ValueError("still holds its placeholder")
    return value


Address = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]


class Settings(BaseSettings):
    """Settings from environment variables of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = 8001
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    contracts_dir: Path

    postgres_address: Address
    postgres_user: str
    postgres_password: Secret
    postgres_db: str

    rabbitmq_address: Address
    rabbitmq_default_user: str
    rabbitmq_default_pass: Secret
    job_queue: str = Field("jobs", description="Name of the exchange and queue of jobs")

    s3_endpoint: str
    s3_access_key_id: str
    s3_secret_access_key: Secret
    s3_bucket: str
    s3_region: str

    worker_concurrency: int = Field(2, ge=1, le=100, description="Jobs at a time in one process")
    worker_lease_seconds: float = Field(
        15, ge=1, le=3600, description="A job whose worker is silent for so long goes to another"
    )
    worker_grace_seconds: float = Field(
        5, ge=0, le=3600, description="How long running jobs may go on after SIGTERM"
    )


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" into its two parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def settings_or_exit() -> Settings:
    """The settings; ends the process with one line for each bad variable, never its value."""
    try:
        # Fields without defaults come from the environment.
        return Settings()
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]).upper()
            print(f"error: {name}: {item['msg'].removeprefix('Value error, ')}", file=sys.stderr)  # noqa: T201 - there is no log yet
        sys.exit(1)
