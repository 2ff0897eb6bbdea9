"""What `gp add` and `gp remove` change, refuse and leave alone."""

from pathlib import Path

import pytest

from tests.product import Product

BILLING = ("add", "service", "billing", "--kind", "fastapi")
SESSIONS = ("add", "backing", "sessions", "--image", "redis:8")
BASE, DEVELOPMENT = "docker-compose.yml", "docker-compose.development.yml"
KINDS = ("fastapi", "static", "node-worker", "python-worker", "react")


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """The files of this repository that adding and removing looks at."""
    return Product(tmp_path / "product")


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_comes_and_goes(product: Product, kind: str) -> None:
    """A service that was added and removed has left nothing: each byte and mode is as before."""
    before = product.tree()
    product.do("add", "service", "order-mail", "--kind", kind)
    assert (product.root / "docs/services/order-mail-service.md").is_file()
    assert (product.root / "services/order-mail/Dockerfile").is_file()
    product.do("remove", "order-mail", "--yes")
    assert product.tree() == before


@pytest.mark.parametrize(
    ("image", "options"),
    [
        ("redis:8", ()),
        ("postgres:17", ()),
        ("rabbitmq:4-management", ()),
        ("rclone/rclone:1.75", ()),
        ("opensearchproject/opensearch:3", ("--port", "9200", "--volume", "/usr/share/data")),
        ("ghcr.io/acme/mail:1.2@sha256:" + "0a" * 32, ("--port", "25")),
    ],
)
def test_a_backing_service_comes_and_goes(
    product: Product, image: str, options: tuple[str, ...]
) -> None:
    """The same for servers of images, known ones and others; their volume is declared with a backup."""
    before = product.tree()
    product.do("add", "backing", "extra", "--image", image, *options)
    text = (product.root / BASE).read_text()
    assert f"image: {image}" in text
    assert ("extra-data:\n    x-groundplan:" in text) == (options[:2] != ("--port", "25"))
    product.do("remove", "extra", "--yes")
    assert product.tree() == before


@pytest.mark.long
def test_services_go_in_any_order(product: Product) -> None:
    """Each of several added services can be removed first."""
    before = product.tree()
    for words in (
        BILLING,
        SESSIONS,
        ("add", "service", "site", "--kind", "static"),
        ("add", "service", "proxy", "--kind", "container", "--image", "nginx:1.29", "--port", "80"),
    ):
        product.do(*words)
    for name in ("sessions", "billing", "proxy", "site"):
        product.do("remove", name, "--yes")
    assert product.tree() == before


def test_no_name_of_the_template_is_left(product: Product) -> None:
    """Every word of the template that stands for a name was replaced."""
    before = product.tree()
    product.do("add", "service", "order-mail", "--kind", "python-worker")
    product.do(*SESSIONS)
    new = [content for path, (_, content) in product.tree().items() if before.get(path) is None]
    new.append((product.root / BASE).read_bytes())
    for word in (
        b"service-name",
        b"service_name",
        b"SERVICE_NAME",
        b"Service Name",
        b"service-port",
    ):
        assert not any(word in content for content in new), word


def test_files_of_windows_and_of_hand_stay_as_they_are(product: Product) -> None:
    """CRLF, odd quotes and comments of the user survive both ways."""
    base = product.root / BASE
    text = base.read_text().replace('cpus: "1.0"', "cpus:   '1.0'   # enough").replace("\n", "\r\n")
    base.write_bytes(text.rstrip("\r\n").encode())
    before = product.tree()
    product.do(*BILLING)
    assert b"\r\n  billing:\r\n" in base.read_bytes()
    assert base.read_bytes().count(b"\n") == base.read_bytes().count(b"\r\n")
    product.do("remove", "billing", "--yes")
    assert product.tree() == before


def test_a_free_port_is_taken(product: Product) -> None:
    """Without --port the first one that no Compose file has; the next service gets the next one."""
    product.do(*BILLING)
    product.do("add", "service", "site", "--kind", "static")
    text = (product.root / DEVELOPMENT).read_text()
    assert '["127.0.0.1:${BILLING_PORT:-8002}:8002"]' in text
    assert '["127.0.0.1:${SITE_PORT:-8003}:8003"]' in text


def test_a_port_can_be_chosen(product: Product) -> None:
    """--port is what it listens on."""
    product.do(*BILLING, "--port", "9900")
    assert '["127.0.0.1:${BILLING_PORT:-9900}:9900"]' in (product.root / DEVELOPMENT).read_text()


