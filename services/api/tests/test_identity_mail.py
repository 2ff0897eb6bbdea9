"""Password resets and invitations by mail."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2 as httpx
import pytest

from app.settings import Settings
from tests import database
from tests.audit import names_of
from tests.people import PASSWORD, People
from tests.running import Api, run_api
from tests.smtp import Mailbox, mail_server
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
LOGIN = "/api/v1/auth/login"
ASK = "/api/v1/auth/password-reset"
CONFIRM = "/api/v1/auth/password-reset/confirm"
NEW = "another-secret-42"


@pytest.fixture(scope="module")
async def mailbox() -> AsyncIterator[Mailbox]:
    """The mails that the API of this module sent."""
    async with mail_server() as running:
        yield running


@pytest.fixture(scope="module")
async def mailing(module_settings: Settings, mailbox: Mailbox) -> AsyncIterator[Api]:
    """An API that sends mails."""
    changes = {"smtp_address": mailbox.address, "smtp_tls": "none"}
    async with run_api(module_settings.model_copy(update=changes)) as api:
        yield api


@pytest.fixture(scope="module")
async def members(mailing: Api) -> People:
    """Makes users of that API."""
    return People(mailing)


@pytest.fixture
async def rows(module_settings: Settings) -> AsyncIterator["asyncpg.Connection"]:
    """A plain connection to its database."""
    connection = await database.connect(module_settings, module_settings.postgres_db)
    yield connection
    await connection.close()


async def login(api: Api, email: str, password: str) -> int:
    """Status of signing in."""
    async with api.client() as client:
        body = {"email": email, "password": password}
        return (await client.post(LOGIN, json=body)).status_code


async def ask(api: Api, email: str) -> httpx.Response:
    """Ask for a link."""
    async with api.client() as client:
        return await client.post(ASK, json={"email": email})


async def confirm(api: Api, token: str, password: str = NEW) -> httpx.Response:
    """Follow a link."""
    async with api.client() as client:
        return await client.post(CONFIRM, json={"token": token, "new_password": password})


async def test_a_forgotten_password_is_set_anew(
    mailing: Api, members: People, mailbox: Mailbox, rows: "asyncpg.Connection"
) -> None:
    """The mailed link sets a password and ends every session; the log tells of both."""
    person = await members.create()
    tokens = await person.login()
    answer = await ask(mailing, f" {person.email.upper()} ")
    assert (answer.status_code, answer.text) == (202, "null")
    mail = await mailbox.wait_for(person.email)
    frontend = mailing.resources.settings.frontend_url
    assert f"{frontend}/set-password#token=" in mail.get_content()
    assert "30 minutes" in mail.get_content()
    assert (await confirm(mailing, await mailbox.token_for(person.email))).status_code == 204
    async with mailing.client(tokens["access_token"]) as client:
        assert (await client.get("/api/v1/auth/me")).status_code == 401
    assert await login(mailing, person.email, PASSWORD) == 401
    assert await login(mailing, person.email, NEW) == 200
    names = await names_of(rows, person.id)
    assert {"auth.password_reset_requested", "auth.password_reset"} <= set(names)


async def test_a_link_works_once(mailing: Api, members: People, mailbox: Mailbox) -> None:
    """Of many who follow a link at once, one sets the password; later it is of no use."""
    person = await members.create()
    await ask(mailing, person.email)
    token = await mailbox.token_for(person.email)
    answers = await asyncio.gather(
        *(confirm(mailing, token, f"{NEW}-{number}") for number in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [422] * 2
    late = await confirm(mailing, token)
    assert (late.status_code, late.json()["code"]) == (422, "link_invalid")
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 204)
    assert await login(mailing, person.email, f"{NEW}-{winner}") == 200


async def test_the_newest_link_alone_works(mailing: Api, members: People, mailbox: Mailbox) -> None:
    """A link is useless once a newer one was asked for."""
    person = await members.create()
    await ask(mailing, person.email)
    first = await mailbox.token_for(person.email)
    await ask(mailing, person.email)
    second = await mailbox.token_for(person.email, count=2)
    assert (await confirm(mailing, first)).json()["code"] == "link_invalid"
    assert (await confirm(mailing, second)).status_code == 204


@pytest.mark.parametrize("why", ["expired", "unknown", "deactivated", "password changed"])
async def test_bad_links_are_refused(
    mailing: Api, members: People, mailbox: Mailbox, rows: "asyncpg.Connection", why: str
) -> None:
    """A link that expired, was never sent, or whose user changed is refused with 422."""
    person = await members.create()
    await ask(mailing, person.email)
    token = await mailbox.token_for(person.email)
    statements = {
        "expired": "UPDATE one_time_links SET expires_at = now() WHERE user_id = $1",
        "deactivated": "UPDATE users SET is_active = false WHERE id = $1",
    }
    if why in statements:
        # The mail may arrive before the transaction that stores its link has ended.
        await eventually(lambda: rows.fetchval(f"{statements[why]} RETURNING 1", person.id))
    elif why == "password changed":
        async with person.client() as client:
            body = {"current_password": PASSWORD, "new_password": "yet-another-secret-5"}
            assert (await client.post("/api/v1/auth/password", json=body)).status_code == 204
    answer = await confirm(mailing, "x" * 43 if why == "unknown" else token)
    assert (answer.status_code, answer.json()["code"]) == (422, "link_invalid")


async def test_a_weak_password_does_not_use_up_the_link(
    mailing: Api, members: People, mailbox: Mailbox
) -> None:
    """What is refused as too easy may be followed by something better."""
    person = await members.create()
    await ask(mailing, person.email)
    token = await mailbox.token_for(person.email)
    for weak in ("Password1234", "my name is Test Person", "short"):
        answer = await confirm(mailing, token, weak)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "body.new_password"
    assert (await confirm(mailing, token)).status_code == 204


async def test_the_database_holds_no_token(
    mailing: Api, members: People, mailbox: Mailbox, rows: "asyncpg.Connection"
) -> None:
    """Whoever reads every table finds nothing that opens a link."""
    person = await members.create()
    await ask(mailing, person.email)
    token = await mailbox.token_for(person.email)
    for table in ("users", "mails", "one_time_links", "audit_events"):
        texts = await rows.fetch(f"SELECT t::text AS text FROM {table} AS t")  # noqa: S608 - ours
        assert not any(token in row["text"] for row in texts)


@pytest.mark.parametrize("email", ["nobody@example.com", "no\x00body", "nonsense", "é@ü.example"])
async def test_the_answer_tells_nothing(
    mailing: Api, mailbox: Mailbox, rows: "asyncpg.Connection", email: str
) -> None:
    """For an address that nobody has the answer is the same, and no mail is sent."""
    sent = len(mailbox.mails)
    answer = await ask(mailing, email)
    assert (answer.status_code, answer.text) == (202, "null")

    async def handled() -> bool:
        return not await rows.fetchval("SELECT count(*) FROM mails")

    await eventually(handled)
    assert len(mailbox.mails) == sent


async def test_asking_takes_as_long_for_nobody(mailing: Api, members: People) -> None:
    """A known and an unknown address differ by less than 5 ms of the processor."""
    person = await members.create()
    times: dict[str, list[float]] = {person.email: [], "nobody@example.com": []}
    async with mailing.client() as client:
        for _ in range(60):
            for email, taken in times.items():
                started = time.process_time()
                assert (await client.post(ASK, json={"email": email})).status_code == 202
                taken.append(time.process_time() - started)
    # The quick ones: what else the process does only adds to a time.
    known, unknown = (statistics.quantiles(taken, n=10)[0] for taken in times.values())
    assert abs(known - unknown) < 0.005


async def test_resets_are_limited(own_settings: Settings) -> None:
    """So many mails to one address, and so many requests from one place, and no more."""
    limits = {"rate_limit_reset_email": "2/hour", "rate_limit_reset": "5/hour"}
    async with run_api(own_settings.model_copy(update=limits)) as api:
        one = [(await ask(api, "a@example.com")).status_code for _ in range(3)]
        others = [(await ask(api, f"b{n}@example.com")).status_code for n in range(3)]
    assert one == [202, 202, 429]
    assert others == [202, 202, 429]


async def invite(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Make a user without a password."""
    body = {"email": f"{uuid4().hex}@example.com", "name": "Zoë Invited", "role": "viewer"}
    answer = await client.post("/api/v1/users", json={**body, **changes})
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def test_an_invited_user_sets_a_password(
    mailing: Api, members: People, mailbox: Mailbox, rows: "asyncpg.Connection"
) -> None:
    """A user without a password is mailed a link, can't sign in before, and can afterwards."""
    async with (await members.create("admin")).client() as admin:
        user = await invite(admin)
        assert user["invited"] is True
        assert await login(mailing, user["email"], "!invited") == 401
        mail = await mailbox.wait_for(user["email"])
        assert "&invited=1" in mail.get_content()
        assert "7 days" in mail.get_content()
        answer = await confirm(mailing, await mailbox.token_for(user["email"]))
        assert answer.status_code == 204
        assert await login(mailing, user["email"], NEW) == 200
        found = (await admin.get("/api/v1/users", params={"q": user["email"]})).json()
        assert [item["invited"] for item in found["items"]] == [False]
        again = await admin.post(f"/api/v1/users/{user['id']}/invite")
        assert (again.status_code, again.json()["code"]) == (409, "user_state")
    names = await names_of(rows, UUID(user["id"]))
    assert names[:2] == ["user.created", "user.invited"]
    assert "auth.invitation_accepted" in names


