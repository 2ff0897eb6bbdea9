"""Runs the API: `python -m app`."""

from app.reload import serve_with_reload
from app.server import serve
from app.settings import settings_or_exit

if __name__ == "__main__":
    settings = settings_or_exit()
    if settings.reload:
        serve_with_reload(settings)
    else:
        serve()