def test_dry_run_changes_nothing(product: Product) -> None:
    """Every change is named, for people and for machines, and none is made."""
    before = product.tree()
    shown = product.do(*BILLING, "--dry-run")
    assert "create services/billing/Dockerfile" in shown
    assert "edit   docker-compose.yml (+28 lines)" in shown
    plan = product.json(*BILLING, "--dry-run")
    assert plan["plan"] == "add billing"
    assert "docs/services/billing-service.md" in plan["create"]
    assert BASE in plan["edit"]
    assert product.tree() == before
    product.do(*BILLING)
    there = product.tree()
    assert "services/billing/" in product.json("remove", "billing", "--dry-run")["delete"]
    assert product.tree() == there


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("service", "api", "--kind", "static"), "There is a service api already"),
        (("service", "redis-commander", "--kind", "static"), "There is a service redis-commander"),
        (("service", "Billing", "--kind", "static"), "can't be the name of a service"),
        (("service", "bill_ing", "--kind", "static"), "can't be the name of a service"),
        (("service", "-billing", "--kind", "static"), "No such option"),
        (("service", "billing-", "--kind", "static"), "can't be the name of a service"),
        (("service", "8ball", "--kind", "static"), "can't be the name of a service"),
        (("service", "../../etc", "--kind", "static"), "can't be the name of a service"),
        (("service", "b" * 64, "--kind", "static"), "at most 63 characters"),
        (("service", "", "--kind", "static"), "can't be the name of a service"),
        (("service", "cli", "--kind", "static"), "is reserved"),
        (("service", "system", "--kind", "static"), "is reserved"),
        (("service", "browser", "--kind", "static"), "is reserved"),
        (("service", "null", "--kind", "static"), "is reserved"),
        (("service", "rabbitmq-management", "--kind", "static"), "RABBITMQ_MANAGEMENT_PORT"),
        (("service", "billing", "--kind", "django"), "There is no kind 'django'"),
        (("service", "billing", "--kind", "backing"), "There is no kind 'backing'"),
        (("service", "billing", "--kind", "../react"), "There is no kind"),
        (("service", "billing", "--kind", "static", "--port", "8000"), "Port 8000 belongs to"),
        (("service", "billing", "--kind", "static", "--port", "5432"), "belongs to postgres"),
        (("service", "billing", "--kind", "static", "--port", "80"), "80 can't be the port"),
        (("service", "billing", "--kind", "static", "--port", "65536"), "65536 can't be the port"),
        (("service", "billing", "--kind", "static", "--image", "nginx:1"), "has no --image"),
        (("service", "billing", "--kind", "container"), "needs --image"),
        (("service", "billing", "--kind", "container", "--image", "nginx:1"), "--port N"),
        (("backing", "cache", "--image", "redis"), "redis has no fixed version"),
        (("backing", "cache", "--image", "redis:latest"), "has no fixed version"),
        (("backing", "cache", "--image", "Redis:8"), "is no image"),
        (("backing", "cache", "--image", "redis:8\n    privileged: true"), "is no image"),
        (("backing", "cache", "--image", "redis:8", "--port", "7000"), "listens on 6379"),
        (("backing", "cache", "--image", "redis:8", "--volume", "/data"), "Leave --volume out"),
        (("backing", "db", "--image", "mysql:9"), "on which port mysql:9 listens"),
        (("backing", "db", "--image", "mysql:9", "--port", "0"), "0 can't be the port"),
        (
            ("backing", "db", "--image", "mysql:9", "--port", "1", "--volume", "data"),
            "absolute path",
        ),
        (
            ("backing", "db", "--image", "mysql:9", "--port", "1", "--volume", "/a:b"),
            "absolute path",
        ),
        (
            ("backing", "postgres", "--image", "mysql:9", "--port", "1"),
            "There is a service postgres",
        ),
    ],
)
def test_bad_input_is_refused(product: Product, words: tuple[str, ...], message: str) -> None:
    """The error says what is wrong, and nothing is changed."""
    before = product.tree()
    assert message in product.refused("add", *words)
    assert product.tree() == before


@pytest.mark.parametrize("place", ["services/billing", "docs/services/billing-service.md"])
def test_what_is_there_is_not_overwritten(product: Product, place: str) -> None:
    """A folder or a page of that name stops it."""
    (product.root / place).mkdir(parents=True)
    before = product.tree()
    assert f"{place} exists already" in product.refused(*BILLING)
    assert product.tree() == before


def test_a_volume_of_that_name_is_not_shared(product: Product) -> None:
    """A backing service never gets another one's data."""
    product.edit(BASE, "  postgres-data:\n    x", "  sessions-data: {}\n  postgres-data:\n    x")
    assert "There is a volume sessions-data already" in product.refused(*SESSIONS)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (BASE, "  ##<</SERVICES>>\n", "", "docker-compose.yml:"),
        (BASE, "  ##<<SERVICES>>\n", "", "closes what is not open"),
        (BASE, "  ##<<SERVICES>>\n", "  ##<<SERVICES>>\n  ##<<SERVICES>>\n", "opens inside"),
        (BASE, "  ##<</SERVICES>>\n", "##<</SERVICES>>\n", "is indented unlike"),
        (DEVELOPMENT, "  ##<<SERVICES>>\n", "", "docker-compose.development.yml:"),
        (BASE, "services:\n", "services: [\n", "docker-compose.yml:"),
        (BASE, "      title: API\n", "      titel: API\n", "docker-compose.yml:"),
    ],
)
def test_broken_files_are_left_alone(
    product: Product, file: str, old: str, new: str, message: str
) -> None:
    """A lost, doubled or crossed marker and broken YAML are told with file and line."""
    product.edit(file, old, new)
    before = product.tree()
    assert message in product.refused(*BILLING)
    assert product.tree() == before


