"""Programs that do the work: PostgreSQL's, redis-cli and restic."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from backup.errors import ProgramError

CHUNK = 1 << 20

# A program must not outlive this process, which may be killed at any time: it would hold a
# replication slot, or take the end of its input for the end of the data.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")


def run(argv: Sequence[str], environment: Mapping[str, str], what: str) -> str:
    """What a program prints, once it has ended; raises ProgramError with its last lines."""
    done = subprocess.run(
        [*TIED, *argv],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramError(what, done.stderr or done.stdout)
    return done.stdout


def output_of(argv: Sequence[str], environment: Mapping[str, str], what: str) -> Iterator[bytes]:
    """What a program prints, piece by piece; raises ProgramError at the end if it failed."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*TIED, *argv],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout
            while chunk := process.stdout.read(CHUNK):
                yield chunk
            if process.wait():
                raise ProgramError(what, said(errors))
        finally:
            process.kill()
            process.communicate()


def feed(
    argv: Sequence[str], environment: Mapping[str, str], chunks: Iterable[bytes], what: str
) -> str:
    """What a program prints that reads `chunks`; raises ProgramError, or what `chunks` raises."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*TIED, *argv],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdin
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass  # the program ended: it says why
        except BaseException:
            # Before its input ends, or it would take that for the end of the data.
            process.kill()
            process.communicate()
            raise
        output, _ = process.communicate()
        if process.returncode:
            raise ProgramError(what, said(errors))
    return output.decode()


def said(errors: IO[bytes]) -> str:
    """What a program wrote to its file of errors."""
    errors.seek(0)
    return errors.read().decode(errors="replace")
