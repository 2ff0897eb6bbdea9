"""A person's way through the product, in a real browser."""

import base64
import csv
import gzip
import hmac
import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from harness import System, new_user, wait_for

# What keeps Chromium from calling its maker, and lets it run as root and in containers.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    """A browser's page at the frontend, that fails the test on an error in the console."""
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=OPTIONS)
        context = browser.new_context(base_url=system.url("frontend"), accept_downloads=True)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        context.close()
        browser.close()
    assert problems == []


def sign_in(page: Page, email: str, password: str) -> None:
    """Fill in the form of the first page."""
    page.goto("/")
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_create_a_user_export_and_download(system: System, users: int, page: Page) -> None:
    """The main job: sign in, create a user, export all, watch the progress, get the file."""
    sign_in(page, str(system.settings["ADMIN_EMAIL"]), str(system.settings["ADMIN_PASSWORD"]))

    user = new_user()
    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(user["name"])
    dialog.get_by_label("Email").fill(user["email"])
    dialog.get_by_label("Let them choose their password").uncheck()
    dialog.get_by_label("Password", exact=True).fill(user["password"])
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_be_hidden()
    page.get_by_label("Search").fill(user["email"])
    expect(page.get_by_role("cell", name=user["email"])).to_be_visible()

    page.get_by_role("link", name="Exports").click()
    page.get_by_role("button", name="Start export").click()
    expect(page.get_by_role("progressbar").first).to_be_visible()
    newest = page.get_by_role("main").get_by_role("listitem").first
    download_button = newest.get_by_role("button", name="Download")
    expect(download_button).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        download_button.click()
    rows = read_rows(download.value.path())
    assert len(rows) > users
    assert user["email"] in {row["email"] for row in rows}


def test_a_wrong_password_is_told_in_words(system: System, page: Page) -> None:
    """A person who mistypes sees what is wrong and stays at the form."""
    sign_in(page, str(system.settings["ADMIN_EMAIL"]), "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_enabled()


def test_an_invited_user_sets_up_a_second_factor_and_signs_in_with_it(
    system: System, page: Page
) -> None:
    """From the mail of an invitation to a sign-in that needs a code."""
    user = new_user()
    with system.client() as admin:
        fields = {name: user[name] for name in ("email", "name", "role")}
        assert admin.post("/users", json=fields).status_code == 201

    page.goto(mailed_link(system, user["email"]))
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    assert "token" not in page.url
    page.get_by_label("New password", exact=True).fill(user["password"])
    page.get_by_label("Repeat new password").fill(user["password"])
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("The new password is set.")).to_be_visible()

    sign_in(page, user["email"], user["password"])
    page.get_by_role("button", name=user["name"]).click()
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("button", name="Set up").click()
    secret = page.get_by_text(re.compile(r"^[A-Z2-7]{4}( [A-Z2-7]{1,4})+$")).inner_text()
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Turn on").click()
    code = page.get_by_role("list", name="Recovery codes").get_by_role("listitem").first
    recovery_code = code.inner_text()
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_text("You are signed out on all devices.")).to_be_visible()

    sign_in(page, user["email"], user["password"])
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Code").fill(recovery_code)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name=user["name"])).to_be_visible()


def test_tabs_that_load_at_the_same_time_keep_the_session(system: System, page: Page) -> None:
    """A refresh token works once and its reuse ends the session: the tabs of a browser take turns."""
    sign_in(page, str(system.settings["ADMIN_EMAIL"]), str(system.settings["ADMIN_PASSWORD"]))
    expect(page.get_by_role("link", name="Users")).to_be_visible()
    tabs = [page, *(page.context.new_page() for _ in range(3))]
    for _ in range(3):
        for tab in tabs:
            tab.goto("/users", wait_until="commit")
        for tab in tabs:
            expect(tab.get_by_role("heading", name="Users")).to_be_visible(timeout=20_000)


def mailed_link(system: System, email: str) -> str:
    """The link in the newest mail to `email`."""

    def look() -> str | None:
        mails = httpx2.get(f"{system.url('mail')}/api/mails", params={"to": email}).json()["mails"]
        found = re.search(r"http\S+#token=\S+", mails[0]["text"]) if mails else None
        return found.group() if found else None

    return wait_for(look, 20, f"a mail to {email}") or ""


def totp(secret: str) -> str:
    """The code of an authenticator app now (RFC 6238)."""
    key = base64.b32decode(secret.replace(" ", ""))
    digest = hmac.digest(key, int(time.time() // 30).to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a compressed CSV file."""
    return list(csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
