"""Use cases of users."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.sessions import Principal
from app.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from app.database import after_commit
from app.resources import Resources
from app.role.domain import ADMIN, may_grant
from app.role.models import Role
from app.role.repository import RoleRepository
from app.user.cache import CacheStatus
from app.user.models import User
from app.user.repository import UserRepository, read_page
from app.user.schemas import UserCreate, UserOut, UserQuery, UserUpdate


async def list_users(resources: Resources, query: UserQuery) -> tuple[bytes, CacheStatus]:
    """A page of users as the bytes of its response, and where it came from."""

    async def load() -> bytes:
        async with resources.database.read() as connection:
            users, next_cursor = await read_page(connection, query)
        cursor = "null" if next_cursor is None else f'"{next_cursor}"'
        return f'{{"items":[{",".join(users)}],"next_cursor":{cursor}}}'.encode()

    return await resources.user_lists.get(query, load)


class UserService:
    """What may be done with users."""

    def __init__(self, resources: Resources, session: AsyncSession) -> None:
        self._resources = resources
        self._session = session
        self._users = UserRepository(session)
        self._roles = RoleRepository(session)

    async def get(self, user_id: UUID) -> UserOut:
        """One user; raises NotFoundError."""
        return UserOut.model_validate(await self._find(user_id))

    async def create(self, actor: Principal, body: UserCreate) -> UserOut:
        """Make a user whose role may do no more than the actor; ConflictError on a taken e-mail."""
        password_hash = await self._resources.passwords.hash(body.password)
        role = await self._role(body.role)
        _check_may_manage(actor, role.permissions)
        user = User(email=body.email, name=body.name, password_hash=password_hash, role=role)
        return await self._save(user)

    async def update(self, actor: Principal, user_id: UUID, body: UserUpdate) -> UserOut:
        """Change a user; a new role or password ends every session of theirs."""
        new_hash = await self._resources.passwords.hash(body.password) if body.password else None
        user = await self._find_managed(actor, user_id)
        user.email = body.email or user.email
        user.name = body.name or user.name
        if new_hash:
            user.password_hash = new_hash
            user.session_version += 1
        if body.role and body.role != user.role.name:
            await self._set_role(actor, user, body.role)
        return await self._save(user)

    async def set_active(self, actor: Principal, user_id: UUID, *, active: bool) -> UserOut:
        """Let a user in, or keep them out and end every session of theirs."""
        if user_id == actor.id and not active:
            raise ConflictError("You can't deactivate yourself.", "user_is_self")
        user = await self._find_managed(actor, user_id)
        if user.is_active != active:
            if not active:
                await self._check_not_last_admin(user)
                user.session_version += 1
            user.is_active = active
        return await self._save(user)

    async def _set_role(self, actor: Principal, user: User, name: str) -> None:
        role = await self._role(name)
        _check_may_manage(actor, role.permissions)
        await self._check_not_last_admin(user)
        user.role = role
        user.session_version += 1

    async def _check_not_last_admin(self, user: User) -> None:
        if user.role.name != ADMIN or not user.is_active:
            return
        if not await self._users.has_other_admin(user.id):
            raise ConflictError("This is the last active admin.", "last_admin")

    async def _role(self, name: str) -> Role:
        role = await self._roles.find_by_name(name)
        if role is None:
            raise InvalidError(f"There is no role {name}.", "body.role", "role_unknown")
        return role

    async def _find(self, user_id: UUID, *, for_update: bool = False) -> User:
        user = await self._users.find(user_id, for_update=for_update)
        if user is None:
            raise NotFoundError("There is no such user.", "user_not_found")
        return user

    async def _find_managed(self, actor: Principal, user_id: UUID) -> User:
        user = await self._find(user_id, for_update=True)
        _check_may_manage(actor, user.role.permissions)
        return user

    async def _save(self, user: User) -> UserOut:
        after_commit(self._session, self._resources.user_lists.invalidate)
        try:
            user = await self._users.save(user)
        except IntegrityError as error:
            raise ConflictError("The e-mail address is taken.", "email_taken") from error
        after_commit(self._session, lambda: self._resources.sessions.forget(user.id))
        return UserOut.model_validate(user)


def _check_may_manage(actor: Principal, permissions: Collection[str]) -> None:
    if not may_grant(actor.permissions, permissions):
        raise ForbiddenError("That role may do more than yours.", "role_exceeds_yours")
