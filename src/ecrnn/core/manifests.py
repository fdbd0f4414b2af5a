"""Manifests: the file that makes a trial a finished one and shows that it is whole.

`manifest.json` holds facts of the trial, the SHA-256 of its files, and its own. Format 1 lacked the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecrnn.core.arrays import MAX_FILE
from ecrnn.core.errors import EcrnnError, RunDirectoryError, raised_as
from ecrnn.core.files import disk_errors, write_atomically
from ecrnn.core.reading import MAX_METRICS, MAX_OTHER, MAX_WEIGHTS, read_json, sha256, there
from ecrnn.core.seals import seal, unsealed
from ecrnn.core.text import json_text

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 2
_MAX_FILES = 16
_LARGEST = {"predictions.npz": MAX_FILE, "metrics.jsonl": MAX_METRICS}  # bytes


def write_manifest(folder: Path, files: Sequence[str], facts: dict[str, Any], **more: Any) -> None:
    """Write `manifest.json`, which makes the trial in ``folder`` a finished one, and drop an old `error.json`.

    Args:
        folder: the trial's folder.
        files: those in it that belong to the result.
        facts: what `read_manifest` gives back.
        more: other things to note in the manifest.
    """
    digests = {name: sha256(folder / name, MAX_WEIGHTS) for name in files}
    write_atomically(folder / MANIFEST, manifest_text(digests, facts, **more))
    with disk_errors(folder):
        (folder / "error.json").unlink(missing_ok=True)


def manifest_text(files: Mapping[str, str], facts: dict[str, Any], **more: Any) -> str:
    """What `manifest.json` holds: ``files`` are digests by name, the rest as for `write_manifest`."""
    sealed = seal({"format": MANIFEST_FORMAT, "files": dict(files), "facts": facts, **more})
    return json_text(sealed, indent=2) + "\n"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The facts of a finished trial, or None where there is no manifest or anything does not match it."""
    try:
        manifest = checked_manifest(folder)
    except EcrnnError:
        return None
    return None if manifest is None else manifest["facts"]


def checked_manifest(folder: Path, study: Path | None = None) -> dict[str, Any] | None:
    """What the manifest of a trial says, with the files that it names compared with their digests.

    Args:
        folder: folder of the trial.
        study: the run directory, out of which nothing may point; None: two folders above ``folder``.

    Returns:
        ``facts``, ``files`` and what else was noted, or None where there is no manifest.

    Raises:
        RunDirectoryError: it is damaged, or a file does not match it; the line names the file.
    """
    path, study = folder / MANIFEST, study or folder.parents[1]
    if not there(path):
        return None
    with raised_as(RunDirectoryError):
        content = read_json(path, within=study)
        newer = isinstance(content, dict) and content.get("format") == MANIFEST_FORMAT
        manifest = unsealed(content, path, required=newer)
        if not newer and not (type(manifest.get("format")) is int and manifest["format"] == 1):
            found = _shown(manifest.get("format"))
            raise RunDirectoryError(f"{path}: format should be 1 or {MANIFEST_FORMAT}, not {found}")
        files, facts = manifest.get("files"), manifest.get("facts")
        if not isinstance(facts, dict) or not isinstance(files, dict) or "predictions.npz" not in files:
            line = "it should hold facts, and files with predictions.npz among them"
            raise RunDirectoryError(f"{path} is damaged: {line}")
        if len(files) > _MAX_FILES:
            raise RunDirectoryError(f"{path} names {len(files):,} files, more than the {_MAX_FILES} of a trial")
        for name, digest in files.items():
            if not _plain_name(name):
                raise RunDirectoryError(f"{path} names a file {_shown(name)}, which is no file of a trial")
            if sha256(folder / name, most_bytes(name), within=study) != digest:
                raise RunDirectoryError(f"{folder / name} is damaged: it does not match manifest.json")
    return manifest


def noted_fact(folder: Path, name: str, study: Path) -> Any:
    """What a manifest notes as the fact ``name``, unchecked: it may be anything; None where it notes none.

    Raises:
        EcrnnError: the manifest in ``folder`` cannot be read, or points out of ``study``.
    """
    content = read_json(folder / MANIFEST, within=study)
    facts = content.get("facts") if isinstance(content, dict) else None
    return facts.get(name) if isinstance(facts, dict) else None


def _plain_name(name: str) -> bool:
    """Whether a file of that name lies in the folder, or in one folder in it."""
    parts = name.split("/")
    return len(name) <= 100 and len(parts) <= 2 and name.isprintable() and not {"", ".", ".."} & set(parts)


def most_bytes(name: str) -> int:
    """The most bytes of a trial's file."""
    if name.endswith(".safetensors"):
        return MAX_WEIGHTS
    return _LARGEST.get(name, MAX_OTHER)


def _shown(value: Any) -> str:
    return repr(value)[:60]
