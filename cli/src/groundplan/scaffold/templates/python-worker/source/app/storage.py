"""The bucket where jobs put their files. All failures are JobErrors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from xml.etree import ElementTree as ET

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from app.errors import JobError
from app.settings import Settings
from app.signature import presign

# The least that S3 allows. One is filled while the other is sent.
PART_BYTES = 5 * 1024 * 1024
PARTS_AT_ONCE = 2
CLEAN_UP_S = 1.5
TIMEOUT_S = 3
# Beside the files of jobs, which may have a disk of their own.
PROBE = "exports/probe"
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class Storage:
    """The bucket of `S3_BUCKET` at `S3_ENDPOINT`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = S3Store(
            settings.s3_bucket,
            endpoint=settings.s3_endpoint,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            region=settings.s3_region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": True,
                "connect_timeout": f"{TIMEOUT_S}s",
                "read_timeout": "10s",
                "timeout": "60s",
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
        )

    async def upload(self, key: str, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Store all of `body` as one object, in constant memory; nothing remains where it fails."""
        await self.create_bucket()
        try:
            await obstore.put_async(
                self._store,
                key,
                body,
                attributes={"Content-Type": content_type},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except BaseException as error:
            # Does its best: the storage may be the very thing that failed.
            with suppress(JobError, TimeoutError):
                async with asyncio.timeout(CLEAN_UP_S):
                    await self.clear(key)
            if isinstance(error, BaseError):
                raise _job_error(error) from error
            raise

    async def clear(self, prefix: str) -> None:
        """Remove all under a prefix, uploads that nobody will end included."""
        await self.create_bucket()
        for key, upload_id in await self._open_uploads(prefix):
            await self._request("DELETE", f"/{key}", uploadId=upload_id)
        try:
            keys = [
                item["path"] for item in await obstore.list(self._store, prefix).collect_async()
            ]
            await obstore.delete_async(self._store, keys)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise _job_error(error) from error

    async def clear_before(self, folder: str, claim: int) -> None:
        """Remove what earlier claims of a job left, and nothing of later ones."""
        for number in range(1, claim):
            await self.clear(f"{folder}{number}/")

    async def remove(self, key: str) -> None:
        """Remove one object; harmless where it is gone."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise _job_error(error) from error

    async def create_bucket(self) -> None:
        """Make the bucket if it is missing, so that others find one before the first file."""
        if await self._request("HEAD", "") is None:
            await self._request("PUT", "")

    async def probe(self) -> None:
        """Store a small object and remove it: a storage whose disk is full still answers."""
        await self.create_bucket()
        try:
            await obstore.put_async(self._store, PROBE, b"Does the storage take files?")
        except BaseError as error:
            raise _job_error(error) from error
        await self.remove(PROBE)

    async def _open_uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Key and id of each upload that was begun and neither completed nor aborted."""
        body = await self._request("GET", "", uploads="", prefix=prefix)
        if body is None:
            return []
        uploads = ET.fromstring(body).iterfind("{*}Upload")  # noqa: S314 - our own storage
        return [
            (upload.findtext("{*}Key", ""), upload.findtext("{*}UploadId", ""))
            for upload in uploads
        ]

    async def _request(self, method: str, path: str, **query: str) -> bytes | None:
        """The body of the answer; None for 404, said of what is missing and of empty lists."""
        url = presign(self._settings, method, path, **query)
        return await asyncio.to_thread(_send, method, url)


def _send(method: str, url: str) -> bytes | None:
    try:
        with urlopen(Request(url, method=method), timeout=TIMEOUT_S) as answer:  # noqa: S310 - S3_ENDPOINT
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            if error.code in REFUSED:
                raise _refused() from error
            outage = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
            message = f"The storage failed ({error.code}). Its log says more."
            raise JobError(message, outage=outage) from error
    except OSError as error:
        raise JobError("The storage did not answer.", outage=True) from error


def _job_error(error: BaseError) -> JobError:
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return _refused()
    return JobError(
        "The storage failed or did not answer. Its disk may be full; its log says more.",
        outage=True,
    )


def _refused() -> JobError:
    # Not for good: keys are replaced, and clocks are put right.
    return JobError("The storage refused access: a wrong key, or a wrong clock.", outage=True)
