"""Body of the export route."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.job.domain import JobPriority


class ExportParams(BaseModel):
    """What to export, and how to write it: contracts/jobs/export.schema.json plus defaults."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["users"]
    format: Literal["csv", "jsonl"] = "csv"
    compression: Literal["gzip", "none"] = "gzip"


class ExportRequest(ExportParams):
    """What to export, and how soon."""

    priority: JobPriority = Field(
        default=JobPriority.NORMAL, description="`high` needs the permission job:manage"
    )

    @property
    def params(self) -> ExportParams:
        """What the worker needs to know."""
        return ExportParams(**self.model_dump(exclude={"priority"}))
