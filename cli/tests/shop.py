"""A small workspace without a mistake, to put one mistake into."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from groundplan.check import engine
from groundplan.check.finding import Finding, Level

RULES = [
    "compose-valid",
    "marker",
    "host-reachable",
    "reach-unused",
    "flow-declared",
    "flow-request",
    "public-only",
    "image-pinned",
    "port-conflict",
    "volume-declared",
    "volume-backup",
    "scaling-feasible",
    "resources-fit",
]

BASE = "docker-compose.yml"
DEVELOPMENT = "docker-compose.development.yml"
PRODUCTION = "docker-compose.production.yml"
FLOWS = "docs/architecture/flows.yaml"

ALLOW = "groundplan: allow"
"""Never beside a comment sign here, or this file itself would hold an exception."""

_LIMITS = 'deploy: {resources: {limits: {cpus: "0.5", memory: 256M}}}'

FILES = {
    BASE: f"""
        x-groundplan:
          machine: {{cpus: "4", memory: 2G}}
        services:
          ##<<SERVICES>>
          web:
            build: ./services/web
            env_file: config/.env
            environment:
              PORT: "3000"
              API_URL: http://api:8000
            networks: [front]
            {_LIMITS}
            x-groundplan: {{tier: edge, public: true, scaling: horizontal (stateless)}}

          api:
            build: ./services/api
            env_file: config/.env
            environment:
              - DB_ADDRESS=db:5432
              - QUEUE_URL=amqp://queue
            expose: ["8000"]
            depends_on:
              setup: {{condition: service_completed_successfully}}
            networks: [front, back]
            {_LIMITS}
            x-groundplan:
              scaling: horizontal (stateless)
              contract: contracts/openapi.json

          setup:
            build: ./services/api
            command: [python, -m, setup, "db:5432"]
            networks: [back]
            {_LIMITS}

          worker:
            build: ./services/worker
            environment:
              QUEUE_URL: amqp://user@queue:5672/jobs
              DB_HOST: db
              DB_PORT: "5432"
            networks: [back]
            {_LIMITS}
            x-groundplan: {{scaling: horizontal (queue-based)}}
          ##<</SERVICES>>

          ##<<BACKING_SERVICES>>
          db:
            image: postgres:17
            command: [postgres, -c, config_file=/etc/db/db.conf]
            expose: ["5432"]
            volumes:
              - db-data:/var/lib/postgresql/data
              - ./config/db:/etc/db:ro
            networks: [back]
            {_LIMITS}

          queue:
            image: rabbitmq:4
            expose: ["5672"]
            networks: [back]
            {_LIMITS}
          ##<</BACKING_SERVICES>>
        networks: {{front: {{}}, back: {{}}}}
        volumes:
          ##<<VOLUMES>>
          db-data:
            x-groundplan:
              holds: everything
              backup: daily
          ##<</VOLUMES>>
    """,
    DEVELOPMENT: """
        services:
          ##<<SERVICES>>
          web:
            ports: ["127.0.0.1:${WEB_PORT:-3000}:3000"]
          api:
            ports:
              - target: 8000
                published: ${API_PORT:-8000}
                host_ip: 127.0.0.1
            volumes: ["./services/api:/app", "./tmp/cache:/cache"]
          ##<</SERVICES>>
          ##<<BACKING_SERVICES>>
          ##<</BACKING_SERVICES>>
          ##<<DEVELOPMENT_SERVICES>>
          admin:
            image: adminer:5
            environment: {SERVER: "db:5432"}
            ports: ["127.0.0.1:8090:8080"]
            networks: [back]
            x-groundplan: {tool: true}
          ##<</DEVELOPMENT_SERVICES>>
    """,
    PRODUCTION: """
        services:
          ##<<SERVICES>>
          web:
            ports: ["443:3000"]
          ##<</SERVICES>>
          ##<<BACKING_SERVICES>>
          ##<</BACKING_SERVICES>>
        secrets:
          ##<<SECRETS>>
          db-password: {file: ./config/production/secrets/db-password}
          ##<</SECRETS>>
        volumes:
          ##<<VOLUMES>>
          db-data: {}
          ##<</VOLUMES>>
    """,
    FLOWS: """
        actors: [browser]
        flows:
          order:
            title: An order
            steps:
              - {from: browser, to: web, protocol: http, operation: GET /*}
              - {from: web, to: api, protocol: http, operation: "POST /orders/{id}"}
              - {from: api, to: db, protocol: postgresql, operation: INSERT}
              - {from: api, to: queue, protocol: amqp, operation: publish}
              - {from: worker, to: queue, protocol: amqp, operation: receive}
              - {from: worker, to: db, protocol: postgresql, operation: UPDATE}
        upkeep:
          ##<<UPKEEP>>
          - {from: web, to: api, protocol: http, operation: "* /orders/*"}
          ##<</UPKEEP>>
        production:
          ##<<PRODUCTION>>
          - {from: browser, to: web, protocol: https, operation: GET /*}
          ##<</PRODUCTION>>
    """,
    "config/.env.example": """
        SECRET=<random 20>
        ##<<SETTINGS>>
        ##<</SETTINGS>>
    """,
    "config/db/db.conf": """
        # replicas would stand here: http://nowhere
        listen_addresses = '*'
    """,
    "contracts/openapi.json": """
        {"paths": {"/orders/{order_id}": {"parameters": [], "post": {}, "get": {}}}}
    """,
    "services/web/Dockerfile": """
        FROM node:22-slim AS packages
        FROM packages AS dev
        FROM scratch AS prod
    """,
    "services/web/server.conf": "proxy_pass http://api:8000;\n",
    "services/api/Dockerfile": """
        ARG PYTHON=3.13
        FROM python:${PYTHON}
    """,
    "services/api/main.py": """
        # "http://comment:1" is no address
        IMAGE = "python:3.13"
        OWNER = "app:1000"
        DOCS = "https://example.com:8443/docs"
        LOCAL = "http://localhost:5000"
        QUEUE = 'amqp://queue:5672'
    """,
    "services/api/tests/test_main.py": 'URL = "http://test:1234"\n',
    "services/worker/main.ts": "const db = `postgresql+x://me:pw@db/shop`;\n",
    "README.md": f"""
        Excuse a finding with `# {ALLOW} RULE: reason`:

            # {ALLOW} image-pinned: an example
    """,
}


class Shop:
    """The workspace in a folder."""

    def __init__(self, root: Path, files: Mapping[str, str] = FILES) -> None:
        self.root = root
        for file, text in files.items():
            self.write(file, dedent(text).lstrip("\n"))

    def write(self, file: str, text: str) -> None:
        """Write a file, and its folder if needed."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def read(self, file: str) -> str:
        """The text of a file."""
        return (self.root / file).read_bytes().decode()

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands there once; "" stands for the end of the file."""
        text = self.read(file)
        assert not old or text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new) if old else text + new)

    def findings(self, *rules: str) -> list[Finding]:
        """What the rules find, notes left out."""
        report = engine.run(self.root, engine.choose(rules or RULES))
        return [finding for finding in report.findings if finding.level != Level.NOTE]

    def notes(self, *rules: str) -> list[Finding]:
        """The notes."""
        report = engine.run(self.root, engine.choose(rules or RULES))
        return [finding for finding in report.findings if finding.level == Level.NOTE]

    def line(self, finding: Finding) -> str:
        """The line at which a finding points."""
        return self.read(finding.file).split("\n")[finding.line - 1].strip()
