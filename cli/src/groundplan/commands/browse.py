"""`gp open`: show a service in the browser."""

import webbrowser

from groundplan.errors import UserError
from groundplan.model.place import find_root, instance_name
from groundplan.runtime import choice


def run(name: str | None, print_only: bool) -> None:
    """Open the page of service `name`, or of the first one that has a page."""
    state = choice.current(find_root(), instance_name()).status()
    if not state.is_running:
        raise UserError("Nothing is running.", hint="Start the system: ./gp up")
    pages = {
        service.name: service.url
        for service in state.services
        if (service.url or "").startswith("http")
    }
    if not pages or (name and name not in pages):
        raise UserError(
            f"{name or 'No service'} has no page.", hint=f"Pages: {', '.join(pages)}.", code=2
        )
    url = pages[name] if name else next(iter(pages.values()))
    print(url)
    if not print_only and not webbrowser.open(url or ""):
        raise UserError("No browser was found.", hint=f"Open {url} yourself.")
