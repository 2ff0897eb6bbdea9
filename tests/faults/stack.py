"""The system under test: the instance's servers, and replicas of API and worker behind proxies."""

import asyncio
import csv
import json
import math
import os
import re
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from groundplan.model.workspace import Service, load
from groundplan.runtime.native.addresses import Addresses
from groundplan.runtime.native.drivers import postgres, rabbitmq, rclone, source
from groundplan.runtime.native.drivers.base import Account, Site, as_account
from groundplan.runtime.native.state import StateFile
from harness import ROOT
from proxy import Proxy
from replica import Replica
from waiting import eventually

HERE = Path(__file__).parent
APIS = 2
WORKERS = 3
API = ("python", "-m", "app")
WORKER = ("node", "src/main.ts")
NO_LIMIT = "999999/second"
LEASE_S = 5
"""Of a job in the short profile; the long one keeps the worker's own."""


@dataclass
class User:
    """Someone who is signed in."""

    id: str
    email: str
    token: str = ""
    jobs: list[str] = field(default_factory=list)
    """Those that were acknowledged."""


class Stack:
    """Servers by name, each with its proxy, and the replicas that use them."""

    def __init__(self, *, is_long: bool) -> None:
        instance = os.environ["GROUNDPLAN_INSTANCE"]
        self.folder = ROOT / "tmp" / instance
        self._state = StateFile(self.folder)
        self.workspace = load(ROOT, self._state.read().ports, instance)
        self._addresses = Addresses(self.workspace)
        self._site = Site(self.workspace, self._addresses)
        self.environment = source.environment_of(self.workspace.service("api"), self._site)
        names = ("postgres", "redis", "rabbitmq", "storage")
        self.proxies = {name: Proxy(self._port(self.workspace.service(name))) for name in names}
        self._lease = {} if is_long else {"WORKER_LEASE_SECONDS": str(LEASE_S)}
        self.users: list[User] = []
        self.signed_in = -math.inf
        """When the users signed in, as `time.monotonic` tells it."""
        self.apis: list[Replica] = []
        self.workers: list[Replica] = []

    @property
    def replicas(self) -> list[Replica]:
        """All of them."""
        return [*self.apis, *self.workers]

    # -- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start proxies and replicas; returns once all are ready."""
        for proxy in self.proxies.values():
            await proxy.start()
        await self.sql(LEDGER)
        self.apis = [self.replica("api", f"api-{number}", API) for number in range(APIS)]
        self.workers = [
            self.replica("worker", f"worker-{number}", WORKER) for number in range(WORKERS)
        ]
        await self.heal()

    async def heal(self) -> None:
        """Take every fault away and wait until all is well."""
        for proxy in self.proxies.values():
            await proxy.heal()
        for replica in self.replicas:
            replica.start()
            replica.send(signal.SIGCONT)
        for name in self.proxies:
            await self.server_ready(name)
        await asyncio.gather(*(replica.ready() for replica in self.replicas))

    async def stop(self) -> None:
        """Stop the replicas and the proxies."""
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        for proxy in self.proxies.values():
            await proxy.stop()

    def replica(
        self,
        service: str,
        name: str,
        argv: tuple[str, ...],
        changes: Mapping[str, str] | None = None,
        code: Path | None = None,
    ) -> Replica:
        """A further process of a service, of other `code` than today's if given; not started yet."""
        environment = {
            **self._environment(service, code),
            **self._lease,
            "PORT": str(self._addresses.spare_port()),
            "RELOAD": "false",
            "LOG_LEVEL": "INFO" if service == "api" else "info",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
            "JOBS_DIRECTORY": str(HERE / "jobs"),
            "CONTRACTS_DIR": str(self._contracts()),
            "MAX_EVENT_STREAMS_PER_USER": "1000",
            **dict.fromkeys(self._limits(), NO_LIMIT),
            **(changes or {}),
        }
        for proxy in self.proxies.values():
            here, there = f"127.0.0.1:{proxy.target}", f"127.0.0.1:{proxy.port}"
            environment = {key: value.replace(here, there) for key, value in environment.items()}
        return Replica(name, argv, code or self._folder(service), environment)

    async def migrate(self, code: Path, changes: Mapping[str, str]) -> None:
        """Bring a database to the newest schema that `code` knows."""
        environment = {**self._environment("migrate", code), **changes}
        await _output("python", "-m", "app.migrate", environment=environment, folder=code)

    def _environment(self, service: str, code: Path | None) -> dict[str, str]:
        """A service's own; programs of other code come from that code's environment."""
        own = source.environment_of(self.workspace.service(service), self._site)
        if code:
            own["PATH"] = f"{code}/.venv/bin:{own['PATH']}"
        return own

    def _folder(self, service: str) -> Path:
        folder = self.workspace.service(service).context
        assert folder
        return folder

    @staticmethod
    def _limits() -> list[str]:
        """All settings of rates: here faults shall refuse requests, not limits."""
        settings = (ROOT / "services" / "api" / "app" / "settings.py").read_text()
        return [name.upper() for name in re.findall(r"rate_limit_\w+", settings)]

    def _contracts(self) -> Path:
        """The product's contracts and the drills' own, in one folder."""
        folder = self.folder / "faults" / "contracts"
        for each in (ROOT / "contracts", HERE / "contracts"):
            shutil.copytree(each, folder, dirs_exist_ok=True)
        return folder

    def _port(self, service: Service) -> int:
        return self._addresses.port(service.name, service.ports[0].target)

    # -- servers ----------------------------------------------------------------------------

    def server_pid(self, name: str) -> int | None:
        """The process of a server."""
        services = {service.name: service for service in self._state.read().services}
        return services[name].pid

    def kill_server(self, name: str) -> None:
        """kill -9; the supervisor starts it again."""
        if pid := self.server_pid(name):
            os.kill(pid, signal.SIGKILL)

    async def server_ready(self, name: str, seconds: float = 60) -> None:
        """Wait until the supervisor says that it is well."""

        async def look() -> bool:
            services = {service.name: service for service in self._state.read().services}
            return services[name].state == "healthy" and bool(services[name].pid)

        await eventually(look, seconds, f"{name} healthy")

    async def restart_server(self, name: str) -> None:
        """kill -9, and wait until the next process is well."""
        before = self.server_pid(name)
        self.kill_server(name)

        async def look() -> bool:
            return self.server_pid(name) not in (before, None)

        # Its pause before a restart grows with each death, to half a minute.
        await eventually(look, 60, f"{name} started again")
        await self.server_ready(name)

    async def rabbitmqctl(self, *words: str) -> str:
        """Run RabbitMQ's own tool on the running node."""
        variables = Path(f"/proc/{self.server_pid('rabbitmq')}/environ").read_text().split("\0")
        environment = dict(pair.split("=", 1) for pair in variables if "=" in pair)
        tool = str(rabbitmq.PROGRAM.path.with_name("rabbitmqctl"))
        return await _output(
            tool, "--quiet", *words, environment=environment, account=self._site.account
        )

    # -- looking ----------------------------------------------------------------------------

    async def sql(self, statement: str, **values: str) -> str:
        """The answer of the database itself, not through its proxy; :'NAME' stands for a value."""
        return (await self._psql(statement, values, "-At")).strip()

    async def rows(self, statement: str, **values: str) -> list[dict[str, str]]:
        """The rows that a statement returns, as text; NULL is empty."""
        return list(csv.DictReader((await self._psql(statement, values, "--csv")).splitlines()))

    async def _psql(self, statement: str, values: dict[str, str], *options: str) -> str:
        psql, own = postgres.client(self.workspace.service("postgres"), self._addresses)
        given = (word for pair in values.items() for word in ("-v", "=".join(pair)))
        words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", *options, *given)
        environment = {**os.environ, **own}
        return await _output(psql, *words, environment=environment, stdin=statement)

    async def flush_redis(self) -> None:
        """Empty Redis."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxies["redis"].target)
        writer.write(f"AUTH {self.environment['REDIS_PASSWORD']}\r\nFLUSHALL\r\n".encode())
        assert [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+OK\r\n"]
        writer.close()

    def bucket_folder(self) -> Path:
        """Where the storage keeps the bucket."""
        service = self.workspace.service("storage")
        return self._addresses.volume(service, "/data") / self.environment["S3_BUCKET"]

    async def management(self, method: str, path: str, body: Any = None) -> Any:
        """Ask RabbitMQ's management; `path` below /api/, of the default virtual host."""
        own = self.environment
        service = self.workspace.service("rabbitmq")
        port = self._addresses.port("rabbitmq", service.ports[-1].target)
        login = (own["RABBITMQ_DEFAULT_USER"], own["RABBITMQ_DEFAULT_PASS"])
        async with httpx2.AsyncClient(auth=login, timeout=10) as client:
            answer = await client.request(method, f"http://127.0.0.1:{port}/api/{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def dead_letters(self) -> list[str]:
        """Jobs of the messages in the dead-letter queue, which stay there."""
        body = {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"}
        found = await self.management("POST", "queues/%2F/jobs.dead/get", body)
        return [json.loads(message["payload"])["job_id"] for message in found]

    async def forget_dead_letters(self) -> None:
        """Empty the dead-letter queue."""
        await self.management("DELETE", "queues/%2F/jobs.dead/contents")

    async def objects(self) -> dict[str, int]:
        """Keys and sizes in the bucket, as S3 lists them."""
        own = self.environment
        remote = f":s3,provider=Rclone,endpoint='http://127.0.0.1:{self.proxies['storage'].target}'"
        environment = {
            **os.environ,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_S3_ACCESS_KEY_ID": own["S3_ACCESS_KEY_ID"],
            "RCLONE_S3_SECRET_ACCESS_KEY": own["S3_SECRET_ACCESS_KEY"],
        }
        words = ("lsjson", "--recursive", "--files-only", f"{remote}:{own['S3_BUCKET']}")
        listed = await _output(str(rclone.PROGRAM.path), *words, environment=environment)
        return {item["Path"]: int(item["Size"]) for item in json.loads(listed)}

    async def quiet(self, whose: dict[str, str], seconds: float) -> float:
        """Wait until all these jobs ended and nothing is to be sent; seconds that it took."""
        began = time.monotonic()

        async def look() -> bool:
            return await self.sql(OPEN, **whose) == "0"

        try:
            await eventually(look, seconds, "all jobs ended", interval=0.2)
        except AssertionError as error:
            error.add_note(await self.sql(OPEN_BY_STATUS, **whose))
            raise
        return time.monotonic() - began


def array(words: Iterable[str]) -> str:
    """Ids as a value for `= ANY(:'NAME')`."""
    return f"{{{','.join(words)}}}"


async def _output(
    *argv: str,
    environment: dict[str, str],
    account: Account | None = None,
    stdin: str = "",
    folder: Path = Path("/"),
) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=as_account(account),
    )
    output, errors = await process.communicate(stdin.encode())
    assert process.returncode == 0, f"{argv[0]}: {errors.decode()}"
    return output.decode()


OPEN = """
WITH mine AS (SELECT * FROM jobs WHERE requested_by = ANY(:'users') AND created_at >= :'since')
SELECT (SELECT count(*) FROM mine WHERE status IN ('queued', 'running'))
    + (SELECT count(*) FROM outbox JOIN mine ON mine.id = job_id)"""
OPEN_BY_STATUS = """
SELECT status, count(*), min(enqueued_at), max(lease_expires_at), max(attempts), now(),
    (SELECT count(*) FROM outbox), (SELECT max(error) FROM outbox)
FROM jobs WHERE status IN ('queued', 'running')
    AND requested_by = ANY(:'users') AND created_at >= :'since' GROUP BY status"""
# Written down in the transaction of the change itself, so that none is missed and none is invented.
LEDGER = """
CREATE TABLE IF NOT EXISTS ledger (
    id bigint GENERATED ALWAYS AS IDENTITY, job uuid NOT NULL, before text NOT NULL, after text NOT NULL);
CREATE OR REPLACE FUNCTION keep_ledger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.ledger (job, before, after)
    VALUES (NEW.id, CASE WHEN TG_OP = 'INSERT' THEN '' ELSE OLD.status END, NEW.status);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER ledger_inserted AFTER INSERT ON jobs
    FOR EACH ROW EXECUTE FUNCTION keep_ledger();
CREATE OR REPLACE TRIGGER ledger_changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION keep_ledger()"""
