"""Everything the API reads from its environment, checked before anything starts."""

import ssl
import sys
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    EmailStr,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.rate import parse_rate
from app.logins import API_ROLE, BACKUP_ROLE, WORKER_ROLE, Login
from app.secret_files import SecretFileError, SecretFiles

PLACEHOLDERS = ("<random", "changeme", "change-me", "change_me", "replace-me", "your-")
DEFAULT_PASSWORDS = {"password", "postgres", "redis", "rabbitmq", "guest", "admin", "secret"}
MIN_JWT_SECRET = 32
MIN_SERVICE_PASSWORD = 12
# Of PostgreSQL's connections; what is left is for people, commands and backups.
API_SHARE = 0.7
WORKER_SHARE = 0.2
BACKUP_SHARE = 0.05


def _check_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("must be host:port")
    return value


def _check_smtp_address(value: str) -> str:
    return _check_address(value) if value else value


def _check_networks(value: str) -> str:
    for network in filter(None, (part.strip() for part in value.split(","))):
        ip_network(network)
    return value


def _check_limit(value: str) -> str:
    parse_rate(value)
    return value


def _check_keys(value: SecretStr) -> SecretStr:
    lines = value.get_secret_value().splitlines()
    if not lines or any(len(line) < MIN_JWT_SECRET for line in lines):
        raise ValueError(f"each key (one a line) must have {MIN_JWT_SECRET} characters or more")
    return value


