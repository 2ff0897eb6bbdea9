"""Deployments as plans, and what is looked at before one."""

from pathlib import Path

import pytest

from groundplan.deploy.encryption import is_encrypted
from groundplan.deploy.plan import Action, Step, plan
from groundplan.deploy.rolling import is_replaceable
from groundplan.model.workspace import Workspace
from groundplan.secrets import initialise
from groundplan.secrets.inventory import Inventory
from tests import production
from tests.test_secrets import gp


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace of production."""
    return production.make(tmp_path).workspace


def steps(found: list[Step]) -> list[str]:
    """The steps as lines."""
    return [f"{step.action}: {', '.join(step.services)}" for step in found]


def test_first_start(workspace: Workspace) -> None:
    """Servers start first, then what runs to its end, then what needs both."""
    assert steps(plan(workspace, [], set())) == [
        "start: db, cache, queue, files",
        "run: setup",
        "start: web",
    ]


def test_new_version(workspace: Workspace) -> None:
    """What has changed and may run twice is replaced one by one."""
    assert steps(plan(workspace, [], {"web", "db"}))[-1] == "replace: web"


def test_one_service(workspace: Workspace) -> None:
    """What must have run before a service is run with it; the servers that it needs are left alone."""
    assert steps(plan(workspace, ["web"], {"web"})) == ["run: setup", "replace: web"]


def test_replaceable(workspace: Workspace) -> None:
    """Only what scales out and keeps nothing may run in two versions at once."""
    found = [name for name, service in workspace.services.items() if is_replaceable(service)]
    assert found == ["web"]


def test_steps_are_plain_data() -> None:
    """Two plans that say the same are the same."""
    assert Step(Action.RUN, ("setup",)) == Step(Action.RUN, ("setup",))


def test_deploy_refuses_without_secrets(tmp_path: Path) -> None:
    """Nothing is built or started before secrets, settings and engine are fit; all is told at once."""
    production.make(tmp_path)
    done = gp(tmp_path, "deploy")
    assert done.returncode == 1
    assert "Production can't start here." in done.stderr
    assert "./gp secrets init" in done.stderr
    assert "./gp doctor --production" in done.stderr


def test_doctor_of_production(tmp_path: Path) -> None:
    """It says what is missing, and ends with 1."""
    inventory = production.make(tmp_path)
    initialise.carry_out(initialise.plan(inventory))
    done = gp(tmp_path, "doctor", "--production")
    assert done.returncode == 1
    assert "✓ Settings and secrets" in done.stdout
    assert "! app.shop.test: has no address" in done.stdout
    assert "✗ Docker:" in done.stdout
    assert "then type ./gp deploy" in done.stdout


def test_domains_for_automatic_certificates(tmp_path: Path) -> None:
    """A domain without an address is no more than a note, unless a certificate is to be got for it."""
    inventory = production.make(tmp_path)
    initialise.carry_out(initialise.plan(inventory))
    settings = production.SETTINGS.replace("internal", "me@shop.test")
    production.write(Inventory(tmp_path).root / "config/production/.env", settings)
    assert "✗ app.shop.test: has no address" in gp(tmp_path, "doctor", "--production").stdout


def _device(devices: Path, number: str, uuid: str = "", below: tuple[str, ...] = ()) -> Path:
    device = devices / number
    (device / "slaves").mkdir(parents=True)
    if uuid:
        production.write(device / "dm" / "uuid", uuid)
    for each in below:
        (device / "slaves" / each.replace(":", "-")).symlink_to(devices / each)
    return device


@pytest.mark.parametrize(
    ("uuids", "answer"),
    [
        (("", ""), False),
        (("CRYPT-LUKS2-abc", ""), True),
        (("LVM-abc", "CRYPT-LUKS2-abc"), True),
        (("LVM-abc", ""), False),
    ],
)
def test_encryption(tmp_path: Path, uuids: tuple[str, str], answer: bool) -> None:
    """A disk is encrypted where dm-crypt is, itself or below a volume manager."""
    number = tmp_path.stat().st_dev
    top = f"{number >> 8 & 0xFFF}:{number & 0xFF}"
    devices = tmp_path / "devices"
    _device(devices, "8:1", uuids[1])
    _device(devices, top, uuids[0], ("8:1",))
    assert is_encrypted(tmp_path, devices) is answer


def test_encryption_untold(tmp_path: Path) -> None:
    """Where the machine has no device for the folder, or no such folder, it does not tell."""
    assert is_encrypted(tmp_path, tmp_path) is None
    assert is_encrypted(tmp_path / "elsewhere") is None
