"""Waits for containers of production, and takes them away."""

import subprocess
import time
from collections.abc import Collection

from groundplan.errors import UserError
from groundplan.runtime.docker import containers
from groundplan.runtime.docker.containers import PROJECT, Container
from groundplan.runtime.docker.engine import Project, find
from groundplan.runtime.events import State

_POLL = 0.3
_MOST_RESTARTS = 3


def of(project: Project, *services: str) -> list[Container]:
    """The containers of `services`, or of all, the oldest first."""
    there = containers.of_project(project.name)
    chosen = [it for it in there if not services or it.service in services]
    return sorted(chosen, key=lambda it: it.started)


def is_live(container: Container) -> bool:
    """True while its process lives."""
    return container.state in containers.LIVE


def has_volumes(project: Project) -> bool:
    """True if the project has volumes: it was started once."""
    label = f"label={PROJECT}={project.name}"
    return bool(docker("volume", "ls", "--quiet", "--filter", label).strip())


def wait(project: Project, ids: Collection[str], timeout: float, to_end: bool = False) -> None:
    """Return once the containers are healthy, or with `to_end` once they ended well.

    Raises UserError with the last lines of one that is lost, or not there after `timeout` seconds.
    """
    wanted = State.COMPLETED if to_end else State.HEALTHY
    lost = {State.FAILED, State.UNHEALTHY, State.STOPPED}
    deadline = time.monotonic() + timeout
    while True:
        there = [it for it in of(project) if it.id in ids]
        states = [(it, it.state_if(is_oneshot=to_end)) for it in there]
        waiting = [(it, state) for it, state in states if state != wanted]
        if not waiting and len(there) == len(ids):
            return
        is_late = time.monotonic() > deadline
        for container, state in waiting:
            if is_late or state in lost or container.restarts >= _MOST_RESTARTS:
                raise _failure(container, timeout if is_late else None)
        time.sleep(_POLL)


def stop(container: Container) -> None:
    """Ask it to end, wait as long as its stop_grace_period says, and take it away."""
    docker("stop", container.id)
    remove(container)


def remove(container: Container) -> None:
    """Take it away, with its anonymous volumes, whatever it does."""
    docker("rm", "--force", "--volumes", container.id)


def docker(*words: str) -> str:
    """What a command of Docker prints; raises UserError where it fails."""
    done = subprocess.run([find().program, *words], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"docker {words[0]} failed.", why=done.stderr.strip())
    return done.stdout


def _failure(container: Container, seconds: float | None) -> UserError:
    late = f"It is {container.state} after {seconds:.0f} s. " if seconds else ""
    return UserError(
        f"{container.service} did not get ready.",
        why=f"{late}{container.why} Its last lines:{_last_lines(container)}",
        hint="Mend it, then type ./gp deploy again.",
    )


def _last_lines(container: Container, count: int = 10) -> str:
    done = subprocess.run(
        [find().program, "logs", "--tail", str(count), container.id],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return "".join(f"\n  {line}" for line in done.stdout.splitlines()) or "\n  (nothing)"
