"""Does what a browser does in the three flows, and sends a browser's spans, for `./gp check --live`.

It needs nothing but Python. The tool gives it the running services as JSON in GROUNDPLAN_STATUS, the
observer's address in OTEL_EXPORTER_OTLP_ENDPOINT, and the settings of config/.env.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, urlsplit

Json = dict[str, Any]
_TIMEOUT = 60.0
_INTERNAL, _CLIENT = 1, 3
_FINAL = {"succeeded", "failed", "cancelled"}


def service_url(name: str) -> SplitResult:
    """Where a running service is."""
    services = json.loads(os.environ["GROUNDPLAN_STATUS"])["services"]
    url = next((each["url"] for each in services if each["name"] == name), None)
    if not url:
        sys.exit(f"{name} is not running. Type ./gp up --detach")
    return urlsplit(str(url))


@dataclass
class Span:
    """A span that has begun."""

    trace_id: str
    parent_id: str
    name: str
    kind: int
    attributes: Json
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    start: int = field(default_factory=time.time_ns)

    @property
    def traceparent(self) -> str:
        """The W3C header that makes the server's span a child of this one."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def ended(self) -> Json:
        """The span as OTLP/JSON, ended now."""
        return {
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "parentSpanId": self.parent_id,
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": str(self.start),
            "endTimeUnixNano": str(time.time_ns()),
            "attributes": [
                {"key": key, "value": _value(value)} for key, value in self.attributes.items()
            ],
        }


class Browser:
    """A person's browser on the frontend's page."""

    def __init__(self) -> None:
        self._frontend = service_url("frontend")
        self._root: Span | None = None
        self._spans: list[Json] = []
        self.headers: dict[str, str] = {}

    @contextmanager
    def interaction(self, name: str) -> Iterator[None]:
        """What follows from one click: one trace."""
        self._root = Span(secrets.token_hex(16), "", name, _INTERNAL, {})
        yield
        self._spans.append(self._root.ended())
        self._send_spans()

    def fetch(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask the frontend for JSON."""
        with self._request(method, path, body) as answer:
            content = answer.read()
            _expect(answer.status < 400, f"{method} {path} was answered with {answer.status}")
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return dict(json.loads(content)) if is_json else {}

    def redirection(self, path: str) -> SplitResult:
        """Where a GET of the frontend is redirected to."""
        with self._request("GET", path, None) as answer:
            location = answer.getheader("Location")
            _expect(bool(location), f"GET {path} gave no Location but {answer.status}")
            return urlsplit(str(location))

    @contextmanager
    def events(self, path: str) -> Iterator[Iterator[Json]]:
        """The objects of an event stream of the frontend; its span ends once the stream is open."""
        with ExitStack() as stack:
            with self.interaction("open Exports"), self._span(*self._named("GET", path)) as span:
                answer = stack.enter_context(self._ask(span, "GET", path))
                _expect(answer.status == 200, f"GET {path} was answered with {answer.status}")
            yield (
                json.loads(line[5:])
                for line in answer
                if line.startswith(b"data:") and line[5:].strip().startswith(b"{")
            )

    def get_object(self, link: SplitResult) -> bytes:
        """Follow a signed link to the storage."""
        attributes = {"rpc.system": "aws-api", "rpc.method": "GetObject", **_server(link)}
        path = f"{link.path}?{link.query}"
        with self._span("GetObject", attributes), _ask(link, "GET", path, None, {}) as answer:
            _expect(answer.status == 200, f"the storage answered with {answer.status}")
            return answer.read()

    @contextmanager
    def _request(self, method: str, path: str, body: Json | None) -> Iterator[HTTPResponse]:
        with (
            self._span(*self._named(method, path)) as span,
            self._ask(span, method, path, body) as answer,
        ):
            yield answer

    @contextmanager
    def _ask(
        self, span: Span, method: str, path: str, body: Json | None = None
    ) -> Iterator[HTTPResponse]:
        headers = {**self.headers, "traceparent": span.traceparent}
        with _ask(self._frontend, method, path, body, headers) as answer:
            span.attributes["http.response.status_code"] = answer.status
            yield answer

    def _named(self, method: str, path: str) -> tuple[str, Json]:
        """Name and attributes of the span of a request."""
        plain = path.partition("?")[0]
        attributes = {"http.request.method": method, "url.path": plain, **_server(self._frontend)}
        return f"{method} {plain}", attributes

    @contextmanager
    def _span(self, name: str, attributes: Json) -> Iterator[Span]:
        assert self._root
        span = Span(self._root.trace_id, self._root.span_id, name, _CLIENT, attributes)
        yield span
        self._spans.append(span.ended())

    def _send_spans(self) -> None:
        """Send them to the page's own origin as the page does, or else to the observer itself."""
        resource = {"attributes": [{"key": "service.name", "value": _value("browser")}]}
        spans: Json = {"resource": resource, "scopeSpans": [{"spans": self._spans}]}
        self._spans = []
        body = {"resourceSpans": [spans]}
        observer = urlsplit(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
        for place, path in ((self._frontend, "/otlp/v1/traces"), (observer, "/v1/traces")):
            with _ask(place, "POST", path, body, {}) as answer:
                answer.read()
                if answer.status < 300:
                    return
        sys.exit(f"The spans were not accepted: {answer.status}")


def log_in(browser: Browser) -> None:
    """The login flow."""
    with browser.interaction("submit Sign in"):
        browser.fetch("GET", "/")
        credentials = {"email": os.environ["ADMIN_EMAIL"], "password": os.environ["ADMIN_PASSWORD"]}
        tokens = browser.fetch("POST", "/api/v1/auth/login", credentials)
        browser.headers["Authorization"] = f"Bearer {tokens['access_token']}"


def list_users(browser: Browser) -> None:
    """The read flow: a page that no cache holds, and the same again."""
    query = secrets.token_hex(4)
    for _ in range(2):
        with browser.interaction("type Search"):
            browser.fetch("GET", f"/api/v1/users?q={query}")


def export_users(browser: Browser) -> None:
    """The job flow: start an export, follow it to its end, get the file."""
    with browser.events("/api/v1/events") as events:
        with browser.interaction("click Start export"):
            job = browser.fetch("POST", "/api/v1/export", {"type": "users", "format": "csv"})
        status = job["status"]
        for event in events:
            if event.get("id") == job["id"]:
                status = event["status"]
            if status in _FINAL:
                break
        _expect(status == "succeeded", f"the export ended as {status}")
    with browser.interaction("click Download"):
        link = browser.redirection(f"/api/v1/jobs/{job['id']}/download")
        _expect(bool(browser.get_object(link)), "the file is empty")


@contextmanager
def _ask(
    place: SplitResult, method: str, path: str, body: Json | None, headers: Mapping[str, str]
) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(str(place.hostname), place.port or 80, timeout=_TIMEOUT)
    content = json.dumps(body).encode() if body is not None else None
    types = {"Content-Type": "application/json"} if content else {}
    try:
        connection.request(method, path, content, {**headers, **types, "Connection": "close"})
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def _server(place: SplitResult) -> Json:
    return {"server.address": place.hostname, "server.port": place.port or 80}


def _value(value: str | int) -> Json:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        sys.exit(otherwise)


def main() -> None:
    """Go through the three flows; ends with 1 and a reason if one does not work."""
    browser = Browser()
    log_in(browser)
    list_users(browser)
    export_users(browser)


if __name__ == "__main__":
    main()
