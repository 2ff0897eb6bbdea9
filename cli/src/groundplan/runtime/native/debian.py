"""Programs from the distribution's packages, fetched into the cache without root.

The packages are downloaded with a private state of apt and unpacked with dpkg-deb: no maintainer
script runs, so no system service is started and nothing of the system changes.
"""

import hashlib
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from groundplan.errors import UserError
from groundplan.runtime.native import cache

_LISTS_MAX_AGE = 24 * 3600.0
_URI = re.compile(r"^'[^']+' (\S+) (\d+) \S*$", re.MULTILINE)


@dataclass(frozen=True)
class Packages:
    """A set of packages unpacked under one folder of the cache."""

    name: str
    packages: tuple[str, ...]
    without: tuple[str, ...] = ()
    """Prefixes of dependencies that are left out, as what needs them is never used."""

    @property
    def target(self) -> Path:
        """Where the packages are unpacked; a new list of packages gets a new folder."""
        wanted = " ".join((*self.packages, *self.without, _release()))
        return (
            cache.folder()
            / "debian"
            / f"{self.name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        )

    @property
    def libraries(self) -> str:
        """LD_LIBRARY_PATH of the unpacked programs."""
        patterns = (
            "usr/lib/*-linux-gnu*/*.so*",
            "lib/*-linux-gnu*/*.so*",
            "usr/lib/*-linux-gnu*/*/*.so*",
        )
        found = (path.parent for pattern in patterns for path in self.target.glob(pattern))
        return ":".join(map(str, dict.fromkeys(found)))

    def fetch(self, report: cache.Report) -> None:
        """Download and unpack the packages unless they are there."""
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise UserError(
                f"{self.name} is not on this machine, and there is no apt to fetch it with.",
                hint=f"Install it with your system's package manager ({self.packages[0]} in Debian).",
            )
        cache.install(self.target, lambda folder: self._unpack_into(folder, report))

    def _unpack_into(self, folder: Path, report: cache.Report) -> None:
        try:
            self._download_and_unpack(folder, report)
        except UserError:
            # The list may name versions that the mirror has replaced since it was fetched.
            _update_lists(report, max_age=0)
            self._download_and_unpack(folder, report)

    def _download_and_unpack(self, folder: Path, report: cache.Report) -> None:
        _update_lists(report)
        downloads = folder.with_suffix(".downloads")
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        names, size = self._needed()
        with cache.watch_size(downloads, report, total=size):
            cache.run(
                ["apt-get", *_options(), "download", *names],
                f"Downloading {self.name}",
                cwd=downloads,
            )
        for file in sorted(downloads.glob("*.deb")):
            report(f"unpacking {file.name.split('_')[0]}")
            cache.run(["dpkg-deb", "-x", str(file), str(folder)], f"Unpacking {file.name}")
        shutil.rmtree(downloads)

    def _needed(self) -> tuple[list[str], int]:
        """Names of the packages that the system lacks, and their size in bytes."""
        command = [
            "apt-get",
            *_options(),
            "install",
            "--no-install-recommends",
            "-y",
            *self.packages,
        ]
        plan = cache.run([*command, "-s"], f"Finding the packages of {self.name}")
        names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
        kept = [name for name in names if not name.startswith(self.without or ("\0",))]
        listed = cache.run([*command, "--print-uris"], f"Finding the packages of {self.name}")
        sizes = {match[1].split("_")[0]: int(match[2]) for match in _URI.finditer(listed)}
        return kept, sum(sizes.get(name, 0) for name in kept)


def _release() -> str:
    try:
        return Path("/etc/debian_version").read_text().strip().split(".")[0]
    except OSError:
        return ""


def _apt() -> Path:
    return cache.folder() / "apt"


def _options() -> list[str]:
    root = _apt()
    return [
        "-q",
        f"-oDir::State={root}/state",
        "-oDir::State::status=/var/lib/dpkg/status",
        f"-oDir::Cache={root}/cache",
        "-oDebug::NoLocking=1",
        "-oAPT::Sandbox::User=",
        "-oAcquire::Languages=none",
    ]


def _update_lists(report: cache.Report, max_age: float = _LISTS_MAX_AGE) -> None:
    """Fetch the lists of packages unless they are younger than `max_age` seconds."""
    stamp = _apt() / "updated"
    with cache.lock("apt-lists"):
        if stamp.exists() and time.time() - stamp.stat().st_mtime < max_age:
            return
        report("fetching the list of packages")
        for name in ("state/lists/partial", "cache/archives/partial"):
            (_apt() / name).mkdir(parents=True, exist_ok=True)
        # One dead source of several is no reason to stop: what is missing is named later.
        done = subprocess.run(
            ["apt-get", *_options(), "update"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if not any((_apt() / "state/lists").glob("*Packages*")):
            raise UserError(
                "The list of packages could not be fetched.",
                why=done.stderr.strip()[-400:],
                hint="Check the network and /etc/apt/sources.list, then run the command again.",
            )
        stamp.touch()
