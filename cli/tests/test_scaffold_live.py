"""Services that were just added: they start, answer, and pass the checks, their tests and linters."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from groundplan.model.place import DEVELOPMENT, servers_folder
from tests.clients import redis
from tests.product import Product


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """A copy of this whole repository; what was started in it is stopped."""
    product = Product(tmp_path / "product", whole=True)
    yield product
    product.do("down", "--volumes", "--yes")
    shutil.rmtree(servers_folder(product.root, DEVELOPMENT).parent, ignore_errors=True)


def findings(product: Product) -> set[tuple[str, str, str]]:
    """What `gp check` finds, wherever in the file it stands."""
    found = product.json("check")["findings"]
    return {
        (item["rule"], item["file"], item["message"]) for item in found if item["level"] != "note"
    }


def url(product: Product, name: str) -> str:
    """Where a service answers, as `status` has it."""
    services = {item["name"]: item for item in product.json("status")["services"]}
    assert services[name]["state"] == "healthy"
    return str(services[name]["url"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "path", "tests"),
    [
        ("fastapi", "/api/v1/greeting", []),
        ("static", "/", []),
        ("react", "/", []),
        ("node-worker", None, []),
        # All of its tests take a minute; these are the main path.
        ("python-worker", None, ["tests/test_export.py"]),
    ],
)
def test_a_service_works_at_once(
    product: Product, kind: str, path: str | None, tests: list[str]
) -> None:
    """Added, it passes `check`, `up`, `test` and `lint` without an edit, and goes without a trace."""
    before, known = product.tree(), findings(product)
    product.do("add", "service", "order-mail", "--kind", kind)
    assert findings(product) <= known
    product.do("up", "--detach", "order-mail")
    if path:
        with urlopen(url(product, "order-mail") + path, timeout=10) as answer:  # noqa: S310 - always http
            assert answer.status == 200
    assert product.gp("status").returncode == 0
    assert product.gp("remove", "order-mail", "--yes").returncode == 1  # it runs
    product.do("test", "order-mail", "--", *tests)
    product.do("lint", "order-mail")
    product.do("down")
    product.do("remove", "order-mail", "--yes")
    assert product.tree() == before


@pytest.mark.long
def test_a_backing_service_works_at_once(product: Product) -> None:
    """A second Redis starts beside the first one, with a port, a password and a volume of its own."""
    known = findings(product)
    product.do("add", "backing", "sessions", "--image", "redis:8")
    assert findings(product) <= known
    product.do("up", "--detach", "sessions")
    port = int(url(product, "sessions").rpartition(":")[2])
    assert redis(port, "PING") == ["-NOAUTH Authentication required."]
    product.do("down")
    product.do("remove", "sessions", "--yes")


def test_an_image_without_a_driver_is_left_out(product: Product) -> None:
    """A container of any image passes `check`; the others start without it."""
    known = findings(product)
    product.do(
        "add", "service", "proxy", "--kind", "container", "--image", "nginx:1.29", "--port", "80"
    )
    assert findings(product) <= known
    done = product.gp("up", "--dry-run")
    assert "proxy is left out." in done.stderr
    assert done.returncode == 0
