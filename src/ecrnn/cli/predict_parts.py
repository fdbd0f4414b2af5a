"""`ecrnn predict --part 3/40`: one of many parts of the files, for as many processes or machines.

Files are sorted; the parts are runs of them that do not overlap and together are all. Beside the predictions of a part
lies a receipt, `NAME.part.json`, written last: of which files, by which model and options, and the SHA-256 of the
predictions. A part whose receipt says all that of the files on the disk is done; anything else is done anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.cli.options import WrongCall
from ecrnn.cli.output import complain, say
from ecrnn.cli.predictions import SUFFIXES, Written
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import disk_errors, write_json
from ecrnn.core.reading import read_json, sha256, there
from ecrnn.core.seals import seal, unsealed
from ecrnn.core.spelling import nfc, order
from ecrnn.core.text import counted

_MOST = 1_000_000  # parts
_LARGEST = 2**40  # bytes of the predictions of a part
_KIND, _RECEIPT = "ecrnn part", ".part.json"
_TEXTS = (".txt", ".tsv", ".xlsx", ".html", ".md", ".gz", ".zip")  # with which no folder's name ends


@dataclass(frozen=True)
class Part:
    """Part ``number`` of ``of``, from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def place(self, out: Path | None, style: str | None) -> Path:
        """The file for its predictions: ``out``, or in the folder ``out`` one with a name of its own."""
        if out is None:
            raise WrongCall("--part wants a file or a folder for the predictions, as in --part 3/40 -o predictions/")
        if out.suffix.lower() in SUFFIXES and not out.is_dir():
            return out
        if out.suffix.lower() in _TEXTS and not out.is_dir():
            raise WrongCall(f"--out: predictions of a part are {', '.join(SUFFIXES)}, or lie in a folder, not in {out}")
        digits = len(str(self.of))
        return out / f"part-{self.number:0{digits}d}-of-{self.of}.{style or 'jsonl'}"

    def taken(self, files: Sequence[Path]) -> list[Path]:
        """Its files; those of all parts, one part after the other, are all, sorted."""
        return self.among(in_order(files))

    def among(self, ordered: Sequence[Path]) -> list[Path]:
        """As `taken`, of files that are sorted already."""
        ends = [k * len(ordered) // self.of for k in (self.number - 1, self.number)]
        return list(ordered[ends[0] : ends[1]])


def in_order(files: Sequence[Path]) -> list[Path]:
    """The files sorted as parts take them."""
    return sorted(files, key=lambda file: order(str(file)))


def part_of(text: str) -> Part:
    """What --part says.

    Raises:
        WrongCall: it is not as in 3/40.
    """
    found = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text, re.ASCII)
    part = Part(int(found[1]), int(found[2])) if found else Part(0, 0)
    if not 1 <= part.number <= part.of <= _MOST:
        raise WrongCall(f"--part wants a number and of how many, as in 3/40, not '{text[:40]}'")
    return part


def predict_part(
    part: Part,
    out: Path,
    files: Sequence[Path],
    missing: Mapping[Path, str],
    how: Mapping[str, Any],
    predict: Callable[[list[Path]], Written],
) -> Written:
    """Do a part that is not done yet.

    Args:
        part: which one.
        out: file for its predictions.
        files: those of all parts.
        missing: those that are none.
        how: the model, and the options that change the predictions.
        predict: writes the predictions of some files into ``out``.

    Raises:
        WrongCall: ``out`` holds another of the parts.
    """
    mine = part.taken(files)
    wanted = wanted_of(part, mine, missing, how)
    everything = {"files": len(files), "names_sha256": _names(files), "order_sha256": _order(files)}
    _check_free(out, part)
    for place, what in _others(out, part, everything, how):
        complain(f"{place} is {what}")
    if (before := done(out, wanted)) is not None:
        failed = f", {before.failed:,} of its inputs could not be predicted" if before.failed else ""
        say(f"part {part} is done already: {counted(before.predicted, 'predictions')} in {out}{failed}")
        return before
    written = predict(mine)
    content = {
        "format": 1,
        "kind": _KIND,
        "of": wanted,
        "all": everything,
        "sha256": sha256(out, _LARGEST),
        **written._asdict(),
    }
    write_json(_receipt(out), seal(content))
    return written


