"""What comes in at /v1/traces: OTLP in all its forms, and garbage."""

import gzip
import json
import random
import zlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from observe.otlp import JSON, PROTOBUF
from tests.support import Observer, call, post, protobuf, request, span, until


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("media_type", [PROTOBUF, JSON, "application/json; charset=utf-8"])
def test_every_form_of_a_request(observer: Observer, media_type: str, is_compressed: bool) -> None:
    """Protobuf and JSON, plain or compressed, give the same call, and an answer of their kind."""
    both = call()
    body = protobuf(*both) if media_type == PROTOBUF else json.dumps(request(*both)).encode()
    body = gzip.compress(body) if is_compressed else body
    answer = post(observer, body, media_type, "gzip" if is_compressed else None)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(media_type.partition(";")[0])
    assert until(observer.calls) == {("frontend", "api", "http", "GET /api/v1/users"): 1}


def test_json_as_others_write_it(observer: Observer) -> None:
    """Names of enumerations, capital digits, numbers as numbers and unknown keys are read."""
    client, server = call()
    client |= {"kind": "SPAN_KIND_CLIENT", "flags": 257, "something": {"new": 1}}
    client["traceId"] = server["traceId"] = "ABCDEF" + client["traceId"][6:]
    client["startTimeUnixNano"] = int(client["startTimeUnixNano"])
    client["links"] = [{"traceId": "ab" * 16, "spanId": "cd" * 8}]
    client["attributes"].append({"key": "a", "value": {"arrayValue": {"values": []}}})
    observer.send(client, server)
    assert until(observer.calls) == {("frontend", "api", "http", "GET /api/v1/users"): 1}


def test_spans_without_ids_are_rejected_and_counted(observer: Observer) -> None:
    """The good spans of a request are kept, and the answer tells how many were not."""
    bad = [span("api", "client") | {"spanId": value} for value in ("", "0" * 16, "xyz", "ab")]
    body = json.dumps(request(*call(), *bad)).encode()
    answer = post(observer, body, JSON).json()
    assert answer["partialSuccess"]["rejectedSpans"] == "4"
    assert "16 bytes" in answer["partialSuccess"]["errorMessage"]
    assert len(until(observer.calls)) == 1
    message = protobuf(span("api", "client") | {"traceId": ""})
    response = ExportTraceServiceResponse.FromString(post(observer, message, PROTOBUF).content)
    assert response.partial_success.rejected_spans == 1


GARBAGE: dict[str, tuple[bytes, str, str | None, int]] = {
    "no protobuf": (b"\xff" * 50, PROTOBUF, None, 400),
    "no JSON": (b"{", JSON, None, 400),
    "JSON of another shape": (b"[1, 2]", JSON, None, 400),
    "wrong types": (b'{"resourceSpans": [{"scopeSpans": [{"spans": [5]}]}]}', JSON, None, 400),
    "spans in a text": (b'{"resourceSpans": "abc"}', JSON, None, 400),
    "deep JSON": (b'{"a":' * 100_000, JSON, None, 400),
    "no text": (b'{"a": "\xff"}', JSON, None, 400),
    "no gzip": (b"plain", JSON, "gzip", 400),
    "half a gzip": (gzip.compress(b"{}" * 1000)[:-9], JSON, "gzip", 400),
    "a bomb": (gzip.compress(b" " * 50_000_000), JSON, "gzip", 413),
    "too large": (b" " * 5_000_000, JSON, None, 413),
    "another encoding": (zlib.compress(b"{}"), JSON, "deflate", 415),
    "a form": (b"{}", "text/plain", None, 415),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_with_a_reason(observer: Observer, name: str) -> None:
    """What can't be read gets a short reason in the form that OTLP asks for, and nothing breaks."""
    body, media_type, encoding, status = GARBAGE[name]
    answer = post(observer, body, media_type, encoding)
    assert answer.status_code == status
    is_json = answer.headers["Content-Type"] == JSON
    reason = answer.json()["message"] if is_json else Status.FromString(answer.content).message
    assert 10 < len(reason) < 600
    observer.send(*call())
    assert until(observer.calls)
    assert "Traceback" not in observer.log


def test_random_bytes_never_break_it(observer: Observer) -> None:
    """Mutations of a good request are read or refused, and the observer goes on."""
    source = random.Random(7)  # noqa: S311 - no secret
    good = protobuf(*call())
    for _ in range(300):
        body = bytearray(good)
        for _ in range(source.randint(1, 8)):
            body[source.randrange(len(body))] = source.randrange(256)
        assert post(observer, bytes(body), PROTOBUF).status_code in {200, 400}
    observer.send(*call())
    until(lambda: ("frontend", "api", "http", "GET /api/v1/users") in observer.calls())
    assert observer.client.get("/healthz").status_code == 200
    assert "Traceback" not in observer.log


def test_an_empty_request_is_fine(observer: Observer) -> None:
    """No spans at all is no error."""
    assert post(observer, b"", PROTOBUF).status_code == 200
    assert post(observer, b"{}", JSON).text == "{}"


def test_only_post(observer: Observer) -> None:
    """Other methods are refused."""
    assert observer.client.get("/v1/traces").status_code == 405
