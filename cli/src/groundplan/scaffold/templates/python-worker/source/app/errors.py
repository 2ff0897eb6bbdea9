"""What may go wrong with a job, and the words for it."""

import asyncpg

DATABASE_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


class JobError(Exception):
    """A failure whose message people read in the job. A permanent one is not retried.

    An outage is nothing about this job: any other would fail now, too.
    """

    def __init__(self, message: str, *, permanent: bool = False, outage: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.outage = outage


def describe(error: BaseException) -> str:
    """The words for people: any other message than a JobError's may hold addresses or data."""
    if isinstance(error, JobError):
        return str(error)
    if isinstance(error, DATABASE_AWAY):
        return "The database did not answer."
    if isinstance(error, asyncpg.PostgresError):
        return f"The database refused a query (SQLSTATE {error.sqlstate})."
    kind = type(error).__name__
    return f"An unexpected error occurred ({kind}). The log of the worker tells more."
