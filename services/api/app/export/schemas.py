"""Body of the export route, the same as contracts/jobs/export.schema.json plus defaults."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ExportParams(BaseModel):
    """What to export, and how to write it."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["users"]
    format: Literal["csv", "jsonl"] = "csv"
    compression: Literal["gzip", "none"] = "gzip"
