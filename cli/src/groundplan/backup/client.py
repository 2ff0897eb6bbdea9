"""Asks the service that makes backups, whichever that is: it offers the commands by `x-groundplan: commands`.

A command of it prints one JSON object, its result, on standard output. On standard error it writes JSON
lines: `{"event": "progress", "text": …, "done": …, "total": …}`, as the last one of a failure
`{"event": "error", "what": …, "why": …, "hint": …}`, and `{"event": "scratch", …}` while a restored copy waits
to be tried; the answer to that is a line on standard input. Anything else there is what its tools said.
"""

import json
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from groundplan.backup.smoke import SMOKE, run_smoke
from groundplan.errors import UserError
from groundplan.model.workspace import Workspace
from groundplan.runtime.protocol import Runtime
from groundplan.runtime.running import find_offering, offering

Tree = dict[str, Any]
Show = Callable[[str], None]
"""Gets each step of the work as a short text."""

BACKUP = "backup"
RESTORE = "restore"
RESTORED = "restored"
REPOSITORY = "BACKUP_REPOSITORY"
"""The variable of the service that says where backups go: a folder, or what restic takes."""
_GRACE = 30.0
_TAIL = 8


@dataclass(frozen=True)
class Client:
    """The commands for backups of a running system."""

    runtime: Runtime
    workspace: Workspace
    show: Show = field(default=lambda _: None)

    def ask(self, command: str, *words: str) -> Tree:
        """Run `words` of what a service calls `command`; raises UserError with what it says went wrong."""
        with tempfile.TemporaryFile() as result:
            said = self._run(command, words, result)
            result.seek(0)
            try:
                tree: Tree = json.load(result)
            except ValueError as error:
                raise _failure(said) from error
            return tree

    def fetch(self, file: Path, command: str, *words: str) -> None:
        """The same for a command whose result is no JSON: it becomes `file`, whole or not at all."""
        partial = file.with_name(f"{file.name}.partial")
        try:
            with partial.open("xb") as result:
                self._run(command, words, result)
            partial.rename(file)
        except OSError as error:
            raise UserError(f"{file} can't be written.", why=f"{error.strerror}.") from error
        finally:
            partial.unlink(missing_ok=True)

    def _run(self, command: str, words: Sequence[str], result: IO[bytes]) -> "_Said":
        service = offering(self.workspace, command)
        words = [*service.commands[command], *words, "--json"]
        call = self.runtime.call(self.workspace, service, words)
        with subprocess.Popen(
            call.argv,
            env=call.environment,
            cwd=call.cwd,
            stdin=subprocess.PIPE,
            stdout=result,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            said = _Said(service.name)
            self._follow(process, said)
        if process.returncode:
            raise _failure(said)
        return said

    def _follow(self, process: subprocess.Popen[str], said: "_Said") -> None:
        """Show its progress and answer it until it ends."""
        assert process.stdin
        assert process.stderr
        try:
            for event in _events(process.stderr, said):
                if event["event"] == "progress":
                    self.show(_progress(event))
                elif event["event"] == "scratch":
                    _answer(process.stdin, self._smoke(event))
                elif event["event"] == "error":
                    said.error = event
            process.wait()
        except KeyboardInterrupt:
            with suppress(OSError):
                process.stdin.close()  # the signal reached it, too: it takes away what it has begun
            process.wait(_GRACE)
            raise

    def _smoke(self, scratch: Mapping[str, Any]) -> Tree:
        service = offering(self.workspace, SMOKE)
        self.show(f"{service.name} tries the restored copy")
        return run_smoke(self.runtime, self.workspace, service, scratch)

    def after_swap(self) -> None:
        """Let the services see that the database is another one; raises UserError where one can't."""
        service = find_offering(self.workspace, RESTORED)
        if service is None:
            return
        self.show(f"{service.name} forgets what it knew of the database before")
        call = self.runtime.call(self.workspace, service, service.commands[RESTORED])
        done = subprocess.run(
            call.argv, env=call.environment, cwd=call.cwd, capture_output=True, text=True
        )
        if done.returncode:
            raise UserError(
                f"The database is restored, but {service.name} may still show what was there before.",
                why="\n  ".join(done.stderr.strip().splitlines()[-_TAIL:]),
                hint="Restart the system: ./gp down, then ./gp up --detach",
            )


@dataclass
class _Said:
    """What a command of `service` said besides its progress."""

    service: str
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    error: Mapping[str, Any] | None = None


def _events(stream: IO[str], said: _Said) -> Iterator[Tree]:
    """The events of `stream`; other lines are kept in `said`."""
    for line in stream:
        try:
            event = json.loads(line)
            event["event"]
        except (ValueError, TypeError, KeyError):
            said.tail.append(line.rstrip())
        else:
            yield event


def _progress(event: Mapping[str, Any]) -> str:
    if event.get("total"):
        return f"{event['text']} ({event.get('done', 0) / event['total']:.0%})"
    return str(event["text"])


def _answer(stream: IO[str], answer: Tree) -> None:
    with suppress(BrokenPipeError):  # it has ended, and said why
        stream.write(json.dumps(answer) + "\n")
        stream.flush()


def _failure(said: _Said) -> UserError:
    if error := said.error:
        return UserError(error["what"], error.get("why") or "", error.get("hint") or "")
    return UserError(
        f"{said.service} could not do it.",
        why="\n  " + "\n  ".join(said.tail) if said.tail else "It did not say why.",
        hint=f"Look at ./gp logs {said.service}",
    )