async def test_an_invitation_is_sent_again(mailing: Api, members: People, mailbox: Mailbox) -> None:
    """The link of the second invitation works, the first one's no longer does."""
    async with (await members.create("admin")).client() as admin:
        user = await invite(admin)
        first = await mailbox.token_for(user["email"])
        assert (await admin.post(f"/api/v1/users/{user['id']}/invite")).status_code == 202
        second = await mailbox.token_for(user["email"], count=2)
    assert (await confirm(mailing, first)).json()["code"] == "link_invalid"
    assert (await confirm(mailing, second)).status_code == 204


async def test_nobody_invites_whom_they_may_not_manage(members: People) -> None:
    """A manager sends no invitation to an admin, and resets no second factor of one."""
    async with (await members.create("admin")).client() as admin:
        user = await invite(admin, role="admin")
    async with (await members.create("manager")).client() as manager:
        for what in ("invite", "reset-second-factor"):
            answer = await manager.post(f"/api/v1/users/{user['id']}/{what}")
            assert (answer.status_code, answer.json()["code"]) == (403, "role_exceeds_yours")


async def test_a_server_that_refuses_is_asked_again(own_settings: Settings) -> None:
    """A mail that is not taken waits, says why, and goes out once the server takes it."""
    async with mail_server() as mailbox:
        mailbox.refuses = True
        changes = {"smtp_address": mailbox.address, "smtp_tls": "none"}
        connection = await database.connect(own_settings, own_settings.postgres_db)
        async with run_api(own_settings.model_copy(update=changes)) as api:
            person = await People(api).create()
            await ask(api, person.email)

            async def put_off() -> Any:
                return await connection.fetchrow("SELECT * FROM mails WHERE attempts > 0")

            waiting = await eventually(put_off)
            assert "not now" in waiting["error"]
            assert waiting["available_at"] > waiting["created_at"]
            mailbox.refuses = False
            await connection.execute("UPDATE mails SET available_at = now()")
            token = await mailbox.token_for(person.email)
            assert (await confirm(api, token)).status_code == 204
        await connection.close()


async def test_a_mail_is_given_up_after_an_hour(own_settings: Settings) -> None:
    """What can't be sent for an hour is dropped, and the audit log says so."""
    changes = {"smtp_address": "127.0.0.1:9", "smtp_tls": "none"}
    connection = await database.connect(own_settings, own_settings.postgres_db)
    async with run_api(own_settings.model_copy(update=changes)) as api:
        person = await People(api).create()
        await connection.execute(
            "INSERT INTO mails (kind, recipient, created_at)"
            " VALUES ('password_reset', $1, now() - interval '61 minutes')",
            person.email,
        )

        async def dropped() -> bool:
            return "mail.dropped" in await names_of(connection, person.id)

        await eventually(dropped)
        assert await connection.fetchval("SELECT count(*) FROM mails") == 0
    await connection.close()
