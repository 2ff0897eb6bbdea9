"""One line of what `gp doctor` reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the report. status: "ok", "fetch" (`up` gets it), "note" or "missing"."""

    subject: str
    status: str
    detail: str
