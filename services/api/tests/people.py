"""Users of the tests, made in the database directly: signing in would cost bcrypt's time."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2 as httpx
from sqlalchemy import text

from app.auth.passwords import hash_password
from app.auth.sessions import Caller
from app.auth.tokens import RefreshToken
from app.role.models import Role
from app.user.models import User
from tests.running import Api

PASSWORD = "plenty-of-entropy-7"
# Cost 4 instead of 12: the hash itself says how much work it takes to verify.
PASSWORD_HASH = hash_password(PASSWORD, cost=4)
CALLER = Caller("127.0.0.1", "tests")


@dataclass(frozen=True)
class Person:
    """A user, with an access token of a session of theirs."""

    api: Api
    id: UUID
    email: str
    token: str

    def client(self) -> httpx.AsyncClient:
        """A client that is signed in as this user."""
        return self.api.client(self.token)

    async def login(self) -> dict[str, str]:
        """Sign in with the password; returns the tokens."""
        async with self.api.client() as client:
            response = await client.post(
                "/api/v1/auth/login", json={"email": self.email, "password": PASSWORD}
            )
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens


class People:
    """Makes users and roles."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create(self, role: str = "viewer", name: str = "Test Person") -> Person:
        """A user with that role."""
        email = f"{uuid4().hex}@example.com"
        query = text("SELECT id FROM roles WHERE name = :role")
        async with self._api.resources.database.transaction() as session:
            role_id = await session.scalar(query, {"role": role})
            user = User(email=email, name=name, password_hash=PASSWORD_HASH, role_id=role_id)
            session.add(user)
        return Person(self._api, user.id, email, await self.start_session(user.id))

    async def start_session(self, user_id: UUID) -> str:
        """An access token of a new session of the user."""
        refresh, resources = RefreshToken.new(uuid4()), self._api.resources
        await resources.sessions.start(refresh, user_id, 1, CALLER)
        return resources.tokens.issue(user_id, refresh.session_id, 1)

    async def create_with(self, *permissions: str) -> Person:
        """A user with a role of their own, which has those permissions."""
        return await self.create(await self.create_role(permissions))

    async def create_role(self, permissions: Collection[str]) -> str:
        """A role with those permissions; returns its name."""
        name = f"role-{uuid4().hex[:12]}"
        async with self._api.resources.database.transaction() as session:
            session.add(Role(name=name, permissions=list(permissions)))
        return name
