"""Backups in production: their secrets, their containers, and where they go, told from files alone."""

from pathlib import Path

import pytest

from groundplan.deploy.plan import plan
from groundplan.secrets import initialise, rotation
from groundplan.secrets.check import check
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.recipes import Maker
from groundplan.secrets.steps import Ask
from tests import production
from tests.test_secrets import gp

KEEPER = """
services:
  keeper:
    image: shop/keeper
    environment: {BACKUP_REPOSITORY: "${BACKUP_REPOSITORY:-/backups}"}
    secrets: [backup-password, keeper-s3-access-key-id, keeper-s3-secret-access-key]
    volumes: ["${BACKUP_FOLDER:-backups}:/backups"]
    x-groundplan: {commands: {backup: [backup]}}
  restore:
    image: shop/keeper
    profiles: [restore]
    secrets: [backup-password, postgres-password]
    depends_on: {db: {condition: service_healthy}}
    x-groundplan: {commands: {restore: [backup]}}
volumes: {backups: }
"""
SECRETS = ("backup-password", "keeper-s3-access-key-id", "keeper-s3-secret-access-key")


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """A workspace whose production makes backups."""
    production.make(tmp_path)
    file = tmp_path / "docker-compose.production.yml"
    secrets = file.read_text().removeprefix("services: {}\n")
    more = [f"  {name}: {{file: ./config/production/secrets/{name}}}\n" for name in SECRETS]
    file.write_text(f"{secrets}\n{''.join(more)}{KEEPER}")
    return Inventory(tmp_path)


def test_key_of_an_s3_service_is_given_by_people(inventory: Inventory) -> None:
    """`init` leaves it empty, which is no weakness; the key of the repository is made, and long."""
    initialise.carry_out(initialise.plan(inventory))
    store = inventory.store
    assert store.find("keeper-s3-access-key-id") == ""
    assert len(store.find("backup-password") or "") >= 32
    assert not list(check(Inventory(inventory.root)))


def test_given_key_stays(inventory: Inventory) -> None:
    """What people put there is not made anew."""
    initialise.carry_out(initialise.plan(inventory))
    inventory.store.change("keeper-s3-access-key-id", "AKIA-given")
    assert Maker(inventory).get("keeper-s3-access-key-id") == "AKIA-given"


def test_init_says_what_must_be_kept_elsewhere(inventory: Inventory) -> None:
    """Of the key of the backups a copy is asked for when it is made, and not again."""
    first = gp(inventory.root, "secrets", "init")
    assert "Keep a copy of backup-password elsewhere" in first.stdout
    assert "Keep a copy" not in gp(inventory.root, "secrets", "init").stdout


def test_key_of_the_backups_is_rotated(inventory: Inventory) -> None:
    """The repository takes the new key before the service uses it, and then the old one no more."""
    initialise.carry_out(initialise.plan(inventory))
    assert "backup" in rotation.names(inventory)
    begun = rotation.begin("backup", inventory, is_live=True)
    assert [step.title for step in begun.steps] == [
        "keeper: accept a new key",
        "write backup-password",
        "renew keeper",
        "keeper: forget the old key",
    ]
    [first, *_] = begun.steps
    assert isinstance(first, Ask)
    assert begun.values.new["backup-password"] not in " ".join(first.command)


def test_restore_is_not_started_by_a_deployment(inventory: Inventory) -> None:
    """A service of a profile waits until its command is wanted."""
    started = {name for step in plan(inventory.workspace, [], set()) for name in step.services}
    assert "keeper" in started
    assert "restore" not in started


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("", "! Backups: lie on this machine alone, in the volume backups"),
        ("BACKUP_REPOSITORY=s3:https://s3.test/shop", "✓ Backups: go to s3:https://s3.test/shop"),
        ("BACKUP_FOLDER=/mnt/backups", "✓ Backups: go to /mnt/backups"),
    ],
)
def test_doctor_tells_where_backups_go(inventory: Inventory, setting: str, text: str) -> None:
    """Backups that lie on this machine alone are noted; elsewhere is well."""
    initialise.carry_out(initialise.plan(inventory))
    with (inventory.root / "config" / "production" / ".env").open("a") as settings:
        settings.write(f"\n{setting}\n")
    assert text in gp(inventory.root, "doctor", "--production").stdout


def test_doctor_tells_that_nothing_makes_backups(tmp_path: Path) -> None:
    """A production without backups is noted."""
    production.make(tmp_path)
    assert "! Backups: no service makes any" in gp(tmp_path, "doctor", "--production").stdout


def test_commands_need_a_running_production(inventory: Inventory) -> None:
    """Without an engine, or before the first deployment, it is said what to type; nothing is written."""
    initialise.carry_out(initialise.plan(inventory))
    for words in (("backup", "list"), ("restore", "latest", "--yes")):
        done = gp(inventory.root, *words, "--production")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "Docker" in done.stderr or "./gp deploy" in done.stderr
