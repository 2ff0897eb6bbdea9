"""Tries a restored copy of the database with the application's own smoke test."""

import subprocess
from collections.abc import Mapping
from typing import Any

from groundplan.model.workspace import Service, Workspace
from groundplan.runtime.protocol import Runtime

SMOKE = "smoke"
"""What the command is called in `x-groundplan: commands`."""
_TAIL = 4
_TIMEOUT = 120.0


def run_smoke(
    runtime: Runtime, workspace: Workspace, service: Service, scratch: Mapping[str, Any]
) -> dict[str, str]:
    """Run the smoke test of `service` on the server `scratch`; the outcome as the backup service expects it."""
    call = runtime.call(workspace, service, service.commands[SMOKE], settings(scratch))
    try:
        done = subprocess.run(
            call.argv,
            env=call.environment,
            cwd=call.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return {"smoke": "failed", "why": f"It was not done after {_TIMEOUT:.0f} s."}
    if done.returncode == 0:
        return {"smoke": "passed"}
    said = (done.stderr or done.stdout).strip().splitlines()[-_TAIL:]
    return {"smoke": "failed", "why": " ".join(said) or f"It ended with {done.returncode}."}


def settings(scratch: Mapping[str, Any]) -> dict[str, str]:
    """The variables that lead a service to the scratch server: it has one superuser, and no TLS."""
    own = {
        "POSTGRES_ADDRESS": f"{scratch['host']}:{scratch['port']}",
        "POSTGRES_USER": str(scratch["user"]),
        "POSTGRES_PASSWORD": str(scratch["password"]),
        "POSTGRES_DB": str(scratch["database"]),
        "POSTGRES_ROLE": "",
    }
    files = ("POSTGRES_USER_FILE", "POSTGRES_PASSWORD_FILE", "POSTGRES_CA_FILE")
    return own | dict.fromkeys(files, "")
