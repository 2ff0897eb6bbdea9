"""The native runtime: services as ordinary processes.

What starts services is imported when it is needed, so that `status` stays quick.
"""

from __future__ import annotations

import heapq
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from groundplan.errors import UserError
from groundplan.model.place import servers_folder, state_folder
from groundplan.runtime.native.state import StateFile, end_strays
from groundplan.runtime.protocol import Call, Line

if TYPE_CHECKING:
    from groundplan.model.workspace import Service, Workspace
    from groundplan.runtime.events import Emit
    from groundplan.runtime.protocol import Plan
    from groundplan.runtime.state import SystemState

_STOP_TIMEOUT = 60.0
_POLL = 0.2


class NativeRuntime:
    """Implements `Runtime`."""

    name = "native"

    def __init__(self, root: Path, instance: str) -> None:
        self._root = root
        self._instance = instance
        self._state_file = StateFile(state_folder(root, instance))

    @property
    def is_supervised(self) -> bool:
        """True while a supervisor keeps services running."""
        return self._state_file.is_supervised()

    def plan(self, names: Sequence[str], tools: bool) -> Plan:
        """See `Runtime`."""
        from groundplan.model.workspace import load
        from groundplan.runtime.native import start

        return start.plan(load(self._root, instance=self._instance), names, tools)

    def up(self, plan: Plan, emit: Emit, detach: bool) -> None:
        """See `Runtime`."""
        from groundplan.runtime.native import start

        start.up(plan, emit, detach)

    def stop(self) -> bool:
        """See `Runtime`."""
        was_running = self.is_supervised
        if was_running and not self._state_file.stop_supervisor(_STOP_TIMEOUT):
            raise UserError(
                f"The supervisor did not end within {_STOP_TIMEOUT:.0f} s.",
                hint="Look at ./gp logs.",
            )
        strays = end_strays(self._state_file.folder)
        return was_running or bool(strays)

    def data(self) -> list[str]:
        """See `Runtime`."""
        return [str(self._data)]

    def delete_data(self) -> None:
        """See `Runtime`."""
        try:
            if self._data.exists():
                shutil.rmtree(self._data)
        except OSError as error:
            raise UserError(
                f"{self._data} could not be deleted.", why=f"{error.strerror}."
            ) from error

    @property
    def _data(self) -> Path:
        return servers_folder(self._root, self._instance) / "volumes"

    def status(self) -> SystemState:
        """See `Runtime`."""
        return self._state_file.read()

    def logs(self, names: Sequence[str], follow: bool, lines: int) -> Iterator[Line]:
        """See `Runtime`."""
        folder = self._state_file.folder / "logs"
        files = {name: folder / f"{name}.log" for name in names}
        if not any(file.exists() for file in files.values()):
            raise UserError("There are no logs yet.", hint="Start the system: ./gp up")
        offsets = {name: file.stat().st_size for name, file in files.items() if file.exists()}
        last = (_last_lines(name, file, lines) for name, file in files.items() if file.exists())
        yield from heapq.merge(*last)
        while follow:
            time.sleep(_POLL)
            yield from sorted(_new_lines(files, offsets))

    def call(
        self,
        workspace: Workspace,
        service: Service,
        words: Sequence[str],
        variables: Mapping[str, str] = MappingProxyType({}),
        on_terminal: bool = False,
    ) -> Call:
        """See `Runtime`."""
        from groundplan.runtime.native.addresses import Addresses
        from groundplan.runtime.native.drivers import source
        from groundplan.runtime.native.drivers.base import Site

        environment = source.environment_of(service, Site(workspace, Addresses(workspace)))
        return Call((*words,), environment | dict(variables), service.context)

    def psql(self, workspace: Workspace, service: Service, arguments: Sequence[str]) -> int:
        """See `Runtime`."""
        from groundplan.runtime.native.addresses import Addresses
        from groundplan.runtime.native.drivers import postgres

        program, settings = postgres.client(service, Addresses(workspace))
        return subprocess.run([program, *arguments], env={**os.environ, **settings}).returncode


def _last_lines(name: str, file: Path, lines: int) -> list[Line]:
    with file.open(errors="replace", newline="\n") as stream:
        kept = stream.readlines()[-lines:] if lines else []
    return [_line(name, line) for line in kept]


def _new_lines(files: dict[str, Path], offsets: dict[str, int]) -> Iterator[Line]:
    for name, file in files.items():
        if not file.exists():
            continue
        if file.stat().st_size < offsets.get(name, 0):  # a new file since the last look
            offsets[name] = 0
        with file.open("rb") as stream:
            stream.seek(offsets.get(name, 0))
            whole, _, _ = stream.read().rpartition(b"\n")
        if whole:
            offsets[name] = offsets.get(name, 0) + len(whole) + 1
            for line in whole.decode(errors="replace").split("\n"):
                yield _line(name, line)


def _line(name: str, line: str) -> Line:
    written, _, text = line.rstrip("\n").partition(" ")
    return Line(written, name, text)
