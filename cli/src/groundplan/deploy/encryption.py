"""Whether the disk below a folder is encrypted, as far as this machine tells."""

import os
from collections.abc import Iterator
from pathlib import Path

_DEVICES = Path("/sys/dev/block")


def is_encrypted(folder: Path, devices: Path = _DEVICES) -> bool | None:
    """True where every disk below `folder` is encrypted by dm-crypt; None where the machine does not tell.

    It does not tell for disks of another machine, of a provider, or that a file system like ZFS manages
    and encrypts by itself.
    """
    try:
        number = folder.stat().st_dev
    except OSError:
        return None
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    return all(_is_crypt(each) for each in _bottoms(device)) if device.exists() else None


def _bottoms(device: Path) -> Iterator[Path]:
    """The encrypted devices that `device` stands on, or the plain ones at the bottom."""
    below = sorted((device / "slaves").glob("*"))
    if _is_crypt(device) or not below:
        yield device
        return
    for each in below:
        yield from _bottoms(each.resolve())


def _is_crypt(device: Path) -> bool:
    try:
        return (device / "dm" / "uuid").read_text().startswith("CRYPT-")
    except OSError:
        return False
