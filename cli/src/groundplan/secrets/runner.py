"""Carries rotations out, one step after another."""

import subprocess
import time
from dataclasses import replace
from datetime import datetime

from groundplan.deploy.deployment import Deployment
from groundplan.errors import UserError
from groundplan.runtime.events import Emit, Event
from groundplan.secrets.rotation import Rotation
from groundplan.secrets.steps import Ask, Overlap, Renew, Run, Step, Write

_FORGET_FROM = 8
"""Values of fewer characters, such as names of users, are left in what a server says."""


class Runner:
    """Does the steps of rotations in a deployment, and tells each."""

    def __init__(self, deployment: Deployment, emit: Emit) -> None:
        self._deployment = deployment
        self._emit = emit

    def carry_out(self, rotation: Rotation, finish: bool) -> None:
        """Go on with a rotation to its end, or to the step that must wait; `finish` does not wait.

        Raises UserError where a step fails; the rotation goes on with that step next time.
        """
        rotation.save()
        steps = rotation.steps
        while rotation.done < len(steps):
            step = steps[rotation.done]
            if isinstance(step, Overlap) and not finish:
                rotation = self._wait(rotation, step)
                if rotation.overlap_ends:
                    return
                continue
            self._say(f"{rotation.name}: {step.title}")
            self._try(rotation, step)
            rotation = rotation.advanced()
            rotation.save()
        rotation.journal.unlink()
        self._say(f"{rotation.name}: done")

    def _wait(self, rotation: Rotation, step: Overlap) -> Rotation:
        """The rotation one step further if the overlap is over, else with the time at which it is."""
        ends = rotation.overlap_ends or time.time() + step.seconds
        rotation = replace(rotation, overlap_ends=ends)
        if time.time() >= ends:
            rotation = rotation.advanced()
        else:
            at = f"{datetime.fromtimestamp(ends).astimezone():%Y-%m-%d %H:%M}"
            self._say(
                f"{rotation.name}: the new key is in use; the old one is still believed. "
                f"After {at} type ./gp secrets rotate {rotation.name}"
            )
        rotation.save()
        return rotation

    def _try(self, rotation: Rotation, step: Step) -> None:
        try:
            self._do(rotation, step)
        except UserError as error:
            raise UserError(
                f"{rotation.name}: {step.title} failed.",
                why=" ".join(part for part in (error.what, error.why) if part),
                hint=f"Mend it, then go on where it stopped: ./gp secrets rotate {rotation.name}",
            ) from error

    def _do(self, rotation: Rotation, step: Step) -> None:
        match step:
            case Write():
                for name, value in step.values.items():
                    rotation.inventory.store.change(name, value)
            case Ask():
                self._ask(rotation, step)
            case Run():
                self._deployment.run_to_end([step.service], self._emit)
            case Renew():
                self._deployment.renew(step.service, self._emit)
            case Overlap():
                pass  # the caller does not want to wait

    def _ask(self, rotation: Rotation, step: Ask) -> None:
        project = self._deployment.project
        done = subprocess.run(
            project.command("exec", "--no-TTY", step.service, *step.command),
            env=project.process_environment,
            input=step.text,
            capture_output=True,
            text=True,
        )
        said = f"{done.stdout}\n{done.stderr}".strip()
        if done.returncode:
            raise UserError(_without_secrets(said, rotation) or f"Exit code {done.returncode}.")

    def _say(self, text: str) -> None:
        self._emit(Event("notice", text=text))


def _without_secrets(text: str, rotation: Rotation) -> str:
    values = rotation.values
    for group in (values.old, values.new, *values.between):
        for value in group.values():
            if len(value) >= _FORGET_FROM:
                text = text.replace(value, "***")
    return text
