"""A system of production on the Docker engine, as its tests see it."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2

from groundplan.model.place import PRODUCTION, PRODUCTION_FILE, PRODUCTION_SETTINGS, SECRETS_FOLDER
from groundplan.model.workspace import Workspace, describe
from groundplan.runtime.docker.engine import Project
from harness import ROOT, wait_for

DOMAIN = "app.test"
DOWNLOADS_DOMAIN = "files.test"
API_REPLICAS = 3
_IMAGES = "docker-test"
_KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


def docker(*words: str, check: bool = True, text: str | None = None) -> str:
    """What `docker` prints, errors too; fails with it where the command fails and `check`."""
    done = subprocess.run(
        ["docker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        input=text or "",
    )
    assert not check or done.returncode == 0, f"docker {' '.join(words)}\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Container:
    """A container as `docker inspect` described it once."""

    details: dict[str, Any]

    @property
    def id(self) -> str:
        """The whole id."""
        return str(self.details["Id"])

    @property
    def service(self) -> str:
        """The Compose service that it belongs to."""
        return str(self.details["Config"]["Labels"]["com.docker.compose.service"])

    @property
    def addresses(self) -> dict[str, str]:
        """Its address in each network, by the network's name in the Compose files."""
        networks = self.details["NetworkSettings"]["Networks"]
        return {name.partition("_")[2]: each["IPAddress"] for name, each in networks.items()}

    def run(self, *words: str, check: bool = True, text: str | None = None) -> str:
        """What a command within it prints."""
        return docker("exec", "-i", self.id, *words, check=check, text=text)

    def read(self, path: str) -> str:
        """The content of a file within it."""
        return self.run("cat", path)


