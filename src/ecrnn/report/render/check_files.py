"""A check of a folder of images, on a terminal and as files.

- check.json: all but the findings of the severity "note", of which there may be one a file.
- findings.csv: all findings, a row each; names are written so that no spreadsheet runs them.
- groups.csv: copies that belong together, for `--groups`; names are exact.
- check.html: tables, and small images of the gravest findings.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.files import path_of, write_files
from ecrnn.core.form import BadData
from ecrnn.core.spelling import on_disk
from ecrnn.core.text import counted, json_text
from ecrnn.core.translation import Translator
from ecrnn.core.translation import checked as checked_language
from ecrnn.data.check.findings import KINDS, Check, Finding
from ecrnn.data.check.folder_check import NEAR, check_folder
from ecrnn.data.check.near_duplicates import MOST_BITS
from ecrnn.data.image_file import read_image
from ecrnn.report.content.check_tables import classes_table, headline, kinds_table, splits_table
from ecrnn.report.render.csv_file import is_formula, safe
from ecrnn.report.render.page import render
from ecrnn.report.render.terminal import rich_table, words

if TYPE_CHECKING:
    from rich.console import Console

THUMBNAILS = 200  # on a page at most
_SIDE = 96  # pixels
_A_KIND = 24  # findings of one kind that are shown
_SHOWN = (  # kinds whose images are shown, those that matter most first
    *("label-conflict", "near-label-conflict", "suspect-label", "leak", "near-leak"),
    *("mirrored", "near-duplicate", "duplicate"),
)


class Shown(NamedTuple):
    """A finding on the page with its images as data: URIs, and those of the file that it is about, or ""."""

    finding: Finding
    image: str
    other: str


class Gallery(NamedTuple):
    """The findings of a kind that are shown, and how many there are."""

    kind: str
    meaning: str
    total: int
    shown: list[Shown]


def check_json(check: Check) -> str:
    """The check at full precision, as check.json holds it."""
    findings = [{**asdict(f), "severity": f.severity} for f in check.findings if f.severity != "note"]
    plain = {**asdict(check), "findings": findings, "groups": len(set((check.groups or {}).values()))}
    head = {"format": 1, "kind": "ecrnn check", "would_train": check.would_train, "counts": check.counts()}
    return json_text(head | plain, indent=1) + "\n"


def findings_csv(check: Check) -> str:
    """A row for each finding: file, kind, severity, detail, other."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("file", "kind", "severity", "detail", "other"))
    for one in check.findings:
        writer.writerow([safe(value) for value in (one.file, one.kind, one.severity, one.detail, one.other)])
    return file.getvalue()


