"""A small workspace with secrets in production, for tests that need no engine."""

import json
from pathlib import Path
from textwrap import dedent

from groundplan.model.place import SECRETS_FOLDER
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.store import Store

COMPOSE = """
    name: shop
    services:
      web:
        image: shop/web
        build: ./web
        depends_on:
          setup: {condition: service_completed_successfully}
          db: {condition: service_healthy}
        deploy: {replicas: 3}
        secrets: [jwt-keys, web-postgres-user, web-postgres-password, web-rabbitmq-user,
          web-rabbitmq-password, web-redis-password, s3-access-key-id, s3-secret-access-key, internal-ca]
        x-groundplan: {scaling: horizontal (stateless)}
      setup:
        image: shop/web
        secrets: [web-postgres-user, web-postgres-password, postgres-password, internal-ca]
        depends_on: {db: {condition: service_healthy}}
      db:
        image: postgres:17
        secrets: [postgres-password, db-certificate, db-certificate-key]
        volumes: ["db-data:/data"]
      cache:
        image: redis:8
        secrets: [redis-password, web-redis-password]
        volumes: ["cache-data:/data"]
        x-groundplan: {scaling: horizontal (cluster mode)}
      queue: {image: "rabbitmq:4", secrets: [rabbitmq-definitions]}
      files: {image: "rclone/rclone:1.75", secrets: [storage-keys]}
    volumes: {db-data: , cache-data: }
"""
SECRETS = [
    "jwt-keys",
    "web-postgres-user",
    "web-postgres-password",
    "postgres-password",
    "web-rabbitmq-user",
    "web-rabbitmq-password",
    "rabbitmq-definitions",
    "web-redis-password",
    "redis-password",
    "s3-access-key-id",
    "s3-secret-access-key",
    "storage-keys",
    "internal-ca",
    "db-certificate",
    "db-certificate-key",
    "billing-token",
]
SETTINGS = "DOMAIN=app.shop.test\nDOWNLOADS_DOMAIN=files.shop.test\nTLS=internal\n"
PERMISSIONS = {"user": "web", "vhost": "/", "configure": "^$", "write": "^jobs$", "read": "^$"}


def make(root: Path) -> Inventory:
    """Write the workspace to `root`; it has no secrets yet."""
    write(root / "docker-compose.yml", dedent(COMPOSE))
    lines = [f"  {name}: {{file: ./{SECRETS_FOLDER / name}}}" for name in SECRETS]
    write(root / "docker-compose.production.yml", "\n".join(["services: {}", "secrets:", *lines]))
    write(root / "docker-compose.development.yml", "services: {}\n")
    write(root / "config" / ".env.example", "")
    write(root / "config" / "production" / ".env.example", SETTINGS)
    template = {"vhosts": [{"name": "/"}], "permissions": [PERMISSIONS]}
    write(root / "config" / "rabbitmq" / "definitions.json", json.dumps(template))
    return Inventory(root)


def write(file: Path, text: str) -> None:
    """Write a file, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def values(store: Store) -> dict[str, str]:
    """Every secret that there is."""
    return {file.name: file.read_text() for file in sorted(store.folder.iterdir())}
