"""Object storage: presigned URLs and whether an object is there."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from opentelemetry.trace import SpanKind

from app.core.errors import NotFoundError, UnavailableError
from app.settings import Settings
from app.telemetry.tracing import Attributes, call

TIMEOUT_S = 3
# No object has this prefix, so that listing it is cheap.
PROBE_PREFIX = ".readyz"


class Storage:
    """The bucket, reached by `S3_ENDPOINT`, and by browsers as `S3_PUBLIC_ENDPOINT`."""

    def __init__(self, settings: Settings) -> None:
        self._internal = _store(settings, settings.s3_endpoint)
        url = urlsplit(settings.s3_endpoint)
        self._head: Attributes = {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "rpc.method": "HeadObject",
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
        }
        # The signature covers the host, so that URLs are signed for the one that browsers see.
        self._public = _store(settings, settings.s3_public_endpoint or settings.s3_endpoint)

    async def presign(self, key: str, expires_in: timedelta) -> str:
        """A URL that serves the object to anybody until it expires.

        Raises NotFoundError when the object is gone, UnavailableError when the storage is away.
        """
        try:
            with call(SpanKind.CLIENT, "S3/HeadObject", self._head):
                async with asyncio.timeout(TIMEOUT_S):
                    await obstore.head_async(self._internal, key)
        except FileNotFoundError as error:
            raise NotFoundError("The file is no longer there.", "file_not_found") from error
        except (BaseError, OSError, TimeoutError) as error:
            raise UnavailableError(
                "The object storage does not answer.", "storage_unavailable"
            ) from error
        return await obstore.sign_async(self._public, "GET", key, expires_in)

    async def delete_folder(self, prefix: str) -> None:
        """Delete every object under a prefix; raises UnavailableError when the storage is away."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await obstore.list(self._internal, prefix).collect_async()
                for item in found:
                    await obstore.delete_async(self._internal, item["path"])
        except (BaseError, OSError, TimeoutError) as error:
            raise UnavailableError(
                "The object storage does not answer.", "storage_unavailable"
            ) from error

    async def check(self) -> None:
        """Raise unless the bucket is there and answers."""
        async with asyncio.timeout(TIMEOUT_S):
            await obstore.list(self._internal, PROBE_PREFIX, chunk_size=1).collect_async()


def _store(settings: Settings, endpoint: str) -> S3Store:
    return S3Store(
        settings.s3_bucket,
        endpoint=endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        region=settings.s3_region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": f"{TIMEOUT_S}s"},
        retry_config={"max_retries": 0},
    )
