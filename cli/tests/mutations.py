"""Changes to this repository that make its documents untrue, and changes that don't.

Each is made from what the repository holds today, so the corpus grows with it.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from groundplan.check import documents
from groundplan.check.facts import Facts
from groundplan.check.rules.service_documented import page_of, service_of
from groundplan.check.sensitive import is_secret
from groundplan.model.reach import shares_network
from groundplan.model.workspace import Service

BASE = "docker-compose.yml"
DEVELOPMENT = "docker-compose.development.yml"
PRODUCTION = "docker-compose.production.yml"
COMPOSE = (BASE, DEVELOPMENT, PRODUCTION)
FLOWS = "docs/architecture/flows.yaml"
OVERVIEW = "docs/architecture/overview.md"
OPENAPI = "contracts/openapi.json"

_GENERATED = re.compile(r"<!-- (/?)groundplan:([\w-]+) -->")
T = TypeVar("T")

_AT_MOST = int(os.environ.get("MUTATIONS", "6"))
"""Mutations of one kind: more of the same prove little more. MUTATIONS=1000 tries them all."""


@dataclass(frozen=True)
class Mutation:
    """New contents of some files, and what the check must say of them."""

    kind: str
    name: str
    files: dict[str, str | None]
    """New text by file; None deletes the file."""
    rule: str
    """The rule that must find it; empty if none may find anything."""
    file: str = ""
    line: int | None = None
    also: frozenset[str] = frozenset()
    """Other rules that rightly find something too."""


@dataclass
class Corpus:
    """Builds the mutations of one workspace."""

    facts: Facts
    found: list[Mutation] = field(default_factory=list)

    def lines(self, file: str) -> list[str]:
        """The lines of a file without their ends."""
        return self.facts.text(file).split("\n")

    def change(
        self, kind: str, file: str, line: int, new: str | None, rule: str, *also: str,
        at: tuple[str, int | None] | None = None,
    ) -> None:  # fmt: skip
        """Replace one line (None deletes it, line 0 of `new` goes before); expect `rule` there."""
        lines = self.lines(file)
        text = lines[:]
        text[line - 1 : line] = [] if new is None else [new]
        self.add(
            kind, f"{file}:{line} {new!r}", {file: "\n".join(text)}, rule, at or (file, line), *also
        )

    def insert(
        self, kind: str, file: str, after: int, new: str, rule: str, *also: str,
        at: tuple[str, int | None] | None = None,
    ) -> None:  # fmt: skip
        """Insert lines below a line; expect `rule` at the last of them."""
        lines = self.lines(file)
        added = new.split("\n")
        text = "\n".join([*lines[:after], *added, *lines[after:]])
        self.add(
            kind,
            f"{file}:{after}+ {new!r}",
            {file: text},
            rule,
            at or (file, after + len(added)),
            *also,
        )

    def add(
        self,
        kind: str,
        name: str,
        files: dict[str, str | None],
        rule: str,
        at: tuple[str, int | None] = ("", None),
        *also: str,
    ) -> None:
        """Add a mutation. A change of a Compose file or of the flows may change generated documents too."""
        derived = {"docs-current"} if {*COMPOSE, FLOWS} & files.keys() else set()
        self.found.append(Mutation(kind, name, files, rule, *at, frozenset({*also, *derived})))

    def service_line(self, name: str, file: str) -> int:
        """The line where a Compose file names a service."""
        return self.lines(file).index(f"  {name}:") + 1

    def line_in(self, service: str, file: str, wanted: str) -> int | None:
        """The first line of a service in a Compose file that contains `wanted`."""
        if f"  {service}:" not in self.lines(file):
            return None
        first = self.service_line(service, file)
        for number, line in enumerate(self.lines(file)[first:], first + 1):
            if line.strip() and not line.startswith("   "):
                return None
            if wanted in line:
                return number
        return None


def harmful(facts: Facts) -> list[Mutation]:
    """All changes that the check must find."""
    corpus = Corpus(facts)
    for make in (
        _ports_in_pages, _links, _pages, _sections, _commands, _generated, _markers, _volumes, _published,
        _flows, _calls, _hosts, _images, _scaling, _limits, _secrets, _contract, _yaml, _ports_taken,
        _networks, _exceptions, _containers, _privileges, _production_secrets, _dockerfiles,
    ):  # fmt: skip
        make(corpus)
    return _unique(corpus.found)


def _unique(found: Iterable[Mutation]) -> list[Mutation]:
    by_kind: dict[str, dict[str, Mutation]] = {}
    for mutation in found:
        content = json.dumps(mutation.files, sort_keys=True)
        by_kind.setdefault(mutation.kind, {})[content] = mutation
    return [mutation for same in by_kind.values() for mutation in _some(same.values())]


def _some(items: Iterable[T]) -> list[T]:
    """At most so many of `items`, spread evenly."""
    listed = list(items)
    step = max(1, -(-len(listed) // _AT_MOST))
    return listed[::step]


def _is_generated(corpus: Corpus, page: str, line: int) -> bool:
    before = [_GENERATED.search(text) for text in corpus.lines(page)[:line]]
    marks = [match for match in before if match]
    return bool(marks) and not marks[-1][1]


# -- pages ------------------------------------------------------------------------------------


def _ports_in_pages(corpus: Corpus) -> None:
    pattern = re.compile(r"(?<![\w.])((?:localhost|127\.0\.0\.1):)\d{2,5}(?!\d)")
    names = "|".join(corpus.facts.development.services)
    address = re.compile(rf"(?<![\w./:-])((?:{names}):)\d{{2,5}}(?![\d.])")
    for page in corpus.facts.pages:
        for number, line in enumerate(corpus.lines(page), 1):
            for form in (pattern, address):
                if form.search(line) and not _is_generated(corpus, page, number):
                    changed = form.sub(lambda match: match[1] + "4999", line)
                    corpus.change("port in a page", page, number, changed, "port-documented")
        if not (name := service_of(page)):
            continue
        services = {**corpus.facts.production.services, **corpus.facts.development.services}
        ports = {p.target for p in services[name].ports}
        for row in documents.rows(corpus.facts, page):
            for header, cell in row.cells.items():
                match = re.search(r"\d{2,5}", cell)
                if "listens" in header and match and int(match[0]) in ports:
                    line = corpus.lines(page)[row.line - 1].replace(match[0], "4999")
                    corpus.change("port in a table", page, row.line, line, "port-documented")


def _links(corpus: Corpus) -> None:
    found = [
        (page, link)
        for page in corpus.facts.pages
        for link in documents.links(corpus.facts, page)
        if not re.match(r"[a-z]+:", link.text) and not _is_generated(corpus, page, link.line)
    ]
    for page, link in _some(found):
        line = corpus.lines(page)[link.line - 1]
        if link.text not in line:
            continue
        path, _, anchor = link.text.partition("#")
        if path:
            broken = line.replace(link.text, f"{path}-gone{'#' if anchor else ''}{anchor}")
            corpus.change("link broken", page, link.line, broken, "link")
    anchored = [(page, link) for page, link in found if "#" in link.text]
    for page, link in anchored:
        line = corpus.lines(page)[link.line - 1].replace(link.text, f"{link.text}-gone")
        corpus.change("anchor broken", page, link.line, line, "link")


def _pages(corpus: Corpus) -> None:
    facts = corpus.facts
    for name in facts.development.services:
        page = page_of(name)
        if page not in facts.files:
            continue
        file = next(f for f in COMPOSE if f"  {name}:" in corpus.lines(f))
        at = (file, corpus.service_line(name, file))
        followers = ("link", "docs-current")
        corpus.add("page deleted", page, {page: None}, "service-documented", at, *followers)
        other = page_of(f"{name}-old")
        files: dict[str, str | None] = {page: None, other: facts.text(page)}
        corpus.add("page renamed", page, files, "service-documented", (other, 1), *followers)
    for page in ("docs/operations/deployment.md", "docs/adr/README.md"):
        corpus.add("page deleted", page, {page: None}, "link", (OVERVIEW, None))


def _sections(corpus: Corpus) -> None:
    for page in corpus.facts.pages:
        if not service_of(page):
            continue
        for heading in documents.headings(corpus.facts, page):
            if heading.text in (
                "## How it works",
                "## What it holds",
                "## Settings",
                "## When it fails",
                "## Work on it",
            ):
                new = f"{heading.text} and so on"
                corpus.change(
                    "section renamed",
                    page,
                    heading.line,
                    new,
                    "service-documented",
                    "link",
                    at=(page, 1),
                )


def _commands(corpus: Corpus) -> None:
    found = [
        (page, piece.line)
        for page in corpus.facts.pages
        for piece in documents.code(corpus.facts, page)
        if re.search(r"\./gp [a-z]", piece.text) and not _is_generated(corpus, page, piece.line)
    ]
    for page, number in _some(dict.fromkeys(found)):
        line = corpus.lines(page)[number - 1]
        changed = re.sub(r"(\./gp )[a-z]+", r"\1frobnicate", line)
        if changed != line:
            corpus.change("command unknown", page, number, changed, "command-documented")
        option = re.sub(
            r"(\./gp (?:up|down|status|logs|check|docs|doctor|lint)\b)", r"\1 --frobnicate", line
        )
        if option != line:
            corpus.change("option unknown", page, number, option, "command-documented")


def _generated(corpus: Corpus) -> None:
    lines = corpus.lines(OVERVIEW)
    inside, opened = False, 0
    for number, line in enumerate(lines, 1):
        if match := _GENERATED.search(line):
            kind = "block marker"
            corpus.change(
                f"{kind} lost", OVERVIEW, number, None, "docs-current", at=(OVERVIEW, None)
            )
            corpus.insert(
                f"{kind} doubled", OVERVIEW, number, line, "docs-current", at=(OVERVIEW, None)
            )
            inside, opened = not match[1], number
        elif inside and line.strip() and (number - opened) % 3 == 0 and re.search(r"\w", line):
            changed = re.sub(r"\w(?=\W*$)", "7x", line)
            corpus.change(
                "generated text",
                OVERVIEW,
                number,
                changed,
                "docs-current",
                "link",
                "port-documented",
                at=(OVERVIEW, None),
            )
    for file in corpus.facts.below("docs/architecture"):
        if file.endswith(".svg"):
            text = corpus.facts.text(file).replace("</svg>", "<!-- changed --></svg>")
            corpus.add("picture changed", file, {file: text}, "docs-current", (file, None))
            corpus.add("picture deleted", file, {file: None}, "docs-current", (file, None), "link")


# -- Compose files ----------------------------------------------------------------------------


def _markers(corpus: Corpus) -> None:
    for file in COMPOSE:
        for number, line in enumerate(corpus.lines(file), 1):
            if not re.match(r"\s*##<<", line):
                continue
            corpus.change(
                "marker lost", file, number, None, "marker", "scaling-feasible", at=(file, None)
            )
            corpus.insert(
                "marker doubled", file, number, line, "marker", "scaling-feasible", at=(file, None)
            )
            other = (
                line.replace("##<</", "##<<") if "##<</" in line else line.replace("##<<", "##<</")
            )
            corpus.change(
                "marker turned round",
                file,
                number,
                other,
                "marker",
                "scaling-feasible",
                at=(file, None),
            )


def _volumes(corpus: Corpus) -> None:
    for file in (BASE, DEVELOPMENT):
        for number, line in enumerate(corpus.lines(file), 1):
            if match := re.match(r"( {6})(backup|holds):", line):
                if file == BASE:
                    corpus.change(
                        f"volume without {match[2]}",
                        file,
                        number,
                        None,
                        "volume-backup",
                        at=(file, None),
                    )
                if match[2] == "backup" and file == BASE:
                    none = f"{match[1]}backup: none"
                    corpus.change(
                        "backup none without a reason", file, number, none, "volume-backup"
                    )
    for name in corpus.facts.development.volumes:
        text = corpus.facts.text(BASE).replace(f"- {name}:", f"- {name}2:")
        if text != corpus.facts.text(BASE):
            corpus.add(
                "volume undeclared",
                name,
                {BASE: text},
                "compose-valid",
            )
    number = corpus.lines(BASE).index("volumes:") + 1
    spare = "  spare-data:\n    x-groundplan: {holds: nothing, backup: weekly}"
    corpus.insert("volume unused", BASE, number, spare, "volume-declared", at=(BASE, number + 1))


def _published(corpus: Corpus) -> None:
    for name, service in corpus.facts.production.services.items():
        if service.is_public or not service.ports:
            continue
        port = service.ports[0].target
        own = f'    ports: ["127.0.0.1:{port}:{port}"]'
        if f"  {name}:" in corpus.lines(PRODUCTION):
            corpus.insert(
                "published in production",
                PRODUCTION,
                corpus.service_line(name, PRODUCTION),
                own,
                "public-only",
                "scaling-feasible",
            )
        else:
            first = corpus.lines(PRODUCTION).index("services:") + 1
            corpus.insert(
                "published in production",
                PRODUCTION,
                first,
                f"  {name}:\n{own}",
                "public-only",
                "scaling-feasible",
            )
    for number, line in enumerate(corpus.lines(DEVELOPMENT), 1):
        if "127.0.0.1:${" in line:
            changed = line.replace("127.0.0.1:${", "${")
            corpus.change("published to the network", DEVELOPMENT, number, changed, "public-only")
    for name, service in corpus.facts.development.services.items():
        if service.is_tool:
            first = corpus.lines(PRODUCTION).index("services:") + 1
            tool = f"  {name}:\n    image: {service.image}\n    x-groundplan: {{tool: true, tier: tools}}"
            corpus.insert(
                "tool in production",
                PRODUCTION,
                first,
                tool,
                "public-only",
                *("marker", "container-hardened", "limits-complete"),
                at=(PRODUCTION, None),
            )
    for name in corpus.facts.production.services:
        if stated := corpus.line_in(name, PRODUCTION, "public: true"):
            corpus.change(
                "not public any more",
                PRODUCTION,
                stated,
                None,
                "public-only",
                "scaling-feasible",
                at=(PRODUCTION, None),
            )


def _yaml(corpus: Corpus) -> None:
    for name, service in corpus.facts.development.services.items():
        file = BASE if f"  {name}:" in corpus.lines(BASE) else DEVELOPMENT
        line = corpus.service_line(name, file)
        corpus.insert("unknown key", file, line, "    enviroment: {A: b}", "compose-valid")
        if service.depends_on and (number := corpus.line_in(name, file, "depends_on:")):
            wrong = "      nobody:\n        condition: service_healthy"
            corpus.insert(
                "depends on nobody", file, number, wrong, "compose-valid", at=(file, None)
            )
    for file in COMPOSE:
        number = corpus.lines(file).index("services:") + 1
        corpus.insert(
            "broken YAML", file, number, "  broken: [", "compose-valid", "marker", at=(file, None)
        )
        corpus.insert(
            "tab", file, number, "\tbroken: 1", "compose-valid", "marker", at=(file, None)
        )
    corpus.insert("broken YAML", FLOWS, 5, "  - {", "compose-valid", at=(FLOWS, None))


def _ports_taken(corpus: Corpus) -> None:
    for number, line in enumerate(corpus.lines(DEVELOPMENT), 1):
        match = re.search(r":-(\d+)\}", line)
        if match and "127.0.0.1:" in line and match[1] != "8000":
            changed = line.replace(f":-{match[1]}}}", ":-8000}")
            at = (DEVELOPMENT, None)
            corpus.change(
                "port taken twice",
                DEVELOPMENT,
                number,
                changed,
                "port-conflict",
                "port-documented",
                at=at,
            )


def _networks(corpus: Corpus) -> None:
    network = next(iter(corpus.facts.development.networks))
    for service in ("postgres", "redis", "rabbitmq", "storage", "api"):
        if number := corpus.line_in(service, BASE, f"networks: [{network}]"):
            text = corpus.lines(BASE)[:]
            text[number - 1] = "    networks: [apart]"
            text.insert(text.index("networks:") + 1, "  apart:")
            files: dict[str, str | None] = {BASE: "\n".join(text)}
            corpus.add(
                "network split",
                service,
                files,
                "host-reachable",
                ("", None),
                "flow-declared",
                "reach-unused",
            )
    subnet = next(n for n, line in enumerate(corpus.lines(BASE), 1) if "subnet:" in line)
    moved = corpus.lines(BASE)[subnet - 1].replace("172.20", "172.30")
    corpus.change("subnet changed", BASE, subnet, moved, "docs-current", at=(OVERVIEW, None))
    for number, line in enumerate(corpus.lines(BASE), 1):
        if match := re.match(r"\s+(title|role|scaling): (.+)", line):
            changed = line.replace(match[2], "horizontal, somehow")
            corpus.change(
                f"{match[1]} changed",
                BASE,
                number,
                changed,
                "docs-current",
                "scaling-feasible",
                "port-documented",
                at=("", None),
            )


# -- calls ------------------------------------------------------------------------------------


def _flows(corpus: Corpus) -> None:
    facts = corpus.facts
    pairs = [(call.caller, call.callee) for call in facts.flows.calls]
    for call in facts.flows.calls:
        line = corpus.lines(FLOWS)[call.line - 1]
        if f"from: {call.caller}," not in line or f"to: {call.callee}," not in line:
            continue
        wrong = line.replace(f"from: {call.caller},", "from: nobody,")
        corpus.change("caller unknown", FLOWS, call.line, wrong, "flow-declared", "flow-request")
        wrong = line.replace(f"to: {call.callee},", "to: nobody,")
        corpus.change("callee unknown", FLOWS, call.line, wrong, "flow-declared", "flow-request")
        target = facts.development.services.get(call.callee)
        if target and target.contract and call.operation in line:
            wrong = line.replace(call.operation, f"{call.operation}/nothing")
            corpus.change("path unknown", FLOWS, call.line, wrong, "flow-request")
            if "GET /" in line:
                wrong = line.replace("GET /", "PURGE /")
                corpus.change("method unknown", FLOWS, call.line, wrong, "flow-request")
        if (
            pairs.count((call.caller, call.callee)) == 1
            and call.caller in facts.development.services
        ):
            corpus.change(
                "call undeclared",
                FLOWS,
                call.line,
                None,
                # Who calls a tool is drawn, but no rule asks for it.
                "docs-current" if target and target.tier == "tools" else "flow-declared",
                "flow-request",
                at=("", None),
            )
    for caller, callee in sorted(set(pairs)):
        same = [c.line for c in facts.flows.calls if (c.caller, c.callee) == (caller, callee)]
        if (
            caller in facts.development.services
            and callee in facts.development.services
            and len(same) > 1
        ):
            kept = [line for n, line in enumerate(corpus.lines(FLOWS), 1) if n not in same]
            files: dict[str, str | None] = {FLOWS: "\n".join(kept)}
            corpus.add(
                "calls undeclared",
                f"{caller}-{callee}",
                files,
                "flow-declared",
                ("", None),
                "flow-request",
                "compose-valid",
            )
    for flow in facts.flows.flows:
        first = flow.steps[0].line
        corpus.change(
            "flow begins in the middle",
            FLOWS,
            first,
            corpus.lines(FLOWS)[flow.steps[-1].line - 1],
            "flow-request",
            "flow-declared",
            at=(FLOWS, None),
        )


def _calls(corpus: Corpus) -> None:
    facts = corpus.facts
    declared = {(call.caller, call.callee) for call in facts.flows.calls}
    for service in facts.production.services.values():
        number = corpus.line_in(service.name, BASE, "environment:")
        if (
            not service.context
            or not number
            or corpus.lines(BASE)[number - 1].strip() != "environment:"
        ):
            continue
        for other in facts.production.services.values():
            if (
                other.ports
                and other.name != service.name
                and (service.name, other.name) not in declared
            ):
                entry = f"      EXTRA_ADDRESS: {other.name}:{other.ports[0].target}"
                reached = shares_network(service, other)
                is_there = reached and other.name in facts.development.services
                apart = () if is_there else ("host-reachable",)
                corpus.insert(
                    "undeclared call in the environment",
                    BASE,
                    number,
                    entry,
                    "flow-declared",
                    *apart,
                )


def _hosts(corpus: Corpus) -> None:
    address = re.compile(r"^\s+\w+: (?:\w+://)?([a-z]+):(\d+)$")
    for number, line in enumerate(corpus.lines(BASE), 1):
        if (match := address.match(line)) and "image:" not in line:
            also = ("flow-declared",)
            corpus.change(
                "host unknown",
                BASE,
                number,
                line.replace(f"{match[1]}:", f"{match[1]}s:"),
                "host-reachable",
                *also,
            )
            corpus.change(
                "port of a host wrong",
                BASE,
                number,
                line.replace(f":{match[2]}", ":4999"),
                "host-reachable",
                *also,
            )
    for file, text in (
        ("services/api/app/server.py", 'BILLING = "http://billing:8080/v1"'),
        ("services/worker/src/settings.ts", "export const billing = 'http://billing:8080/v1';"),
        ("services/api/app/server.py", 'POSTGRES = "postgres:4999"'),
        (
            "config/rabbitmq/rabbitmq.conf",
            "# billing\nauth_http.user_path = http://billing:8080/user",
        ),
    ):
        corpus.insert(
            "host unknown in code", file, len(corpus.lines(file)) - 1, text, "host-reachable"
        )


def _images(corpus: Corpus) -> None:
    for file in COMPOSE:
        for number, line in enumerate(corpus.lines(file), 1):
            match = re.match(r"\s+image: ([\w./-]+):([\w.-]+)$", line)
            if match:
                for name, tag in (("image latest", ":latest"), ("image without a tag", "")):
                    if f":{match[2]}" != tag:
                        changed = line.replace(f":{match[2]}", tag)
                        corpus.change(
                            name, file, number, changed, "image-pinned", "service-documented"
                        )
    for file in corpus.facts.files:
        if file.endswith("/Dockerfile") and file.startswith("services/"):
            for number, line in enumerate(corpus.lines(file), 1):
                if match := re.match(r"FROM ([\w./-]+):[\w.-]+", line):
                    changed = line.replace(match[0], f"FROM {match[1]}:latest")
                    corpus.change("base image latest", file, number, changed, "image-pinned")


def _scaling(corpus: Corpus) -> None:
    for service in _scaled(corpus):
        line = corpus.service_line(service.name, BASE)
        corpus.insert(
            "fixed container name",
            BASE,
            line,
            f"    container_name: the-{service.name}",
            "scaling-feasible",
        )
        volume = "    volumes: [redis-data:/cache]"
        corpus.insert(
            "stateless with a volume",
            BASE,
            line,
            volume,
            "scaling-feasible",
            "volume-declared",
            at=(BASE, None),
        )
        number = corpus.line_in(service.name, PRODUCTION, "networks: !override [")
        if number:
            network = service.networks[0]
            others = "".join(f", {other}: {{}}" for other in service.networks[1:])
            fixed = f"    networks: !override {{{network}: {{ipv4_address: 172.29.20.77}}{others}}}"
            at = (PRODUCTION, None)
            corpus.change("fixed address", PRODUCTION, number, fixed, "scaling-feasible", at=at)


def _scaled(corpus: Corpus) -> Iterator[Service]:
    for service in corpus.facts.production.services.values():
        grows = (service.scaling or "").startswith("horizontal") and service.tier != "data"
        if grows and service.name in corpus.facts.development.services:
            yield service


def _limits(corpus: Corpus) -> None:
    for name in corpus.facts.production.services:
        for key, absurd, wrong in (("cpus:", '"900"', "lots"), ("memory:", "900G", "lots")):
            if number := corpus.line_in(name, BASE, key):
                line = corpus.lines(BASE)[number - 1]
                at = (BASE, None)
                corpus.change(
                    "limit lost",
                    BASE,
                    number,
                    None,
                    "resources-fit",
                    "compose-valid",
                    # The production file states the other limits of the service.
                    at=(PRODUCTION, None),
                )
                head = line.partition(":")[0]
                corpus.change(
                    "beyond the machine", BASE, number, f"{head}: {absurd}", "resources-fit", at=at
                )
                corpus.change(
                    "limit unreadable",
                    BASE,
                    number,
                    f"{head}: {wrong}",
                    "compose-valid",
                    "resources-fit",
                    at=at,
                )


# -- containers of production ---------------------------------------------------------------


def _lines_with(corpus: Corpus, file: str, form: str) -> Iterator[tuple[int, str, re.Match[str]]]:
    """The lines of a file that match, with their numbers."""
    for number, line in enumerate(corpus.lines(file), 1):
        if match := re.search(form, line):
            yield number, line, match


def _containers(corpus: Corpus) -> None:
    for kind, form, new, rule in (
        ("writable root", r"read_only: true$", "read_only: false", "container-hardened"),
        ("capabilities kept", r"cap_drop: \[ALL\]", "cap_drop: [NET_RAW]", "container-hardened"),
        ("capability added", r"\[NET_BIND_SERVICE\]", "[SYS_ADMIN]", "container-hardened"),
        ("rights gained", r'"no-new-privileges:true"', '"label:user:x"', "container-hardened"),
        ("user root", r'user: "\d+:\d+"', "user: root", "container-hardened"),
        ("logs without end", r"max-size: \w+", "labels: x", "limits-complete"),
        ("stays down", r"restart: unless-stopped", 'restart: "no"', "limits-complete"),
        ("data opened", r"internal: true", "internal: false", "network-tiers"),
    ):
        for number, line, match in _lines_with(corpus, PRODUCTION, form):
            changed = line.replace(match[0], new)
            corpus.change(kind, PRODUCTION, number, changed, rule, at=("", None))
    for file in (BASE, PRODUCTION):
        for number, _, _ in _lines_with(corpus, file, r"^\s+pids: \d+"):
            corpus.change(
                "processes without end", file, number, None, "limits-complete", at=("", None)
            )


def _privileges(corpus: Corpus) -> None:
    for name, service in corpus.facts.production.services.items():
        if f"  {name}:" not in corpus.lines(PRODUCTION):
            continue
        first = corpus.service_line(name, PRODUCTION)
        socket = "    volumes: [/var/run/docker.sock:/docker.sock]"
        for kind, text in (
            ("privileged", "    privileged: true"),
            ("pid of the host", "    pid: host"),
            ("socket of the engine", socket),
        ):
            if text != socket or not corpus.line_in(name, PRODUCTION, "    volumes:"):
                corpus.insert(
                    kind, PRODUCTION, first, text, "container-hardened", "scaling-feasible"
                )
        if service.tier == "edge" and (at := corpus.line_in(name, PRODUCTION, "networks: ")):
            data = next(s for s in corpus.facts.production.services.values() if s.tier == "data")
            kept = re.findall(r"[\w-]+", corpus.lines(PRODUCTION)[at - 1].partition("[")[2])
            names = ", ".join(dict.fromkeys([*kept, *data.networks]))
            both = f"    networks: !override [{names}]"
            corpus.change("edge at the data", PRODUCTION, at, both, "network-tiers")


def _production_secrets(corpus: Corpus) -> None:
    rule = "secret-as-file"
    for number, line, match in _lines_with(
        corpus, PRODUCTION, r"(?<!USER)_FILE: /run/secrets/[\w-]+"
    ):
        wrong = line.replace(match[0], f"{match[0]}-gone")
        corpus.change("secret not granted", PRODUCTION, number, wrong, rule)
        plain = re.sub(r"_FILE: .*", ": ${SOME_VALUE:-x}", line)
        if is_secret(plain.partition(":")[0].strip()):
            corpus.change("secret as a variable", PRODUCTION, number, plain, rule)
    for number, line, match in _lines_with(
        corpus, PRODUCTION, r"file: \./config/production/secrets/"
    ):
        wrong = line.replace(match[0], "file: ./config/")
        corpus.change(
            "secret elsewhere", PRODUCTION, number, wrong, rule, at=(PRODUCTION, number - 1)
        )
    for number, _, _ in _lines_with(corpus, PRODUCTION, r"env_file: !reset \[\]"):
        corpus.change("all settings", PRODUCTION, number, None, rule, at=("", None))


def _dockerfiles(corpus: Corpus) -> None:
    rule = "dockerfile-safe"
    for file in corpus.facts.files:
        if not re.fullmatch(r"services/[\w-]+/Dockerfile", file):
            continue
        users = list(_lines_with(corpus, file, r"^USER [1-9]\d*(?::\d+)?$"))
        for number, _, _ in users[-1:]:
            corpus.change("image of root", file, number, "USER root", rule)
        for number, line, _ in _lines_with(corpus, file, r"^(CMD|ENTRYPOINT) \["):
            word = line.partition(" ")[0]
            corpus.change("command in a shell", file, number, f"{word} sleep 1", rule)
        end = len(corpus.lines(file)) - 1
        for kind, text in (
            ("secret in a layer", "ARG NPM_TOKEN"),
            ("settings in a layer", "COPY .env ./"),
            ("download unchecked", "ADD https://example.com/x.tar /x.tar"),
            (
                "packages kept",
                "RUN apt-get update && apt-get install -y --no-install-recommends jq",
            ),
        ):
            corpus.insert(kind, file, end, text, rule)
        ignored = f"{file.removesuffix('Dockerfile')}.dockerignore"
        if ignored in corpus.facts.files:
            corpus.add("nothing ignored", ignored, {ignored: None}, rule, (file, 1))


# -- secrets, contracts, exceptions -----------------------------------------------------------


def secrets() -> dict[str, str]:
    """Lines that hold something that looks like a secret; in pieces, so that this file has none."""
    mixed = "q7Rt2" + "Vx9Lm4" + "Zc8Kp1" + "Wn5Js3" + "Hd6Fg0" + "Ty"
    return {
        "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
        "key of AWS": "AK" + "IA" + "Q3EGRW7ZTYU4PLM2",
        "token of GitHub": "gh" + "p_" + "a1B2c3D4e5F6a1B2c3D4e5F6a1B2c3D4e5F6",
        "token of npm": "np" + "m_" + "a1B2c3D4e5F6a1B2c3D4e5F6a1B2c3D4e5F6",
        "token of Slack": "xo" + "xb-" + "112233445566-abcdefABCDEF",
        "key of Google": "AI" + "za" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
        "key of Stripe": "sk" + "_live_" + "a1B2c3D4e5F6g7H8i9",
        "password assigned": f"DATABASE_PASSWORD={mixed}",
        "secret in YAML": f"jwt_secret: '{mixed}'",
        "token in JSON": f'"apiToken": "{mixed}"',
        "password in an address": f"amqp://shop:{mixed}@somewhere.example.com/",
    }


def _secrets(corpus: Corpus) -> None:
    for file, comment in (
        ("config/.env.example", ""), ("services/api/app/server.py", "# "), (BASE, "# "), ("CONTRIBUTING.md", ""),
    ):  # fmt: skip
        for what, text in secrets().items():
            if file == "config/.env.example" and "=" not in text:
                continue  # no setting
            end = len(corpus.lines(file)) - 1
            corpus.insert(
                f"secret: {what}", file, end, f"{comment}{text}", "secret-tracked", "host-reachable"
            )
    for number, line in enumerate(corpus.lines(".gitignore"), 1):
        if line.startswith("config/"):
            corpus.change(
                "settings not ignored",
                ".gitignore",
                number,
                None,
                "secret-tracked",
                "link",
                at=("", None),
            )
    corpus.add(
        "settings tracked",
        "services/api/.env",
        {"services/api/.env": "A=b\n"},
        "secret-tracked",
        ("services/api/.env", 1),
    )


def _contract(corpus: Corpus) -> None:
    for call in corpus.facts.flows.calls:
        service = corpus.facts.development.services.get(call.callee)
        method, _, path = call.operation.partition(" ")
        if not service or service.contract != OPENAPI or "*" in call.operation:
            continue
        tree = json.loads(corpus.facts.text(OPENAPI))
        wanted = re.sub(r"\{\w+\}", "{}", path)
        for known in [p for p in tree["paths"] if re.sub(r"\{\w+\}", "{}", p) == wanted]:
            tree["paths"][known].pop(method.lower(), None)
        text = json.dumps(tree, indent=2)
        place = (FLOWS, call.line)
        files: dict[str, str | None] = {OPENAPI: text}
        corpus.add(
            "operation gone", call.operation, files, "flow-request", place, "contract-compatible"
        )


def _exceptions(corpus: Corpus) -> None:
    for file, words in ((BASE, "# {}"), ("README.md", "<!-- {} -->"), (FLOWS, "# {}")):
        end = len(corpus.lines(file)) - 1
        for kind, text in (
            ("exception without a reason", "groundplan: allow link:"),
            ("exception of no rule", "groundplan: allow everything: it is fine"),
            ("exception for nothing", "groundplan: allow image-pinned: it was so once"),
        ):
            corpus.insert(kind, file, end, words.format(text), "exception")


# -- harmless ---------------------------------------------------------------------------------


def harmless(facts: Facts) -> list[Mutation]:
    """Changes after which every document is as true as before."""
    corpus = Corpus(facts)
    for file in (*COMPOSE, FLOWS, "config/.env.example", "config/rabbitmq/rabbitmq.conf"):
        text = facts.text(file)
        end = len(corpus.lines(file)) - 1
        if file != "config/.env.example":  # its first comment is its description
            comment = "# One more comment, about redis: 6379 and more."
            corpus.add("comment", file, {file: f"{comment}\n{text}"}, "")
        corpus.add("blank lines", file, {file: text.replace("\n\n", "\n\n\n")}, "")
        corpus.insert("comment at the end", file, end, "# The end.", "")
        if file.endswith((".yml", ".yaml")):
            corpus.add("CRLF", file, {file: text.replace("\n", "\r\n")}, "")
    for old, new in (
        ("networks: [app-network]", "networks:\n      - app-network"),
        ('cpus: "1.0"', "cpus: '1.0'"),
        ("restart: unless-stopped", '"restart": "unless-stopped"'),
        ('expose: ["8001"]', "expose:\n      - 8001"),
        ("interval: 5s", "interval: 5000ms"),
    ):
        corpus.add("other writing", new, {BASE: facts.text(BASE).replace(old, new)}, "")
    for page in (
        "README.md",
        "CONTRIBUTING.md",
        OVERVIEW,
        "docs/services/api-service.md",
        "docs/adr/README.md",
    ):
        text = facts.text(page)
        prose = "Costs 4999 coins at 12:30, see https://example.com/x:8080 and `a:b`."
        corpus.add("prose", page, {page: f"{text}\n{prose}\n"}, "")
        corpus.add("code", page, {page: f"{text}\n    ls -l /tmp\n    ./gp --help\n"}, "")
    for service in ("api", "worker"):
        number = corpus.line_in(service, BASE, "      HOST:") or 0
        corpus.insert("variable", BASE, number, "      GREETING: hello", "")
        corpus.insert("variable", BASE, number, "      DOCS_URL: https://example.com/a:b", "")
    corpus.insert("code", "services/api/app/server.py", 1, 'GREETING = "hello: world at 12:30"', "")
    corpus.insert(
        "code", "services/api/app/server.py", 1, 'PASSWORD_FIELD = "current_password"', ""
    )
    corpus.add("file", "notes.txt", {"notes.txt": "password: see the safe\n"}, "")
    return corpus.found
