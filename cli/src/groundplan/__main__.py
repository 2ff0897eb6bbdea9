"""The command line: parses, calls a command, and prints errors for people.

Commands are imported when they are called, so that a quick one stays quick.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from groundplan import __version__
from groundplan.errors import UserError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": False}

services_argument = click.argument("services", nargs=-1)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would be done, and do nothing."
)
production_option = click.option(
    "--production", is_flag=True, help="Production on this machine, which ./gp deploy starts."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, message="%(version)s")
def gp() -> None:
    """Runs, checks and describes this product from its Compose files."""


def command(
    group: click.Group = gp, **settings: Any
) -> Callable[[Callable[..., None]], click.Command]:
    """A command of `group`; its docstring is the help, with line breaks kept in the last paragraph."""

    def register(function: Callable[..., None]) -> click.Command:
        text, example = (function.__doc__ or "").rsplit("\n\n", 1)
        return group.command(help=text, epilog=example.strip(), **settings)(function)

    return register


@command()
@services_argument
@click.option("--tools", is_flag=True, help="Start the tools too (pgAdmin and the like).")
@click.option("--detach", "-d", is_flag=True, help="Return once everything is ready.")
@click.option(
    "--runtime",
    type=click.Choice(["docker", "native"]),
    help="As containers or as processes; docker where an engine answers, unless $GROUNDPLAN_RUNTIME is set.",
)
@json_option
@dry_run_option
def up(
    services: tuple[str, ...],
    tools: bool,
    detach: bool,
    runtime: str | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Start the system, install what is missing, and show the logs.

    Starts all SERVICES, or those named and what they depend on.

    Example: ./gp up --detach
    """
    from groundplan.commands import up

    up.run(list(services), tools, detach, as_json, dry_run, runtime)


@command()
@click.option("--volumes", is_flag=True, help="Delete all data too.")
@production_option
@yes_option
@dry_run_option
def down(volumes: bool, production: bool, yes: bool, dry_run: bool) -> None:
    """Stop the system. Data are kept.

    Example: ./gp down
    """
    from groundplan.commands import down

    down.run(volumes, yes, dry_run, production)


@command()
@json_option
@click.option("--map", "as_map", is_flag=True, help="Draw the services as boxes, tier by tier.")
@production_option
def status(as_json: bool, as_map: bool, production: bool) -> None:
    """Show the state and the URL of each service. Ends with 0 if all are ready, else with 3.

    Example: ./gp status --json
    """
    from groundplan.commands import status

    if as_map and production:
        raise click.UsageError("--map draws development only.")
    sys.exit(status.run(as_json, as_map, production))


@command()
@services_argument
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Lines of each.",
)
@production_option
def logs(services: tuple[str, ...], follow: bool, lines: int, production: bool) -> None:
    """Show what the services wrote, in one view.

    Example: ./gp logs api worker --follow
    """
    from groundplan.commands import logs

    logs.run(list(services), follow, lines, production)


@command(name="open")
@click.argument("service", required=False)
@click.option("--print", "print_only", is_flag=True, help="Only print the URL.")
def open_page(service: str | None, print_only: bool) -> None:
    """Open the page of a service in the browser; of the first one, if none is named.

    Example: ./gp open frontend
    """
    from groundplan.commands import browse

    browse.run(service, print_only)


@command()
@click.option("--production", is_flag=True, help="Look at what production needs instead.")
@json_option
def doctor(production: bool, as_json: bool) -> None:
    """Show what the services need on this machine, what is there, and how the rest is got.

    Example: ./gp doctor
    """
    from groundplan.commands import doctor

    sys.exit(doctor.run(as_json, production))


@command()
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option("--reset", is_flag=True, help="Forget what was seen so far.")
@json_option
def observe(once: bool, reset: bool, as_json: bool) -> None:
    """Show live who calls whom: how often, how long it takes, and whether it is declared.

    Example: ./gp observe --once
    """
    from groundplan.commands import observe

    observe.run(once, as_json, reset)


@command()
@click.argument("trace_id", required=False, metavar="[ID]")
@click.option("--last", is_flag=True, help="Show the newest trace.")
@click.option("--operation", help="The newest with that in it; * stands for any text.")
@json_option
def trace(trace_id: str | None, last: bool, operation: str | None, as_json: bool) -> None:
    """Show a trace: which service did what, when, and for how long.

    Example: ./gp trace --last --operation 'POST /api/v1/export'
    """
    from groundplan.commands import trace

    trace.run(trace_id, last, operation, as_json)


