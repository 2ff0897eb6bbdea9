"""No secret shows in logs, answers or error messages, whatever goes wrong."""

import asyncio
from pathlib import Path

import pytest

from app.settings import Settings
from tests.process import FOLDER, run, server_process
from tests.running import http_client

pytestmark = pytest.mark.anyio
SECRETS = (
    "JWT_SECRET",
    "SECOND_FACTOR_KEY",
    "SMTP_PASSWORD",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "RABBITMQ_DEFAULT_PASS",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "ADMIN_PASSWORD",
)
CANARY = "canary-that-nobody-may-hear"


@pytest.fixture
def canaries(tmp_path: Path) -> dict[str, str]:
    """A wrong value for every secret, in files."""
    variables: dict[str, str] = {}
    for name in SECRETS:
        path = tmp_path / name
        path.write_text(f"{CANARY}-{name}\n")
        variables |= {name: "", f"{name}_FILE": str(path)}
    return variables


@pytest.mark.parametrize("away", [False, True], ids=["refused", "unreachable"])
async def test_the_server_keeps_secrets(
    own_settings: Settings, canaries: dict[str, str], away: bool
) -> None:
    """Servers that refuse us or are away make errors of every kind, none with a secret."""
    addresses = dict.fromkeys(
        ("POSTGRES_ADDRESS", "REDIS_ADDRESS", "RABBITMQ_ADDRESS"), "127.0.0.1:9"
    )
    changes = {**canaries, **(addresses if away else {}), "LOG_LEVEL": "DEBUG"}
    async with server_process(own_settings, FOLDER, **changes) as (process, url):
        told = await _provoke(url)
        await asyncio.sleep(1)  # the background loops meet their errors, too
        process.terminate()
        assert process.stdout is not None
        log = (await process.stdout.read()).decode()
    assert "relay.unavailable" in log
    assert "unavailable" in told
    assert CANARY not in log
    assert CANARY not in told


async def _provoke(url: str) -> str:
    """All that the API answers where nothing works."""
    login = {"email": "admin@example.com", "password": f"{CANARY}-login"}
    headers = {"Authorization": f"Bearer {CANARY}.token.x"}
    answers = []
    async with http_client(url) as client:
        for request in (
            client.get("/readyz"),
            client.post("/api/v1/auth/login", json=login),
            client.post("/api/v1/auth/refresh", json={"refresh_token": f"{'0' * 32}.{CANARY}"}),
            client.post("/api/v1/auth/login", content=f'{{"password": "{CANARY}'),
            client.get("/api/v1/users", headers=headers),
        ):
            answer = await request
            answers.append(f"{answer.headers} {answer.text}")
    return "\n".join(answers)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "refused"),
        ({"POSTGRES_ADDRESS": "nowhere"}, "POSTGRES_ADDRESS"),
        ({"ADMIN_EMAIL": "nobody"}, "ADMIN_EMAIL"),
        ({"JWT_SECRET": CANARY, "POSTGRES_PASSWORD": CANARY}, "both set"),
        ({"API_POSTGRES_PASSWORD": CANARY}, "need each other"),
    ],
)
async def test_commands_keep_secrets(
    own_settings: Settings, canaries: dict[str, str], changes: dict[str, str], said: str
) -> None:
    """Migrating with wrong passwords or bad settings says what is wrong, and no secret."""
    status, out = await run(own_settings, "app.migrate", **{**canaries, **changes})
    assert status == 1
    assert said in out
    assert CANARY not in out
