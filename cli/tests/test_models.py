"""`gp models`, against a small server that speaks Ollama's HTTP API."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Workspace, free_port

# Stands for the program: `ollama serve` listens where OLLAMA_HOST says.
OLLAMA = """\
#!{python}
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, [{{"models": [{{"name": "small:1b", "size": 1300000}}]}}])

    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        begun = {{"status": "pulling manifest"}}
        part = {{"status": "pulling 1a2b", "digest": "sha256:1a2b", "total": 2000}}
        if name == "unknown":
            self.answer(200, [begun, {{"error": "file does not exist"}}])
        elif name == "":
            self.answer(400, [{{"error": "model is required"}}])
        elif name == "broken":
            self.answer(200, [begun, part])
        else:
            self.answer(200, [begun, part, part | {{"completed": 2000}}, {{"status": "success"}}])

    def answer(self, code, objects):
        self.send_response(code)
        self.end_headers()
        for each in objects:
            self.wfile.write(json.dumps(each).encode() + b"\\n")

host, port = os.environ["OLLAMA_HOST"].split(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def ollama(workspace: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with a running Ollama."""
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    program.write_text(OLLAMA.format(python=sys.executable))
    program.chmod(0o755)
    port = free_port()
    models = {"image": "ollama/ollama:1", "ports": [f"127.0.0.1:${{OLLAMA_PORT:-{port}}}:11434"]}
    workspace.write({"models": models | {"volumes": ["./models:/root/.ollama"]}})
    workspace.up(PATH=f"{program.parent}:/usr/bin:/bin")
    yield workspace
    workspace.gp("down")


def test_a_model_is_pulled(ollama: Workspace) -> None:
    """`pull` shows the download and says that the model is there; `--json` gives each step."""
    done = ollama.gp("models", "pull", "small:1b")
    assert done.returncode == 0, done.stderr
    assert "small:1b is there." in done.stderr
    assert "2.0/2.0 kB" in done.stderr
    lines = ollama.gp("models", "pull", "small:1b", "--json").stdout.splitlines()
    assert json.loads(lines[-1]) == {"status": "success"}


def test_models_are_listed(ollama: Workspace) -> None:
    """`list` shows the models and their sizes."""
    assert ollama.gp("models", "list").stdout.split() == ["small:1b", "1.3", "MB"]
    rows = json.loads(ollama.gp("models", "list", "--json").stdout)
    assert rows == [{"name": "small:1b", "bytes": 1300000}]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("unknown", "file does not exist"),
        ("", "model is required"),
        ("broken", "ended the download early"),
    ],
)
def test_a_pull_that_fails(ollama: Workspace, name: str, why: str) -> None:
    """An unknown name, a refusal and a download that breaks off are told in Ollama's words."""
    done = ollama.gp("models", "pull", name)
    assert done.returncode == 1
    assert why in done.stderr
    assert f"{name} is there." not in done.stderr


def test_ollama_is_not_running(workspace: Workspace) -> None:
    """Without a running Ollama `pull` says how to start it; without the service, how to add it."""
    done = workspace.gp("models", "list")
    assert (done.returncode, "has no Ollama" in done.stderr) == (1, True)
    workspace.write({"models": {"image": "ollama/ollama:1", "ports": ["11434"]}})
    done = workspace.gp("models", "pull", "small:1b")
    assert done.returncode == 1
    assert "./gp up --detach models" in done.stderr
