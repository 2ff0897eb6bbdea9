"""`gp secrets init` and `check`, on files alone."""

import json
import os
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from groundplan.errors import UserError
from groundplan.secrets import broker, certificates, initialise
from groundplan.secrets.check import check, weakness
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.store import Store
from tests import production


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """A workspace that has no secrets yet."""
    return production.make(tmp_path)


@pytest.fixture
def made(inventory: Inventory) -> Inventory:
    """A workspace with all secrets."""
    initialise.carry_out(initialise.plan(inventory))
    return Inventory(inventory.root)


def gp(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the workspace at `root`."""
    environment = {**os.environ, "GROUNDPLAN_ROOT": str(root), "DOCKER_HOST": "unix:///nowhere"}
    return subprocess.run(
        [sys.executable, "-m", "groundplan", *words],
        env=environment,
        capture_output=True,
        text=True,
    )


def texts(inventory: Inventory) -> list[str]:
    """What `check` says, a line each."""
    return [f"{problem.subject} {problem.text}" for problem in check(inventory)]


def spoil(inventory: Inventory, name: str, value: str) -> None:
    """Put another value into a secret."""
    inventory.store.change(name, value)


def test_init_makes_what_compose_declares(made: Inventory) -> None:
    """Every declared secret is made, with those that it is made of, and nothing is wrong with them."""
    found = {file.name for file in made.store.folder.iterdir()}
    assert found == {*production.SECRETS, "internal-ca-key", "rabbitmq-password"}
    assert texts(made) == []


def test_init_keeps_others_out(made: Inventory) -> None:
    """Others of the host can't enter the folder; containers with other users can read the files."""
    assert stat.S_IMODE(made.store.folder.stat().st_mode) == 0o700
    assert {made.store.mode(name) for name in made.names} == {0o444}


def test_init_changes_nothing(made: Inventory) -> None:
    """A second time only what is missing is made."""
    before = production.values(made.store)
    made.store.path("billing-token").unlink()
    initialise.carry_out(initialise.plan(made))
    after = production.values(made.store)
    assert after.pop("billing-token") != before.pop("billing-token")
    assert after == before


def test_init_dry_run(inventory: Inventory) -> None:
    """It says what would be written, without values, and writes nothing."""
    said = json.loads(gp(inventory.root, "secrets", "init", "--dry-run", "--json").stdout)
    assert not said["written"]
    assert "config/production/secrets/jwt-keys" in said["files"]
    assert not inventory.store.folder.exists()


def test_init_whole_or_not(inventory: Inventory) -> None:
    """Where a file can't be written, none is there."""
    with pytest.raises(OSError, match="not/there"):
        inventory.store.create({"one": "1", "not/there": "2"})
    assert list(inventory.store.folder.iterdir()) == []


def test_init_without_permissions(inventory: Inventory) -> None:
    """A service with a user of RabbitMQ and no permissions stated may use what is named after it."""
    production.write(inventory.root / broker.TEMPLATE, '{"vhosts": [], "permissions": []}')
    assert gp(inventory.root, "secrets", "init").returncode == 0
    made = json.loads(inventory.store.find("rabbitmq-definitions") or "")
    (own,) = (item for item in made["permissions"] if item["user"] == "web_1")
    assert own["configure"] == own["write"] == own["read"] == r"^web(\..*)?$"


def test_definitions(made: Inventory) -> None:
    """Users of RabbitMQ have hashed passwords and the permissions of their service."""
    text = made.store.find("rabbitmq-definitions") or ""
    password = made.store.find("web-rabbitmq-password") or ""
    assert password not in text
    assert broker.accepts(text, "web_1", password)
    assert not broker.accepts(text, "web_1", password + "x")
    [own] = [item for item in json.loads(text)["permissions"] if item["user"] == "web_1"]
    assert own == {**production.PERMISSIONS, "user": "web_1"}


def test_certificate_of_another_host(made: Inventory) -> None:
    """A certificate that names another host is refused."""
    find = made.store.find
    key, ca, ca_key = (
        find(n) or "" for n in ("db-certificate-key", "internal-ca", "internal-ca-key")
    )
    spoil(made, "db-certificate", certificates.server("other", key, ca, ca_key))
    assert texts(made) == ["db-certificate is for other, not for db"]


def test_certificate_of_another_key(made: Inventory) -> None:
    """A certificate that does not belong to its key is refused."""
    spoil(made, "db-certificate-key", certificates.new_key())
    assert texts(made) == ["db-certificate does not belong to its private key"]


def test_certificate_of_another_authority(made: Inventory) -> None:
    """A certificate that nobody would believe is refused."""
    spoil(made, "internal-ca", certificates.authority(certificates.new_key()))
    assert texts(made) == ["db-certificate is not signed by internal-ca"]


@pytest.mark.parametrize(
    ("days", "said", "code"), [(-2, "ends in -3 days", 1), (20, "ends in 19", 0)]
)
def test_certificate_that_ends(
    made: Inventory, monkeypatch: pytest.MonkeyPatch, days: int, said: str, code: int
) -> None:
    """A certificate that has ended is refused; one that ends within 30 days is a warning."""
    find = made.store.find
    key, ca, ca_key = (
        find(n) or "" for n in ("db-certificate-key", "internal-ca", "internal-ca-key")
    )
    lifetime = timedelta(days=days)
    monkeypatch.setattr(certificates, "SERVER_LIFETIME", lifetime)
    monkeypatch.setattr(certificates, "_CLOCKS_DIFFER", timedelta(days=5))
    spoil(made, "db-certificate", certificates.server("db", key, ca, ca_key))
    done = gp(made.root, "secrets", "check")
    assert done.returncode == code, done.stdout
    assert said in done.stdout or "is valid from" in done.stdout


def test_given_certificate(made: Inventory) -> None:
    """A given certificate must be there, belong to its key and name both domains."""
    settings = production.SETTINGS.replace("internal", "/certificates/a.pem /certificates/a.key")
    production.write(made.root / "config/production/.env", settings)
    folder = made.root / "config/production/certificates"
    assert "can't be read: No such file" in texts(Inventory(made.root))[0]
    ca_key, key = certificates.new_key(), certificates.new_key()
    authority = certificates.authority(ca_key)
    production.write(folder / "a.key", key)
    production.write(folder / "a.pem", certificates.server("*.shop.test", key, authority, ca_key))
    assert texts(Inventory(made.root)) == []
    production.write(folder / "a.pem", certificates.server("app.shop.test", key, authority, ca_key))
    [said] = texts(Inventory(made.root))
    assert said.endswith("a.pem is for app.shop.test, not for files.shop.test")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("redis-password", "", "is empty"),
        ("redis-password", "guest", "is a default"),
        ("redis-password", "short-one", "is shorter than 12 characters"),
        ("redis-password", "aaaaaaaaaaaaaaaa", "has too few different characters"),
        ("redis-password", "<random 32>", "still holds a placeholder"),
        ("jwt-keys", "0123456789abcdefghij", "is shorter than 32 characters"),
        ("web-rabbitmq-user", "web_1", None),
        ("redis-password", "correct horse battery", None),
    ],
)
def test_weak_secrets(name: str, value: str, problem: str | None) -> None:
    """Placeholders, defaults and short secrets are refused; names of users may be short."""
    assert weakness(name, value) == problem


