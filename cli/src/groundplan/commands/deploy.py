"""`gp deploy`: brings production up, and what runs to the newest version."""

import json
from dataclasses import asdict

from groundplan import render
from groundplan.deploy import readiness
from groundplan.deploy.deployment import Deployment, deployment_of
from groundplan.deploy.plan import Step
from groundplan.model.place import find_root
from groundplan.secrets.inventory import Inventory


def run(names: list[str], no_build: bool, force: bool, as_json: bool, dry_run: bool) -> None:
    """Check, build, and bring `names` or all services to what the files say."""
    deployment = deployment_of(find_root())
    for name in names:
        deployment.workspace.service(name)
    if dry_run:
        _print(deployment.plan(names, force), as_json)
        return
    readiness.require(deployment.workspace.root)
    with Inventory(deployment.workspace.root).store.locked():
        if not no_build:
            deployment.build(names, quiet=as_json)
        _carry_out(deployment, deployment.plan(names, force), as_json)


def _carry_out(deployment: Deployment, steps: list[Step], as_json: bool) -> None:
    names = [name for step in steps for name in step.services]
    renderer = render.renderer(names, as_json, with_logs=False)
    try:
        deployment.carry_out(steps, renderer.show)
    finally:
        renderer.close()


def _print(steps: list[Step], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(step) for step in steps]))
        return
    for step in steps:
        print(f"{step.action:<8} {', '.join(step.services)}")
