"""Leases: which process works on what, in a folder that several machines share, without locks of the file system.

A claim on something is a file that only one process can make (O_EXCL), called `<name>.<number>`; who made the highest
number of a name has it. Its first line says who that is, every sign of life adds a dot, and a line says how it ended.
Who sees no new dot for as long as the claim says, on a clock of its own, may make the next number. Clocks of machines
are never compared, and nothing is renamed or deleted to take a thing over.

A holder that was stopped for longer than that and continues finds the higher number at its next sign of life. Until
then two of them work, so what is leased must bear that, as `ecrnn.studies.shared_trials` does, where each has a folder
of its own. Why not filelock's `SoftFileLease`: docs/decisions/leases.md.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import disk_errors, make_folder
from ecrnn.core.reading import parse_json
from ecrnn.core.text import json_text

LEASE = 60.0  # seconds without a sign of life, after which a claim may be taken over
BEATS = 4  # signs of life in that time
LEFT, DIED, FAILED = "left", "died", "failed"  # how a claim may end; work that is done leaves no claim
_CLAIM = re.compile(r"(?P<name>.+)\.(?P<number>[1-9][0-9]{0,5})", re.DOTALL)
_MAX_NUMBER = 999_999
_MAX_CLAIM = 2**20  # bytes that are read: half a year of signs, at the usual lease
_LONGEST = 500  # characters of a text in a claim


@dataclass(frozen=True)
class Claim:
    """What the file of a claim says. Texts are "" and numbers 0 where it does not.

    Attributes:
        name: of what is claimed.
        number: which claim on it this is, from 1.
        token: that only this claim has: numbers begin anew where claims were deleted.
        host, pid: machine and process that made it.
        since: when, ISO, by the clock of that machine.
        lease: seconds without a sign of life, after which it may be taken over.
        mark: how far what is claimed had come before.
        ended: "" while it is held; `LEFT`, `DIED` or `FAILED`.
        reason: why, in a line.
        signs: a number that grows with every sign of life.
        seen: seconds since the last one, by the clock of the file system; None where it cannot be told.
    """

    name: str
    number: int
    token: str = ""
    host: str = ""
    pid: int = 0
    since: str = ""
    lease: float = LEASE
    mark: str = ""
    ended: str = ""
    reason: str = ""
    signs: int = 0
    seen: float | None = None


class Leases:
    """The claims in one folder, as one process sees them.

    Args:
        folder: made with the first claim.
        lease: of the claims that this process makes, in seconds.
        host: what this machine is called in them.
    """

    def __init__(self, folder: Path, lease: float = LEASE, host: str | None = None) -> None:
        self.folder, self.lease = folder, lease
        self.host = socket.gethostname() if host is None else host
        self._watched: dict[tuple[str, int, str], tuple[int, float, float]] = {}  # signs, when looked, seconds watched

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of all claims by name, ascending. One reading of the folder."""
        found: dict[str, list[int]] = {}
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise EcrnnError(f"cannot read {self.folder}: {error.strerror or error}") from error
        for name in names:
            if claim := _CLAIM.fullmatch(name):
                found.setdefault(claim["name"], []).append(int(claim["number"]))
        return {name: sorted(numbers) for name, numbers in found.items()}

    def read(self, name: str, number: int) -> Claim | None:
        """A claim, or None if it is gone."""
        try:
            content, size, age = _content(self._path(name, number))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EcrnnError(f"cannot read {self._path(name, number)}: {error.strerror or error}") from error
        return _parsed(name, number, content.decode(errors="replace"), size, age)

    def take(self, name: str, number: int) -> Lease | None:
        """Claim ``name`` with the number after the last one; None if another process was quicker.

        Raises:
            EcrnnError: there is no such number, or the disk refuses.
        """
        path = self._path(name, number)
        if number > _MAX_NUMBER:
            raise EcrnnError(
                f"{self.folder} has a claim with the number {_MAX_NUMBER} on {name}; delete the claims on it"
            )
        with disk_errors(path):
            if not self._make(path):
                return None
        lease = Lease(self, name, number, secrets.token_hex(4))
        since = datetime.now(UTC).isoformat(timespec="seconds")
        with disk_errors(path):
            try:
                lease.begin(host=self.host, pid=os.getpid(), since=since, lease=self.lease)
            except OSError:  # without its first line nobody has the claim, not even this process
                path.unlink(missing_ok=True)
                raise
        return lease

    def is_silent(self, claim: Claim) -> bool:
        """Whether a claim has shown no sign of life for as long as it says, while this process looked.

        From one look to the next at most the time between two signs counts: a watcher that was stopped itself, or
        whose whole machine slept, has not watched.
        """
        key, now = (claim.name, claim.number, claim.token), time.monotonic()
        signs, looked, watched = self._watched.get(key, (-1, now, 0.0))
        watched = watched + min(now - looked, claim.lease / BEATS) if signs == claim.signs else 0.0
        self._watched[key] = claim.signs, now, watched
        return watched >= claim.lease

    def bury(self, host: str, pid: int, reason: str) -> list[str]:
        """End the claims of a process that is known to be dead, so that nobody waits for it; gives their names."""
        names = []
        for name, numbers in self.numbers().items():
            claim = self.read(name, numbers[-1])
            if claim is not None and (claim.host, claim.pid, claim.ended) == (host, pid, ""):
                Lease(self, name, numbers[-1], claim.token).end(DIED, reason)
                names.append(name)
        return names

    def forget(self, name: str, numbers: list[int]) -> None:
        """Delete claims, the highest number last, so that no lower one holds in between."""
        for number in sorted(numbers):
            with disk_errors(self.folder, "delete a claim in"):
                self._path(name, number).unlink(missing_ok=True)

    def _make(self, path: Path) -> bool:
        """Make the file of a claim; False if it is there."""
        while True:
            make_folder(self.folder)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                return False
            except FileNotFoundError:  # another process has just deleted the folder, as an empty one
                continue
            os.close(handle)
            return True

    def _path(self, name: str, number: int) -> Path:
        return self.folder / f"{name}.{number}"


