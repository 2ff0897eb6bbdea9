"""Rotations as plans, their journal, and what they do where nothing runs."""

import json
from pathlib import Path

import pytest

from groundplan.deploy.deployment import Deployment
from groundplan.errors import UserError
from groundplan.runtime.docker.engine import Project
from groundplan.runtime.events import Event
from groundplan.secrets import broker, initialise, rotation
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.postgres import scram_verifier
from groundplan.secrets.runner import Runner
from groundplan.secrets.steps import Ask, Write
from tests import production
from tests.test_secrets import gp, texts

PLANS = {
    "jwt": """
        write jwt-keys, renew web, write jwt-keys, renew web, keep the old key for 60 minutes,
        write jwt-keys, renew web""",
    "s3": """
        write storage-keys, renew files, write s3-access-key-id and s3-secret-access-key, renew web,
        keep the old key for 60 minutes, write storage-keys, renew files""",
    "web-postgres": """
        write web-postgres-user and web-postgres-password, run setup, renew web,
        db: drop the login web_1""",
    "web-rabbitmq": """
        write rabbitmq-definitions, queue: make the users of its definitions,
        write web-rabbitmq-user and web-rabbitmq-password, renew web, write rabbitmq-definitions,
        queue: delete the user web_1""",
    "web-redis": """
        cache: accept a new password of web, write web-redis-password, renew web,
        cache: forget the old password of web""",
    "postgres": "db: set the owner's password, write postgres-password",
    "redis": """
        cache: accept a new password of admin, write redis-password,
        cache: forget the old password of admin""",
    "rabbitmq": """
        write rabbitmq-password and rabbitmq-definitions, queue: make the users of its definitions""",
    "db-certificate": """
        write db-certificate and db-certificate-key, db: take the new certificate""",
    "internal-ca": """
        write internal-ca, renew web, write internal-ca-key and db-certificate and db-certificate-key,
        db: take the new certificate, write internal-ca, renew web""",
}


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """A workspace with all secrets, of which nothing runs."""
    made = production.make(tmp_path)
    initialise.carry_out(initialise.plan(made))
    return Inventory(tmp_path)


def test_there_is_a_plan_for_each(inventory: Inventory) -> None:
    """Every rotation of the workspace is one of those below."""
    assert rotation.names(inventory) == list(PLANS)


@pytest.mark.parametrize("name", PLANS)
def test_plan(inventory: Inventory, name: str) -> None:
    """The new credential is made beside the old one, then used, and then the old one goes."""
    before = production.values(inventory.store)
    begun = rotation.begin(name, inventory, is_live=True)
    titles = [step.title.replace(", ", " and ") for step in begun.steps]
    assert ", ".join(titles) == " ".join(PLANS[name].split())
    assert production.values(inventory.store) == before


@pytest.mark.parametrize("name", PLANS)
def test_no_secret_on_a_command_line(inventory: Inventory, name: str) -> None:
    """Passwords go through standard input; neither commands nor titles hold one."""
    begun = rotation.begin(name, inventory, is_live=True)
    values = [
        value
        for group in (begun.values.old, begun.values.new, *begun.values.between)
        for secret, value in group.items()
        if not secret.endswith("-user")
    ]
    for step in begun.steps:
        shown = f"{step.title} {step!r} {' '.join(step.command) if isinstance(step, Ask) else ''}"
        assert not [value for value in values if value in shown]


@pytest.mark.parametrize("name", PLANS)
def test_before_the_first_start(inventory: Inventory, name: str) -> None:
    """Where nothing was ever started the files change at once, and fit each other."""
    before = production.values(inventory.store)
    done = gp(inventory.root, "secrets", "rotate", name)
    assert done.returncode == 0, done.stderr
    after = production.values(inventory.store)
    changed = {secret for secret in after if after[secret] != before[secret]}
    assert changed == {*rotation.begin(name, inventory, is_live=False).values.new}
    assert after.keys() == before.keys()
    assert texts(inventory) == []


def test_all(inventory: Inventory) -> None:
    """All together fit each other, too: each rotation begins with what the one before has left."""
    done = gp(inventory.root, "secrets", "rotate", "--all")
    assert done.returncode == 0, done.stderr
    assert texts(inventory) == []


