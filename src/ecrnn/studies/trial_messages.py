"""A trial as messages, from a machine that trained it to one that cannot see its disk.

A message is a line of JSON, its head, and bytes. The heads are {"kind": "event", ...} for what happens while it trains,
{"kind": "piece", "name": ..., "at": ...} for a piece of a file, and one {"kind": "end", "how": ..., "line": ...,
"node": ...}.
A message has a bound, so a trial of any size passes through a little memory. What arrives is looked at as a folder from
anywhere is: names, sizes, digests, and whether it is the trial that was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import disk_errors, make_folder
from ecrnn.core.filesystems import flush_file
from ecrnn.core.manifests import MANIFEST, checked_manifest, most_bytes
from ecrnn.core.reading import opened, parse_json
from ecrnn.core.runs import trial_folder
from ecrnn.core.trial_of_study import SEARCH, other_plan
from ecrnn.studies.engines.protocol import Trial
from ecrnn.training.finished import read_finished

FINISHED, FAILED, LOST, UNFIT = "finished", "failed", "lost", "unfit"  # how a trial may end on its machine
_PIECE = 4 * 2**20  # bytes of a file in a message
_HEAD = 64 * 2**10  # bytes of a head
_MOST_FILES = 20_000
_MOST_BYTES = 2**35  # of a trial
_PART = r"[A-Za-z0-9_-][A-Za-z0-9_.@+=-]{0,199}"  # @ + = are of names of models, by which searches have folders
_NAME = re.compile(f"({SEARCH}/({_PART}/){{0,4}}|checkpoint/)?{_PART}")


def message(kind: str, payload: bytes = b"", **head: Any) -> bytes:
    """A message with that head."""
    return json.dumps({"kind": kind, **head}).encode() + b"\n" + payload


def parsed(content: Any) -> tuple[dict[str, Any], memoryview]:
    """Head and bytes of a message.

    Raises:
        EcrnnError: it is none, or larger than a message may be.
    """
    if not isinstance(content, bytes) or len(content) > _HEAD + _PIECE:
        raise EcrnnError("a machine sent what is no message of a trial")
    line, end, _ = content[:_HEAD].partition(b"\n")
    head = parse_json(line.decode(errors="replace"), "the head of a message") if end else None
    if not isinstance(head, dict):
        raise EcrnnError("a machine sent a message without a head")
    return head, memoryview(content)[len(line) + 1 :]


def pieces(folder: Path, names: list[str]) -> Iterator[bytes]:
    """The messages of files in ``folder``, one after another."""
    for name in names:
        with opened(folder / name, _MOST_BYTES, within=folder) as file:
            at, piece = 0, file.read(_PIECE)
            while piece or not at:
                yield message("piece", piece, name=name, at=at)
                if not piece:
                    break
                at, piece = at + len(piece), file.read(_PIECE)


def files_of(folder: Path) -> list[str]:
    """The names of all files of a finished trial, the manifest last."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name != MANIFEST] + [MANIFEST]


class Arriving:
    """A trial whose pieces arrive.

    Args:
        root: a new folder, which stands for that of the study until the trial is whole.
        trial: model and repeat.
    """

    def __init__(self, root: Path, trial: Trial) -> None:
        self.root, self.trial = root, trial
        self.folder = make_folder(trial_folder(root, *trial))
        self._sizes: dict[str, int] = {}
        self._folders: set[str] = set()
        self._bytes = 0

    def add(self, head: dict[str, Any], payload: memoryview) -> None:
        """Write a piece down.

        Raises:
            EcrnnError: no trial has such a file, or so much of it; or it is not the next piece of it.
            RunDirectoryError: the disk refuses.
        """
        name, at = head.get("name"), head.get("at")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise EcrnnError(f"a machine sent the file {str(name)[:60]!r}, which is none of a trial")
        if at != self._sizes.get(name, 0) or (name in self._sizes and not at):
            raise EcrnnError(f"a machine sent the pieces of {name} in another order")
        folders = [folder.as_posix() for folder in PurePosixPath(name).parents]
        if name in self._folders or any(folder in self._sizes for folder in folders):
            raise EcrnnError(f"a machine sent {name[:60]} as a file and as a folder")
        self._folders.update(folders)
        size = self._sizes[name] = at + len(payload)
        self._bytes += len(payload)
        path = self.folder / name
        if size > most_bytes(path.name) or self._bytes > _MOST_BYTES or len(self._sizes) > _MOST_FILES:
            raise EcrnnError(f"a machine sent more than a trial has: {size:,} bytes of {name}")
        make_folder(path.parent)
        with disk_errors(path), open(path, "ab" if at else "xb") as file:
            file.write(payload)
            file.flush()
            flush_file(file.fileno(), path)

    def check(self, settings: StudySettings) -> None:
        """Look whether what has arrived is the trial, finished and whole.

        Args:
            settings: of the study.

        Raises:
            EcrnnError: it is not; one line.
        """
        manifest = checked_manifest(self.folder, self.root)
        if manifest is None:
            raise EcrnnError(f"a machine sent {settings.label(*self.trial)} without its {MANIFEST}")
        arrived = {name for name in self._sizes if not name.startswith(f"{SEARCH}/")}
        if others := sorted(arrived ^ {*manifest["files"], MANIFEST}):
            raise EcrnnError(f"a machine sent {settings.label(*self.trial)} with other files: {others[0]}")
        if plan := other_plan(settings, manifest.get("plan")):
            raise EcrnnError(f"a machine sent {settings.label(*self.trial)}, trained with another {plan}")
        read_finished(self.root, settings, *self.trial)
