"""The images of production: what is in them, and how their containers run."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from groundplan.check import dockerfile
from groundplan.model.place import PRODUCTION, PRODUCTION_SETTINGS
from groundplan.model.workspace import Service, describe
from groundplan.runtime.docker import engine
from harness import ROOT, wait_for

pytestmark = pytest.mark.skipif(not engine.answers(), reason="no Docker engine answers")

MIB = 2**20
LIMITS = {"api": 90, "worker": 60, "frontend": 5}
"""MiB that an image may be larger than its base."""
CANARY = "canary-which-no-layer-may-hold"
SETTINGS = (
    *("POSTGRES_ADDRESS", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "REDIS_ADDRESS"),
    *("REDIS_PASSWORD", "RABBITMQ_ADDRESS", "RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"),
    *("S3_ENDPOINT", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_BUCKET", "S3_REGION"),
    *("JWT_SECRET", "SECOND_FACTOR_KEY", "ADMIN_PASSWORD", "ADMIN_EMAIL"),
)
_LABELS = ("title", "description", "licenses", "source", "version", "revision")
_FETCH = "fetch('http://127.0.0.1:8001/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
_OPEN = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"
PROBES = {
    "api": ["python", "-c", _OPEN],
    "worker": ["node", "-e", _FETCH],
    "frontend": ["grep", "-q", ":0BB8 0*:0000 0A", "/proc/net/tcp", "/proc/net/tcp6"],
}
"""Succeeds in a container once the service runs, also where it reaches no other."""
COMPILERS = re.compile(
    r"(?:^|.*/)bin/(?:gcc|g\+\+|cc|c\+\+|clang|make|ld|as|strip|rustc|go|tsc)(?:-\d+)?"
)
LEFTOVERS = re.compile(
    r"(?:^|.*/)(?:\.npm|\.npmrc|\.cache/(?:pip|uv)|_cacache|\.env(?:\..*)?|\.git|\.venv)(?:/.*)?"
    r"|var/(?:lib/apt/lists|cache/apt)/.+|root/.+|tmp/.+"
)
DEVELOPMENT = re.compile(
    r".*/(?:site-packages/(?:pytest|mypy|ruff|pip|_pytest|watchfiles)"
    r"|node_modules/(?:typescript|jest|eslint|prettier|vite|vitest))"
    r"|app/tests(?:/.*)?"
)


def docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `docker` to its end."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


@dataclass(frozen=True)
class Image:
    """An image that was built, and what it adds to its base."""

    name: str
    base: str

    @cached_property
    def details(self) -> dict[str, Any]:
        """What `docker image inspect` tells."""
        (details,) = json.loads(docker("image", "inspect", self.name).stdout)
        return dict(details)

    @property
    def config(self) -> dict[str, Any]:
        """How its containers are started."""
        return dict(self.details["Config"])

    @property
    def layers(self) -> list[str]:
        """The digests of all its layers."""
        return list(self.details["RootFS"]["Layers"])

    @cached_property
    def added(self) -> list[str]:
        """The digests of the layers above the base."""
        below = Image(self.base, "").layers
        assert self.layers[: len(below)] == below
        return self.layers[len(below) :]

    def size_over_base(self) -> float:
        """In MiB."""
        return float(self.details["Size"] - Image(self.base, "").details["Size"]) / MIB

    def files(self, folder: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        """Every entry of the layers above the base, with its content; `folder` is for temporary files."""
        saved = folder / "image.tar"
        docker("save", self.name, "--output", str(saved))
        with tarfile.open(saved) as whole:
            (manifest,) = json.load(whole.extractfile("manifest.json") or BytesIO())
            for name in manifest["Layers"][-len(self.added) :]:
                with tarfile.open(fileobj=whole.extractfile(name)) as layer:
                    for entry in layer:
                        content = layer.extractfile(entry) if entry.isfile() else None
                        yield entry, content.read() if content else b""
        saved.unlink()


def built() -> dict[str, Service]:
    """The services of production whose image is built here, one for each image."""
    services = describe(ROOT, PRODUCTION).services.values()
    return {
        service.name: service
        for service in services
        if service.context and service.image.endswith(f"/{service.name}:dev")
    }


def base_of(service: Service) -> str:
    """The image that its last stage begins with."""
    assert service.dockerfile
    read = dockerfile.read(service.dockerfile.read_text())
    return read.lineage(read.stages[-1])[-1].base


def copy_of_checkout(target: Path) -> Path:
    """All that images are built from, with a secret in every folder."""
    unwanted = shutil.ignore_patterns("node_modules", "dist", "__pycache__", ".venv", ".*_cache")
    for name in ("services", "contracts", "config"):
        shutil.copytree(ROOT / name, target / name, ignore=unwanted)
    for file in ROOT.glob("docker-compose*.yml"):
        if "images" not in file.name:
            shutil.copy(file, target)
    shutil.copy(ROOT / f"{PRODUCTION_SETTINGS}.example", target / PRODUCTION_SETTINGS)
    for service in built().values():
        assert service.context
        for name in (".env", ".env.local", "id_rsa", "server.pem"):
            (target / service.context.relative_to(ROOT) / name).write_text(CANARY)
    return target


def build(root: Path, version: str, *options: str) -> dict[str, Image]:
    """Build all of production from the checkout at `root`, one image after another."""
    os.environ["COMPOSE_PARALLEL_LIMIT"] = "1"
    variables = {"GROUNDPLAN_VERSION": version}
    engine.Project(root, "groundplan-images", PRODUCTION, variables).run("build", *options)
    return {
        name: Image(f"groundplan/{name}:{version}", base_of(service))
        for name, service in built().items()
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what images are built from."""
    return copy_of_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def images(checkout: Path) -> Iterator[dict[str, Image]]:
    """All images of production; they are removed afterwards."""
    version = f"test-{uuid.uuid4().hex[:8]}"
    yield build(checkout, version)
    docker("image", "rm", *(f"groundplan/{name}:{version}" for name in built()))


