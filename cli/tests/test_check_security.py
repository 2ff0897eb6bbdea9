# ruff: noqa: E501 - a table of mistakes is read by its columns
"""Each security rule finds its mistake in a hardened workspace, at its place, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from groundplan.check import dockerfile
from groundplan.check.finding import Level
from groundplan.check.sensitive import is_secret, is_secret_file
from tests.shop import BASE, FLOWS, PRODUCTION, Shop

RULES = [
    "container-hardened",
    "limits-complete",
    "network-tiers",
    "secret-as-file",
    "dockerfile-safe",
]
DOCKERFILE = "services/shop/Dockerfile"
IGNORED = "services/shop/.dockerignore"

FILES = {
    BASE: """
        services:
          ##<<SERVICES>>
          gate:
            image: proxy:3
            networks: [outside]
            x-groundplan: {tier: edge, public: true}

          shop:
            build: ./services/shop
            env_file: config/.env
            environment:
              DB_ADDRESS: db:5432
              TOKEN_MINUTES: "30"
            depends_on:
              setup: {condition: service_completed_successfully}
            networks: [outside, inside]

          setup:
            build: ./services/shop
            command: [setup]
            env_file: config/.env
            networks: [inside]
          ##<</SERVICES>>

          ##<<BACKING_SERVICES>>
          db:
            image: postgres:17
            env_file: config/.env
            volumes: ["db-data:/var/lib/postgresql/data"]
            networks: [inside]
          ##<</BACKING_SERVICES>>
        networks: {outside: {}, inside: {}}
        volumes:
          db-data:
    """,
    PRODUCTION: """
        x-hardened: &hardened
          env_file: !reset []
          read_only: true
          cap_drop: [ALL]
          security_opt: ["no-new-privileges:true"]
          restart: unless-stopped
          logging: {driver: local}
          deploy: {resources: {limits: {cpus: "0.5", memory: 128M, pids: 100}}}
        services:
          ##<<SERVICES>>
          gate:
            <<: *hardened
            user: "1000"
            cap_add: [NET_BIND_SERVICE]
            ports: ["443:443"]

          shop:
            <<: *hardened
            build: {target: prod}
            environment:
              DB_PASSWORD_FILE: /run/secrets/db-password
            secrets: [db-password]

          setup:
            <<: *hardened
            restart: "no"
          ##<</SERVICES>>

          ##<<BACKING_SERVICES>>
          db:
            <<: *hardened
            user: "999:999"
            logging: {driver: json-file, options: {max-size: 10m}}
            environment:
              POSTGRES_PASSWORD_FILE: /run/secrets/db-password
            secrets: [db-password]
          ##<</BACKING_SERVICES>>
        networks:
          inside: {internal: true}
        secrets:
          db-password:
            file: ./config/production/secrets/db-password
    """,
    FLOWS: """
        actors: [browser]
        flows:
          order:
            title: An order
            steps:
              - {from: browser, to: gate, protocol: http, operation: GET /*}
              - {from: gate, to: shop, protocol: http, operation: GET /*}
              - {from: shop, to: db, protocol: postgresql, operation: INSERT}
    """,
    "config/.env.example": """
        ADMIN_PASSWORD=<random 20>
    """,
    DOCKERFILE: """
        # Comments and continued lines are nothing of their own.
        ARG PYTHON=3.13
        FROM python:${PYTHON} AS base
        RUN apt-get update && \\
            # with a comment in between
            apt-get install --yes --no-install-recommends libpq5 && \\
            rm -rf /var/lib/apt/lists/*
        RUN <<SCRIPT
        USER root
        SCRIPT
        USER 10001

        FROM base AS dev
        USER root
        CMD ["shop", "--reload"]

        FROM base AS prod
        COPY --from=base /etc/ssl /etc/ssl
        COPY shop shop
        CMD ["shop"]
    """,
    IGNORED: ".env\n",
    "services/shop/main.py": "",
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace whose production has no mistake."""
    return Shop(tmp_path, FILES)


def test_nothing_is_found_where_all_is_hardened(shop: Shop) -> None:
    """The workspace without a mistake has no finding, by any security rule."""
    assert shop.findings(*RULES, "image-pinned", "compose-valid") == []


HARDENED = "cap_add: [NET_BIND_SERVICE]"
MISTAKES = [
    # rule, file, what stands there, what is put there, where it is found, the line that is told, words
    ("container-hardened", PRODUCTION, '    user: "999:999"\n', "", PRODUCTION, "db:", "runs as whom its image says"),
    ("container-hardened", PRODUCTION, '"999:999"', "postgres", PRODUCTION, "user: postgres", "runs as postgres, which is no number"),
    ("container-hardened", PRODUCTION, '"999:999"', '"0:999"', PRODUCTION, 'user: "0:999"', "runs as 0:999, which is root"),
    ("container-hardened", PRODUCTION, "build: {target: prod}", "build: {target: prod}\n    user: root", PRODUCTION, "user: root", "shop runs as root"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    read_only: false", PRODUCTION, "read_only: false", "gate can write to its root"),
    ("container-hardened", PRODUCTION, HARDENED, "cap_add: [CAP_SYS_ADMIN, net_bind_service]", PRODUCTION, "cap_add:", "gate is given SYS_ADMIN"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    cap_drop: [NET_RAW]", PRODUCTION, "cap_drop: [NET_RAW]", "keeps capabilities of root"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    privileged: true", PRODUCTION, "privileged: true", "has the whole host"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    security_opt: []", PRODUCTION, "security_opt: []", "may gain rights"),
    ("container-hardened", PRODUCTION, "[\"no-new-privileges:true\"]", "[\"no-new-privileges=true\", \"seccomp=unconfined\"]", PRODUCTION, "security_opt:", "freed from a filter"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    pid: host", PRODUCTION, "pid: host", "shares `pid` with the host"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    volumes: [/var/run/docker.sock:/var/run/docker.sock:ro]", PRODUCTION, "volumes:", "socket of the engine"),
    ("container-hardened", PRODUCTION, HARDENED, f"{HARDENED}\n    volumes: [/:/host:ro]", PRODUCTION, "volumes:", "mounts / of the host"),
    ("limits-complete", PRODUCTION, HARDENED, f"{HARDENED}\n    restart: \"no\"", PRODUCTION, 'restart: "no"', "gate stays down"),
    ("limits-complete", PRODUCTION, ", pids: 100", "", PRODUCTION, "deploy:", "has no limit of processes"),
    ("limits-complete", PRODUCTION, "pids: 100", "pids: -1", PRODUCTION, "deploy:", "has no limit of processes"),
    ("limits-complete", PRODUCTION, ", options: {max-size: 10m}", "", PRODUCTION, "logging: {driver: json-file}", "db keeps its logs"),
    ("limits-complete", PRODUCTION, "  logging: {driver: local}\n", "", PRODUCTION, "setup:", "setup keeps its logs"),
    ("network-tiers", PRODUCTION, "inside: {internal: true}", "inside: {}", BASE, "networks: [inside]", "the network inside, which leads outside"),
    ("network-tiers", BASE, "    volumes: [\"db-data:/var/lib/postgresql/data\"]\n    networks: [inside]\n", "    volumes: [\"db-data:/var/lib/postgresql/data\"]\n", PRODUCTION, "db:", "the network default, which leads outside"),
    ("network-tiers", PRODUCTION, HARDENED, f"{HARDENED}\n    networks: [inside]", PRODUCTION, "networks: [inside]", "gate, of the tier edge, reaches db in the network inside"),
    ("secret-as-file", PRODUCTION, "env_file: !reset []", "init: true", BASE, "env_file: config/.env", "all of config/.env as variables"),
    ("secret-as-file", PRODUCTION, "DB_PASSWORD_FILE: /run/secrets/db-password", "DB_PASSWORD_FILE: /run/secrets/db-password\n      S3_ACCESS_KEY_ID: ${KEY:-x}", PRODUCTION, "S3_ACCESS_KEY_ID:", "gets the secret S3_ACCESS_KEY_ID as a variable"),
    ("secret-as-file", PRODUCTION, "DB_PASSWORD_FILE: /run/secrets/db-password", "DB_URL: postgresql://shop:pw@db/shop", PRODUCTION, "DB_URL:", "gets the secret DB_URL as a variable"),
    ("secret-as-file", PRODUCTION, "DB_PASSWORD_FILE: /run/secrets/db-password", "DB_PASSWORD_FILE: /etc/db-password", PRODUCTION, "DB_PASSWORD_FILE:", "is no secret of Compose"),
    ("secret-as-file", PRODUCTION, "DB_PASSWORD_FILE: /run/secrets/db-password", "DB_PASSWORD_FILE: /run/secrets/db-pasword", PRODUCTION, "DB_PASSWORD_FILE:", "names the secret db-pasword, which shop is not granted"),
    ("secret-as-file", PRODUCTION, "./config/production/secrets/db-password", "./config/db-password", PRODUCTION, "db-password:", "is read from config/db-password"),
    ("secret-as-file", PRODUCTION, "file: ./config/production/secrets/db-password", "environment: DB_PASSWORD", PRODUCTION, "db-password:", "has no file"),
    ("dockerfile-safe", DOCKERFILE, "USER 10001\n", "", DOCKERFILE, "FROM base AS prod", "prod runs as root: no USER"),
    ("dockerfile-safe", DOCKERFILE, "USER 10001\n", "USER app\n", DOCKERFILE, "USER app", "runs as app, which is no number"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "COPY shop shop\nUSER 0\n", DOCKERFILE, "USER 0", "runs as 0, which is root"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "COPY .env shop/\n", DOCKERFILE, "COPY .env", "COPY .env puts secrets"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "COPY --chown=1:1 [\"shop\", \"tls/server.key\", \"./\"]\n", DOCKERFILE, "COPY --chown", "COPY tls/server.key puts secrets"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "ADD https://example.com/shop.tar /\n", DOCKERFILE, "ADD https", "whatever that address holds"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "ARG NPM_TOKEN\n", DOCKERFILE, "ARG NPM_TOKEN", "ARG NPM_TOKEN stays readable"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "ENV MODE=a DB_PASSWORD=b\n", DOCKERFILE, "ENV MODE", "ENV DB_PASSWORD stays readable"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "ENV DB_PASSWORD b\n", DOCKERFILE, "ENV DB_PASSWORD", "ENV DB_PASSWORD stays readable"),
    ("dockerfile-safe", DOCKERFILE, 'CMD ["shop"]', "CMD shop", DOCKERFILE, "CMD shop", "CMD goes through a shell"),
    ("dockerfile-safe", DOCKERFILE, 'CMD ["shop"]', "ENTRYPOINT ['shop']", DOCKERFILE, "ENTRYPOINT", "ENTRYPOINT goes through a shell"),
    ("dockerfile-safe", DOCKERFILE, "--no-install-recommends ", "", DOCKERFILE, "RUN apt-get update", "recommended packages"),
    ("dockerfile-safe", DOCKERFILE, "rm -rf /var/lib/apt/lists/*", "true", DOCKERFILE, "RUN apt-get update", "package lists"),
    ("dockerfile-safe", DOCKERFILE, "RUN <<SCRIPT\nUSER root\n", "RUN <<SCRIPT\napk add curl\n", DOCKERFILE, "RUN <<SCRIPT", "package index of apk"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "RUN pip install flask\n", DOCKERFILE, "RUN pip", "pip installs what the registry has"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "RUN npm i\n", DOCKERFILE, "RUN npm", "npm installs what the registry has"),
    ("dockerfile-safe", DOCKERFILE, "COPY shop shop\n", "COPPY shop shop\n", DOCKERFILE, "COPPY", "COPPY is no instruction"),
    ("dockerfile-safe", IGNORED, ".env", " ", DOCKERFILE, "# Comments", ".dockerignore is missing or empty"),
    ("image-pinned", DOCKERFILE, "ARG PYTHON=3.13", "ARG PYTHON=latest", DOCKERFILE, "FROM python", "python:latest is not pinned"),
]  # fmt: skip


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{item[0]}-{number}" for number, item in enumerate(MISTAKES)]
)
def test_mistake_is_found(shop: Shop, mistake: tuple[str, ...]) -> None:
    """The rule finds the mistake at its line, as an error with a fix, and no other rule speaks up."""
    rule, file, old, new, found_in, line, words = mistake
    shop.edit(file, old, new)
    found = shop.findings(*RULES, "image-pinned")
    assert {finding.rule for finding in found} == {rule}, found
    told = [f for f in found if words in f.message]
    assert told, found
    assert told[0].file == found_in
    assert shop.line(told[0]).startswith(line), shop.line(told[0])
    assert (told[0].level, bool(told[0].fix)) == (Level.ERROR, True)


HARMLESS = [
    (PRODUCTION, "driver: local", "driver: syslog"),
    (PRODUCTION, '["443:443"]', '["443:443", "443:443/udp"]\n    x-groundplan: {protocols: {"443": HTTPS}}'),
    (PRODUCTION, 'ports: ["443:443"]', "volumes: [./config/production/certificates:/certificates:ro]"),
    (PRODUCTION, "no-new-privileges:true", "no-new-privileges"),
    (PRODUCTION, "cap_drop: [ALL]", "cap_drop: [all]"),
    (PRODUCTION, "restart: unless-stopped", "restart: on-failure:3"),
    (PRODUCTION, "pids: 100", 'pids: "100"'),
    (PRODUCTION, "file: ./config/production/secrets/db-password", "external: true"),
    (PRODUCTION, "DB_PASSWORD_FILE:", "PUBLIC_KEY: abc\n      DB_PASSWORD: \"\"\n      DB_PASSWORD_FILE:"),
    (PRODUCTION, "build: {target: prod}", 'build: {target: prod}\n    user: "10001:10001"'),
    (DOCKERFILE, "rm -rf /var/lib/apt/lists/*", "rm -fr /tmp/x /var/lib/apt/lists"),
    (DOCKERFILE, "COPY shop shop\n", "RUN pip --python /venv install --require-hashes -r x.lock && npm ci\n"),
    (DOCKERFILE, "COPY shop shop\n", "COPY .env.example shop/\nADD shop.tar /\nARG TOKEN_FILE\n"),
    (DOCKERFILE, "COPY shop shop\n", "COPY <<END /etc/motd\nCMD is said here\nEND\n"),
    (DOCKERFILE, "COPY shop shop\n", "user 7:7\nrun true\n"),
    (DOCKERFILE, "USER root\nCMD", "RUN --mount=type=cache,target=/var/lib/apt apt-get install --no-install-recommends -y x\nCMD"),
    (BASE, "build: ./services/shop\n    env_file", "build: {context: ./services/shop, dockerfile: Dockerfile}\n    env_file"),
]  # fmt: skip


@pytest.mark.parametrize("change", HARMLESS, ids=range(len(HARMLESS)))
def test_harmless_change_is_not_found(shop: Shop, change: tuple[str, str, str]) -> None:
    """Other ways to write what is right are let alone."""
    shop.edit(*change)
    assert shop.findings(*RULES, "image-pinned", "port-conflict", "volume-declared") == []


def test_declared_call_lets_the_edge_into_a_network_of_data(shop: Shop) -> None:
    """What the edge calls by declaration it may reach: downloads come from the storage itself."""
    shop.edit(PRODUCTION, HARDENED, f"{HARDENED}\n    networks: [outside, inside]")
    step = "      - {from: gate, to: db, protocol: http, operation: GET /*}\n"
    shop.write(FLOWS, shop.read(FLOWS) + step)
    assert shop.findings("network-tiers") == []


def test_secret_that_no_service_reads_is_a_note(shop: Shop) -> None:
    """Some secrets are only what others are made of: that fails nothing."""
    spare = "  spare:\n    file: ./config/production/secrets/spare\n"
    shop.edit(PRODUCTION, "secrets:\n  db-password:\n", f"secrets:\n{spare}  db-password:\n")
    assert shop.findings("secret-as-file") == []
    (note,) = shop.notes("secret-as-file")
    assert (note.message, shop.line(note)) == ("The secret spare is read by no service.", "spare:")


def test_call_of_production_alone_lets_the_edge_in_too(shop: Shop) -> None:
    """A call may be declared under `production`, where it is made."""
    shop.edit(PRODUCTION, HARDENED, f"{HARDENED}\n    networks: [outside, inside]")
    call = "production:\n  - {from: gate, to: db, protocol: http, operation: GET /*}\n"
    shop.write(FLOWS, shop.read(FLOWS) + call)
    assert shop.findings("network-tiers") == []


def test_stage_that_production_builds_is_looked_at(shop: Shop) -> None:
    """The user of the stage counts that production names, wherever it stands in the file."""
    shop.edit(PRODUCTION, "target: prod", "target: dev")
    (finding,) = shop.findings("dockerfile-safe")
    assert (finding.message, shop.line(finding)) == (
        "dev runs as root, which is root.",
        "USER root",
    )


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "ARG A=b\n", "RUN true \\"])
def test_dockerfile_without_a_stage_is_an_error(shop: Shop, text: str) -> None:
    """A file that can't be built is told, and breaks nothing."""
    shop.write(DOCKERFILE, text)
    assert "This Dockerfile has no FROM." in [f.message for f in shop.findings("dockerfile-safe")]


@pytest.mark.parametrize("text", ["FROM\n", "FROM a:1 AS\nRUN <<END\nnever closed\n", "\\\n\\\n"])
def test_broken_dockerfile_is_read_to_its_end(text: str) -> None:
    """Whatever a Dockerfile holds, reading it ends without an error."""
    assert dockerfile.read(text)


def test_compose_files_that_cannot_be_read_are_told_once(shop: Shop) -> None:
    """The security rules say what is wrong with the Compose files, and no more."""
    shop.edit(PRODUCTION, "cap_drop: [ALL]", "cap_drop: ALL")
    assert {finding.rule for finding in shop.findings(*RULES)} == {"compose-valid"}


@pytest.mark.parametrize(
    ("name", "secret", "file"),
    [
        ("DB_PASSWORD", True, False),
        ("RABBITMQ_DEFAULT_PASS", True, False),
        ("S3_ACCESS_KEY_ID", True, False),
        ("apiKey", False, False),
        ("API_KEY", True, False),
        ("PUBLIC_KEY", False, False),
        ("TOKEN_MINUTES", False, False),
        ("MONKEY", False, False),
        ("COMPASS", False, False),
        ("JWT_SECRET_FILE", False, True),
        ("LOG_FILE", False, False),
        ("", False, False),
    ],
)
def test_names_tell_what_a_secret_is(name: str, secret: bool, file: bool) -> None:
    """Names of secrets, of their files, and of what only sounds alike."""
    assert (is_secret(name), is_secret_file(name)) == (secret, file)


def test_page_may_name_a_folder_that_git_ignores(shop: Shop) -> None:
    """Secrets lie where no checkout has them: a page that names their folder is right."""
    subprocess.run(["git", "init", "-q", str(shop.root)], check=True)
    shop.write(".gitignore", "config/production/secrets/\n")
    shop.write("README.md", "See `config/production/secrets` and `config/nothing/there`.\n")
    messages = [finding.message for finding in shop.findings("link")]
    assert messages == ["config/nothing/there is not there."]