def test_changed_files_are_not_deleted_unasked(product: Product) -> None:
    """Work that is in no commit is named, and stays; with --yes it goes."""
    product.commit()
    product.do(*BILLING)
    (product.root / "services/billing/app/invoice.py").write_text("PRICE = 1\n")
    product.edit("services/billing/app/main.py", "/api/v1", "/api/v2")
    product.edit(
        BASE,
        '      role: FastAPI\n      scaling: horizontal (stateless)\n      protocols: {"8002',
        '      role: bills\n      scaling: horizontal (stateless)\n      protocols: {"8002',
    )
    before = product.tree()
    done = product.gp("remove", "billing", answer="y\n")
    assert done.returncode == 1
    for name in ("app/invoice.py", "app/main.py"):
        assert f"services/billing/{name}\n" in done.stderr
    assert "docker-compose.yml: billing\n" in done.stderr
    assert "app/settings.py" not in done.stderr
    assert product.tree() == before
    product.do("remove", "billing", "--yes")
    assert not (product.root / "services/billing").exists()


def test_committed_files_can_be_got_back(product: Product) -> None:
    """What is in a commit goes after the question, whatever was changed in it."""
    product.do(*BILLING)
    product.edit("services/billing/app/main.py", "/api/v1", "/api/v2")
    product.commit()
    assert product.gp("remove", "billing", answer="y\n").returncode == 0
    assert not (product.root / "services/billing").exists()


def test_it_asks_before_it_deletes(product: Product) -> None:
    """No, and no answer at all, leave everything as it is."""
    product.do(*BILLING)
    before = product.tree()
    for answer in ("n\n", "\n", ""):
        done = product.gp("remove", "billing", answer=answer)
        assert done.returncode == 1
        assert "delete services/billing/" in done.stderr
        assert product.tree() == before
    assert product.gp("remove", "billing", answer="y\n").returncode == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("postgres", "depends on it"),
        ("api", "frontend depends on it"),
        ("nothing", "There is no service 'nothing'"),
        ("ollama", ""),
    ],
)
def test_services_by_hand(product: Product, name: str, message: str) -> None:
    """One that others need stays, even with --yes; one that nobody needs can go."""
    before = product.tree()
    done = product.gp("remove", name, "--yes")
    assert message in done.stderr
    assert (product.tree() == before) == bool(message)
    assert (done.returncode == 0) == (not message)


def test_an_address_in_the_environment_is_a_need_too(product: Product) -> None:
    """A service whose address another one is given can't go; the error names the variable."""
    product.do(*BILLING)
    product.edit(
        BASE,
        "      API_URL: http://api:8000\n",
        "      API_URL: http://api:8000\n      BILLING: http://billing/x\n",
    )
    said = product.refused("remove", "billing", "--yes")
    assert "billing can't be removed: frontend names it in BILLING" in said


def test_declared_calls_are_a_need_too(product: Product) -> None:
    """A service that flows.yaml names stays, and the line is told."""
    product.do(*BILLING)
    product.edit(
        "docs/architecture/flows.yaml",
        "  ##<</UPKEEP>>",
        "  - {from: browser, to: billing, protocol: http, operation: GET /*}\n  ##<</UPKEEP>>",
    )
    said = product.refused("remove", "billing", "--yes")
    assert "billing can't be removed: docs/architecture/flows.yaml:" in said


def test_entries_outside_of_the_markers_are_not_touched(product: Product) -> None:
    """A service with an entry outside of the markers can't be removed by the tool."""
    product.do(*SESSIONS)
    product.edit(DEVELOPMENT, "  ##<</BACKING_SERVICES>>\n", "")
    product.edit(DEVELOPMENT, "  ##<<BACKING_SERVICES>>\n", "")
    before = product.tree()
    said = product.refused("remove", "sessions", "--yes")
    assert "docker-compose.development.yml:" in said
    assert "has sessions outside of the markers" in said
    assert product.tree() == before


def test_data_are_kept(product: Product) -> None:
    """Removing a backing service says that its data are still there, and leaves them."""
    product.do(*SESSIONS)
    data = product.root / "tmp/development/volumes/sessions-data/appendonly.aof"
    data.parent.mkdir(parents=True)
    data.write_text("data")
    done = product.gp("remove", "sessions", "--yes")
    assert "The data of the volume sessions-data are kept." in done.stderr
    assert data.read_text() == "data"


def test_images_without_a_driver_need_docker(tmp_path: Path) -> None:
    """It is said at once, and `up` starts the others without them."""
    product = Product(tmp_path / "product", whole=True)
    done = product.gp("add", "backing", "search", "--image", "acme/search:1", "--port", "9200")
    assert "no native driver knows acme/search:1" in done.stderr
    done = product.gp("up", "--dry-run")
    assert done.returncode == 0
    assert "search is left out. No native driver knows acme/search:1" in done.stderr
    assert "search\n" not in done.stdout
    done = product.gp("up", "search", "--dry-run")
    assert "search can't run without Docker" in done.stderr
