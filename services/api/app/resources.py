"""What the process holds for its whole life; built once by `create_app`."""

from typing import Annotated, cast

from fastapi import Depends, Request

from app.auth.authenticator import Authenticator
from app.auth.devices import Devices
from app.auth.passwords import PasswordHasher
from app.auth.repository import AuthRepository
from app.auth.sessions import SessionStore
from app.auth.tokens import AccessTokens
from app.auth.totp import SecretBox
from app.cache import Cache
from app.core.rate_limit import RateLimiter
from app.database import SILENCE_S, Database
from app.drain import Drain
from app.event.hub import EventHub
from app.job.relay import Relay
from app.job.sweeper import Sweeper
from app.listener import Listener
from app.mail.mailer import Mailer
from app.settings import Settings, split_address
from app.storage import Storage
from app.telemetry.sql import trace_statements
from app.telemetry.tracing import Telemetry
from app.user.cache import UserListCache


class Resources:
    """Clients and helpers shared by all requests. Making it connects to nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.drain = Drain(settings.drain_seconds)
        self.telemetry = Telemetry(settings)
        self.database = Database(settings, settings.postgres_role, silence_s=SILENCE_S)
        if self.telemetry.is_on:
            host, port = split_address(settings.postgres_address)
            trace_statements(self.database.engine.sync_engine, host, port)
        self.cache = Cache(settings)
        self.storage = Storage(settings)
        self.rate_limiter = RateLimiter(self.cache)
        self.passwords = PasswordHasher(settings.password_queue_size)
        self.tokens = AccessTokens(settings.jwt_keys)
        self.devices = Devices(settings.jwt_keys)
        self.second_factors = SecretBox(settings.second_factor_key.get_secret_value())
        self.sessions = SessionStore(self.cache)
        self.accounts = AuthRepository(self.database)
        self.authenticator = Authenticator(self.tokens, self.sessions, self.accounts)
        self.user_lists = UserListCache(self.cache)
        self.listener = Listener(settings)
        self.events = EventHub(settings, self.database, self.telemetry)
        self.relay = Relay(settings, self.database, self.telemetry)
        self.mailer = Mailer(settings, self.database, self.telemetry)
        self.sweeper = Sweeper(self.database, self.storage, self.telemetry)

    async def close(self) -> None:
        """Close every connection and thread."""
        self.passwords.close()
        await self.cache.close()
        await self.database.close()
        self.telemetry.close()


def get_resources(request: Request) -> Resources:
    """The resources of the app that serves this request."""
    return cast("Resources", request.app.state.resources)


CurrentResources = Annotated[Resources, Depends(get_resources)]
