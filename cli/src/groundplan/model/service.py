"""A service as a typed object, made of its node in the merged Compose files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundplan.model import env_file, short
from groundplan.model.confinement import Confinement, confinement_of
from groundplan.model.shapes import Place
from groundplan.model.source import Tree
from groundplan.model.units import duration

_TIERS = {"BACKING_SERVICES": "data", "DEVELOPMENT_SERVICES": "tools"}


@dataclass(frozen=True)
class Port:
    """A port that a service listens on, and where it is published on this machine."""

    target: int
    published: int | None = None
    variable: str | None = None
    """The variable that moves `published`; None where the number is fixed."""
    host: str | None = None
    """The address of this machine that it is published on; None means all of them."""
    protocol: str = "TCP"
    """What is spoken there, for people: "HTTP", "AMQP"; from `x-groundplan.protocols`."""
    transport: str = "tcp"


@dataclass(frozen=True)
class Mount:
    """A volume or a folder of this machine at a path in the service."""

    target: str
    source: str | None
    """Absolute path of a bind mount, name of a volume, or None for an anonymous volume."""
    is_bind: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Healthcheck:
    """When a service counts as healthy; times in seconds."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True)
class Service:
    """One service of the Compose files."""

    name: str
    image: str
    context: Path | None
    """Folder of its source, for services that are built here."""
    command: tuple[str, ...]
    """The whole of it, with its entrypoint."""
    environment: dict[str, str]
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    depends_on: dict[str, str]
    """Service name → condition, e.g. "service_healthy"."""
    healthcheck: Healthcheck | None
    restart: str = "no"
    stop_grace_period: float = 10.0
    memory_limit: str | None = None
    cpu_limit: str | None = None
    ready: str | None = None
    """HTTP path that answers 2xx once the service is ready."""
    is_tool: bool = False
    """Tools are started on demand only."""
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Further commands that run in the service's environment, e.g. "migrate"."""
    programs: tuple[str, ...] = ()
    """What its image has beside its own toolchain, and the native runtime puts on its PATH."""
    section: str | None = None
    """The markers between which it stands: "SERVICES", "BACKING_SERVICES", "DEVELOPMENT_SERVICES"."""
    title: str = ""
    """Its name for people, e.g. "PostgreSQL"; the service's name where none is given."""
    role: str = ""
    """What it is, in a few words for people, e.g. "database"."""
    tier: str = "application"
    """"edge", "application", "data" or "tools": which side of which security boundary it is on."""
    scaling: str | None = None
    """How it grows, e.g. "horizontal (stateless)"; the first word is "horizontal" or "vertical"."""
    networks: tuple[str, ...] = ()
    replicas: int = 1
    container_name: str | None = None
    static_address: bool = False
    """True if a network gives it a fixed IP address."""
    secrets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    is_active: bool = True
    """False while none of its profiles is in COMPOSE_PROFILES; `up` leaves it out then."""
    contract: str | None = None
    """Path of its OpenAPI document below the root."""
    is_public: bool = False
    """True if it may be reached from outside in production."""
    entrypoint: tuple[str, ...] = ()
    """The part of `command` that takes the place of the image's own entrypoint."""
    dockerfile: Path | None = None
    """What a service that is built here is built by."""
    target: str | None = None
    """The stage of `dockerfile` that is built; None means the last one."""
    settings_files: tuple[Path, ...] = ()
    """Its `env_file`."""
    confinement: Confinement = field(default_factory=Confinement)

    @property
    def image_name(self) -> str:
        """The last part of the image's name, without its tag: "postgres" for "postgres:17"."""
        return self.image.split("/")[-1].split(":")[0]


@dataclass(frozen=True)
class Inputs:
    """What the values of a service are made of besides its node."""

    place: Place
    """The Compose files."""
    variables: Mapping[str, str]
    """Values for what `environment` names without one."""
    env_files: Mapping[Path, Mapping[str, str]]
    """Files of settings that are read already."""


