"""Programs of the distribution that a service asks for by `x-groundplan: programs`."""

from collections.abc import Sequence

from groundplan.model.workspace import Service
from groundplan.runtime.native.debian import Packages
from groundplan.runtime.native.drivers import postgres, redis
from groundplan.runtime.native.requirements import DebianProgram

PROGRAMS = {
    "postgresql": postgres.PROGRAM,
    "redis": redis.PROGRAM,
    "restic": DebianProgram("restic", Packages("restic", ("restic",)), "restic"),
}


def programs_of(service: Service) -> Sequence[DebianProgram]:
    """What `service` asks for."""
    return tuple(PROGRAMS[name] for name in service.programs)