def wanted_of(part: Part, mine: Sequence[Path], missing: Mapping[Path, str], how: Mapping[str, Any]) -> dict[str, Any]:
    """What the receipt of a part must say for it to be done: of its files ``mine``, the rest as of `predict_part`."""
    return {"part": str(part), "files": len(mine), "files_sha256": _digest(mine, missing), **how}


def _digest(files: Sequence[Path], missing: Mapping[Path, str]) -> str:
    """SHA-256 of the names, sizes and times of files."""
    digest = hashlib.sha256()
    for file in files:
        status = None
        if file not in missing and file.exists():
            with disk_errors(file, "read"):
                found = file.stat()
            status = (found.st_size, found.st_mtime_ns)
        digest.update(repr((os.fsencode(file), status)).encode())
    return digest.hexdigest()


def _names(files: Sequence[Path]) -> str:
    """SHA-256 of the names of files, which may lie in another place on another machine."""
    return hashlib.sha256(
        "\0".join(sorted(nfc(file.name) for file in files)).encode(errors="surrogateescape")
    ).hexdigest()


def _order(files: Sequence[Path]) -> str:
    """SHA-256 of the names of files in the order of the parts, which follows from where they lie."""
    return hashlib.sha256(
        "\0".join(nfc(file.name) for file in in_order(files)).encode(errors="surrogateescape")
    ).hexdigest()


def _others(out: Path, part: Part, everything: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Predictions beside ``out`` of parts of as many that do not go together with it, and why not, in words."""
    for receipt in sorted(out.parent.glob(f"*{_RECEIPT}")):
        if receipt == _receipt(out):
            continue
        content: dict[str, Any] = {}
        with contextlib.suppress(EcrnnError):
            content = unsealed(read_json(receipt, within=out.parent), receipt, required=True)
        of, whole = content.get("of"), content.get("all")
        if not isinstance(of, dict) or not str(of.get("part")).endswith(f"/{part.of}"):
            continue
        place = receipt.with_name(receipt.name.removesuffix(_RECEIPT))
        whole = whole if isinstance(whole, dict) else {}  # earlier versions noted less of it, or nothing
        if any(whole.get(key, value) != value for key, value in everything.items()):
            what = f"a part of other files than these {everything['files']:,}, or of these in another order"
            yield place, f"{what}: some are in no part or in two; do that part again where it sees the same files"
        elif of.get("format") == how.get("format") and (other := [key for key in how if of.get(key) != how[key]]):
            what = "by another bundle" if "bundle" in other else f"with another {', '.join(other)}"
            yield place, f"a part {what}: together they are no predictions of one model; do that part again, too"


def done(out: Path, wanted: Mapping[str, Any]) -> Written | None:
    """What the finished part in ``out`` holds; None where it is not there, torn, or not what is ``wanted``."""
    found = _whole(out)
    if found is None or found.get("of") != dict(wanted):
        return None
    counts = [found.get(name) for name in Written._fields]
    return Written(*counts) if all(type(count) is int for count in counts) else None  # type: ignore[arg-type]


def _check_free(out: Path, part: Part) -> None:
    """Raise a WrongCall where the finished predictions of another part would be written over."""
    of = (_whole(out) or {}).get("of")
    before = str(of.get("part")) if isinstance(of, dict) else ""
    if before != str(part) and re.fullmatch(rf"\d+/{part.of}", before, re.ASCII):
        raise WrongCall(f"--out: {out} holds part {before}; name one folder for all parts, or a file for each")


def _whole(out: Path) -> dict[str, Any] | None:
    """The receipt of finished predictions; None where there is none, or they are torn."""
    receipt = _receipt(out)
    if not (there(out) and there(receipt)):
        return None
    try:
        found = unsealed(read_json(receipt, within=receipt.parent), receipt, required=True)
        torn = found.get("sha256") != sha256(out, _LARGEST)
    except EcrnnError:
        return None
    return None if torn or found.get("kind") != _KIND else found


def _receipt(out: Path) -> Path:
    return out.with_name(f"{out.name}{_RECEIPT}")
