"""The web side: pages for people at /, JSON for programs at /api."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mail import pages, smtp
from mail.mailbox import Mail, Mailbox
from mail.settings import Settings

_PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'",
    "Referrer-Policy": "no-referrer",
}
# Nothing of a mail runs, and nothing is fetched for it.
_CAGED = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
_UNTYPED = {"X-Content-Type-Options": "nosniff"}


def create_app(settings: Settings) -> Starlette:
    """The application; SMTP is served while it runs."""
    return Starlette(
        routes=[
            Route("/", list_page),
            Route("/mails/{id:int}", mail_page),
            Route("/mails/{id:int}/html", html_part),
            Route("/mails/{id:int}/source", source),
            Route("/api/mails", list_mails, methods=["GET"]),
            Route("/api/mails", forget_mails, methods=["DELETE"]),
            Route("/api/mails/{id:int}", get_mail),
            Route("/healthz", healthz),
        ],
        # Mails hold links that let one in: no foreign name may lead a browser here.
        middleware=[Middleware(TrustedHostMiddleware, ["localhost", "127.0.0.1"])],
        lifespan=_lifespan(settings),
    )


def _lifespan(settings: Settings) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.mailbox = Mailbox(settings.max_mails)
        server = await smtp.serve(app.state.mailbox, settings)
        yield
        server.close()

    return lifespan


async def list_page(request: Request) -> Response:
    """GET /: the mails that came."""
    return HTMLResponse(pages.listed(_mailbox(request).find()), headers=_PAGE)


async def mail_page(request: Request) -> Response:
    """GET /mails/ID: one mail."""
    return HTMLResponse(pages.shown(_mail(request)), headers=_PAGE)


async def html_part(request: Request) -> Response:
    """GET /mails/ID/html: its HTML, in a cage."""
    return HTMLResponse(_mail(request).html, headers=_CAGED)


async def source(request: Request) -> Response:
    """GET /mails/ID/source: the bytes that came."""
    return PlainTextResponse(_mail(request).source, headers=_UNTYPED)


async def list_mails(request: Request) -> Response:
    """GET /api/mails?to=ADDRESS: the mails that came, newest first."""
    found = _mailbox(request).find(request.query_params.get("to", ""))
    return JSONResponse({"mails": [mail.public() for mail in found]})


async def forget_mails(request: Request) -> Response:
    """DELETE /api/mails: begin anew."""
    _mailbox(request).clear()
    return Response(status_code=204)


async def get_mail(request: Request) -> Response:
    """GET /api/mails/ID: one mail."""
    return JSONResponse(_mail(request).public())


async def healthz(_request: Request) -> Response:
    """GET /healthz: 200 while mails are taken."""
    return JSONResponse({"status": "ok"})


def _mailbox(request: Request) -> Mailbox:
    mailbox: Mailbox = request.app.state.mailbox
    return mailbox


def _mail(request: Request) -> Mail:
    mail = _mailbox(request).get(request.path_params["id"])
    if mail is None:
        raise HTTPException(404, "There is no such mail.")
    return mail
