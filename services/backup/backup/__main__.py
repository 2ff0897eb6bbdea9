"""The commands: `python -m backup COMMAND`. Results go to standard output, progress to error."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from backup import progress, recovery, restore, scratch, service, swap, tasks
from backup.catalog import Catalog
from backup.errors import BackupError, SystemRefusedError
from backup.lock import held
from backup.settings import Settings
from backup.sources import KINDS
from backup.status import Status

_SHORTEST_KEY = 16


def main() -> int:
    """Run a command: 0, or 1 and what is wrong."""
    words = _parser().parse_args()
    progress.configure(words.json)
    try:
        result = COMMANDS[words.command](Settings.from_environment(), words)
    except BackupError as error:
        _complain(error, words.json)
        return 1
    except OSError as error:
        _complain(SystemRefusedError(error), words.json)
        return 1
    except KeyboardInterrupt:
        _complain(BackupError("It was interrupted.", "Nothing has changed."), words.json)
        return 1
    if result is not None:
        print(json.dumps(result, indent=None if words.json else 2))  # noqa: T201 - the output of a command
    return 0


def _serve(settings: Settings, _words: argparse.Namespace) -> None:
    service.serve(settings)


def _now(settings: Settings, words: argparse.Namespace) -> Any:
    made = [tasks.back_up(settings, kind).id for kind in words.kind or ("dump",)]
    listed = _catalog(settings).backups()
    return {"backups": [each.as_dict() for each in listed if each.id in made]}


def _list(settings: Settings, words: argparse.Namespace) -> Any:
    catalog = _catalog(settings)
    if words.time:
        recovery.choose_base(catalog, recovery.parse_time(words.time))
    bases, until = catalog.own("base"), Status(settings).last("wal")
    reach = (
        {"from": bases[0].time.isoformat(), "to": until.isoformat()} if bases and until else None
    )
    return {
        "backups": [each.as_dict() for each in catalog.backups()],
        "repository": settings.repository,
        "restorable": reach,
    }


def _show(settings: Settings, words: argparse.Namespace) -> Any:
    catalog = _catalog(settings)
    return json.loads(catalog.manifest(catalog.get(words.id)).to_bytes())


def _extract(settings: Settings, words: argparse.Namespace) -> Any:
    catalog = _catalog(settings)
    manifest = catalog.manifest(catalog.get(words.id))
    if str(words.output) == "-":
        for chunk in catalog.content(manifest):
            sys.stdout.buffer.write(chunk)
        return None
    partial = words.output.with_name(words.output.name + ".partial")
    try:
        with partial.open("xb") as stream:
            for chunk in catalog.content(manifest):
                stream.write(chunk)
        partial.rename(words.output)
    except OSError as error:
        raise BackupError(f"{words.output} can't be written.", str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return {"id": manifest.id, "file": str(words.output), "bytes": manifest.size}


def _verify(settings: Settings, words: argparse.Namespace) -> Any:
    return tasks.verify(settings, words.id, _ask_for_smoke if words.smoke else None, words.listen)


def _prune(settings: Settings, words: argparse.Namespace) -> Any:
    return tasks.prune(settings, words.dry_run)


def _restore(settings: Settings, words: argparse.Namespace) -> Any:
    with held(settings, "a restore"):
        return restore.restore(settings, _catalog(settings), words.id, words.time, words.swap)


def _swap_back(settings: Settings, _words: argparse.Namespace) -> Any:
    with held(settings, "a restore"):
        restored, kept = swap.swap_back(settings.postgres, settings.database)
    return {"database": restored, "kept_as": kept}


def _drop_old(settings: Settings, _words: argparse.Namespace) -> Any:
    with held(settings, "dropping old databases"):
        return {"dropped": swap.drop_old(settings.postgres, settings.database)}


def _status(settings: Settings, _words: argparse.Namespace) -> Any:
    return Status(settings).read()


def _add_key(settings: Settings, _words: argparse.Namespace) -> Any:
    password = sys.stdin.readline().strip()
    if len(password) < _SHORTEST_KEY:
        hint = f"Give one of {_SHORTEST_KEY} characters or more on standard input."
        raise BackupError("There is no new password.", hint=hint)
    with held(settings, "a change of keys"):
        tasks.opened(settings).add_key(password)
    return {"added": True}


def _remove_old_keys(settings: Settings, _words: argparse.Namespace) -> Any:
    with held(settings, "a change of keys"):
        return {"removed": tasks.opened(settings).remove_other_keys()}


COMMANDS = {
    "serve": _serve,
    "now": _now,
    "list": _list,
    "show": _show,
    "extract": _extract,
    "verify": _verify,
    "prune": _prune,
    "restore": _restore,
    "swap-back": _swap_back,
    "drop-old": _drop_old,
    "status": _status,
    "key-add": _add_key,
    "key-remove-old": _remove_old_keys,
}


def _catalog(settings: Settings) -> Catalog:
    return Catalog(tasks.opened(settings), settings.system)


def _ask_for_smoke(server: dict[str, Any]) -> None:
    """Let who called use the restored database, and wait for the verdict."""
    print(json.dumps(server), file=sys.stderr, flush=True)  # noqa: T201 - read by the caller
    try:
        verdict = json.loads(sys.stdin.readline() or "{}")
    except json.JSONDecodeError:
        verdict = {}
    if verdict.get("smoke") != "passed":
        why = verdict.get("why") or "Nobody said that it passed."
        raise BackupError("The application can't use what was restored.", why)


def _complain(error: BackupError, as_json: bool) -> None:
    lines = [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
    text = json.dumps(error.as_dict()) if as_json else "\n".join(lines)
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for who called


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backup", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="JSON for the tool")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name, parents=[common]) for name in COMMANDS}
    made["now"].add_argument("--kind", action="append", choices=tuple(KINDS))
    for name in ("show", "extract"):
        made[name].add_argument("id")
    made["extract"].add_argument("--output", type=Path, required=True, help="- is standard output")
    for name in ("verify", "restore"):
        made[name].add_argument("id", nargs="?", default="")
    made["verify"].add_argument("--smoke", action="store_true")
    made["verify"].add_argument("--listen", default=scratch.LOOPBACK)
    made["prune"].add_argument("--dry-run", action="store_true", help="only tell what would go")
    made["list"].add_argument("--time", default="", help="refuse if nothing reaches this time")
    made["restore"].add_argument("--time", default="", help="ISO 8601 with a zone, or latest")
    made["restore"].add_argument("--swap", action="store_true", help="also while it is in use")
    return parser


if __name__ == "__main__":
    sys.exit(main())
