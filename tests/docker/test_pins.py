"""`./gp images pin` on a small workspace, against a registry of its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from groundplan.errors import UserError
from groundplan.model.place import IMAGES_FILE, PRODUCTION
from groundplan.runtime.docker import engine
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.requirements import DebianProgram
from harness import wait_for

pytestmark = pytest.mark.skipif(not engine.answers(), reason="no Docker engine answers")

REGISTRY = DebianProgram(
    "Registry", Packages("docker-registry", ("docker-registry",)), "docker-registry", ("usr/bin",)
)
_CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def docker(*words: str, text: str | None = None) -> str:
    """What `docker` prints; `text` is its input."""
    done = subprocess.run(["docker", *words], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of a registry that ends with the tests."""
    try:
        if REGISTRY.find() is None:
            REGISTRY.fetch(lambda *_: None)
        program = REGISTRY.path
    except UserError as error:
        pytest.skip(f"no registry: {error.what}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("registry")
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", folder / "config.yml"], stdout=log, stderr=log
        )

    def answers() -> bool:
        try:
            return bool(urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1).status == 200)
        except OSError:
            return False

    try:
        wait_for(answers, 10, "start of the registry")
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()


class Shop:
    """A workspace with a service that is built from one image and a service that is another."""

    def __init__(self, root: Path, registry: str) -> None:
        self.root = root
        key = uuid.uuid4().hex[:8]
        self.base = f"{registry}/base-{key}:1"
        self.cache = f"{registry}/cache-{key}:1"
        self.built = f"shop-{key}"
        (root / "web").mkdir()
        (root / "config").mkdir()
        (root / "config" / ".env.example").write_text("")
        (root / "web" / "Dockerfile").write_text(f"FROM {self.base} AS prod\nCOPY . /web\n")
        (root / "docker-compose.yml").write_text(
            f"services:\n  web:\n    image: {self.built}\n    build: ./web\n"
            f"  cache:\n    image: {self.cache}\n"
        )
        (root / "docker-compose.production.yml").write_text("services: {}\n")

    def push(self, image: str, content: str) -> str:
        """Put a new image with one file of `content` behind the name `image`; returns its digest."""
        recipe = f"FROM scratch\nLABEL content={content}\nCOPY web/Dockerfile /{content}\n"
        docker("build", "--quiet", "--tag", image, "--file", "-", str(self.root), text=recipe)
        docker("push", "--quiet", image)
        told = docker("image", "inspect", image, "--format", "{{json .RepoDigests}}")
        digests = re.findall(r"sha256:\w+", told)
        assert digests
        return str(digests[-1])

    def pin(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `gp images pin` there."""
        return subprocess.run(
            [sys.executable, "-m", "groundplan", "images", "pin", *options],
            env={**os.environ, "GROUNDPLAN_ROOT": str(self.root), **variables},
            capture_output=True,
            text=True,
        )

    @property
    def file(self) -> Path:
        """What it writes."""
        return self.root / IMAGES_FILE


@pytest.fixture
def shop(tmp_path: Path, registry: str) -> Iterator[Shop]:
    """A workspace whose two images are in the registry; its images are removed afterwards."""
    shop = Shop(tmp_path, registry)
    shop.push(shop.base, "first")
    shop.push(shop.cache, "cache")
    yield shop
    for image in (shop.base, shop.cache, shop.built):
        for number in set(docker("image", "ls", "--quiet", image.removesuffix(":1")).split()):
            docker("image", "rm", "--force", number)


def test_pins_what_runs_and_what_is_built(shop: Shop) -> None:
    """What was pinned is built and run, although the tags mean other images by then."""
    done = shop.pin()
    assert done.returncode == 0, done.stderr
    shop.push(shop.base, "second")
    project = engine.Project(shop.root, "groundplan-pins", PRODUCTION)
    project.run("build", "web")
    (details,) = json.loads(docker("image", "inspect", shop.built))
    assert details["Config"]["Labels"]["content"] == "first"
    config = json.loads(project.run("config", "--format", "json").stdout)
    assert config["services"]["cache"]["image"].startswith(f"{shop.cache}@sha256:")


def test_follows_the_tag_when_asked_again(shop: Shop) -> None:
    """A second run says which image has changed, and pins what the tag means now."""
    shop.pin()
    digest = shop.push(shop.base, "second")
    rows = {row["image"]: row for row in json.loads(shop.pin("--json").stdout)["images"]}
    assert rows[shop.base]["digest"] == digest != rows[shop.base]["before"]
    assert rows[shop.cache]["digest"] == rows[shop.cache]["before"]
    assert f"{shop.base}@{digest}" in shop.file.read_text()


def test_dry_run_writes_nothing(shop: Shop) -> None:
    """--dry-run names the digests and leaves the workspace as it is."""
    done = shop.pin("--dry-run")
    assert re.search(rf"^new +{shop.base} sha256:\w{{64}}$", done.stdout, re.MULTILINE)
    assert not shop.file.exists()


def test_an_image_that_is_not_there(shop: Shop) -> None:
    """An unknown tag is named with its file and line, and the old pins stay."""
    shop.pin()
    before = shop.file.read_text()
    dockerfile = shop.root / "web" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(":1", ":2"))
    done = shop.pin()
    assert done.returncode == 1
    assert "There is no image" in done.stderr
    assert "web/Dockerfile:1" in done.stderr
    assert shop.file.read_text() == before


def test_a_registry_that_is_away(shop: Shop) -> None:
    """Where the registry does not answer, the error says so, and nothing is written."""
    dockerfile = shop.root / "web" / "Dockerfile"
    dockerfile.write_text("FROM localhost:1/base:1\n")
    done = shop.pin()
    assert done.returncode == 1
    assert "localhost:1/base:1 could not be looked up" in done.stderr
    assert "connection refused" in done.stderr
    assert [path.name for path in shop.root.glob("*images*")] == []


def test_without_an_engine(shop: Shop, tmp_path: Path) -> None:
    """Without Docker the error says what to install."""
    done = shop.pin(PATH=str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "There is no Docker" in done.stderr


def test_an_image_that_only_the_build_knows(shop: Shop) -> None:
    """A FROM with a variable that has no default is refused with its place."""
    (shop.root / "web" / "Dockerfile").write_text("ARG BASE\nFROM $BASE\n")
    done = shop.pin()
    assert done.returncode == 1
    assert "web/Dockerfile:2" in done.stderr


def test_a_folder_that_can_not_be_written(shop: Shop) -> None:
    """Where the file can't be written, the error says why."""
    shop.file.mkdir()
    done = shop.pin()
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    shutil.rmtree(shop.file)
