"""How the service starts, logs and stops."""

import json
import os
import signal
import subprocess
import sys

from tests.conftest import Running


def test_requests_are_logged_and_it_stops_in_order(service: Running) -> None:
    """Each request but probes is one line of JSON, and SIGTERM ends it in order."""
    service.client.get("/api/v1/greeting")
    service.client.close()
    service.process.terminate()
    output, _ = service.process.communicate(timeout=10)
    lines = [json.loads(line) for line in output.splitlines()]
    handled = [line for line in lines if line["event"] == "request.handled"]
    assert [(line["path"], line["status"]) for line in handled] == [("/api/v1/greeting", 200)]
    assert service.process.returncode == -signal.SIGTERM


def test_a_wrong_setting_is_named() -> None:
    """A setting that is not valid ends the start with a line that names it."""
    done = subprocess.run(
        [sys.executable, "-m", "app"],
        env={**os.environ, "PORT": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: PORT: ")