@pytest.fixture(params=sorted(built()))
def image(images: dict[str, Image], request: pytest.FixtureRequest) -> Image:
    """Each image of production in turn."""
    return images[request.param]


@contextmanager
def running(image: Image, *options: str) -> Iterator[str]:
    """A container with no right at all, once it runs; it is removed afterwards."""
    name = f"groundplan-images-{uuid.uuid4().hex[:8]}"
    service = image.name.split("/")[1].split(":")[0]
    docker(
        *("run", "--detach", "--name", name, "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", *options, image.name),
    )
    try:
        wait_for(
            lambda: docker("exec", name, *PROBES[service], check=False).returncode == 0,
            30,
            f"start of {service}",
        )
        yield name
    finally:
        logs = docker("logs", name, check=False)
        print(logs.stdout, logs.stderr)
        docker("rm", "--force", "--volumes", name)


def settings() -> list[str]:
    """Options that give a container every setting, and no other service."""
    values = dict.fromkeys(SETTINGS, "a-long-value-for-this-test-0123456789")
    values |= {name: "127.0.0.1:1" for name in SETTINGS if name.endswith("_ADDRESS")}
    values |= {"S3_ENDPOINT": "http://127.0.0.1:1", "ADMIN_EMAIL": "admin@example.com"}
    values |= {"CONTRACTS_DIR": "/contracts", "S3_BUCKET": "bucket"}
    return [word for name, value in values.items() for word in ("--env", f"{name}={value}")]


def options_of(name: str) -> list[str]:
    """What a container of that service needs to start."""
    if name != "frontend":
        return settings()
    # The binary of Caddy has this right in its file, and does not start where nobody may have it.
    return ["--cap-add", "NET_BIND_SERVICE", "--tmpfs", "/tmp"]  # noqa: S108 - in the container