def service_of(name: str, node: Tree, inputs: Inputs, section: str | None = None) -> Service:
    """The service of a merged node; `section` is the markers between which it stands."""
    place = inputs.place.child("services").child(name)
    extension = node.get("x-groundplan", {})
    deploy = node.get("deploy") or {}
    limits = deploy.get("resources", {}).get("limits", {})
    networks = node.get("networks") or {"default": None}
    build = node.get("build")
    context = Path(build.get("context", place.folder)) if build else None
    return Service(
        name=name,
        image=node.get("image", ""),
        context=context,
        command=(*(node.get("entrypoint") or ()), *(node.get("command") or ())),
        environment=environment(node, inputs, place),
        ports=tuple(_ports(node, place)),
        mounts=tuple(_mount(item) for item in node.get("volumes", [])),
        depends_on={
            other: dependency["condition"]
            for other, dependency in node.get("depends_on", {}).items()
        },
        healthcheck=_healthcheck(node.get("healthcheck", {})),
        restart=node.get("restart", "no"),
        stop_grace_period=duration(node.get("stop_grace_period", "10s")),
        memory_limit=limits.get("memory"),
        cpu_limit=limits.get("cpus"),
        ready=extension.get("ready"),
        is_tool=extension.get("tool", False),
        commands={key: tuple(words) for key, words in extension.get("commands", {}).items()},
        programs=tuple(extension.get("programs", ())),
        section=section,
        title=extension.get("title", name),
        role=extension.get("role", ""),
        tier=extension.get("tier") or _TIERS.get(section or "", "application"),
        scaling=extension.get("scaling"),
        networks=tuple(networks),
        replicas=int(deploy.get("replicas") or node.get("scale") or 1),
        container_name=node.get("container_name"),
        static_address=any("ipv4_address" in (value or {}) for value in networks.values()),
        secrets=tuple(item["source"] for item in node.get("secrets", [])),
        profiles=tuple(node.get("profiles", [])),
        is_active=_is_active(node.get("profiles", []), inputs.variables),
        contract=extension.get("contract"),
        is_public=extension.get("public", False),
        entrypoint=tuple(node.get("entrypoint") or ()),
        dockerfile=context / (build or {}).get("dockerfile", "Dockerfile") if context else None,
        target=(build or {}).get("target"),
        settings_files=tuple(Path(item["path"]) for item in node.get("env_file", [])),
        confinement=confinement_of(node),
    )


def _is_active(profiles: Sequence[str], variables: Mapping[str, str]) -> bool:
    active = {name.strip() for name in variables.get("COMPOSE_PROFILES", "").split(",")}
    return not profiles or "*" in active or not active.isdisjoint(profiles)


def environment(node: Tree, inputs: Inputs, place: Place) -> dict[str, str]:
    """The environment of a service: its files of settings, and over them its own values."""
    values: dict[str, str] = {}
    for index, item in enumerate(node.get("env_file", [])):
        path = Path(item["path"])
        if path in inputs.env_files:
            values.update(inputs.env_files[path])
        elif path.is_file():
            values.update(env_file.read(path, inputs.variables))
        elif item.get("required", True):
            raise place.child("env_file").child(index).error(f"is missing: there is no {path}")
    for key, value in node.get("environment", {}).items():
        given = inputs.variables.get(key) if value is None else value
        if given is not None:
            values[key] = given
    return values


def _ports(node: Tree, place: Place) -> Iterable[Port]:
    """The published ports, and after them those that are only exposed."""
    protocols = node.get("x-groundplan", {}).get("protocols", {})

    def protocol(target: int, transport: str) -> str:
        return str(protocols.get(str(target), transport.upper()))

    for index, port in enumerate(node.get("ports", [])):
        number = port.get("published") or ""
        if "-" in number:
            hint = "Write one port: Groundplan picks a free one where it is taken."
            raise (
                place.child("ports").child(index).error(f"publishes the range {number}", hint=hint)
            )
        yield Port(
            port["target"],
            int(number) if number else None,
            port.get(short.VARIABLE),
            port.get("host_ip"),
            protocol(port["target"], port["protocol"]),
            port["protocol"],
        )
    targets = {port["target"] for port in node.get("ports", [])}
    for text in node.get("expose", []):
        numbers, _, transport = text.partition("/")
        for target in short.span(numbers, place.child("expose")):
            if target not in targets:
                yield Port(
                    target,
                    protocol=protocol(target, transport or "tcp"),
                    transport=transport or "tcp",
                )


def _mount(item: Tree) -> Mount:
    return Mount(
        item["target"],
        item.get("source"),
        is_bind=item["type"] == "bind",
        read_only=item.get("read_only", False),
    )


def _healthcheck(node: Tree) -> Healthcheck | None:
    test = node.get("test", [])
    if not node or node.get("disable") or test == ["NONE"]:
        return None
    return Healthcheck(
        test=tuple(test),
        interval=duration(node.get("interval", "30s")),
        timeout=duration(node.get("timeout", "30s")),
        retries=node.get("retries", 3),
        start_period=duration(node.get("start_period", "0s")),
    )
