"""Settings, and the weak ones that are refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings

STRONG: dict[str, Any] = {
    "environment": "production",
    "admin_password": "a-long-enough-password",
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
        ("admin_password", "<random 20>"),
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
        ("admin_email", "nobody"),
    ],
)
def test_malformed_settings_are_refused(name: str, value: str) -> None:
    """A setting that makes no sense is refused."""
    with pytest.raises(ValidationError, match=name):
        Settings(**{**STRONG, name: value})


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
    assert "Traceback" not in ended.stderr
    assert "<random" not in ended.stderr
