"""A person's way through the product, in a real browser."""

import csv
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from harness import System, new_user

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
    dialog.get_by_label("Password").fill(user["password"])
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


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a compressed CSV file."""
    return list(csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
