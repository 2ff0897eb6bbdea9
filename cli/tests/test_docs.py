"""The overview: generated blocks are true to the Compose files, and prose stays as it was written."""

import json
import re
import shutil
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from groundplan.docs import Drift, drift, write
from groundplan.errors import UserError
from tests.support import Workspace

COMPOSE = """\
name: shop
services:
  ##<<SERVICES>>
  web:
    image: shop/web:1
    expose: ["3000"]
    env_file: config/.env
    depends_on: [db]
    networks: [inner]
    deploy:
      resources:
        limits: {cpus: "0.5", memory: 512M}
    x-groundplan:
      tier: edge
      title: Shop
      role: the pages
      scaling: horizontal (stateless)
      protocols: {"3000": HTTP}
  ##<</SERVICES>>
  ##<<BACKING_SERVICES>>
  db:
    image: postgres:17
    expose: ["5432"]
    volumes: ["db-data:/data", "./settings:/etc/db:ro"]
    networks: [inner]
    x-groundplan: {title: Database}
  ##<</BACKING_SERVICES>>
networks:
  inner:
    ipam: {config: [{subnet: 10.1.0.0/16}]}
volumes:
  db-data:
    x-groundplan: {holds: all that was bought, backup: "pg_dump, daily"}
"""
DEVELOPMENT = """\
services:
  web:
    ports: ["127.0.0.1:${WEB_PORT:-3000}:3000"]
  db:
    ports: ["127.0.0.1:${DB_PORT:-5432}:5432"]
  ##<<DEVELOPMENT_SERVICES>>
  viewer:
    image: viewer:1
    ports: ["127.0.0.1:${VIEWER_PORT:-5050}:80"]
    networks: [inner]
    depends_on: [db]
    volumes: ["./tmp/viewer:/var/lib/viewer"]
    x-groundplan: {tool: true, protocols: {"80": HTTP}}
  ##<</DEVELOPMENT_SERVICES>>
"""
PRODUCTION = """\
services:
  web:
    ports: ["127.0.0.1:3000:3000"]
    deploy: {replicas: 3}
"""
FLOWS = """\
actors: [browser]
flows:
  buy:
    title: Buying
    steps:
      - {from: browser, to: web, protocol: http, operation: POST /orders, note: with a basket}
      - {from: web, to: db, protocol: postgresql, operation: INSERT orders}
"""
OVERVIEW = Path("docs/architecture/overview.md")


@pytest.fixture
def shop(workspace: Workspace) -> Workspace:
    """A workspace with a page, a database and a tool, and its documents written."""
    workspace.write_text(COMPOSE)
    (workspace.root / "docker-compose.development.yml").write_text(DEVELOPMENT)
    (workspace.root / "docker-compose.production.yml").write_text(PRODUCTION)
    (workspace.root / OVERVIEW.parent).mkdir(parents=True)
    flows(workspace, FLOWS)
    write(workspace.root)
    return workspace


def flows(workspace: Workspace, text: str) -> None:
    """Declare flows."""
    (workspace.root / OVERVIEW.parent / "flows.yaml").write_text(text)


def overview(workspace: Workspace) -> str:
    """The overview, its line ends as they are."""
    return (workspace.root / OVERVIEW).read_bytes().decode()


def rewrite(workspace: Workspace, text: str) -> None:
    """Write the overview, its line ends as they are given."""
    (workspace.root / OVERVIEW).write_bytes(text.encode())


def move_port(workspace: Workspace) -> None:
    """Publish the page at another port in development."""
    text = DEVELOPMENT.replace(":-3000}:3000", ":-3100}:3000")
    (workspace.root / "docker-compose.development.yml").write_text(text)