def test_check_lists(made: Inventory) -> None:
    """What is missing or readable is listed with what to type, and ends with 1; no value is shown."""
    made.store.path("billing-token").unlink()
    made.store.folder.chmod(0o755)
    spoil(made, "redis-password", "hunter2")
    done = gp(made.root, "secrets", "check")
    assert done.returncode == 1
    assert "billing-token is missing: ./gp secrets init" in done.stdout
    assert "can be entered by others: chmod 700" in done.stdout
    assert "redis-password is shorter than 12 characters" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_check_without_secrets(inventory: Inventory) -> None:
    """Before `init` it says what to type."""
    done = gp(inventory.root, "secrets", "check")
    assert done.returncode == 1
    assert "config/production/secrets is missing: ./gp secrets init" in done.stdout


def test_check_settings(made: Inventory) -> None:
    """Settings that are empty or still the example's are told by name; what is empty there may be here."""
    with (made.root / "config/production/.env.example").open("a") as example:
        example.write("\nSMTP_ADDRESS=\n")
    production.write(made.root / "config/production/.env", "DOMAIN=app.example.com\nTLS=internal\n")
    assert texts(Inventory(made.root)) == [
        "DOMAIN is still the example's: app.example.com",
        "DOWNLOADS_DOMAIN is not set",
    ]


def test_check_agreement(made: Inventory) -> None:
    """Secrets that no longer fit those that were made of them are told."""
    for name in ("web-rabbitmq-password", "s3-secret-access-key"):
        spoil(made, name, "another password of some length")
    assert [re.sub(r" don't .*", "", text) for text in texts(made)] == [
        "rabbitmq-definitions",
        "storage-keys",
    ]


def test_check_git(made: Inventory) -> None:
    """A secret that git tracks is told."""
    for words in (["init", "-q"], ["add", "-f", "config/production/secrets/jwt-keys"]):
        subprocess.run(["git", "-C", str(made.root), *words], check=True)
    [said] = texts(made)
    assert said == "config/production/secrets/jwt-keys is tracked by git"


def test_change_keeps_the_file(tmp_path: Path) -> None:
    """A secret is changed in the file that containers have mounted, and shorter values leave no rest."""
    store = Store(tmp_path / "secrets")
    store.create({"one": "a long value"})
    number = store.path("one").stat().st_ino
    store.change("one", "short")
    assert store.find("one") == "short"
    assert store.path("one").stat().st_ino == number
    assert store.mode("one") == 0o444


def test_locked(tmp_path: Path) -> None:
    """Two commands don't change secrets at once."""
    store = Store(tmp_path)
    with store.locked(), pytest.raises(UserError, match="Another command"), store.locked():
        raise AssertionError("both are in")
