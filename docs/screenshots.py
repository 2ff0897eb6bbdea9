"""Takes pictures of every page, at two sizes and in both colour schemes, into tmp/screenshots.

Those that the README shows are also put into docs/images. Run it with the system up and a million
users in it, so that the export can be seen at work: .venv/bin/python docs/screenshots.py
It needs the tools of the tests, which ./gp lint installs, and fetches the browser that they use.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "bench"))

from dotenv import dotenv_values  # noqa: E402 - after the path of the measurements

from groundplan.commands.test import install  # noqa: E402
from groundplan.model.place import state_folder  # noqa: E402
from groundplan.parts import CHROMIUM, browser_environment  # noqa: E402
from system import ROOT, services  # noqa: E402

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


def main() -> None:
    """Write PAGE-SIZE-SCHEME.png for each page, size and colour scheme."""
    install({CHROMIUM})
    os.environ |= browser_environment(state_folder(ROOT, "development"))
    chromium = os.environ["CHROMIUM"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for size in SIZES:
            for scheme in ("light", "dark"):
                take(browser, size, scheme)
        browser.close()


def take(browser: Browser, size: str, scheme: str) -> None:
    """Walk through the pages at one size, in one colour scheme."""
    width, height = SIZES[size]
    page = browser.new_page(
        base_url=services()["frontend"]["url"],
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )

    def shoot(name: str) -> None:
        picture = ROOT / "tmp" / "screenshots" / f"{name}-{size}-{scheme}.png"
        page.screenshot(path=picture)
        if name == "exports" and size == "desktop":
            shutil.copyfile(picture, DOCS / "images" / picture.name)

    page.goto("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    shoot("sign-in")
    sign_in(page)
    page.get_by_role("link", name="Users").first.click()
    expect(page.get_by_role("cell").first).to_be_visible()
    shoot("users")
    page.get_by_role("button", name="New user").click()
    shoot("new-user")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="Exports").first.click()
    page.get_by_role("button", name="Start export").click()
    expect(page.get_by_text(re.compile(r"[1-9]\d %"))).to_be_visible()
    shoot("exports")
    for name, path in (("failed", "/exports/failed"), ("audit", "/audit"), ("account", "/account")):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("Loading…")).to_have_count(0)
        shoot(name)
    page.close()


def sign_in(page: Page) -> None:
    """Sign in as the first user."""
    settings = dotenv_values(ROOT / "config" / ".env")
    page.get_by_role("textbox", name="Email").fill(settings["ADMIN_EMAIL"] or "")
    page.get_by_label("Password", exact=True).fill(settings["ADMIN_PASSWORD"] or "")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Users").first).to_be_visible()


if __name__ == "__main__":
    main()