def _check_ascii(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii():
        raise ValueError("must be ASCII")
    return value


def _check_certificate(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{path} can't be read as a certificate: {error.strerror}") from None
    return path


Address = Annotated[str, AfterValidator(_check_address)]
Limit = Annotated[str, AfterValidator(_check_limit)]
Ascii = Annotated[SecretStr, AfterValidator(_check_ascii)]
LoginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Keys = Annotated[SecretStr, AfterValidator(_check_keys)]
Certificate = Annotated[Path, AfterValidator(_check_certificate)]


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL is and who asks it; what commands and the server have in common.

    Settings come from environment variables of the same name in capitals, or from the file that
    NAME_FILE names.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    environment: Literal["development", "production"] = "production"

    postgres_address: Address
    postgres_user: str
    postgres_password: SecretStr
    postgres_db: str
    postgres_ca_file: Certificate | None = Field(
        default=None, description="Certificate of the authority that PostgreSQL's must be from"
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


class MigrateSettings(DatabaseSettings):
    """Settings of the command that prepares the database."""

    admin_email: EmailStr
    admin_password: SecretStr

    api_postgres_user: LoginName | None = None
    api_postgres_password: Ascii | None = None
    worker_postgres_user: LoginName | None = None
    worker_postgres_password: Ascii | None = None
    backup_postgres_user: LoginName | None = None
    backup_postgres_password: Ascii | None = None

    @property
    def logins(self) -> list[Login]:
        """Users of PostgreSQL to make, for those services that have one of their own."""
        pairs = (
            (self.api_postgres_user, self.api_postgres_password, API_ROLE, API_SHARE),
            (self.worker_postgres_user, self.worker_postgres_password, WORKER_ROLE, WORKER_SHARE),
            (self.backup_postgres_user, self.backup_postgres_password, BACKUP_ROLE, BACKUP_SHARE),
        )
        return [
            Login(user, password, role, share, replicates=role == BACKUP_ROLE)
            for user, password, role, share in pairs
            if user and password
        ]

    @model_validator(mode="after")
    def _refuse_confused_logins(self) -> Self:
        for service in ("api", "worker", "backup"):
            user, password = f"{service}_postgres_user", f"{service}_postgres_password"
            if bool(getattr(self, user)) != bool(getattr(self, password)):
                raise ValueError(f"{user.upper()} and {password.upper()} need each other")
        users = [login.user for login in self.logins]
        if {self.postgres_user, API_ROLE, WORKER_ROLE, BACKUP_ROLE}.intersection(users):
            raise ValueError("a service needs a user of its own, not the owner or a group role")
        if len(users) != len(set(users)):
            raise ValueError("the users of the services must differ")
        return self


class Settings(DatabaseSettings):
    """Settings of the server."""

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = False
    drain_seconds: float = Field(
        0, ge=0, le=600, description="How long requests are still served after SIGTERM"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    frontend_url: str = "http://localhost:3000"
    trusted_proxies: Annotated[str, AfterValidator(_check_networks)] = Field(
        default="", description="Proxies whose X-Forwarded-For is believed, comma-separated CIDRs"
    )
    contracts_dir: Path = Path("/contracts")

    jwt_secret: Keys = Field(description="A key a line: the first signs, all are believed")

    second_factor_key: SecretStr = Field(description="Encrypts the secrets of second factors")

    smtp_address: Annotated[str, AfterValidator(_check_smtp_address)] = Field(
        default="", description="Takes the mails, host:port; none are sent without it"
    )
    smtp_user: str = ""
    smtp_password: SecretStr | None = Field(default=None, description="Used with SMTP_USER")
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    mail_from: str = Field(default="", description="Sender; else noreply@ the frontend's host")

    postgres_role: str = Field(default="", description="Whose grants all connections have")

    redis_address: Address
    redis_user: str = "default"
    redis_password: SecretStr
    redis_prefix: str = Field(
        "groundplan:", description="Of every key, so that others may share it"
    )

    rabbitmq_address: Address
    rabbitmq_default_user: str
    rabbitmq_default_pass: SecretStr
    job_queue: str = Field("jobs", description="Name of the exchange and queue of jobs")
    result_days: int = Field(
        7, ge=1, le=3650, description="How long the file that a job made is kept"
    )

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
    rate_limit_write: Limit = Field("300/minute", description="Of what changes something")
    rate_limit_export: Limit = Field("60/minute", description="Of new exports of one user")
    rate_limit_login: Limit = Field("10/minute", description="Of one address for one e-mail")
    rate_limit_login_address: Limit = Field("30/minute", description="Of one address")
    rate_limit_login_account: Limit = Field(
        "100/hour", description="Of one e-mail, from where it never signed in before"
    )
    rate_limit_code: Limit = Field("20/hour", description="Codes of one second factor")
    rate_limit_reset_email: Limit = Field("5/hour", description="Mails to one e-mail")
    rate_limit_reset: Limit = Field("10/minute", description="Of one address that asks for mails")
    max_requests_in_work: int = Field(50, ge=1, description="Beyond it the answer is 503")
    max_event_streams: int = Field(2000, ge=1, description="Of this process")
    max_event_streams_per_user: int = Field(20, ge=1, description="Of this process")
    password_queue_size: int = Field(20, ge=1, description="Passwords that may wait for bcrypt")

    @property
    def sender(self) -> str:
        """Whom mails are from."""
        host = urlsplit(self.frontend_url).hostname or "localhost"
        return self.mail_from or f"noreply@{host}"

    @property
    def jwt_keys(self) -> list[str]:
        """The lines of JWT_SECRET."""
        return self.jwt_secret.get_secret_value().splitlines()


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" into its two parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@lru_cache
def get_settings() -> Settings:
    """Read the environment once; raises what `exit_with` tells."""
    # Fields without defaults come from the environment.
    return Settings()


def settings_or_exit() -> Settings:
    """The settings; ends the process with one line for each bad variable."""
    try:
        return get_settings()
    except (ValidationError, SecretFileError) as error:
        exit_with(error)


def exit_with(error: ValidationError | SecretFileError) -> NoReturn:
    """End the process: one line for each bad variable, and what to type next."""
    problems = error.problems if isinstance(error, SecretFileError) else _problems(error)
    for line in (*(f"error: {problem}" for problem in problems), "hint: ./gp secrets check"):
        print(line, file=sys.stderr)  # noqa: T201 - there is no log yet
    sys.exit(1)


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]).upper()
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {message}" if name else message)
    return lines
