"""What a job type is: a handler and the schema of its parameters."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, TypedDict
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from app.database import Database
from app.errors import JobError
from app.storage import Storage


@dataclass(frozen=True)
class Progress:
    """How far a job is, in any unit."""

    done: int = 0
    total: int | None = None


class JobResult(TypedDict):
    """The file that a job made; kept in `jobs.result`."""

    key: str
    filename: str
    content_type: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class JobContext:
    """What a handler gets. `params` are valid against contracts/jobs/TYPE.schema.json."""

    job_id: UUID
    attempt: int
    """1 on the first attempt."""
    claim: int
    """Larger each time the job is begun; a file's key holds it, so that none is overwritten."""
    params: Mapping[str, Any]
    progress: Callable[[Progress], None]
    """Tells how far the job is. Cheap: written down at most 4 times a second."""
    database: Database
    storage: Storage


Handler = Callable[[JobContext], Awaitable[JobResult | None]]
"""Does one attempt of a job, and returns the file it made, if any.

It is cancelled on a cancel request, a lost lease and a stop: then it ends within 2 s and leaves
nothing. Any error is retried with backoff; JobError has a message for people.
"""


class Schema:
    """A JSON Schema, and what its values are called in errors."""

    def __init__(self, file: Path, name: str) -> None:
        self._validator = Draft202012Validator(
            json.loads(file.read_text()), format_checker=FormatChecker()
        )
        self._name = name

    def validate(self, value: object) -> None:
        """Raise a permanent JobError that says what is wrong."""
        error = best_match(self._validator.iter_errors(value))
        if error is not None:
            place = "/".join([self._name, *map(str, error.absolute_path)])
            raise JobError(f"{place}: {error.message}.", permanent=True)


@dataclass(frozen=True)
class JobType:
    """A kind of job."""

    handle: Handler
    schema: Schema


def load_job_types(package: ModuleType, contracts: Path) -> dict[str, JobType]:
    """Load every module TYPE of `package` with contracts/jobs/TYPE.schema.json.

    Raises AttributeError where a module has no `handle`, OSError where its schema is missing.
    """
    return {
        module.name: JobType(
            import_module(f"{package.__name__}.{module.name}").handle,
            Schema(contracts / "jobs" / f"{module.name}.schema.json", "params"),
        )
        for module in iter_modules(package.__path__)
    }
