"""`gp images`: pins the images of production by digest."""

import json

from groundplan.model.place import IMAGES_FILE, PRODUCTION, find_root
from groundplan.model.workspace import describe
from groundplan.runtime.docker import images


def pin(as_json: bool, dry_run: bool) -> None:
    """Write the file of pinned images, and say which of them changed."""
    root = find_root()
    wanted = list(images.uses(describe(root, PRODUCTION)))
    found = images.digests(wanted)
    file = root / IMAGES_FILE
    before = images.pinned(file.read_text()) if file.is_file() else {}
    if not dry_run:
        images.write(root, images.compose_file(wanted, found))
    if as_json:
        rows = [
            {"image": image, "digest": digest, "before": before.get(image)}
            for image, digest in found.items()
        ]
        print(json.dumps({"written": not dry_run, "images": rows}, indent=2))
        return
    for image, digest in found.items():
        print(f"{_state(before.get(image), digest):<9} {image} {digest}")
    print(f"{'Would write' if dry_run else 'Wrote'} {IMAGES_FILE}.")


def _state(before: str | None, digest: str) -> str:
    if before is None:
        return "new"
    return "unchanged" if before == digest else "changed"
