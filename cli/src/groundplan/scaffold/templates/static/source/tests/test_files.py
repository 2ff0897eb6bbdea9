"""What a browser gets."""

from http import HTTPStatus

from app.main import PUBLIC
from tests.conftest import Running


def test_a_folder_answers_with_its_index(service: Running) -> None:
    """The first page comes whole, as HTML, and may not be framed."""
    answer = service.client.get("/")
    assert answer.content == (PUBLIC / "index.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_an_unchanged_file_is_not_sent_again(service: Running) -> None:
    """Browsers ask with the ETag, and get 304 without a body."""
    first = service.client.get("/style.css")
    again = service.client.get("/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")


def test_what_is_not_there_has_a_page_too(service: Running) -> None:
    """An unknown address answers 404 with 404.html."""
    answer = service.client.get("/nothing")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.content == (PUBLIC / "404.html").read_bytes()


def test_nothing_outside_of_the_folder_is_served(service: Running) -> None:
    """No way leads out of public/."""
    for path in ("/../app/main.py", "/%2e%2e/app/main.py", "/..%2fapp%2fmain.py", "//etc/passwd"):
        assert service.client.get(path).status_code == HTTPStatus.NOT_FOUND
