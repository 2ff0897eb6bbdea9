"""A running mail catcher."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

PATIENCE = 20


def free_ports() -> tuple[int, int]:
    """Two ports that nothing listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


@dataclass
class Catcher:
    """The program, in a process of its own."""

    process: "subprocess.Popen[str]"
    smtp_port: int
    web: httpx.Client


def start(web_port: int, smtp_port: int) -> "subprocess.Popen[str]":
    """Start the program."""
    ports = {"PORT": str(web_port), "SMTP_LISTEN": f"127.0.0.1:{smtp_port}"}
    return subprocess.Popen(
        [sys.executable, "-m", "mail"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **ports},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def shared_catcher() -> Iterator[Catcher]:
    """One mail catcher for all tests."""
    web_port, smtp_port = free_ports()
    process = start(web_port, smtp_port)
    assert process.stderr
    # Its log says when it listens; a timer ends a wait that is in vain.
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    lines = iter(process.stderr.readline, "")
    assert any(re.search("Uvicorn running", line) for line in lines), "it did not start"
    timer.cancel()
    with httpx.Client(base_url=f"http://127.0.0.1:{web_port}", timeout=PATIENCE) as client:
        yield Catcher(process, smtp_port, client)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
    process.stderr.close()


@pytest.fixture
def catcher(shared_catcher: Catcher) -> Catcher:
    """A mail catcher that holds nothing."""
    shared_catcher.web.delete("/api/mails")
    return shared_catcher