def test_users_take_turns(inventory: Inventory) -> None:
    """A login is web_1, then web_2, then web_1 again."""
    seen = []
    for _ in range(3):
        seen.append(inventory.store.find("web-postgres-user"))
        gp(inventory.root, "secrets", "rotate", "web-postgres")
    assert seen == ["web_1", "web_2", "web_1"]


def test_definitions_have_both(inventory: Inventory) -> None:
    """While the users of RabbitMQ change, its definitions have both."""
    begun = rotation.begin("web-rabbitmq", inventory, is_live=True)
    [between] = begun.values.between
    for values in (begun.values.old, begun.values.new):
        user, password = values["web-rabbitmq-user"], values["web-rabbitmq-password"]
        assert broker.accepts(between["rabbitmq-definitions"], user, password)


def test_unknown(inventory: Inventory) -> None:
    """An unknown name is refused with those that there are; one of a secret says where to read on."""
    with pytest.raises(UserError, match="There are: jwt, s3"):
        rotation.begin("nothing", inventory, is_live=True)
    done = gp(inventory.root, "secrets", "rotate", "billing-token")
    assert done.returncode == 2
    assert "docs/operations/security.md" in done.stderr


def test_interrupted(inventory: Inventory) -> None:
    """One that was interrupted keeps its values, is told, and goes on; others wait for it."""
    begun = rotation.begin("web-rabbitmq", inventory, is_live=False)
    begun.save()
    assert begun.journal.stat().st_mode & 0o777 == 0o600
    refused = gp(inventory.root, "secrets", "rotate", "rabbitmq")
    assert "Finish it first: ./gp secrets rotate web-rabbitmq" in refused.stderr
    assert "rotation of web-rabbitmq is not finished" in texts(inventory)
    assert gp(inventory.root, "secrets", "rotate", "web-rabbitmq").returncode == 0
    assert {**production.values(inventory.store)}.items() >= begun.values.new.items()
    assert not begun.journal.exists()


def test_broken_journal(inventory: Inventory) -> None:
    """A journal that can't be read is told, and says what to do."""
    inventory.store.path(".rotation-jwt.json").write_text("{")
    done = gp(inventory.root, "secrets", "rotate", "jwt")
    assert done.returncode == 1
    assert "Delete it" in done.stderr


def test_overlap(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old keys are kept until all that they have signed has ended; `--finish` forgets them now."""
    said: list[Event] = []
    deployment = Deployment(inventory.workspace, Project(inventory.root, "nothing"))
    monkeypatch.setattr(Deployment, "renew", lambda *_: None)  # nothing runs
    runner = Runner(deployment, said.append)
    begun = rotation.begin("jwt", inventory, is_live=True)
    runner.carry_out(begun, finish=False)
    signing = f"{begun.values.new['jwt-keys']}\n{begun.values.old['jwt-keys']}"
    assert inventory.store.find("jwt-keys") == signing
    assert "the old one is still believed" in said[-1].text
    runner.carry_out(rotation.unfinished(inventory)["jwt"], finish=False)
    assert inventory.store.find("jwt-keys") == signing
    runner.carry_out(rotation.unfinished(inventory)["jwt"], finish=True)
    assert inventory.store.find("jwt-keys") == begun.values.new["jwt-keys"]
    assert rotation.unfinished(inventory) == {}


def test_list(inventory: Inventory) -> None:
    """Without names it lists what there is."""
    listed = json.loads(gp(inventory.root, "secrets", "rotate", "--json").stdout)
    assert [item["name"] for item in listed] == list(PLANS)
    assert not any(item["under_way"] for item in listed)


def test_only_write_steps_hold_files(inventory: Inventory) -> None:
    """Every file that a rotation changes is one that `init` makes."""
    known = {*production.values(inventory.store)}
    for name in PLANS:
        for step in rotation.begin(name, inventory, is_live=True).steps:
            assert not isinstance(step, Write) or {*step.values} <= known


def test_scram_verifier() -> None:
    """The owner's password is sent as PostgreSQL keeps it, another one each time."""
    first, second = scram_verifier("some password"), scram_verifier("some password")
    assert first != second
    assert first.startswith("SCRAM-SHA-256$4096:")
    assert "some password" not in first
