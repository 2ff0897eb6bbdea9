"""Everything the worker reads from its environment, checked before anything starts."""

import ssl
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.secret_files import SecretFileError, SecretFiles

SERVICE = "service-name"
PLACEHOLDERS = ("<random", "changeme", "change-me", "change_me", "replace-me", "your-")
DEFAULT_PASSWORDS = {"password", "postgres", "redis", "rabbitmq", "guest", "admin", "secret"}
MIN_SECRET = 12


def _check_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("must be host:port")
    return value


def _check_secret(value: SecretStr, info: ValidationInfo) -> SecretStr:
    text = value.get_secret_value().lower()
    if any(placeholder in text for placeholder in PLACEHOLDERS):
        raise ValueError("still holds a placeholder")
    weak = text in DEFAULT_PASSWORDS or len(text) < MIN_SECRET
    if weak and info.data.get("environment") != "development":
        raise ValueError(f"is a default or shorter than {MIN_SECRET} characters")
    return value


def _check_certificate(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{path} can't be read as a certificate: {error.strerror}") from None
    return path


Address = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
Certificate = Annotated[Path, AfterValidator(_check_certificate)]


class Settings(BaseSettings):
    """Settings from variables of the same name in capitals, or from the files of NAME_FILE."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    environment: Literal["development", "production"] = "production"
    host: str = "127.0.0.1"
    port: int = 8001
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    contracts_dir: Path

    postgres_address: Address
    postgres_user: str
    postgres_password: Secret
    postgres_db: str
    postgres_role: str = Field(default="", description="Whose grants all connections have")
    postgres_ca_file: Certificate | None = Field(
        default=None, description="Certificate of the authority that PostgreSQL's must be from"
    )

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - NAME_FILE is clearer
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values come from the call, the environment and the files that it names."""
        return init_settings, env_settings, SecretFiles(settings_cls)


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" into its two parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def settings_or_exit() -> Settings:
    """The settings; ends the process with one line for each bad variable, never its value."""
    try:
        # Fields without defaults come from the environment.
        return Settings()
    except SecretFileError as error:
        problems = error.problems
    except ValidationError as error:
        problems = [_problem(item["loc"], item["msg"]) for item in error.errors()]
    for line in (*(f"error: {problem}" for problem in problems), "hint: ./gp secrets check"):
        print(line, file=sys.stderr)  # noqa: T201 - there is no log yet
    sys.exit(1)


def _problem(place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in place).upper()
    message = message.removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