def rows(document: str, first_cell: str) -> list[list[str]]:
    """The cells of every table row that begins with `first_cell`."""
    lines = [line for line in document.splitlines() if line.startswith(f"| {first_cell} |")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def tree(workspace: Workspace) -> dict[str, bytes]:
    """Every file of the documents and its bytes."""
    folder = workspace.root / OVERVIEW.parent
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


# -- what is written --------------------------------------------------------------------------


def test_the_overview_of_a_workspace_without_one(workspace: Workspace) -> None:
    """`docs` creates the overview and its pictures, says so, and the second time changes nothing."""
    workspace.write_text(COMPOSE)
    assert drift(workspace.root)[0] == Drift(OVERVIEW, 1, "The overview is missing.")
    done = workspace.gp("docs")
    assert done.returncode == 0, done.stderr
    assert f"new      {OVERVIEW}" in done.stderr
    assert sorted(tree(workspace)) == [
        "boundaries.svg", "network.svg", "overview.md", "picture.svg", "scaling.svg",
    ]  # fmt: skip
    before = tree(workspace)
    assert write(workspace.root) == []
    assert drift(workspace.root) == []
    assert tree(workspace) == before


def test_the_tables(shop: Workspace) -> None:
    """Ports, addresses, volumes, folders, limits and pages stand in the tables."""
    text = overview(shop)
    assert rows(text, "Shop") == [
        ["Shop", "`web:3000`", "`127.0.0.1:3000`"],
        ["Shop", "3000", "3000", "HTTP", "yes, on 127.0.0.1", "yes, on 127.0.0.1"],
        ["Shop", "0.5", "512M", "3", "horizontal (stateless)"],
    ]
    assert rows(text, "Database")[1] == [
        "Database",
        "5432",
        "5432",
        "TCP",
        "yes, on 127.0.0.1",
        "no",
    ]
    assert rows(text, "viewer")[1] == ["viewer", "80", "5050", "HTTP", "yes, on 127.0.0.1", "no"]
    assert rows(text, "`db-data`")[0][1:] == [
        "all that was bought", "Database at `/data`", "pg\\_dump, daily",
    ]  # fmt: skip
    assert rows(text, "`./settings`")[0][1:] == ["Database at `/etc/db`", "yes", "yes"]
    assert rows(text, "`./tmp/viewer`")[0][1:] == ["viewer at `/var/lib/viewer`", "yes", "no"]
    assert rows(text, "`inner`")[0] == [
        "`inner`", "bridge", "`10.1.0.0/16`", "`web`, `db`, `viewer`", "`web`, `db`",
    ]  # fmt: skip
    assert rows(text, "data") == [["data", "Database", "–", "Shop → Database (postgresql)"]]
    assert rows(text, "edge")[0][2:] == ["Shop `127.0.0.1:3000`", "Browser → Shop (http)"]
    assert "<http://localhost:5050> (viewer)" in text


def test_a_port_of_production_differs(shop: Workspace) -> None:
    """Where production publishes another port, on every address, the table says both."""
    production = PRODUCTION.replace("127.0.0.1:3000:3000", "443:3000")
    (shop.root / "docker-compose.production.yml").write_text(production)
    write(shop.root)
    assert rows(overview(shop), "Shop")[1] == [
        "Shop", "3000", "3000; in production 443", "HTTP", "yes, on 127.0.0.1", "yes, on every address",
    ]  # fmt: skip


def test_the_page_of_a_service_is_linked(shop: Workspace) -> None:
    """A service with a page is linked to it, one without shows none."""
    (shop.root / "docs" / "services").mkdir()
    (shop.root / "docs" / "services" / "web-service.md").touch()
    write(shop.root)
    assert rows(overview(shop), "`web`")[0][-1] == "[web-service](../services/web-service.md)"
    assert rows(overview(shop), "`db`")[0][-1] == "–"


def test_the_pictures(shop: Workspace) -> None:
    """Mermaid and SVG show who calls whom; the SVG has a title, a description and text."""
    assert 'n_web -->|"postgresql"| n_db' in overview(shop)
    assert "n_browser->>n_web: http · POST /orders" in overview(shop)
    assert "Note over n_browser,n_web: with a basket" in overview(shop)
    for name, words in {"picture": "Shop", "flow-buy": "1. http · POST /orders"}.items():
        image = (shop.root / OVERVIEW.parent / f"{name}.svg").read_text()
        texts = [element.text for element in ElementTree.fromstring(image).iter()]  # noqa: S314 - ours
        assert words in texts
        assert re.search("<title .*<desc .*prefers-color-scheme: dark", image, re.DOTALL)
    image = (shop.root / OVERVIEW.parent / "picture.svg").read_text()
    assert "<title>Shop calls Database: postgresql</title>" in image
    assert "<title>viewer starts after Database</title>" in image
    assert "<title>Database stores in db-data</title>" in image


def test_the_same_on_every_machine(shop: Workspace, tmp_path: Path) -> None:
    """Hash seeds, variables of ports and the settings of this machine change no byte."""
    before = tree(shop)
    for seed, port in (("1", "4000"), ("2", "5000")):
        shutil.rmtree(shop.root / OVERVIEW.parent)
        (shop.root / OVERVIEW.parent).mkdir()
        flows(shop, FLOWS)
        done = shop.gp("docs", PYTHONHASHSEED=seed, WEB_PORT=port, HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert tree(shop) == before


# -- drift ------------------------------------------------------------------------------------


def test_a_changed_port_is_found_and_mended(shop: Workspace) -> None:
    """Another port in Compose fails --check with a diff, and is mended by `docs`."""
    move_port(shop)
    before = tree(shop)
    found = drift(shop.root)
    lines = overview(shop).splitlines()
    ports = next(item for item in found if "block ports" in item.message)
    assert lines[ports.line - 1] == (
        "| Shop | 3000 | 3000 | HTTP | yes, on 127.0.0.1 | yes, on 127.0.0.1 |"
    )
    done = shop.gp("docs", "--check")
    assert done.returncode == 1
    assert "-| Shop | 3000 | 3000 | HTTP" in done.stdout
    assert "+| Shop | 3000 | 3100; in production 3000 | HTTP" in done.stdout
    assert "./gp docs" in done.stderr
    assert tree(shop) == before
    assert shop.gp("docs").returncode == 0
    assert shop.gp("docs", "--check").returncode == 0


def test_an_edited_table_is_found_at_its_line(shop: Workspace) -> None:
    """Who edits a generated table by hand is told the line, and nothing else."""
    text = overview(shop)
    rewrite(shop, text.replace("| Shop | 0.5 |", "| Shop | 0.7 |"))
    line = 1 + overview(shop).splitlines().index(
        "| Shop | 0.7 | 512M | 3 | horizontal (stateless) |"
    )
    assert drift(shop.root) == [Drift(OVERVIEW, line, "The block scaling is out of date.")]
    write(shop.root)
    assert overview(shop) == text


def test_a_changed_flow(shop: Workspace) -> None:
    """Another operation in a flow changes its diagram and its picture."""
    flows(shop, FLOWS.replace("POST /orders", "PUT /orders"))
    assert [item.file.name for item in drift(shop.root)] == ["overview.md", "flow-buy.svg"]
    assert [file.name for file in write(shop.root)] == ["overview.md", "flow-buy.svg"]
    assert "http · PUT /orders" in overview(shop)


def test_a_picture_that_was_edited_or_lost(shop: Workspace) -> None:
    """A picture that is not what `docs` draws is drift, and is drawn anew."""
    before = tree(shop)
    picture = shop.root / OVERVIEW.parent / "picture.svg"
    picture.write_text(picture.read_text().replace("Shop", "Shed"))
    (shop.root / OVERVIEW.parent / "network.svg").unlink()
    assert [(item.file.name, item.message) for item in drift(shop.root)] == [
        ("picture.svg", "The picture is out of date."),
        ("network.svg", "The picture is missing."),
    ]
    write(shop.root)
    assert tree(shop) == before


def test_dry_run_and_json(shop: Workspace) -> None:
    """--dry-run writes nothing; --json lists every file with its state."""
    (shop.root / OVERVIEW).unlink()
    before = tree(shop)
    done = shop.gp("docs", "--dry-run", "--json")
    states = {item["file"]: item["state"] for item in json.loads(done.stdout)}
    assert (done.returncode, states[str(OVERVIEW)]) == (0, "new")
    assert states["docs/architecture/picture.svg"] == "unchanged"
    assert tree(shop) == before
    assert shop.gp("docs", "--check", "--json").returncode == 1


# -- prose and markers ------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_prose_is_kept_byte_by_byte(shop: Workspace, newline: str) -> None:
    """Around the blocks every byte stays: line ends, spaces, a missing last line end."""
    prose = "\n  Ünusual   words \t\n\n<!-- a comment -->\n"
    text = overview(shop).replace("\n## Ports\n", f"\n## Ports\n{prose}") + "no end of line"
    rewrite(shop, text.replace("\n", newline))
    assert drift(shop.root) == []
    move_port(shop)
    assert OVERVIEW in write(shop.root)
    text = overview(shop)
    assert prose.replace("\n", newline) in text
    assert text.endswith("no end of line")
    assert text.count("\n") == text.count(newline)
    assert "| Shop | 3000 | 3100; in production 3000 |" in text
    assert drift(shop.root) == []


def assert_refused(shop: Workspace, line: int, *words: str) -> None:
    """The documents are refused at a line of the overview, and nothing is written."""
    shop.write_text(COMPOSE.replace("title: Shop", "title: Market"))
    before = tree(shop)
    done = shop.gp("docs")
    assert done.returncode == 1
    assert f"{OVERVIEW}:{line}:" in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert line in {item.line for item in drift(shop.root)}
    assert tree(shop) == before


def line_of(shop: Workspace, text: str) -> int:
    """The line of the overview that holds `text`."""
    return next(n for n, line in enumerate(overview(shop).splitlines(), 1) if text in line)


def test_a_missing_block(shop: Workspace) -> None:
    """A block that was deleted is named, with its markers and where they may go."""
    text = overview(shop)
    start, end = text.index("<!-- groundplan:ports -->"), text.index("<!-- /groundplan:ports -->")
    rewrite(shop, text[:start] + text[end + len("<!-- /groundplan:ports -->\n") :])
    line = line_of(shop, "/groundplan:network")
    assert_refused(shop, line, "block ports is missing", "<!-- groundplan:ports -->")


def test_a_doubled_block(shop: Workspace) -> None:
    """A block that stands there twice is refused at the second."""
    text = overview(shop)
    rewrite(shop, f"{text}<!-- groundplan:ports -->\n<!-- /groundplan:ports -->\n")
    assert_refused(shop, text.count("\n") + 1, "block ports is there twice")


def test_crossed_blocks(shop: Workspace) -> None:
    """A block that begins inside another is refused, with the line of the other."""
    outer = line_of(shop, "groundplan:ports")
    rewrite(shop, overview(shop).replace("<!-- /groundplan:ports -->", "<!-- groundplan:x -->"))
    inner = line_of(shop, "<!-- groundplan:x -->")
    assert_refused(shop, inner, f"inside the block ports of line {outer}")


def test_a_block_without_an_end(shop: Workspace) -> None:
    """The last block without its end is refused, and the end is named."""
    text = overview(shop)
    line = line_of(shop, "<!-- groundplan:scaling -->")
    rewrite(shop, text.replace("<!-- /groundplan:scaling -->", ""))
    assert_refused(shop, line, "<!-- /groundplan:scaling -->")


def test_an_end_without_a_block(shop: Workspace) -> None:
    """An end that nothing began is refused."""
    rewrite(shop, "<!-- /groundplan:ports -->\n" + overview(shop))
    assert_refused(shop, 1, "<!-- /groundplan:ports -->", "no marker before it")


def test_a_flow_that_is_gone(shop: Workspace) -> None:
    """The block of a removed flow is named with its lines; without it, its picture goes too."""
    foreign = shop.root / OVERVIEW.parent / "drawn-by-hand.svg"
    foreign.write_text("<svg/>")
    flows(shop, "actors: [browser]\n")
    line = line_of(shop, "<!-- groundplan:flow-buy -->")
    last = line_of(shop, "<!-- /groundplan:flow-buy -->")
    assert_refused(shop, line, "flow-buy", f"Delete lines {line} to {last}")
    lines = overview(shop).split("\n")
    rewrite(shop, "\n".join(lines[: line - 1] + lines[last:]))
    assert Path("docs/architecture/flow-buy.svg") in write(shop.root)
    assert not (shop.root / OVERVIEW.parent / "flow-buy.svg").exists()
    assert foreign.exists()


# -- bad input --------------------------------------------------------------------------------

HOSTILE = (
    '<!-- /groundplan:ports --> | "x" </text><script> --> `a` [b](c) #quot; ; ]| end %% \n\u0007'
)


def test_hostile_names_stay_text(shop: Workspace) -> None:
    """Titles, roles and notes that look like markup are text in Markdown, Mermaid and SVG."""
    quoted = json.dumps(HOSTILE)
    shop.write_text(COMPOSE.replace("title: Shop", f"title: {quoted}").replace("the pages", quoted))
    flows(shop, FLOWS.replace("with a basket", quoted).replace("Buying", quoted))
    write(shop.root)
    assert drift(shop.root) == []
    text = overview(shop)
    assert "<script>" not in text
    table = rows(text, "`web`")[0]
    assert len(table) == 6
    mermaid = "".join(re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL))
    assert not re.search(r"<(?!br/>)|-->.*-->|%%|`", mermaid)
    assert text.count("```") == 2 * len(re.findall("```mermaid", text))
    for name, image in tree(shop).items():
        if name.endswith(".svg"):
            ElementTree.fromstring(image)  # noqa: S314 - ours
            assert b"<script" not in image


def test_a_flow_whose_name_is_no_name(shop: Workspace) -> None:
    """A flow that is named like a path is refused with its line, and writes no file there."""
    flows(shop, FLOWS.replace("  buy:", "  ../../buy:"))
    with pytest.raises(UserError, match=r"flows\.yaml:3"):
        write(shop.root)


def test_an_overview_that_is_no_text(shop: Workspace) -> None:
    """An overview that is not UTF-8 is refused, and left alone."""
    (shop.root / OVERVIEW).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        write(shop.root)
    assert (shop.root / OVERVIEW).read_bytes() == b"\xff\xfe"


def test_a_folder_that_cannot_be_written(shop: Workspace) -> None:
    """Where one file can't be written, the error names it, and no other file changes."""
    shop.write_text(COMPOSE.replace("title: Shop", "title: Market"))
    (shop.root / OVERVIEW.parent / ".scaling.svg.partial").mkdir()
    before = tree(shop)
    with pytest.raises(UserError, match=r"scaling\.svg\.partial can't be written"):
        write(shop.root)
    assert tree(shop) == before


def test_a_service_that_nobody_wrote_about(shop: Workspace) -> None:
    """A new service, without title or tier, stands in every table after `docs`."""
    shop.write_text(
        COMPOSE.replace("  ##<</SERVICES>>", "  mail:\n    image: mail:1\n  ##<</SERVICES>>")
    )
    write(shop.root)
    assert len(rows(overview(shop), "mail")) == 2
    assert "`mail`" in overview(shop)


def test_a_hundred_services_are_quick(workspace: Workspace) -> None:
    """The documents of 100 services that call each other are written within five seconds."""
    names = [f"service-{number}" for number in range(100)]
    workspace.write(
        {
            name: {"image": "x:1", "expose": ["80"], "volumes": [f"{name}-data:/data"]}
            for name in names
        }
        | {"web": {"image": "x:1", "depends_on": names}}
    )
    (workspace.root / OVERVIEW.parent).mkdir(parents=True)
    steps = "".join(
        f"      - {{from: {one}, to: {other}, protocol: http, operation: GET /}}\n"
        for one, other in zip(names, names[7:] + names[:7], strict=True)
    )
    flows(workspace, f"flows:\n  all:\n    title: All\n    steps:\n{steps}")
    start = time.monotonic()
    write(workspace.root)
    assert time.monotonic() - start < 5
    assert drift(workspace.root) == []