def groups_csv(check: Check) -> str:
    """A row for each file of a group of copies, as `--groups` reads it; what would be a formula begins with "./"."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else none around a lone carriage return
    writer.writerow(("file", "group"))
    for name, number in (check.groups or {}).items():
        writer.writerow((f"./{name}" if is_formula(name) else name, f"copies {number}"))
    return file.getvalue()


def check_page(check: Check, folder: Path, language: str = "en") -> str:
    """One self-contained HTML document; ``folder`` is where the images lie."""
    return render(
        "check.html.j2",
        Translator(language, _names(check)),
        check=check,
        headline=headline(check),
        key_facts=_facts(check),
        kinds=kinds_table(check),
        splits=splits_table(check),
        classes=classes_table(check),
        errors=[finding for finding in check.findings if finding.severity == "error"][:_A_KIND],
        galleries=list(_galleries(check, folder)),
    )


def _names(check: Check) -> set[str]:
    """What is never translated: the folder, its files and classes."""
    files = (name for finding in check.findings for name in (finding.file, finding.other))
    return {check.data, *files, *(row.name for row in check.classes)} - {""}


def _facts(check: Check) -> list[tuple[str, str]]:
    facts = [("Data", check.data), ("Images", f"{check.readable:,} of {counted(check.files, 'files')} can be read")]
    if check.compared is None:
        facts.append(("Copies", "the same images only"))
    else:
        facts.append(("Copies", f"hashes differ in at most {check.compared} of 64 bits, pixels are alike"))
    if check.not_compared:
        facts.append(("Not compared", counted(check.not_compared, "pairs")))
    if check.study is not None:
        facts.append(("Predictions", f"{check.study}, of {counted(check.predicted, 'images')}"))
    return facts


def _galleries(check: Check, folder: Path) -> Iterator[Gallery]:
    """The images of the gravest findings, at most `THUMBNAILS`."""
    left = THUMBNAILS
    for kind in _SHOWN:
        found = [finding for finding in check.findings if finding.kind == kind]
        shown = []
        for finding in found[:_A_KIND]:
            needed = 2 if finding.other else 1
            if needed > left:
                break
            left -= needed
            shown.append(Shown(finding, _thumbnail(folder / finding.file), _other(folder, finding)))
        if shown:
            yield Gallery(kind, KINDS[kind].meaning, len(found), shown)


def _other(folder: Path, finding: Finding) -> str:
    return _thumbnail(folder / finding.other) if finding.other else ""


def _thumbnail(path: Path) -> str:
    """A small copy of an image as a data: URI, encoded anew from its pixels; "" where it cannot be read any more."""
    from PIL import Image

    try:
        pixels = read_image(path, (3, _SIDE, _SIDE), "pad")
    except DataError:
        return ""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def check(
    data: str | Path,
    *,
    out: str | Path | None = None,
    language: str = "en",
    study: str | Path | None = None,
    near: int | None = NEAR,
    split: str | float = "0.7",
    repeats: int = 3,
    seed: int = 0,
    stratify: bool = False,
    groups: str | Path | None = None,
    bad_data: BadData = "refuse",
    val: str | Path | None = None,
    test: str | Path | None = None,
    jobs: int = 2,
    progress: Progress = silent,
) -> Check:
    """Look for what is wrong with a folder of images: files, copies, labels, classes, and what splits would part.

    Args:
        data: a folder with one sub-folder a class, or of parts with those.
        out: a folder for check.json, findings.csv, groups.csv and the page check.html; None: nothing is written.
        language: of the page, "en" or "ko"; all other files are English.
        study: a run directory of a study of ``data``; labels that its models contradict are found with it.
        near: images whose hashes differ in at most so many of 64 bits are compared, 0 to 7; None: the same images only.
        split, repeats, seed, stratify, groups, bad_data, val, test: as of the study that is to come, see `compare`.
        jobs: number of threads.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Returns:
        What was found; its `would_train` says whether a training would begin.

    Raises:
        EcrnnError: there is no such folder, or split, groups or study do not fit it; one line.

    Examples:
        >>> import ecrnn
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> for name, red in (("cats/1", 0), ("cats/2", 9), ("dogs/1", 9), ("dogs/2", 90)):
        ...     Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        ...     Image.new("RGB", (8, 8), (red, 0, 0)).save(f"photos/{name}.png")
        >>> found = ecrnn.check("photos", split=0.5, stratify=True)
        >>> found.would_train, found.counts()["label-conflict"]
        (True, 1)
    """
    checked_language(language)
    folder = on_disk(path_of(data, "data"))
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; check looks at a folder of images, one sub-folder a class")
    if near is not None and near not in range(MOST_BITS + 1):
        raise DataError(f"near is {near}, but should be 0 to {MOST_BITS} bits, or None")
    places: dict[str, Any] = {
        name: None if place is None else on_disk(path_of(place, name))
        for name, place in {"study": study, "groups": groups, "val": val, "test": test}.items()
    }
    how: dict[str, Any] = {"near": near, "repeats": repeats, "seed": seed, "stratify": stratify, "bad_data": bad_data}
    found = check_folder(folder, split=str(split), jobs=jobs, progress=progress, **places, **how)
    if out is not None:
        write_check(found, folder, path_of(out, "out"), language)
    return found


def write_check(check: Check, images: Path, folder: Path, language: str = "en") -> dict[str, Path]:
    """Write the four files into ``folder``, atomically; ``images`` is the folder of the images. Their paths by name."""
    contents = {
        "findings.csv": findings_csv(check),
        "groups.csv": groups_csv(check),
        "check.html": check_page(check, images, language),
        "check.json": check_json(check),
    }
    return write_files(folder, contents)


def print_check(check: Check, console: Console) -> None:
    """Whether a training would begin, and the tables, on a `rich` ``console``."""
    console.print(words(f"{headline(check)}.", "bold" if check.would_train else "bold red"))
    if check.files:
        console.print(words(f"{check.readable:,} of {counted(check.files, 'images')} can be read.", "dim"))
    for table in (kinds_table(check), splits_table(check), classes_table(check)):
        if table.rows:
            console.print(rich_table(table, console.width))
