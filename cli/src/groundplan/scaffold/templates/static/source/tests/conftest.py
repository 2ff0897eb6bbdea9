"""The service as a process of its own, on a free port."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

START_TIMEOUT_S = 20.0


@dataclass
class Running:
    """The running service."""

    process: subprocess.Popen[str]
    client: httpx2.Client


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    """Start the service, and wait until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    with (
        subprocess.Popen(
            [sys.executable, "-m", "app"], env=environment, stdout=subprocess.PIPE, text=True
        ) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        try:
            _wait_until_ready(process, client)
            yield Running(process, client)
        finally:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[str], client: httpx2.Client) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz").raise_for_status()
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the service did not become ready")
