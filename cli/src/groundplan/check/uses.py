"""Which hosts each service names: in its environment, commands, configuration and code.

What only looks like NAME:PORT, as `python:3.13` or `user:1000`, counts only where it names a service
or stands where an address must stand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundplan.check.addresses import PAIR, QUOTED_PAIR, Address, find, is_name
from groundplan.check.facts import Facts
from groundplan.model.workspace import Service, Workspace

_HOST_VARIABLE = re.compile(r"(?:^|_|PG)HOST(?:NAME)?$")
_ADDRESS_VARIABLE = re.compile(
    r"ADDR|HOST|URL|URI|ENDPOINT|DSN|SERVER|BROKER|UPSTREAM|PROXY|CONNECTION|NODES"
)
_CODE = (
    ".py",
    ".ts",
    ".tsx",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    ".go",
    ".rb",
    ".rs",
    ".java",
    ".kt",
    ".php",
)
_CONFIGURATION = (".conf", ".cfg", ".ini", ".toml", ".properties", "Caddyfile")
_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|fixtures|mocks)/|(?:^|/)test_|[._-](?:test|spec)\.|conftest\.py$"
)
_HINT = re.compile(r"://|:\d")
_COMMENTS = ("#", "//", ";", "*")


@dataclass(frozen=True)
class Use:
    """A service names a host."""

    user: str
    host: str
    callee: str | None
    """The service of that name or alias; None if there is none."""
    port: int | None
    """None where only the name is given."""
    text: str
    """As it is written, for people."""
    file: str
    line: int
    source: str
    """"environment", "settings" (shared by all), "command", "configuration" or "code"."""


def uses(facts: Facts, workspace: Workspace) -> tuple[Use, ...]:
    """Every host of one word that a service of `workspace` names."""
    return facts.once(
        f"uses {workspace.environment}", lambda: tuple(_Search(facts, workspace).all())
    )


class _Search:
    """Looks through all services of one environment."""

    def __init__(self, facts: Facts, workspace: Workspace) -> None:
        self._facts = facts
        self._workspace = workspace
        self._elsewhere = {service: self._extra_hosts(service) for service in workspace.services}
        self._hosts = {name: name for name in workspace.services}
        for service in workspace.services.values():
            for alias in self._aliases(service):
                self._hosts.setdefault(alias, service.name)

    def all(self) -> Iterator[Use]:
        for service in self._workspace.services.values():
            for use in self._of(service):
                if use.host not in self._elsewhere[service.name]:
                    yield use

    def _of(self, service: Service) -> Iterator[Use]:
        yield from self._in_environment(service)
        yield from self._in_commands(service)
        yield from self._in_configuration(service)
        yield from self._in_sources(service)

    def _extra_hosts(self, service: str) -> set[str]:
        """Names that the service itself knows; they lead out of the workspace."""
        written = self._facts.written(self._workspace, "services", service, "extra_hosts") or ()
        return {re.split("[:=]", str(item))[0] for item in written}

    def _aliases(self, service: Service) -> Iterator[str]:
        if service.container_name:
            yield service.container_name
        networks = self._facts.written(self._workspace, "services", service.name, "networks")
        for network in networks.values() if isinstance(networks, dict) else ():
            yield from (network or {}).get("aliases", ())

    def _in_environment(self, service: Service) -> Iterator[Use]:
        for name, value in service.environment.items():
            for address in self._in_variable(service, name, value):
                file, line = self._facts.variable_place(self._workspace, service.name, name)
                source = "settings" if file.endswith(".env.example") else "environment"
                yield self._use(service, address, file, line, source)

    def _in_variable(self, service: Service, name: str, value: str) -> Iterator[Address]:
        if _HOST_VARIABLE.search(name) and is_name(value):
            yield Address(value, _sibling_port(service, name), value)
        for address in find(value):
            if address.is_url or address.host in self._hosts or _ADDRESS_VARIABLE.search(name):
                yield address

    def _in_commands(self, service: Service) -> Iterator[Use]:
        texts = {"command": service.command}
        if service.healthcheck:
            texts["healthcheck"] = service.healthcheck.test
        for key, words in texts.items():
            place = self._facts.place(self._workspace, "services", service.name, key)
            for address in find(" ".join(words)):
                if self._is_meant(address):
                    yield self._use(service, address, *place, "command")

    def _in_configuration(self, service: Service) -> Iterator[Use]:
        """The configuration of a server is what it mounts from config/."""
        for mount in service.mounts:
            source = mount.source if mount.is_bind else None
            folder = self._facts.relative(Path(source)) if source else ""
            if folder.startswith("config/"):
                for file in self._facts.below(folder):
                    yield from self._in_file(service, file, "configuration")

    def _in_sources(self, service: Service) -> Iterator[Use]:
        if not service.context:
            return
        folder = self._facts.relative(service.context)
        for file in self._facts.below(folder):
            if _TEST.search(file.removeprefix(f"{folder}/")):
                continue
            if file.endswith(_CONFIGURATION):
                yield from self._in_file(service, file, "configuration")
            elif file.endswith(_CODE):
                yield from self._in_file(service, file, "code")

    def _in_file(self, service: Service, file: str, source: str) -> Iterator[Use]:
        find_all = _in_code if source == "code" else _in_text
        key = f"addresses {file}"
        for line, address in self._facts.once(key, lambda: list(find_all(self._facts.text(file)))):
            is_likely = source == "configuration" and address.has_likely_port
            if is_likely or self._is_meant(address):
                yield self._use(service, address, file, line, source)

    def _is_meant(self, address: Address) -> bool:
        return address.is_url or (address.has_likely_port and address.host in self._hosts)

    def _use(self, service: Service, address: Address, file: str, line: int, source: str) -> Use:
        callee = self._hosts.get(address.host)
        return Use(
            service.name, address.host, callee, address.port, address.text, file, line, source
        )


def _sibling_port(service: Service, name: str) -> int | None:
    """The port of `REDIS_HOST` stands in `REDIS_PORT`."""
    port = service.environment.get(re.sub(r"HOST(?:NAME)?$", "PORT", name), "")
    return int(port) if port.isdecimal() and name not in ("HOST", "HOSTNAME") else None


def _in_text(text: str) -> Iterator[tuple[int, Address]]:
    """Each address outside of comments, with its line."""
    for number, line in _lines(text):
        yield from ((number, address) for address in find(line, PAIR))


def _in_code(text: str) -> Iterator[tuple[int, Address]]:
    """Each address that begins a literal, with its line."""
    for number, line in _lines(text):
        for address in find(line, QUOTED_PAIR):
            if address.start and line[address.start - 1] in "\"'`":
                yield number, address


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that may hold an address and are no comment."""
    for number, line in enumerate(text.split("\n"), 1):
        if _HINT.search(line) and not line.lstrip().startswith(_COMMENTS):
            yield number, line
