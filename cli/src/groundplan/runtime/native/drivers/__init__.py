"""How each kind of service is run as a process, chosen by its image.

A module of this folder is one driver: it knows a server's program, its files and its probe. A
service that is built here has the driver `source`. To run another image natively, add a module
and name it in `DRIVERS`.
"""

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.drivers import (
    ollama,
    pgadmin,
    postgres,
    rabbitmq,
    rclone,
    redis,
    redis_commander,
    source,
)
from groundplan.runtime.native.drivers.base import Driver

DRIVERS: dict[str, Driver] = {
    "ollama": ollama.DRIVER,
    "pgadmin4": pgadmin.DRIVER,
    "postgres": postgres.DRIVER,
    "rabbitmq": rabbitmq.DRIVER,
    "rclone": rclone.DRIVER,
    "redis": redis.DRIVER,
    "redis-commander": redis_commander.DRIVER,
}


def is_native(service: Service) -> bool:
    """True if a driver can run `service` without Docker."""
    return service.context is not None or service.image_name in DRIVERS


def driver_of(service: Service) -> Driver:
    """The driver that runs `service`; raises UserError for an image that no driver knows."""
    if service.context:
        return source.DRIVER
    try:
        return DRIVERS[service.image_name]
    except KeyError as error:
        raise UserError(
            f"{service.name} can't run without Docker: no native driver knows the image {service.image}.",
            hint=f"Native drivers: {', '.join(sorted(DRIVERS))}.",
        ) from error
