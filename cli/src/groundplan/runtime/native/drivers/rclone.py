"""rclone, which serves a folder as S3."""

import os
from collections.abc import Sequence
from pathlib import Path

from groundplan.errors import UserError
from groundplan.model.workspace import Service
from groundplan.runtime.native.addresses import base_environment
from groundplan.runtime.native.drivers.base import Launch, Site
from groundplan.runtime.native.probes import HttpProbe
from groundplan.runtime.native.requirements import Requirement, WheelProgram

PROGRAM = WheelProgram("rclone", "rclone", "bin/rclone")


class _Rclone:
    def requirements(self, service: Service) -> Sequence[Requirement]:
        return (PROGRAM,)

    def launch(self, service: Service, site: Site) -> Launch:
        if not service.environment.get("RCLONE_AUTH_KEY"):  # without one it lets everybody in
            raise UserError(f"{service.name} needs RCLONE_AUTH_KEY.", hint="Set it in config/.env.")
        for mount in service.mounts:
            site.volume(service, mount.target)
        port = site.addresses.port(service.name, service.ports[0].target)
        own = {
            name: value for name, value in service.environment.items() if name.startswith("RCLONE_")
        }
        run = site.run_folder(service)
        return Launch(
            argv=(
                str(PROGRAM.path),
                *(site.addresses.translate(word, service) for word in service.command),
            ),
            environment={
                **base_environment(),
                **own,
                "RCLONE_CONFIG": os.devnull,
                "HOME": str(run),
            },
            cwd=Path(run),
            # A request without a signature is refused with 403, by a server that works.
            probe=HttpProbe(f"http://127.0.0.1:{port}/", healthy_below=500),
            account=site.account,
            url=f"http://localhost:{port}",
        )


DRIVER = _Rclone()