class Lease:
    """A claim of this process.

    Attributes:
        lost: another process has taken it over, or what was claimed is done.
    """

    def __init__(self, leases: Leases, name: str, number: int, token: str) -> None:
        self.leases, self.name, self.number, self.token = leases, name, number, token
        self.lost = False

    def sign(self) -> bool:
        """Show a sign of life; False if the lease is lost. A file system that refuses for a while takes nothing."""
        if os.path.lexists(self.leases._path(self.name, self.number + 1)):
            self.lost = True
        if not self.lost:
            self._append(".")
        return not self.lost

    def begin(self, **fields: Any) -> None:
        """Write the first line of the claim.

        Raises:
            OSError: the disk refuses, as a full one does.
        """
        self._append(f"{json_text({'token': self.token, **fields})}\n", first=True)

    def note(self, **fields: Any) -> None:
        """Add to what the claim says."""
        self._append(f"\n{json_text(fields)}\n")

    def end(self, how: str, reason: str = "") -> None:
        """Say how the claim ended, so that nobody waits for it."""
        self.note(ended=how, reason=reason)

    @contextlib.contextmanager
    def signs(self) -> Iterator[None]:
        """Show signs of life inside, from a thread of their own, until the lease is lost."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.leases.lease / BEATS) and self.sign():
                pass

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _append(self, text: str, first: bool = False) -> None:
        """Write at the end of the claim, if it is still this one."""
        path = self.leases._path(self.name, self.number)
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if first or os.read(handle, _LONGEST).startswith(_first_words(self.token)):
                    written = os.write(handle, text.encode())
                    if first and written < len(text.encode()):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                else:
                    self.lost = True
            finally:
                os.close(handle)
        except FileNotFoundError:
            self.lost = True
        except OSError:  # such as ESTALE for a moment: whoever misses the sign waits for the next
            if first:
                raise


def _first_words(token: str) -> bytes:
    """How the file of the claim with that token begins."""
    return json_text({"token": token}).removesuffix("}").encode()


def _content(path: Path) -> tuple[bytes, int, float]:
    """What the file of a claim holds, its bytes in all, and seconds since it was written; opened once, as many are.

    Raises:
        OSError: it cannot be read, or is a link or no file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return os.read(handle, _MAX_CLAIM), status.st_size, time.time() - status.st_mtime
    finally:
        os.close(handle)


def _parsed(name: str, number: int, text: str, size: int, age: float) -> Claim:
    """A claim from its file, of which a line may be cut: its maker may be killed at any moment."""
    fields: dict[str, Any] = {}
    for line in text.split("\n"):
        if not line.startswith("{"):
            continue
        with contextlib.suppress(EcrnnError):
            found = parse_json(line, "a claim")
            fields |= found if isinstance(found, dict) else {}

    def words(key: str) -> str:
        value = fields.get(key, "")
        return value[:_LONGEST] if isinstance(value, str) else ""

    pid, lease = fields.get("pid"), fields.get("lease", LEASE)
    return Claim(
        name,
        number,
        token=words("token")[:32],
        host=words("host"),
        pid=pid if type(pid) is int else 0,
        since=words("since"),
        lease=min(max(lease, 0.1), 86_400.0) if isinstance(lease, int | float) else LEASE,
        mark=words("mark"),
        ended=words("ended"),
        reason=words("reason"),
        signs=size,
        seen=max(0.0, age),
    )