@command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--servers",
    type=click.Choice(["native", "containers"]),
    default="native",
    show_default=True,
    help="Where PostgreSQL and the like come from.",
)
@click.argument("part", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(servers: str, part: str | None, arguments: tuple[str, ...]) -> None:
    """Run the tests of every part, or of one PART with ARGUMENTS for its test runner.

    Example: ./gp test api -- -k login
    """
    from groundplan.commands import test

    sys.exit(test.run(part, list(arguments), servers))


@command()
@click.option("--fix", is_flag=True, help="Repair what can be repaired.")
@click.option(
    "--security", is_flag=True, help="Known vulnerabilities and licences of all packages instead."
)
@click.option(
    "--sbom",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With --security: write the bill of materials of each part there (CycloneDX).",
)
@click.argument("part", required=False)
def lint(part: str | None, fix: bool, security: bool, sbom: Path | None) -> None:
    """Check the format, style and types of every part, or of one PART.

    Example: ./gp lint --fix
    """
    from groundplan.commands import lint
    from groundplan.commands import security as security_command

    if not security:
        if sbom:
            raise UserError("--sbom goes with --security.", code=2)
        sys.exit(lint.run(part, fix))
    if part or fix:
        raise UserError("--security looks at all parts, and repairs nothing.", code=2)
    sys.exit(security_command.run(sbom))


@command()
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@json_option
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--notes", is_flag=True, help="Show notes too, which never fail.")
@click.option(
    "--rule", "rules", multiple=True, metavar="ID", help="Ask this rule only; may be repeated."
)
@click.option("--explain", "explained", metavar="ID", help="Say why a rule is there.")
@click.option(
    "--write-baseline", is_flag=True, help="Let pass what is found now, where no baseline is."
)
@click.option("--shrink-baseline", is_flag=True, help="Forget in the baseline what was mended.")
@click.option(
    "--live", is_flag=True, help="Exercise the running system; compare its calls instead."
)
@click.option(
    "--watch", type=click.FloatRange(min=0), metavar="SECONDS", help="With --live: only watch."
)
def check(
    output: str,
    as_json: bool,
    strict: bool,
    notes: bool,
    rules: tuple[str, ...],
    explained: str | None,
    write_baseline: bool,
    shrink_baseline: bool,
    live: bool,
    watch: float | None,
) -> None:
    """Hold the documents against the Compose files and the code.

    Ends with 0 if nothing is wrong, with 1 if something is. Notes, and without --strict warnings, don't fail.

    Example: ./gp check --explain volume-backup
    """
    from groundplan.commands import check

    if sum((bool(explained), write_baseline, shrink_baseline, bool(rules), live)) > 1:
        raise click.UsageError(
            "--explain, --rule, --write-baseline, --shrink-baseline and --live exclude each other."
        )
    if watch is not None and not live:
        raise click.UsageError("--watch needs --live.")
    if live:
        from groundplan.observe import report

        sys.exit(report.run("json" if as_json else output, watch))
    if explained:
        sys.exit(check.explain(explained))
    if write_baseline:
        sys.exit(check.write_baseline())
    if shrink_baseline:
        sys.exit(check.shrink_baseline())
    sys.exit(check.run("json" if as_json else output, strict, notes, rules))


@command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where anything drifted.")
@json_option
@dry_run_option
def docs(check: bool, as_json: bool, dry_run: bool) -> None:
    """Write docs/architecture from the Compose files and the declared flows.

    Only what stands between `groundplan` comments is written; prose is left as it is.

    Example: ./gp docs --check
    """
    from groundplan.commands import docs

    sys.exit(docs.run(check, as_json, dry_run))


@gp.group()
def models() -> None:
    """Get language models into the running Ollama."""


@command(models)
@click.argument("name")
@json_option
def pull(name: str, as_json: bool) -> None:
    """Download the model NAME into tmp/ollama.

    Example: ./gp models pull llama3.2:1b
    """
    from groundplan.commands import models

    models.pull(name, as_json)


@command(models, name="list")
@json_option
def list_models(as_json: bool) -> None:
    """Show the models that are there, and their sizes.

    Example: ./gp models list
    """
    from groundplan.commands import models

    models.show(as_json)


@gp.group()
def db() -> None:
    """Work with the database."""


@command(db)
def migrate() -> None:
    """Bring the schema to its newest version.

    Example: ./gp db migrate
    """
    from groundplan.commands import db

    sys.exit(db.run_command("migrate", []))


@command(db, context_settings=WORDS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="N")
def seed(arguments: tuple[str, ...]) -> None:
    """Add N users to play with.

    Example: ./gp db seed 100000
    """
    from groundplan.commands import db

    sys.exit(db.run_command("seed", list(arguments)))


@command(db, context_settings=WORDS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> None:
    """Open psql on the running database; ARGUMENTS go to psql.

    Example: ./gp db shell -- -c 'SELECT count(*) FROM users'
    """
    from groundplan.commands import db

    sys.exit(db.shell(list(arguments)))


@gp.group()
def backup() -> None:
    """Make backups, list them, and prove that they can be restored."""


@command(backup, name="now")
@click.option(
    "--kind",
    type=click.Choice(["dump", "base", "redis", "storage"]),
    default="dump",
    show_default=True,
    help="Of the database: a dump, or a base for any second after it; of Redis; of the list of objects.",
)
@production_option
@json_option
def backup_now(kind: str, production: bool, as_json: bool) -> None:
    """Make one backup now. Others are made by schedule.

    Example: ./gp backup now
    """
    from groundplan.commands import backup

    backup.now(kind, as_json, production)


@command(backup, name="list")
@production_option
@json_option
def list_backups(production: bool, as_json: bool) -> None:
    """Show the backups, the oldest first, and from when to when any second can be restored.

    Example: ./gp backup list
    """
    from groundplan.commands import backup

    backup.show(as_json, production)


@command(backup)
@click.argument("backup_id", required=False, metavar="[ID]")
@production_option
@json_option
def verify(backup_id: str | None, production: bool, as_json: bool) -> None:
    """Prove that the backup ID, or the newest, can be restored.

    Restores it into an empty server, compares every table's rows and checksum with those at the time of the
    backup, and lets the application try it. The running system is not touched.

    Example: ./gp backup verify
    """
    from groundplan.commands import backup

    backup.verify(backup_id, as_json, production)


@command(backup)
@click.argument("backup_id", metavar="ID")
@click.option(
    "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="A new file."
)
@production_option
def extract(backup_id: str, output: Path, production: bool) -> None:
    """Write the plain content of the backup ID to a file: a dump for pg_restore, an RDB, a list of objects.

    Example: ./gp backup extract latest --output users.dump
    """
    from groundplan.commands import backup

    backup.extract(backup_id, output, production)


@command(backup)
@dry_run_option
@production_option
@json_option
def prune(dry_run: bool, production: bool, as_json: bool) -> None:
    """Forget what the retention does not keep. It is done by schedule, too.

    Example: ./gp backup prune --dry-run
    """
    from groundplan.commands import backup

    backup.prune(dry_run, as_json, production)


@command()
@click.argument("backup_id", required=False, metavar="[ID]")
@click.option("--time", "moment", metavar="TIME", help="What was there at this moment instead.")
@click.option("--swap", is_flag=True, help="While others use the database: end their connections.")
@click.option("--swap-back", is_flag=True, help="Undo the last restore instead.")
@click.option("--drop-old", is_flag=True, help="Delete what restores have put aside instead.")
@production_option
@yes_option
@dry_run_option
@json_option
def restore(
    backup_id: str | None,
    moment: str | None,
    swap: bool,
    swap_back: bool,
    drop_old: bool,
    production: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the database back to the backup ID (`latest` is the newest), or to a moment, after asking.

    It is restored into a new database, checked, and put in the place of the present one, which is kept until
    --drop-old. If anything fails all is as before. TIME is like 2026-11-23T08:15:30Z.

    Example: ./gp restore latest --swap
    """
    from groundplan.commands import restore

    if sum(map(bool, (backup_id, moment, swap_back, drop_old))) != 1:
        raise click.UsageError("Give one of ID, --time, --swap-back and --drop-old.")
    if drop_old:
        restore.drop_old(yes, as_json, production)
    elif swap_back:
        restore.swap_back(yes, as_json, production)
    else:
        restore.run(backup_id, moment, swap, dry_run, yes, as_json, production)


@gp.group()
def jobs() -> None:
    """Look after jobs that failed for good."""


@command(jobs)
@json_option
def dead(as_json: bool) -> None:
    """List them, with why they failed.

    Example: ./gp jobs dead
    """
    _run_jobs("dead", [], is_all=False, as_json=as_json)


@command(jobs)
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--all", "is_all", is_flag=True, help="All that are dead.")
@json_option
def replay(ids: tuple[str, ...], is_all: bool, as_json: bool) -> None:
    """Start them over.

    Example: ./gp jobs replay --all
    """
    _run_jobs("replay", list(ids), is_all, as_json)


@command(jobs)
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--all", "is_all", is_flag=True, help="All that are dead.")
@json_option
def discard(ids: tuple[str, ...], is_all: bool, as_json: bool) -> None:
    """Take them off the list; their rows stay.

    Example: ./gp jobs discard 5b9c5c1e-6d0a-4a8b-9a53-0a3f0c1d2e3f
    """
    _run_jobs("discard", list(ids), is_all, as_json)


def _run_jobs(action: str, ids: list[str], is_all: bool, as_json: bool) -> None:
    """Run what a service offers as the command `jobs`."""
    from groundplan.commands import db

    flags = ["--all"] * is_all + ["--json"] * as_json
    sys.exit(db.run_command("jobs", [action, *ids, *flags]))


@command()
@services_argument
@click.option("--no-build", is_flag=True, help="Take the images that are there.")
@click.option("--force", is_flag=True, help="Replace what has not changed, too.")
@json_option
@dry_run_option
def deploy(
    services: tuple[str, ...], no_build: bool, force: bool, as_json: bool, dry_run: bool
) -> None:
    """Bring production up by Docker Compose, or what runs to the newest version.

    Replicas are replaced one by one, and a new one answers before an old one ends.

    Example: ./gp deploy api
    """
    from groundplan.commands import deploy

    deploy.run(list(services), no_build, force, as_json, dry_run)


@gp.group()
def secrets() -> None:
    """Make, check and rotate the secrets of production."""


@command(secrets)
@dry_run_option
@json_option
def init(dry_run: bool, as_json: bool) -> None:
    """Write the settings and make every secret that production lacks. None that is there changes.

    Example: ./gp secrets init
    """
    from groundplan.commands import secrets

    secrets.init(dry_run, as_json)


@command(secrets, name="check")
@json_option
def check_secrets(as_json: bool) -> None:
    """Say what is missing, weak, readable by others, or about to end. Ends with 1 if anything is wrong.

    Example: ./gp secrets check
    """
    from groundplan.commands import secrets

    sys.exit(secrets.check(as_json))


@command(secrets)
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Rotate everything that can be.")
@click.option("--finish", is_flag=True, help="Forget old keys now, whatever they have signed.")
@json_option
@dry_run_option
def rotate(
    names: tuple[str, ...], everything: bool, finish: bool, as_json: bool, dry_run: bool
) -> None:
    """Change secrets while the system runs, without a failed request. Without NAMES lists what there is.

    The new credential is made beside the old one, the services take it one by one, and the old one is
    removed. A rotation that was interrupted goes on where it stopped.

    Example: ./gp secrets rotate api-postgres
    """
    from groundplan.commands import secrets

    secrets.rotate(list(names), everything, finish, as_json, dry_run)


@gp.group()
def images() -> None:
    """Say which images production is made of."""


@command(images)
@dry_run_option
@json_option
def pin(dry_run: bool, as_json: bool) -> None:
    """Pin every image of production by the digest that its registry has for it now.

    Writes docker-compose.images.yml, with what services run and with what they are built from. Type it again to
    follow the tags; nothing changes until then.

    Example: ./gp images pin
    """
    from groundplan.commands import images

    images.pin(as_json, dry_run)


@gp.group()
def add() -> None:
    """Add a service to the workspace."""


@command(add)
@click.argument("name")
@click.option(
    "--kind", required=True, help="fastapi, node-worker, python-worker, react, static or container."
)
@click.option("--port", type=int, help="Where it listens; a free port by default.")
@click.option("--image", help="The image, for the kind container.")
@dry_run_option
@json_option
def service(
    name: str, kind: str, port: int | None, image: str | None, dry_run: bool, as_json: bool
) -> None:
    """Add the application service NAME from a template.

    Makes services/NAME with its tests, its entries in the Compose files, and its page in docs/services.
    Nothing is left behind where a step fails.

    Example: ./gp add service billing --kind fastapi
    """
    from groundplan.commands import add

    add.service(name, kind, port, image, dry_run, as_json)


@command(add)
@click.argument("name")
@click.option("--image", required=True, help="The image with its version, as in redis:8.")
@click.option("--port", type=int, help="Where it listens, for an image that has no template.")
@click.option("--volume", help="Path of its data, for an image that has no template.")
@dry_run_option
@json_option
def backing(
    name: str, image: str, port: int | None, volume: str | None, dry_run: bool, as_json: bool
) -> None:
    """Add the backing service NAME: a database, cache, queue or another server of an image.

    Example: ./gp add backing sessions --image redis:8
    """
    from groundplan.commands import add

    add.backing(name, image, port, volume, dry_run, as_json)


@command()
@click.argument("name")
@yes_option
@dry_run_option
@json_option
def remove(name: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the service NAME, after asking. Its data are kept.

    Refuses where other services need it, or where files would be lost that were changed and are in no commit;
    --yes deletes those too.

    Example: ./gp remove billing
    """
    from groundplan.commands import remove

    remove.run(name, yes, dry_run, as_json)


def main() -> None:
    """Run the command line; a UserError becomes a few lines on standard error and its exit code."""
    try:
        gp(prog_name="./gp")
    except UserError as error:
        _print_error(error)
        sys.exit(error.code)


def _print_error(error: UserError) -> None:
    red, plain = ("\033[1;31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red}Error:{plain} {error.what}", file=sys.stderr)
    for line in (error.why, error.hint):
        if line:
            print(f"  {line.strip()}", file=sys.stderr)


if __name__ == "__main__":
    main()
