"""Settings, and the weak ones that are refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.secret_files import SecretFileError
from app.settings import MigrateSettings, Settings

STRONG: dict[str, Any] = {
    "environment": "production",
    "jwt_secret": "j" * 64,
    "postgres_password": "p" * 32,
    "redis_password": "r" * 32,
    "rabbitmq_default_pass": "m" * 32,
    "s3_secret_access_key": "s" * 40,
}


def test_strong_secrets_are_accepted() -> None:
    """Random secrets of the usual lengths pass in production."""
    assert Settings(**STRONG).environment == "production"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwt_secret", "<random 64>" + "x" * 60),
        ("jwt_secret", "short"),
        ("jwt_secret", ""),
        ("jwt_secret", "j" * 64 + "\nshort"),
        ("postgres_password", "changeme-changeme"),
        ("postgres_password", "postgres"),
        ("redis_password", "short"),
        ("rabbitmq_default_pass", "guest"),
        ("s3_secret_access_key", "your-secret-key-here-please"),
    ],
)
def test_weak_secrets_are_refused(name: str, value: str) -> None:
    """A placeholder, a default or a short secret stops the start and is named."""
    with pytest.raises(ValidationError, match=f"(?i){name}"):
        Settings(**{**STRONG, name: value})


@pytest.mark.parametrize("value", ["<random 64>" + "x" * 60, "short"])
def test_development_refuses_placeholders_too(value: str) -> None:
    """Even in development a placeholder or a short JWT_SECRET is refused."""
    with pytest.raises(ValidationError):
        Settings(environment="development", jwt_secret=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("postgres_address", "localhost"),
        ("redis_address", "redis:port"),
        ("rate_limit_default", "lots"),
        ("trusted_proxies", "everybody"),
        ("environment", "staging"),
    ],
)
def test_malformed_settings_are_refused(name: str, value: str) -> None:
    """A setting that makes no sense is refused."""
    with pytest.raises(ValidationError, match=name):
        Settings(**{**STRONG, name: value})


@pytest.fixture
def postgres_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that holds POSTGRES_PASSWORD, in place of the variable."""
    path = tmp_path / "postgres-password"
    monkeypatch.delenv("POSTGRES_PASSWORD")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", str(path))
    return path


WITHOUT_PASSWORD = {name: STRONG[name] for name in STRONG if name != "postgres_password"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("a-long-password", "a-long-password"),
        ("a-long-password\n", "a-long-password"),
        (" a-long-password \n\n", " a-long-password \n"),
    ],
)
def test_a_secret_may_be_a_file(postgres_password: Path, content: str, value: str) -> None:
    """NAME_FILE stands in for NAME; only one newline at the end is not part of the value."""
    postgres_password.write_text(content)
    assert Settings(**WITHOUT_PASSWORD).postgres_password.get_secret_value() == value


def test_a_user_name_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are no secrets can come from files too."""
    (tmp_path / "user").write_text("api_2\n")
    monkeypatch.delenv("RABBITMQ_DEFAULT_USER")
    monkeypatch.setenv("RABBITMQ_DEFAULT_USER_FILE", str(tmp_path / "user"))
    assert Settings(**STRONG).rabbitmq_default_user == "api_2"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe-secret", "is no UTF-8 text"),
    ],
)
def test_bad_files_are_refused(postgres_password: Path, content: bytes | None, why: str) -> None:
    """A file that is missing, empty or no text is refused, with variable and path."""
    if content is not None:
        postgres_password.write_bytes(content)
    with pytest.raises(SecretFileError) as caught:
        Settings(**WITHOUT_PASSWORD)
    assert caught.value.problems == [f"POSTGRES_PASSWORD_FILE: {postgres_password} {why}"]


def test_a_value_and_a_file_are_too_much(
    postgres_password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could tell which of the two counts."""
    postgres_password.write_text("a-long-password")
    monkeypatch.setenv("POSTGRES_PASSWORD", "another-password")
    with pytest.raises(SecretFileError, match="both set"):
        Settings()


@pytest.mark.parametrize("value", ["postgres", "short", "<random 32> and more of it"])
def test_weak_secrets_in_files_are_refused(postgres_password: Path, value: str) -> None:
    """What is in a file is checked as what is in a variable."""
    postgres_password.write_text(value)
    with pytest.raises(ValidationError, match="POSTGRES_PASSWORD"):
        Settings(**WITHOUT_PASSWORD)


def test_each_line_of_the_file_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JWT_SECRET_FILE may hold several keys."""
    (tmp_path / "keys").write_text(f"{'a' * 32}\n{'b' * 32}\n")
    monkeypatch.delenv("JWT_SECRET")
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "keys"))
    given = {name: STRONG[name] for name in STRONG if name != "jwt_secret"}
    assert Settings(**given).jwt_keys == ["a" * 32, "b" * 32]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bad_certificate_authority_is_refused(tmp_path: Path, content: str | None) -> None:
    """A POSTGRES_CA_FILE that is missing or no certificate stops the start."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ValidationError, match=f"{path} can't be read as a certificate"):
        Settings(**STRONG, postgres_ca_file=path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"admin_email": "nobody"}, "email"),
        ({"admin_password": "<random 20>"}, "ADMIN_PASSWORD"),
        ({"api_postgres_user": "api_1"}, "need each other"),
        ({"worker_postgres_password": "w" * 20}, "need each other"),
        ({"api_postgres_user": "groundplan_api", "api_postgres_password": "a" * 20}, "of its own"),
        ({"api_postgres_user": "owner", "api_postgres_password": "a" * 20}, "of its own"),
        ({"api_postgres_user": "x; DROP", "api_postgres_password": "a" * 20}, "pattern"),
        ({"api_postgres_user": "api_1", "api_postgres_password": "ü" * 20}, "ASCII"),
        ({"api_postgres_user": "api_1", "api_postgres_password": "short"}, "shorter than"),
        (
            {
                "api_postgres_user": "same",
                "api_postgres_password": "a" * 20,
                "worker_postgres_user": "same",
                "worker_postgres_password": "a" * 20,
            },
            "must differ",
        ),
    ],
)
def test_migrate_refuses_bad_logins(changes: dict[str, str], why: str) -> None:
    """Logins that are half given, or would take over another role, are refused."""
    strong: dict[str, Any] = {
        "environment": "production",
        "admin_password": "a-long-enough-password",
        "postgres_password": "p" * 32,
        "postgres_user": "owner",
    }
    with pytest.raises(ValidationError, match=why):
        MigrateSettings(**{**strong, **changes})


def test_commands_say_what_is_wrong() -> None:
    """A command ends with status 1 and one line a bad variable, without a traceback."""
    environment = {**os.environ, "JWT_SECRET": "<random 64>", "POSTGRES_ADDRESS": "nowhere"}
    ended = subprocess.run(
        [sys.executable, "-m", "app"], env=environment, cwd=Path(__file__).parents[1],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "error: POSTGRES_ADDRESS: must be host:port" in ended.stderr
    assert "error: JWT_SECRET" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "hint: ./gp secrets check"
    assert "Traceback" not in ended.stderr
    assert "<random" not in ended.stderr
