"""How long `./gp check` and `./gp docs` take: on this repository, and on a workspace of 100 services.

Each is run as a process of its own; the medians are compared with the limits.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from system import ROOT, report

ROUNDS = 5
BUILT, BACKING = 50, 50
SOURCES = 20
"""Files of code in each service that is built."""

_BUILT = """  service{n}:
    build: ./services/service{n}
    environment:
      PORT: "8000"
      NEXT_URL: http://service{next}:8000
      STORE: store{n}:6379
    expose: ["8000"]
    depends_on: [store{n}]
    networks: [net{net}, net{next_net}]
    healthcheck: {{test: ["CMD", "true"]}}
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 256M}}}}}}
    x-groundplan: {{title: Service {n}, scaling: horizontal (stateless), protocols: {{"8000": HTTP}}}}
"""
_BACKING = """  store{n}:
    image: redis:8
    volumes: ["store{n}-data:/data"]
    expose: ["6379"]
    networks: [net{net}]
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 256M}}}}}}
"""
_CODE = """import os

NEXT = os.environ["NEXT_URL"]
FALLBACK = "http://service{next}:8000/items"


def total(values: list[int]) -> int:
    return sum(value * 2 for value in values if value % 3)
"""
_PAGE = """# Service {n}

[Next](service{next}-service.md). It answers at `service{n}:8000`; try `./gp logs service{n}`.

## How it works

## What it holds

## Settings

## When it fails

## Work on it
"""


def workspace() -> dict[str, str]:
    """The files of a workspace of 100 services."""
    numbers = [
        {"n": n, "next": (n + 1) % BUILT, "net": n // 10, "next_net": (n + 1) % BUILT // 10}
        for n in range(BUILT)
    ]
    built = [
        _BUILT.replace(", net{next_net}", "") if n["net"] == n["next_net"] else _BUILT
        for n in numbers
    ]
    calls = "".join(_calls(n["n"], n["next"]) for n in numbers)
    return {
        "docker-compose.yml": "x-groundplan: {machine: {cpus: '100', memory: 100G}}\nservices:\n  ##<<SERVICES>>\n"
        + "".join(text.format(**n) for text, n in zip(built, numbers, strict=True))
        + "  ##<</SERVICES>>\n  ##<<BACKING_SERVICES>>\n"
        + "".join(_BACKING.format(**n) for n in numbers[:BACKING])
        + "  ##<</BACKING_SERVICES>>\nnetworks:\n"
        + "".join(f"  net{n}:\n" for n in range(BUILT // 10))
        + "volumes:\n  ##<<VOLUMES>>\n"
        + "".join(
            f"  store{n}-data: {{x-groundplan: {{holds: things, backup: daily}}}}\n"
            for n in range(BACKING)
        )
        + "  ##<</VOLUMES>>\n",
        "docker-compose.development.yml": "services:\n"
        + "".join(
            f"  ##<<{name}>>\n  ##<</{name}>>\n"
            for name in ("SERVICES", "BACKING_SERVICES", "DEVELOPMENT_SERVICES")
        )
        + '  service0: {ports: ["127.0.0.1:8000:8000"]}\n',
        "docker-compose.production.yml": "services:\n  ##<<SERVICES>>\n  ##<</SERVICES>>\n  service0: {}\n",
        "config/.env.example": "##<<SETTINGS>>\n##<</SETTINGS>>\n",
        "docs/architecture/flows.yaml": "actors: [browser]\nflows: {}\nupkeep:\n  ##<<UPKEEP>>\n"
        f"{calls}  ##<</UPKEEP>>\n",
        ".gitignore": "config/.env\nconfig/.env.mcp.credentials\n",
        **dict(_services(numbers)),
    }


def _calls(n: int, following: int) -> str:
    common = f"  - {{from: service{n}, to: "
    return (
        f'{common}service{following}, protocol: http, operation: "GET /items"}}\n'
        f'{common}service{following}, protocol: http, operation: "POST /items"}}\n'
        f"{common}store{n}, protocol: redis, operation: GET}}\n"
    )


def _services(numbers: list[dict[str, int]]) -> Iterator[tuple[str, str]]:
    for n in numbers:
        name = f"service{n['n']}"
        yield f"docs/services/{name}-service.md", _PAGE.format(**n)
        yield f"services/{name}/Dockerfile", "FROM python:3.13-slim\n"
        for index in range(SOURCES):
            yield f"services/{name}/app/module{index}.py", _CODE.format(**n) * 5
    for n in numbers[:BACKING]:
        yield f"docs/services/store{n['n']}-service.md", _PAGE.format(**n)


def timed(root: Path, *words: str) -> float:
    """Median seconds of a command of the tool, which must find nothing."""
    command = [sys.executable, "-m", "groundplan", *words]
    seconds = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        done = subprocess.run(
            command,
            env={**os.environ, "GROUNDPLAN_ROOT": str(root)},
            capture_output=True,
            text=True,
        )
        seconds.append(time.monotonic() - began)
        if done.returncode:
            sys.exit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return statistics.median(seconds)


def main() -> None:
    """Measure both workspaces."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder)
        for name, text in workspace().items():
            (large / name).parent.mkdir(parents=True, exist_ok=True)
            (large / name).write_text(text)
        subprocess.run(["git", "init", "-q", folder], check=True)
        rows: list[tuple[str, float, str, float | None]] = [
            ("docs, 100 services", timed(large, "docs"), "s", 5.0),
            ("check, 100 services", timed(large, "check"), "s", 5.0),
        ]
    rows += [
        ("docs --check, this repository", timed(ROOT, "docs", "--check"), "s", None),
        ("check, this repository", timed(ROOT, "check"), "s", 2.0),
    ]
    report(rows)


if __name__ == "__main__":
    main()
