"""In production a service gets its secrets as files, and only its own."""

import re
from collections.abc import Iterator

from groundplan.check.facts import Facts
from groundplan.check.finding import Finding, Level
from groundplan.check.sensitive import FOLDER, is_secret, is_secret_file
from groundplan.model.place import SECRETS_FOLDER
from groundplan.model.workspace import Service

ID = "secret-as-file"
TITLE = "Secrets of production are files"
WHY = "A variable is shown by `docker inspect`, inherited by every child, and printed in crash reports."
FIX = f"Declare it under `secrets`, and give the service NAME_FILE: {FOLDER}NAME."
LEVEL = Level.ERROR

_MOUNTED = re.compile(re.escape(FOLDER) + r"([\w.-]+)")
_IN_URL = re.compile(r"\w+://[^\s/:@]*:[^\s/@]+@")


def check(facts: Facts) -> Iterator[Finding]:
    """Yield secrets in variables, secrets that are not granted, and secrets that nobody reads."""
    for service in facts.production.services.values():
        yield from _settings(facts, service)
        yield from _references(facts, service)
    granted = {name for s in facts.production.services.values() for name in s.secrets}
    for name in facts.production.secrets:
        place = facts.place(facts.production, "secrets", name)
        if name not in granted:  # it may be one that the tool makes others of
            yield Finding(f"The secret {name} is read by no service.", *place, level=Level.NOTE)
        for problem, fix in _declared(facts, name):
            yield Finding(f"The secret {name} {problem}.", *place, fix=fix)


def _settings(facts: Facts, service: Service) -> Iterator[Finding]:
    if service.settings_files:
        files = ", ".join(facts.relative(path) for path in service.settings_files)
        place = facts.place(facts.production, "services", service.name, "env_file")
        message = f"{service.name} gets all of {files} as variables in production."
        yield Finding(message, *place, fix="Write `env_file: !reset []` in the production file.")
        return
    for name, value in service.environment.items():
        place = facts.variable_place(facts.production, service.name, name)
        if (is_secret(name) and value) or _IN_URL.search(value):
            yield Finding(f"{service.name} gets the secret {name} as a variable.", *place)
        elif is_secret_file(name) and not value.startswith(FOLDER):
            fix = f"Write a path below {FOLDER}."
            yield Finding(f"{name} of {service.name} is no secret of Compose.", *place, fix=fix)


def _references(facts: Facts, service: Service) -> Iterator[Finding]:
    for variable, value in service.environment.items():
        for name in set(_MOUNTED.findall(value)) - set(service.secrets):
            place = facts.variable_place(facts.production, service.name, variable)
            message = f"{variable} names the secret {name}, which {service.name} is not granted."
            yield Finding(message, *place, fix=f"Add {name} to the `secrets` of {service.name}.")


def _declared(facts: Facts, name: str) -> Iterator[tuple[str, str]]:
    file = facts.production.secrets[name]
    wanted = (SECRETS_FOLDER / name).as_posix()
    if file is None and not facts.written(facts.production, "secrets", name, "external"):
        yield "has no file", f"Write `file: ./{wanted}`."
    elif file is not None and facts.relative(file) != wanted:
        yield f"is read from {facts.relative(file)}", f"Write `file: ./{wanted}`."
