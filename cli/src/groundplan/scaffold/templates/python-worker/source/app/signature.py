"""Presigned S3 requests (AWS Signature Version 4) for what obstore has no call for."""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import quote, urlsplit

from app.settings import Settings

EXPIRES_S = 60


def presign(settings: Settings, method: str, path: str, **query: str) -> str:
    """URL of a request on the bucket's `path`, valid for a minute."""
    now = datetime.now(UTC)
    date, time = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
    scope = (date, settings.s3_region, "s3", "aws4_request")
    endpoint = urlsplit(settings.s3_endpoint)
    target = quote(f"/{settings.s3_bucket}{path}")
    parameters = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "/".join((settings.s3_access_key_id, *scope)),
        "X-Amz-Date": time,
        "X-Amz-Expires": str(EXPIRES_S),
        "X-Amz-SignedHeaders": "host",
    }
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe="")) for name, value in parameters.items()
    )
    encoded = "&".join(f"{name}={value}" for name, value in pairs)
    request = (method, target, encoded, f"host:{endpoint.netloc}", "", "host", "UNSIGNED-PAYLOAD")
    digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", time, "/".join(scope), digest))
    secret = f"AWS4{settings.s3_secret_access_key.get_secret_value()}".encode()
    signature = reduce(_hmac, (*scope, to_sign), secret).hex()
    return f"{endpoint.scheme}://{endpoint.netloc}{target}?{encoded}&X-Amz-Signature={signature}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
