"""Hot reload: a saved edit is live within two seconds."""

import httpx2

from harness import ROOT, System, assert_live, edited, wait_for


def test_an_edit_of_the_api_is_live(system: System) -> None:
    """A new version in the API's source is what the API answers."""
    url = f"{system.url('api')}/api/v1/system/info"

    def is_new() -> bool:
        try:
            return bool(httpx2.get(url, timeout=1).json()["version"] == "9.9.9-edited")
        except (httpx2.TransportError, ValueError):
            return False

    version = httpx2.get(url).json()["version"]
    with edited(ROOT / "services/api/app/version.py", version, "9.9.9-edited"):
        assert_live(is_new, "the API's reload")
    wait_for(lambda: system.is_ready() and not is_new(), 10, "the API's return")


def test_an_edit_of_the_frontend_is_live(system: System) -> None:
    """The development server gives the new text of a page."""
    url = f"{system.url('frontend')}/src/features/auth/components/sign-in-page.tsx"
    file = ROOT / "services/frontend/src/features/auth/components/sign-in-page.tsx"
    with edited(file, "Sign in", "Sign in, edited"):
        assert_live(lambda: "Sign in, edited" in httpx2.get(url).text, "the frontend's reload")


def test_an_edit_of_the_worker_is_live(system: System) -> None:
    """The worker runs anew after an edit, and is ready again."""
    log = ROOT / "tmp" / "test" / "logs" / "worker.log"
    before = log.read_text().count("broker.consuming")
    with edited(ROOT / "services/worker/src/main.ts", "\n", "\n\n"):
        assert_live(
            lambda: log.read_text().count("broker.consuming") > before, "the worker's reload"
        )
    system.await_ready()
