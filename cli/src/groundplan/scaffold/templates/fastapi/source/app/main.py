"""The composition root: puts the app together."""

from fastapi import FastAPI

from app.errors import add_handlers
from app.greeting.endpoints import router as greeting_router
from app.health import router as health_router
from app.logs import configure_logging
from app.middleware import RequestMiddleware
from app.settings import Settings

PREFIX = "/api/v1"


def create_app() -> FastAPI:
    """Make the app."""
    configure_logging(Settings().log_level)
    app = FastAPI(title="Service Name", redoc_url=None, redirect_slashes=False)
    add_handlers(app)
    app.include_router(health_router)
    app.include_router(greeting_router, prefix=PREFIX)
    app.add_middleware(RequestMiddleware)
    return app
