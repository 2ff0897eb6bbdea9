"""The service: makes what is due, receives WAL all the time, and shows that it lives."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta

from backup import retention, scratch, tasks
from backup.catalog import Catalog
from backup.errors import BackupError, LockedError
from backup.lock import held
from backup.progress import log
from backup.repository import Repository
from backup.schedule import ORDER, Schedule
from backup.settings import Settings
from backup.status import Status
from backup.wal import Receiver, Spool

_TICK_S = 5.0
_RETRY_S = 60.0
_FORGET_EVERY = 30
_POLITE = 10


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    os.nice(_POLITE)  # whom the system serves comes first
    status = Status(settings)
    status.beat()
    log.info("backups of %s go to %s", settings.system, settings.repository)
    receiver = Receiver(settings)
    threads = [
        threading.Thread(target=_beat, args=(status, stop)),
        threading.Thread(target=receiver.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    # What is under way when the service ends is no backup: nobody waits for it.
    threading.Thread(target=_work, args=(settings, status, receiver, stop), daemon=True).start()
    stop.wait()
    for thread in threads:
        thread.join()


def _beat(status: Status, stop: threading.Event) -> None:
    while not stop.wait(_TICK_S):
        status.beat()


def _work(settings: Settings, status: Status, receiver: Receiver, stop: threading.Event) -> None:
    _prepare(settings, status, stop)
    arguments = (settings, status, receiver, stop)
    threading.Thread(target=_store_wal, args=arguments, daemon=True).start()
    schedule = Schedule(settings.every, datetime.now(UTC))
    while not stop.wait(_TICK_S):
        if receiver.has_gap.is_set():
            receiver.has_gap.clear()
            status.forgotten("base")
        last = {kind: status.last(kind) for kind in ORDER}
        kind = schedule.next(last, datetime.now(UTC))
        if kind is None:
            continue
        try:
            _do(settings, kind)
            schedule.succeeded(kind)
        except (BackupError, OSError) as error:
            log.error("%s failed: %s", kind, error)
            status.failed(kind, error)
            schedule.failed(kind, datetime.now(UTC))


def _prepare(settings: Settings, status: Status, stop: threading.Event) -> None:
    """Clear away what a killed process left, and learn what was made; again until it works."""
    while not stop.is_set():
        try:
            with held(settings, "the start of the service"):
                scratch.remove_leftovers(settings.state)
                if Repository(settings).id() or status.read()["repository"]:
                    _learn(settings, status)
        except (BackupError, OSError) as error:
            log.warning("not ready yet: %s", error)
            status.failed("dump", error)
            stop.wait(_RETRY_S)
        else:
            return


def _learn(settings: Settings, status: Status) -> None:
    """The times of the last backups, from the repository."""
    repository = tasks.opened(settings)
    # Nothing else of this service is at work yet.
    repository.unlock()
    catalog = Catalog(repository, settings.system)
    for kind in ("dump", "base", "redis", "storage"):
        for backup in catalog.own(kind)[-1:]:
            if (status.last(kind) or backup.time - timedelta(1)) < backup.time:
                facts = {"id": backup.id, "bytes": backup.size, "seconds": backup.seconds}
                status.succeeded(kind, backup.time, **facts)


def _do(settings: Settings, kind: str) -> None:
    if kind == "drill":
        catalog = Catalog(tasks.opened(settings), settings.system)
        for each in (*catalog.own("base")[-1:], *catalog.own("dump")[-1:]):
            tasks.verify(settings, each.id, None, scratch.LOOPBACK)
        return
    manifest = tasks.back_up(settings, kind)
    log.info("%s: %d bytes in %.1f s", manifest.id, manifest.size, manifest.seconds)
    if kind == "dump":
        tasks.prune(settings)


def _store_wal(
    settings: Settings, status: Status, receiver: Receiver, stop: threading.Event
) -> None:
    """Bring what was received into the repository, once there is one."""
    spool, stored = None, 0
    while not stop.wait(settings.every.wal.total_seconds()):
        if receiver.error:
            status.failed("wal", f"WAL is not received. {receiver.error}")
            continue
        if status.read()["repository"] is None:
            continue
        try:
            at = datetime.now(UTC)
            spool = spool or Spool(settings, tasks.opened(settings))
            spool.store()
            status.succeeded("wal", at)
            if stored % _FORGET_EVERY == 0:
                # To forget keeps others out of the repository, who may not be able to wait.
                with held(settings, "the end of old WAL", wait=0):
                    retention.forget_wal(spool.repository, settings.system)
            stored += 1
        except LockedError:
            continue  # somebody is at work: the next time will do
        except (BackupError, OSError) as error:
            status.failed("wal", error)