@dataclass(frozen=True)
class Production:
    """A running system of production with its own ports, secrets and data."""

    root: Path
    project: Project
    http_port: int
    https_port: int

    def containers(self, service: str | None = None) -> list[Container]:
        """The containers that run, of one service or of all."""
        label = f"label=com.docker.compose.project={self.project.name}"
        only = ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        ids = docker("ps", "--quiet", "--no-trunc", "--filter", label, *only).split()
        return [Container(each) for each in json.loads(docker("inspect", *ids))] if ids else []

    def container(self, service: str) -> Container:
        """One container of a service."""
        return self.containers(service)[0]

    def ailing(self) -> list[str]:
        """What is not healthy, or too few; with its last log lines."""
        found = self.containers()
        states = [(each, each.details["State"]) for each in found]
        ill = [
            f"{each.service}: {state}\n{docker('logs', '--tail', '5', each.id)}"
            for each, state in states
            if state.get("Health", {}).get("Status", "healthy") != "healthy"
        ]
        return ill if len(found) == self.size else [f"{len(found)} of {self.size} run", *ill]

    def await_healthy(self, seconds: float = 120) -> None:
        """Wait until every container is healthy again."""
        try:
            wait_for(lambda: not self.ailing(), seconds, "the system's recovery")
        except AssertionError as error:
            error.add_note("\n".join(self.ailing()))
            raise

    @cached_property
    def workspace(self) -> Workspace:
        """What the Compose files say."""
        return describe(self.root, PRODUCTION)

    @cached_property
    def size(self) -> int:
        """How many containers run."""
        config = json.loads(self.project.run("config", "--format", "json").stdout)["services"]
        running = [node for name, node in config.items() if name not in self.workspace.oneshots]
        return sum(node.get("deploy", {}).get("replicas", 1) for node in running)

    def secret(self, name: str) -> str:
        """The content of a secret."""
        return (self.root / SECRETS_FOLDER / name).read_text()

    def gp(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the tool on this system."""
        return subprocess.run(
            [sys.executable, "-m", "groundplan", *words],
            env={**self.project.process_environment, "GROUNDPLAN_ROOT": str(self.root)},
            capture_output=True,
            text=True,
        )

    def kill(self, container: Container) -> None:
        """End its main process at once, as a crash would; `docker kill` would keep it stopped."""
        pid = str(container.details["State"]["Pid"])
        rights = ("--pid", "host", "--user", "0:0", "--cap-drop", "ALL", "--cap-add", "KILL")
        docker("run", "--rm", *rights, "--entrypoint", "python", self.image, "-c", _KILL, pid)

    @property
    def image(self) -> str:
        """An image with Python in it."""
        return f"groundplan/api:{_IMAGES}"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Believes the load balancer's own CA, and no other."""
        root = self.container("load-balancer").read("/data/caddy/pki/authorities/local/root.crt")
        return ssl.create_default_context(cadata=root)

    def client(self, base_url: str = f"https://{DOMAIN}") -> httpx2.Client:
        """A client of the load balancer, over TLS."""
        transport = ToLoadBalancer(self.https_port, verify=self.tls)
        return httpx2.Client(base_url=base_url, transport=transport, timeout=30)

    def api(self, token: str) -> httpx2.Client:
        """A client of the API, signed in."""
        client = self.client(f"https://{DOMAIN}/api/v1")
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def sign_in(self, email: str, password: str) -> str:
        """An access token."""
        with self.client() as client:
            answer = client.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


class ToLoadBalancer(httpx2.HTTPTransport):
    """Reaches every host name at a port of this machine."""

    def __init__(self, port: int, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._port = port

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it on with its own host name in TLS and in its header."""
        direct(request, self._port)
        return super().handle_request(request)


def direct(request: httpx2.Request, port: int) -> None:
    """Turn a request for any host to `port` of this machine."""
    request.extensions = {**request.extensions, "sni_hostname": request.url.host}
    request.url = request.url.copy_with(host="127.0.0.1", port=port)


def prepare(folder: Path) -> Production:
    """Copy the workspace to `folder`, with settings and secrets of its own."""
    copy_workspace(folder)
    name = f"gp-test-{folder.parent.name}-{folder.name}".lower()
    file = folder / PRODUCTION_FILE
    file.write_text(file.read_text().replace("name: groundplan-production", f"name: {name}", 1))
    http_port, https_port = _free_ports()
    production = Production(folder, Project(folder, name, PRODUCTION), http_port, https_port)
    made = production.gp("secrets", "init")
    assert made.returncode == 0, made.stderr
    _set(
        folder / PRODUCTION_SETTINGS,
        DOMAIN=DOMAIN,
        DOWNLOADS_DOMAIN=DOWNLOADS_DOMAIN,
        TLS="internal",
        HTTP_PORT=http_port,
        HTTPS_PORT=https_port,
        API_REPLICAS=API_REPLICAS,
        APPLICATION_SUBNET=_free_subnet(),
        GROUNDPLAN_VERSION=_IMAGES,
    )
    return production


def start(production: Production) -> None:
    """Build its images and start it; returns once all is healthy."""
    # One after another: two builds at once would take longer.
    for service in production.workspace.services.values():
        if service.context:
            production.project.run("build", service.name)
    production.project.run("up", "--detach")
    production.await_healthy(300)


def stop(production: Production) -> None:
    """Remove its containers, networks and volumes."""
    production.project.run("down", "--volumes", "--timeout", "1")


def copy_workspace(folder: Path) -> None:
    """Copy what git tracks or would track of this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def _set(file: Path, **settings: str | int) -> None:
    lines = [
        line for line in file.read_text().splitlines() if line.partition("=")[0] not in settings
    ]
    lines += [f"{name}={value}" for name, value in settings.items()]
    file.write_text("\n".join(lines) + "\n")


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _free_subnet() -> str:
    ids = docker("network", "ls", "--quiet", "--filter", "driver=bridge").split()
    taken = [
        ip_network(config["Subnet"])
        for network in json.loads(docker("network", "inspect", *ids))
        for config in network["IPAM"]["Config"] or []
        if ":" not in config["Subnet"]
    ]
    free = ip_network("172.29.0.0/16").subnets(new_prefix=24)
    return str(next(each for each in free if not any(each.overlaps(other) for other in taken)))
