# ruff: noqa: E501, ISC004 - a table of mistakes is read by its columns
"""Each rule finds its mistake, at its place, and nothing else; without a mistake all are silent."""

from pathlib import Path

import pytest

from groundplan.check import engine
from groundplan.check.finding import Described, Level
from groundplan.docs import document
from tests.shop import BASE, DEVELOPMENT, FLOWS, PRODUCTION, RULES, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace without a mistake."""
    return Shop(tmp_path)


def test_nothing_is_found_where_nothing_is_wrong(shop: Shop) -> None:
    """The workspace without a mistake has no finding, by any rule."""
    assert shop.findings() == []


def test_nothing_is_found_in_files_with_carriage_returns(shop: Shop) -> None:
    """Line ends of another system change nothing."""
    for file in (BASE, DEVELOPMENT, PRODUCTION, FLOWS):
        shop.write(file, shop.read(file).replace("\n", "\r\n"))
    assert shop.findings() == []


LIMIT = 'deploy: {resources: {limits: {cpus: "0.5", memory: 256M}}}\n    x-groundplan: {tier: edge'
MISTAKES = [
    # rule, file, what stands there, what is put there, where it is found, the line that is told, words
    ("compose-valid", BASE, "image: rabbitmq:4", "image: [rabbitmq", BASE, "", "not valid YAML"),
    ("compose-valid", FLOWS, "to: api, protocol: http, operation: \"POST", "to: api, operation: \"POST",
     FLOWS, "- {from: web, to: api, operation", "lacks 'protocol'"),
    ("marker", BASE, "  ##<</SERVICES>>\n", "", BASE, "##<<BACKING_SERVICES>>", "opens inside"),
    ("marker", BASE, "  ##<<SERVICES>>\n", "", BASE, "##<</SERVICES>>", "closes what is not open"),
    ("marker", BASE, "  ##<</BACKING_SERVICES>>\n", "  ##<</BACKING_SERVICES>>\n  ##<<SERVICES>>\n  ##<</SERVICES>>\n",
     BASE, "##<<SERVICES>>", "second time"),
    ("marker", PRODUCTION, "  ##<<SERVICES>>\n  web:\n    ports: [\"443:3000\"]\n  ##<</SERVICES>>\n",
     "  web:\n    ports: [\"443:3000\"]\n", PRODUCTION, "", "lacks the markers ##<<SERVICES>>"),
    ("marker", BASE, "  queue:\n    image: rabbitmq:4\n", "  queue:\n    image: rabbitmq:4\n    build: ./services/api\n",
     BASE, "queue:", "belongs to SERVICES"),
    ("marker", BASE, "  ##<</SERVICES>>\n", "  cache:\n    image: redis:8\n    networks: [back]\n    "
     "deploy: {resources: {limits: {cpus: 0.1, memory: 9M}}}\n  ##<</SERVICES>>\n", BASE, "cache:", "belongs to BACKING"),
    ("marker", DEVELOPMENT, "services:\n", "services:\n  mail:\n    image: mail:1\n    networks: [back]\n",
     DEVELOPMENT, "mail:", "between no markers"),
    ("host-reachable", BASE, "http://api:8000", "http://apo:8000", BASE, "API_URL:", "no service 'apo'"),
    ("host-reachable", BASE, "amqp://queue\n", "amqp://queue:5673\n", BASE, "- QUEUE_URL=", "has no port 5673 (it has: 5672)"),
    ("host-reachable", BASE, 'DB_PORT: "5432"', 'DB_PORT: "5433"', BASE, "DB_HOST: db", "no port 5433"),
    ("host-reachable", BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      CACHE_HOST: cache\n", BASE, "CACHE_HOST:", "no service 'cache'"),
    ("host-reachable", BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      CACHE_ADDRESS: cache:6379\n", BASE, "CACHE_ADDRESS:", "no service 'cache'"),
    ("host-reachable", BASE, "python, -m, setup, \"db:5432\"", "python, -m, setup, \"db:5433\"", BASE, "command: [python", "no port 5433"),
    ("host-reachable", "config/.env.example", "SECRET=", "MAIL_URL=http://mail:25\nSECRET=", "config/.env.example", "MAIL_URL=", "no service 'mail'"),
    ("host-reachable", "config/db/db.conf", "", "primary = standby:5432\n", "config/db/db.conf", "primary =", "no service 'standby'"),
    ("host-reachable", "services/web/server.conf", "api:8000", "api:8001", "services/web/server.conf", "proxy_pass", "no port 8001"),
    ("host-reachable", "services/api/main.py", "'amqp://queue:5672'", "'amqp://quene:5672'", "services/api/main.py", "QUEUE =", "no service 'quene'"),
    ("host-reachable", "services/api/main.py", "'amqp://queue:5672'", "'queue:5673'", "services/api/main.py", "QUEUE =", "no port 5673"),
    ("host-reachable flow-declared", "services/web/server.conf", "", "upstream http://db:5432;\n", "services/web/server.conf", "upstream", "web shares no network with db"),
    ("flow-declared", BASE, "- QUEUE_URL=amqp://queue\n", "- QUEUE_URL=amqp://queue\n      - SELF=http://web:3000\n", BASE, "- SELF=", "api is given the address of web"),
    ("flow-declared", FLOWS, "upkeep:\n", "upkeep:\n  - {from: web, to: queue, protocol: amqp, operation: publish}\n", FLOWS, "- {from: web, to: queue", "share no network"),
    ("flow-declared", FLOWS, "upkeep:\n", "upkeep:\n  - {from: db, to: queue, protocol: amqp, operation: publish}\n", FLOWS, "- {from: db, to: queue", "no setting or file"),
    ("flow-declared", FLOWS, "upkeep:\n", "upkeep:\n  - {from: api, to: mail, protocol: smtp, operation: send}\n", FLOWS, "- {from: api, to: mail", "'mail' is no service"),
    ("flow-declared", FLOWS, "upkeep:\n", "upkeep:\n  - {from: robot, to: web, protocol: http, operation: GET /}\n", FLOWS, "- {from: robot", "'robot' is neither"),
    ("flow-declared", FLOWS, "upkeep:\n", "upkeep:\n  - {from: browser, to: queue, protocol: amqp, operation: x}\n", FLOWS, "- {from: browser, to: queue", "publishes no port"),
    ("flow-request", FLOWS, "POST /orders/{id}", "DELETE /orders/{id}", FLOWS, "- {from: web, to: api", "has no DELETE /orders/{id}; /orders/{id} has GET, POST"),
    ("flow-request", FLOWS, "POST /orders/{id}", "POST /ordres/{id}", FLOWS, "- {from: web, to: api", "has no POST /ordres/{id}."),
    ("flow-request", FLOWS, "* /orders/*", "* /sales/*", FLOWS, "- {from: web, to: api", "has no * /sales/*"),
    ("flow-request", FLOWS, "POST /orders/{id}", "an order", FLOWS, "- {from: web, to: api", "is no request"),
    ("flow-request", FLOWS, "      - {from: browser, to: web, protocol: http, operation: GET /*}\n", "", FLOWS, "- {from: web, to: api", "leads to web"),
    ("flow-request flow-declared", FLOWS, "      - {from: api, to: queue, protocol: amqp, operation: publish}\n", "", FLOWS, "- {from: worker, to: queue", "leads to worker"),
    ("flow-request", "contracts/openapi.json", "{\"paths\"", "{\"pahts\"", BASE, "contract:", "no OpenAPI document"),
    ("flow-request", BASE, "contracts/openapi.json", "contracts/none.json", BASE, "contract:", "none.json can't be read"),
    ("public-only scaling-feasible", BASE, "public: true, ", "", PRODUCTION, 'ports: ["443:3000"]', "web is not public"),
    ("public-only", PRODUCTION, "  ##<</SERVICES>>\n", "  ##<</SERVICES>>\n  db:\n    ports: [\"5432:5432\"]\n    x-groundplan: {public: true}\n",
     PRODUCTION, 'ports: ["5432:5432"]', "db is of the data tier"),
    ("public-only", BASE, "scaling: horizontal (queue-based)", "tool: true", BASE, "worker:", "part of production"),
    ("public-only", DEVELOPMENT, "127.0.0.1:${WEB_PORT:-3000}:3000", "${WEB_PORT:-3000}:3000", DEVELOPMENT, 'ports: ["${WEB_PORT', "whole network"),
    ("public-only", DEVELOPMENT, "host_ip: 127.0.0.1", "host_ip: 0.0.0.0", DEVELOPMENT, "published: ${API", "whole network"),
    ("public-only host-reachable flow-declared", BASE, "    image: rabbitmq:4\n    expose: [\"5672\"]\n    networks: [back]\n",
     "    image: rabbitmq:4\n    expose: [\"5672\"]\n    network_mode: host\n", BASE, "network_mode: host", "network of the machine"),
    ("image-pinned", BASE, "image: postgres:17", "image: postgres:latest", BASE, "image: postgres:latest", "latest moves"),
    ("image-pinned", BASE, "image: postgres:17", "image: local:5000/postgres", BASE, "image: local", "has no tag"),
    ("image-pinned", DEVELOPMENT, "image: adminer:5", "image: adminer", DEVELOPMENT, "image: adminer", "has no tag"),
    ("image-pinned", "services/web/Dockerfile", "FROM node:22-slim AS", "FROM --platform=$X node AS", "services/web/Dockerfile", "FROM --platform", "node has no tag"),
    ("port-conflict", DEVELOPMENT, "127.0.0.1:8090:8080", "127.0.0.1:3000:8080", DEVELOPMENT, 'ports: ["127.0.0.1:3000', "admin and web both publish port 3000"),
    ("port-conflict", DEVELOPMENT, "${API_PORT:-8000}", "${WEB_PORT:-8000}", DEVELOPMENT, "published: ${WEB_PORT", "both publish ${WEB_PORT}"),
    ("compose-valid", BASE, "- db-data:/var", "- db-date:/var", BASE, "- db-date:/var", "mounts 'db-date', which the top-level `volumes` lack"),
    ("volume-declared", BASE, "- ./config/db:/etc/db:ro", "- ./config/bd:/etc/db:ro", BASE, "- ./config/bd", "config/bd, which is not there"),
    ("volume-declared", BASE, "  ##<<VOLUMES>>\n", "  ##<<VOLUMES>>\n  old: {x-groundplan: {holds: a, backup: b}}\n", BASE, "old:", "No service mounts the volume old"),
    ("volume-backup", BASE, "      backup: daily\n", "", BASE, "x-groundplan:", "how it is backed up"),
    ("volume-backup", BASE, "      holds: everything\n", "", BASE, "backup: daily", "what it holds"),
    ("volume-backup", BASE, "backup: daily", "backup: none", BASE, "backup: none", "gives no reason"),
    ("volume-backup", BASE, "backup: daily", 'backup: "none: "', BASE, 'backup: "none: "', "gives no reason"),
    ("scaling-feasible", BASE, "command: [python, -m, setup", "container_name: setup\n    x-groundplan: {scaling: horizontal}\n    command: [python, -m, setup", BASE, "container_name:", "setup scales, but has a fixed container_name"),
    ("scaling-feasible", BASE, "- QUEUE_URL=amqp://queue\n", "- QUEUE_URL=amqp://queue\n    volumes: [db-data:/data]\n", BASE, "volumes: [db-data", "keeps data in the volume db-data"),
    ("scaling-feasible", BASE, "networks: [front]\n", "networks: {front: {ipv4_address: 172.20.0.9}}\n", BASE, "networks: {front", "has a fixed address"),
    ("scaling-feasible", BASE, "    image: rabbitmq:4\n    expose: [\"5672\"]\n    networks: [back]\n    deploy: {",
     "    image: rabbitmq:4\n    expose: [\"5672\"]\n    networks: [back]\n    deploy: {replicas: 2, ", BASE, "deploy: {replicas", "2 replicas"),
    ("resources-fit", BASE, LIMIT, LIMIT.replace(", memory: 256M", ""), BASE, "deploy:", "no limit of memory"),
    ("resources-fit", BASE, LIMIT, LIMIT.replace("256M", "0"), BASE, "deploy:", "no limit of memory"),
    ("resources-fit", BASE, LIMIT, LIMIT.replace("limits:", "reservations: {cpus: 0.6}, limits:"), BASE, "deploy:", "reserves more of cpus than its limit: 0.6"),
    ("resources-fit", BASE, LIMIT, LIMIT.replace("256M", "2G"), BASE, "machine:", "150% of the machine's memory"),
    ("resources-fit", BASE, LIMIT, LIMIT.replace("{resources", "{replicas: 7, resources"), BASE, "machine:", "138% of the machine's cpus"),
]  # fmt: skip


@pytest.mark.parametrize(
    "mistake",
    MISTAKES,
    ids=[f"{item[0].split()[0]}-{number}" for number, item in enumerate(MISTAKES)],
)
def test_mistake_is_found(shop: Shop, mistake: tuple[str, ...]) -> None:
    """The rule finds the mistake at its line, and no rule but those named finds anything."""
    rules, file, old, new, found_in, line, words = mistake
    shop.edit(file, old, new)
    found = shop.findings()
    assert {finding.rule for finding in found} == set(rules.split()), found
    first = next(finding for finding in found if finding.rule == rules.split()[0])
    assert (first.file, words in first.message) == (found_in, True), first
    assert shop.line(first).startswith(line), shop.line(first)
    assert first.level == Level.ERROR
    assert first.fix


HARMLESS = [
    (BASE, "image: postgres:17", "image: postgres@sha256:" + "0" * 64),
    (BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      OWNER: app:1000\n      TIME: at:12\n"),
    (BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      DOCS_URL: https://docs.example.com:9/x\n"),
    (BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      OWN_URL: http://localhost:3000\n      HOST: 0.0.0.0\n"),
    (BASE, "PORT: \"3000\"\n", "PORT: \"3000\"\n      BUCKET: s3://files\n      ME: web:3000\n"),
    (BASE, "backup: daily", 'backup: "none: can be made again"'),
    (BASE, "memory: 2G", "memory: 2gb"),
    (BASE, "http://api:8000", "${API_URL:-http://api:8000}"),
    (FLOWS, "POST /orders/{id}", "POST /orders/*"),
    (DEVELOPMENT, "127.0.0.1:8090:8080", "127.0.0.1:${ADMIN_PORT:-8090}:8080"),
    (BASE, "http://api:8000\n", "http://api:8000\n      OLD_URL: http://legacy:1\n    extra_hosts: [legacy:10.0.0.9]\n"),
    (DEVELOPMENT, "[\"127.0.0.1:${WEB_PORT:-3000}:3000\"]", "[\"127.0.0.1:${WEB_PORT:-3000}:3000\", \"127.0.0.1:3000:53/udp\"]"),
    ("services/api/main.py", "", 'EXAMPLE = "not http://nowhere/"\n'),
    ("services/web/Dockerfile", "FROM scratch AS prod", "FROM packages AS prod"),
]  # fmt: skip


@pytest.mark.parametrize("change", HARMLESS, ids=range(len(HARMLESS)))
def test_harmless_change_is_not_found(shop: Shop, change: tuple[str, str, str]) -> None:
    """What only looks like a mistake is let alone."""
    shop.edit(*change)
    assert shop.findings() == []


def test_alias_leads_to_its_service(shop: Shop) -> None:
    """A service is also known by its aliases and its container_name."""
    old = "image: postgres:17\n"
    new = "    container_name: pg\n    networks: {back: {aliases: [database]}}\n"
    text = shop.read(BASE).replace("      - ./config/db:/etc/db:ro\n    networks: [back]\n", "")
    shop.write(BASE, text.replace(old, old + new))
    shop.edit(BASE, "DB_ADDRESS=db:5432", "DB_ADDRESS=database:5432")
    shop.edit(BASE, "DB_HOST: db", "DB_HOST: pg")
    assert shop.findings() == []


def test_generated_documents_must_be_current(shop: Shop) -> None:
    """A port that changed makes the overview out of date, at the block that shows it."""
    document.write(shop.root)
    assert shop.findings("docs-current") == []
    shop.edit(BASE, 'expose: ["5672"]', 'expose: ["5673"]')
    found = shop.findings("docs-current")
    assert any(document.OVERVIEW.as_posix() == finding.file for finding in found)
    assert any("5672" in shop.line(finding) for finding in found)


def test_workspace_without_documents_is_told_to_write_them(shop: Shop) -> None:
    """Where no overview is, the fix says how one is made."""
    found = shop.findings("docs-current")
    assert found
    assert "./gp docs" in found[0].fix


def test_reach_that_is_not_used_is_a_note(shop: Shop) -> None:
    """A service that shares a network with what it never uses gets one note."""
    found = {shop.line(note): note.message for note in shop.notes("reach-unused")}
    assert "web reaches and never uses: api." not in found.values()
    messages = [note.message for note in shop.notes("reach-unused")]
    assert "worker reaches and never uses: api." in messages
    assert "api reaches and never uses: web, worker." in messages


def test_public_port_of_a_service_that_scales_is_a_note(shop: Shop) -> None:
    """A public service may have its port until it has a second replica."""
    (note,) = shop.notes("scaling-feasible")
    assert (note.file, shop.line(note)) == (PRODUCTION, 'ports: ["443:3000"]')


def test_call_of_a_queue_must_be_of_a_queue(shop: Shop) -> None:
    """A step goes on behind a queue, but not behind a database that two services use."""
    text = shop.read(FLOWS).replace("protocol: amqp", "protocol: redis")
    shop.write(FLOWS, text)
    assert [finding.message for finding in shop.findings()] == [
        "No earlier step of 'order' leads to worker."
    ]


def test_without_flows_nothing_is_asked_about_them(shop: Shop) -> None:
    """A workspace that declares no flows is not asked for each call."""
    (shop.root / FLOWS).unlink()
    assert shop.findings() == []


def test_without_overrides_and_documents(shop: Shop) -> None:
    """A workspace of one Compose file can be checked."""
    for file in (DEVELOPMENT, PRODUCTION, FLOWS, "README.md"):
        (shop.root / file).unlink()
    assert shop.findings() == []


def test_every_rule_is_tested_here() -> None:
    """No rule of this list is without a mistake."""
    assert set(RULES) - {item[0].split()[0] for item in MISTAKES} == {"reach-unused"}


@pytest.mark.parametrize("rule", engine.DESCRIBED, ids=lambda rule: rule.ID)
def test_every_rule_explains_itself(rule: Described) -> None:
    """A rule has a title, one sentence on why, and a fix."""
    assert rule.TITLE
    assert rule.WHY.endswith(".")
    assert rule.WHY.count(". ") == 0
    assert rule.FIX
