"""What is wrong with the secrets and settings of production."""

import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundplan.model import env_file
from groundplan.model.place import PRODUCTION_FOLDER, PRODUCTION_SETTINGS
from groundplan.secrets import broker, certificates, rotation
from groundplan.secrets.initialise import CERTIFICATES, EXAMPLE
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.recipes import GIVEN
from groundplan.secrets.store import FILE_MODE, FOLDER_MODE

_PLACEHOLDERS = ("<random", "changeme", "change-me", "change_me", "replace-me", "your-")
_DEFAULTS = {"password", "postgres", "redis", "rabbitmq", "guest", "admin", "secret"}
_MIN_LENGTH = 12
_MIN_SIGNING_KEY = 32
_WARN_DAYS = certificates.WARN_BEFORE.days


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and what to type. A warning does not keep production from starting."""

    subject: str
    text: str
    hint: str
    is_warning: bool = False


def check(inventory: Inventory) -> Iterator[Problem]:
    """Everything that is wrong."""
    yield from _settings(inventory)
    if not inventory.store.folder.is_dir():
        missing = inventory.store.folder.relative_to(inventory.root)
        yield Problem(str(missing), "is missing", "./gp secrets init")
        return
    yield from _places(inventory)
    for name in inventory.names:
        yield from _secret(inventory, name)
    yield from _agreement(inventory)
    yield from _internal_certificates(inventory)
    yield from _public_certificate(inventory)
    yield from _tracked(inventory)
    for name, item in rotation.unfinished(inventory).items():
        text = "its old key is still believed" if item.overlap_ends else "is not finished"
        yield Problem(f"rotation of {name}", text, f"./gp secrets rotate {name}", is_warning=True)


def _settings(inventory: Inventory) -> Iterator[Problem]:
    if not (inventory.root / PRODUCTION_SETTINGS).exists():
        yield Problem(str(PRODUCTION_SETTINGS), "is missing", "./gp secrets init")
        return
    for name, example in env_file.read(inventory.root / EXAMPLE, {}).items():
        value = inventory.settings.get(name, "")
        hint = f"Put it into {PRODUCTION_SETTINGS}"
        if not value and example:  # what the example leaves empty may stay so
            yield Problem(name, "is not set", hint)
        elif re.search(r"\bexample\.(com|org|net)$", value):
            is_address = name.endswith("DOMAIN")
            yield Problem(name, f"is still the example's: {value}", hint, not is_address)


def _places(inventory: Inventory) -> Iterator[Problem]:
    store, workspace = inventory.store, inventory.workspace
    shown = store.folder.relative_to(inventory.root)
    if stat.S_IMODE(store.folder.stat().st_mode) != FOLDER_MODE:
        yield Problem(str(shown), "can be entered by others", f"chmod 700 {shown}")
    for name, file in workspace.secrets.items():
        if file and file.parent != store.folder and not file.exists():
            yield Problem(name, f"{file} is missing", "Put the secret there")


def _secret(inventory: Inventory, name: str) -> Iterator[Problem]:
    path = inventory.store.path(name).relative_to(inventory.root)
    value = inventory.store.find(name)
    if value is None:
        yield Problem(name, "is missing", "./gp secrets init")
        return
    if inventory.store.mode(name) != FILE_MODE:
        text = f"has the mode {inventory.store.mode(name):o}: containers read it as other users"
        yield Problem(name, text, f"chmod {FILE_MODE:o} {path}")
    if problem := weakness(name, value):
        yield Problem(name, problem, f"rm -f {path} && ./gp secrets init, or ./gp secrets rotate")


def weakness(name: str, value: str) -> str | None:
    """Why `value` is no good secret, or None."""
    if re.fullmatch(GIVEN, name) and not value:
        return None
    if not value.strip():
        return "is empty"
    if any(placeholder in value.lower() for placeholder in _PLACEHOLDERS):
        return "still holds a placeholder"
    if re.fullmatch(r".+-user|.+-definitions|.*certificate.*|internal-ca.*", name):
        return None
    least = _MIN_SIGNING_KEY if name == "jwt-keys" else _MIN_LENGTH
    for line in value.split("\n"):
        if line.lower() in _DEFAULTS:
            return "is a default"
        if len(line) < least:
            return f"is shorter than {least} characters"
        if len(set(line)) < least // 3:
            return "has too few different characters"
    return None


def _agreement(inventory: Inventory) -> Iterator[Problem]:
    """Secrets that are made of others must fit them."""
    find = inventory.store.find
    definitions, keys = find("rabbitmq-definitions"), find("storage-keys")
    logins = [
        (f"{service}-rabbitmq-user", f"{service}-rabbitmq-password")
        for service in inventory.services_with("rabbitmq-user")
    ]
    for user, password in logins:
        if definitions and not broker.accepts(definitions, find(user) or "", find(password) or ""):
            yield _unfit("rabbitmq-definitions", f"don't have {user} with its password")
    pair = f"{find('s3-access-key-id')},{find('s3-secret-access-key')}"
    if keys is not None and pair not in keys.split("\n"):
        yield _unfit("storage-keys", "don't have the key of the services")


def _unfit(name: str, text: str) -> Problem:
    return Problem(name, text, "./gp secrets rotate, or before the first start make them anew")


def _internal_certificates(inventory: Inventory) -> Iterator[Problem]:
    authority = inventory.store.find("internal-ca")
    for host in inventory.services_with("certificate"):
        name = f"{host}-certificate"
        certificate, key = inventory.store.find(name), inventory.store.find(f"{name}-key")
        if certificate is None:
            continue  # told already
        hint = f"./gp secrets rotate {name}"
        found = list(certificates.problems(certificate, [host], key))
        for problem in found:
            yield Problem(name, problem, hint)
        if found:
            continue
        if authority and not certificates.is_signed_by(certificate, authority):
            yield Problem(name, "is not signed by internal-ca", hint)
        yield from _ending(name, certificate, hint)
    if authority:
        yield from _ending("internal-ca", authority, "./gp secrets rotate internal-ca")


def _public_certificate(inventory: Inventory) -> Iterator[Problem]:
    """A certificate that was given for the domains; its two files stand in TLS."""
    given = inventory.settings
    paths = given.get("TLS", "").split()
    if len(paths) != 2:
        return
    hint = f"Put the certificate and its key into {CERTIFICATES}, and their names into TLS"
    texts = []
    for path in paths:
        place = CERTIFICATES / Path(path).name
        try:
            texts.append((inventory.root / place).read_text())
        except OSError as error:
            yield Problem(str(place), f"can't be read: {error.strerror}", hint)
    if len(texts) == 2:
        hosts = [given[name] for name in ("DOMAIN", "DOWNLOADS_DOMAIN") if given.get(name)]
        found = list(certificates.problems(texts[0], hosts, texts[1]))
        for problem in found:
            yield Problem(str(CERTIFICATES / Path(paths[0]).name), problem, hint)
        if not found:
            yield from _ending(str(CERTIFICATES / Path(paths[0]).name), texts[0], hint)


def _ending(name: str, certificate: str, hint: str) -> Iterator[Problem]:
    try:
        days = certificates.days_left(certificate)
    except ValueError:
        yield Problem(name, "can't be read", hint)
        return
    if days < _WARN_DAYS:
        yield Problem(name, f"ends in {days} days", hint, is_warning=days >= 0)


def _tracked(inventory: Inventory) -> Iterator[Problem]:
    done = subprocess.run(
        ["git", "-C", str(inventory.root), "ls-files", "--", str(PRODUCTION_FOLDER)],
        capture_output=True,
        text=True,
    )
    for file in done.stdout.splitlines():
        if not file.endswith(".example"):
            yield Problem(file, "is tracked by git", f"git rm --cached {file}, and rotate it")
