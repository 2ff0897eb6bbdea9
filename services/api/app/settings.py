"""Everything the API reads from its environment, checked before anything starts."""

import sys
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse as parse_limit
from pydantic import AfterValidator, EmailStr, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDERS = ("<random", "changeme", "change-me", "change_me", "replace-me", "your-")
DEFAULT_PASSWORDS = {"password", "postgres", "redis", "rabbitmq", "guest", "admin", "secret"}
MIN_JWT_SECRET = 32
MIN_SERVICE_PASSWORD = 12


def _check_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("must be host:port")
    return value


def _check_networks(value: str) -> str:
    for network in filter(None, (part.strip() for part in value.split(","))):
        ip_network(network)
    return value


def _check_limit(value: str) -> str:
    parse_limit(value)
    return value


Address = Annotated[str, AfterValidator(_check_address)]
Limit = Annotated[str, AfterValidator(_check_limit)]


class Settings(BaseSettings):
    """Settings from environment variables of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = False
    environment: Literal["development", "production"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    frontend_url: str = "http://localhost:3000"
    trusted_proxies: Annotated[str, AfterValidator(_check_networks)] = Field(
        default="", description="Proxies whose X-Forwarded-For is believed, comma-separated CIDRs"
    )
    contracts_dir: Path = Path("/contracts")

    admin_email: EmailStr
    admin_password: SecretStr
    jwt_secret: SecretStr = Field(min_length=MIN_JWT_SECRET)

    postgres_address: Address
    postgres_user: str
    postgres_password: SecretStr
    postgres_db: str

    redis_address: Address
    redis_password: SecretStr
    redis_prefix: str = Field(
        "groundplan:", description="Of every key, so that others may share it"
    )

    rabbitmq_address: Address
    rabbitmq_default_user: str
    rabbitmq_default_pass: SecretStr
    job_queue: str = Field("jobs", description="Name of the exchange and queue of jobs")

    s3_endpoint: str
    s3_public_endpoint: str = Field(default="", description="Where browsers reach the storage")
    s3_access_key_id: str
    s3_secret_access_key: SecretStr
    s3_bucket: str
    s3_region: str

    otel_exporter_otlp_endpoint: str = Field(
        default="", description="Where traces are sent (OTLP over HTTP); none are made without it"
    )
    otel_service_name: str = Field("api", description="What this service is called in traces")

    rate_limit_default: Limit = Field("600/minute", description="Of one user, or of one address")
    rate_limit_login: Limit = Field("10/minute", description="Of one address for one e-mail")
    rate_limit_login_address: Limit = Field("30/minute", description="Of one address")
    password_queue_size: int = Field(20, ge=1, description="Passwords that may wait for bcrypt")

    @property
    def development(self) -> bool:
        """Whether this is a developer's machine, where HTTP without TLS is fine."""
        return self.environment == "development"

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Self:
        secrets = {name: value for name, value in self if isinstance(value, SecretStr)}
        for name, secret in secrets.items():
            value = secret.get_secret_value().lower()
            if any(placeholder in value for placeholder in PLACEHOLDERS):
                raise ValueError(f"{name.upper()} still holds a placeholder: put a secret there")
            weak = value in DEFAULT_PASSWORDS or len(value) < MIN_SERVICE_PASSWORD
            if weak and not self.development:
                raise ValueError(
                    f"{name.upper()} is a default or shorter than {MIN_SERVICE_PASSWORD} characters"
                )
        return self


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" into its two parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@lru_cache
def get_settings() -> Settings:
    """Read the environment once; raises ValidationError that names each bad variable."""
    # Fields without defaults come from the environment.
    return Settings()


def settings_or_exit() -> Settings:
    """The settings; ends the process with one line for each bad variable."""
    try:
        return get_settings()
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]).upper()
            message = item["msg"].removeprefix("Value error, ")
            print(f"error: {name}: {message}" if name else f"error: {message}", file=sys.stderr)  # noqa: T201 - there is no log yet
        sys.exit(1)
