"""Backups in production: made by the service, restored by a container that runs for that alone."""

import json
from typing import Any

import pytest

import engine
from harness import new_user


def asked(production: engine.Production, *words: str) -> dict[str, Any]:
    """The result of a command as JSON."""
    done = production.gp(*words, "--production", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def sql(production: engine.Production, statement: str) -> str:
    """The answer of the database to its owner."""
    return production.container("postgres").run(
        "psql", "--username", "groundplan", "-At", "-c", statement
    )


def sign_in(production: engine.Production) -> str:
    """A token that a restore may end, as the one that all tests share may not."""
    return production.sign_in("admin@example.com", production.secret("admin-password"))


@pytest.fixture(scope="module")
def dump(production: engine.Production) -> str:
    """The id of a dump."""
    return str(asked(production, "backup", "now")["backups"][0]["id"])


def test_a_restore_brings_data_back(production: engine.Production, dump: str) -> None:
    """A user made after the dump is gone after the restore, everybody signs in again, and it can be undone."""
    user, token = new_user(), sign_in(production)
    with production.api(token) as admin:
        assert admin.post("/users", json=user).status_code == 201
    asked(production, "restore", dump, "--swap", "--yes")
    count = f"SELECT count(*) FROM users WHERE email = '{user['email']}'"  # noqa: S608 - made here
    assert sql(production, count).strip() == "0"
    with production.api(token) as admin:
        assert admin.get("/auth/me").status_code == 401
    sign_in(production)
    asked(production, "restore", "--swap-back", "--yes")
    assert sql(production, count).strip() == "1"
    asked(production, "restore", "--drop-old", "--yes")


@pytest.mark.parametrize("kind", ["base", "redis", "storage"])
def test_other_kinds_are_made_and_can_be_read(production: engine.Production, kind: str) -> None:
    """The service's own logins are enough for each kind."""
    made = asked(production, "backup", "now", "--kind", kind)["backups"][0]["id"]
    assert asked(production, "backup", "verify", made)["id"] == made


def test_the_drill_runs_the_smoke_test(production: engine.Production, dump: str) -> None:
    """The API reads the restored copy in the container of the drill, over the network."""
    assert asked(production, "backup", "verify", dump)["smoke"] == "passed"


def test_the_service_may_read_and_change_nothing(production: engine.Production) -> None:
    """The login of the service can't write, make databases or change roles."""
    keeper = production.container("backup")
    run = "from backup.settings import Settings as S; c = S.from_environment()"
    for statement in ("DELETE FROM public.jobs", "CREATE DATABASE x", "CREATE ROLE x"):
        code = f"{run}\nwith c.postgres.connect(c.database) as x: x.run('{statement}')"
        assert "denied" in keeper.run("python", "-c", code, check=False)


def test_status_tells_how_old_the_backups_are(production: engine.Production, dump: str) -> None:
    """The health check of the container reports the ages."""
    assert dump
    told = json.loads(production.gp("status", "--production", "--json").stdout)["backups"]
    assert not told["dump"]["stale"]
    assert not told["wal"]["error"]


def test_only_a_restore_gets_the_owners_password(production: engine.Production) -> None:
    """No container that stays has it, but the database's own."""
    found = [
        each.service
        for each in production.containers()
        if "postgres-password" in each.run("ls", "/run/secrets", check=False).split()
    ]
    assert set(found) <= {"postgres"}
