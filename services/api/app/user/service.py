"""Use cases of users."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.audit.domain import Event
from app.auth.credentials import CredentialRepository
from app.auth.sessions import Principal
from app.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from app.database import after_commit
from app.mail.domain import MailKind
from app.mail.repository import MailRepository
from app.resources import Resources
from app.role.domain import ADMIN, may_grant
from app.role.models import Role
from app.role.repository import RoleRepository
from app.user.cache import CacheStatus
from app.user.models import NO_PASSWORD, User
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
        self._credentials = CredentialRepository(session)
        self._mails = MailRepository(session)

    async def get(self, user_id: UUID) -> UserOut:
        """One user; raises NotFoundError."""
        return UserOut.model_validate(await self._find(user_id))

    async def create(self, actor: Principal, body: UserCreate) -> UserOut:
        """Make a user whose role may do no more than the actor; ConflictError on a taken e-mail."""
        password_hash = NO_PASSWORD
        if body.password:
            password_hash = await self._hash(body.password, body.email, body.name)
        role = await self._role(body.role)
        _check_may_manage(actor, role.permissions)
        user = User(email=body.email, name=body.name, password_hash=password_hash, role=role)
        created = await self._save(user)
        self._record(Event.USER_CREATED, actor, user, role=role.name)
        if user.invited:
            await self._invite(actor, user)
        return created

    async def invite(self, actor: Principal, user_id: UUID) -> None:
        """Mail an invitation again; ConflictError unless the user has yet to set a password."""
        user = await self._find_managed(actor, user_id)
        if not (user.invited and user.is_active):
            raise ConflictError("Only active users without a password are invited.", "user_state")
        await self._invite(actor, user)

    async def reset_second_factor(self, actor: Principal, user_id: UUID) -> None:
        """Turn off the second factor of somebody who lost it; harmless where it is off."""
        user = await self._find_managed(actor, user_id)
        await self._credentials.remove_second_factor(user.id)
        self._record(Event.SECOND_FACTOR_OFF, actor, user)
        after_commit(self._session, self._resources.user_lists.invalidate)
        after_commit(self._session, lambda: self._resources.sessions.forget(user.id))

    async def update(self, actor: Principal, user_id: UUID, body: UserUpdate) -> UserOut:
        """Change a user; a new role or password ends every session of theirs."""
        new_hash = await self._new_hash(user_id, body) if body.password else None
        user = await self._find_managed(actor, user_id)
        # Links were mailed to the address of before.
        ends_links = bool(new_hash or (body.email and body.email != user.email))
        user.email = body.email or user.email
        user.name = body.name or user.name
        if new_hash:
            user.password_hash = new_hash
            user.session_version += 1
        if body.role and body.role != user.role.name:
            await self._set_role(actor, user, body.role)
        changed = sorted(body.model_dump(exclude_none=True))
        saved = await self._save(user)
        if ends_links:
            await self._credentials.delete_links(user.id)
        self._record(Event.USER_CHANGED, actor, user, fields=changed, role=user.role.name)
        return saved

    async def _new_hash(self, user_id: UUID, body: UserUpdate) -> str | None:
        """Hash of the new password, made before the transaction holds a connection."""
        account = await self._resources.accounts.find_by_id(user_id)
        if account is None or body.password is None:
            return None
        return await self._hash(
            body.password, body.email or account.email, body.name or account.name
        )

    async def _hash(self, password: str, email: str, name: str) -> str:
        return await self._resources.passwords.hash_new(password, email, name, "body.password")

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
            event = Event.USER_ACTIVATED if active else Event.USER_DEACTIVATED
            self._record(event, actor, user)
        return await self._save(user)

    async def _invite(self, actor: Principal, user: User) -> None:
        await self._credentials.delete_links(user.id)
        await self._mails.add(MailKind.INVITATION, user.email)
        self._record(Event.USER_INVITED, actor, user)
        after_commit(self._session, self._resources.mailer.wake)

    def _record(self, event: Event, actor: Principal, user: User, **details: object) -> None:
        audit.record(self._session, event, actor.id, ("user", user.id), **details)

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
