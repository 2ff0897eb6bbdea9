"""The files of public/, with the headers that browsers need."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

PUBLIC = Path(__file__).parent.parent / "public"
HEADERS = {
    # Browsers ask each time whether the file has changed, and get 304 if it has not.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Files(StaticFiles):
    """Static files, each answer with `HEADERS`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await super().__call__(scope, receive, send_with_headers)


async def get_health(_request: Request) -> PlainTextResponse:
    """Tell that the process answers."""
    return PlainTextResponse("ok")


app = Starlette(
    routes=[Route("/healthz", get_health), Mount("/", Files(directory=PUBLIC, html=True))]
)