def test_runs_as_a_number(image: Image) -> None:
    """An image names a user that is not root, as a number that needs no list of users."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.config["User"])


def test_says_what_it_is(image: Image) -> None:
    """The standard labels are there, and the title and licence are not empty."""
    labels = image.config["Labels"]
    assert {f"org.opencontainers.image.{name}" for name in _LABELS} <= labels.keys()
    assert all(labels[f"org.opencontainers.image.{name}"] for name in ("title", "licenses"))


def test_knows_its_health(image: Image) -> None:
    """An image checks its health without programs that only some bases have."""
    test = image.config["Healthcheck"]["Test"]
    assert test[0] == "CMD"
    assert not {"curl", "wget"} & set(" ".join(test).split())


def test_is_started_without_a_shell(image: Image) -> None:
    """The first process is the service itself, which gets the signals."""
    words = [*(image.config["Entrypoint"] or []), *image.config["Cmd"]]
    assert words[0] not in ("sh", "/bin/sh", "bash", "npm")


def test_layers(image: Image, tmp_path: Path) -> None:
    """No layer holds a secret, a compiler, a cache, what only developers need, or a file that others may write."""
    for entry, content in image.files(tmp_path):
        name = entry.name.removeprefix("./")
        assert not COMPILERS.fullmatch(name), name
        assert not LEFTOVERS.fullmatch(name), name
        assert not DEVELOPMENT.fullmatch(name), name
        assert CANARY.encode() not in content, name
        if entry.isfile():  # what runs can't change it
            assert entry.uid == 0, name
            assert entry.mode & 0o022 == 0, name


def test_nothing_compiles_in_it(image: Image) -> None:
    """The whole image with its base has no compiler."""
    look = "for name in cc gcc g++ clang make ld as rustc tsc; do command -v $name; done; true"
    found = docker("run", "--rm", "--user", "0", "--entrypoint", "sh", image.name, "-c", look)
    assert found.stdout == ""


@pytest.mark.parametrize("name", LIMITS)
def test_size(images: dict[str, Image], name: str) -> None:
    """An image adds no more to its base than is agreed."""
    assert images[name].size_over_base() <= LIMITS[name]


@pytest.mark.parametrize("name", PROBES)
def test_needs_no_right(images: dict[str, Image], name: str) -> None:
    """A service runs on a read-only file system without any capability, as its only process."""
    with running(images[name], *options_of(name)) as container:
        status = docker("exec", container, "cat", "/proc/1/status").stdout
        assert re.search(r"^CapEff:\s0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
        assert re.search(r"^Uid:\s10001\s", status, re.MULTILINE)
        assert len(docker("top", container).stdout.splitlines()) == 2  # a title, and one process


@pytest.mark.parametrize("name", PROBES)
def test_ends_when_told(images: dict[str, Image], name: str) -> None:
    """SIGTERM ends an idle service within two seconds, and it says that all went well."""
    with running(images[name], *options_of(name)) as container:
        began = time.monotonic()
        docker("stop", container)
        assert time.monotonic() - began < 2
        assert docker("inspect", container, "--format", "{{.State.ExitCode}}").stdout == "0\n"


def test_frontend_is_healthy_only_once_it_listens(images: dict[str, Image]) -> None:
    """The check of the frontend follows PORT, and fails where nothing listens there."""
    image = images["frontend"]
    check = image.config["Healthcheck"]["Test"][1:]
    with running(image, *options_of("frontend")) as container:
        assert docker("exec", container, *check).returncode == 0
        other = docker("exec", "--env", "PORT=3001", container, *check, check=False)
        assert other.returncode != 0


def test_worker_starts_from_its_compile_cache(images: dict[str, Image]) -> None:
    """The modules of the worker are not compiled anew: their compiled form is in the image and is accepted."""
    options = ("--read-only", "--env", "NODE_DEBUG_NATIVE=COMPILE_CACHE")
    done = docker("run", "--rm", *options, images["worker"].name, check=False)
    said = done.stdout + done.stderr
    assert said.count(" was accepted") > 100
    assert " was rejected" not in said


def test_labels_take_the_revision(checkout: Path, images: dict[str, Image]) -> None:
    """Another revision changes the label and no layer."""
    version = f"test-{uuid.uuid4().hex[:8]}"
    try:
        api = build(checkout, version, "--build-arg", "REVISION=0123abc", "api")["api"]
        assert api.config["Labels"]["org.opencontainers.image.revision"] == "0123abc"
        assert api.layers == images["api"].layers
    finally:
        docker("image", "rm", f"groundplan/api:{version}")


@pytest.mark.long
def test_same_inputs_give_the_same_layers(
    checkout: Path, images: dict[str, Image], tmp_path: Path
) -> None:
    """A build without any cache, from files with other times and modes, gives every layer again."""
    root = shutil.copytree(checkout, tmp_path / "other")
    for file in (root / "services").rglob("*"):
        file.chmod(0o700 if file.is_dir() or file.stat().st_mode & 0o100 else 0o600)
        os.utime(file, (1_000_000_000, 1_000_000_000))
    version = f"test-{uuid.uuid4().hex[:8]}"
    try:
        again = build(root, version, "--no-cache")
        assert {name: image.added for name, image in again.items()} == {
            name: image.added for name, image in images.items()
        }
    finally:
        docker("image", "rm", "--force", *(f"groundplan/{name}:{version}" for name in built()))
