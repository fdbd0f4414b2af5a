"""The whole check of a folder: `check_folder`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import BadData
from ecrnn.core.text import counted
from ecrnn.data.check.class_checks import class_findings, class_rows, readable_name
from ecrnn.data.check.findings import KINDS, Check, Finding, SplitRow
from ecrnn.data.check.leaks import Leaks, leaks
from ecrnn.data.check.near_duplicates import Copies, copies
from ecrnn.data.check.one_image import small
from ecrnn.data.check.study_predictions import StudyPredictions, read_study_predictions
from ecrnn.data.check.survey import Survey, survey
from ecrnn.data.check.suspect_labels import suspects
from ecrnn.data.example_set import LabelledSet
from ecrnn.data.file_lists import is_unicode
from ecrnn.data.folder import Listing, groups_of, list_folder, without
from ecrnn.data.groups import joined, numbered
from ecrnn.data.image_file import quiet_pillow
from ecrnn.data.keys import Keys
from ecrnn.data.splits import SplitRule, parse_split

NEAR = 6  # bits in which hashes of images that look alike may differ


@dataclass(frozen=True)
class ListedImages(LabelledSet):
    """The images of a folder as splits see them: by their files and labels, none of them decoded.

    Attributes:
        content: uint64 (N,), a hash of each image.
    """

    content: np.ndarray

    def keys(self) -> Keys:
        return Keys(self.content, np.arange(len(self)), len(self))


def check_folder(
    folder: Path,
    *,
    study: Path | None = None,
    near: int | None = NEAR,
    split: str = "0.7",
    repeats: int = 3,
    seed: int = 0,
    stratify: bool = False,
    groups: Path | None = None,
    bad_data: BadData = "refuse",
    val: Path | None = None,
    test: Path | None = None,
    jobs: int = 2,
    progress: Progress = silent,
) -> Check:
    """Look at every image of a folder, at its classes and at the splits that a study of it would use.

    Args:
        folder: of classes, or of parts with classes.
        study: a study of this folder; labels that its models contradict are named.
        near: images whose hashes differ in at most so many of 64 bits are compared, 0 to 7; None: only the same ones.
        split, repeats, seed, stratify, groups, bad_data, val, test: as of the study that is to come.
        jobs: number of threads.
        progress: called with `Loading` events.

    Raises:
        DataError: the split is none, the table of groups or the study does not belong to this folder.
    """
    rule = parse_split(split)
    rule = rule.stratify() if stratify else rule
    try:
        listing = list_folder(folder, val=val, test=test)
    except DataError as error:
        return Check(str(folder), (str(error),), compared=near)
    numbers = None if groups is None else groups_of(listing, groups)
    predictions = None if study is None else read_study_predictions(study, listing)
    seen = survey(folder, listing.files, jobs, progress)
    places = np.flatnonzero(seen.readable)
    with quiet_pillow():
        found = copies(
            seen.content,
            seen.look,
            seen.mirrored,
            seen.readable & ~seen.flat,
            seen.readable,
            near,
            lambda place: small(folder / listing.files[place]),
            progress,
        )
    refusals = _faults(listing, seen) if bad_data == "refuse" else []
    kept, _ = without(listing, {listing.files[place] for place in seen.faults})
    data = _listed(kept, seen.content[places], None if numbers is None else numbers[places])
    rows, parted, more = _splits(rule, data, repeats, seed, found, places)
    findings = [
        *_file_findings(listing, seen),
        *_copy_findings(listing, found, seen),
        *_leak_findings(listing.files, parted),
        *class_findings(listing.classes, listing.labels, seen),
        *(_label_findings(listing, predictions) if predictions else ()),
    ]
    order = {kind: number for number, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: order[finding.kind])  # within a kind as they come
    return Check(
        str(folder),
        (*refusals, *more),
        files=len(listing.files),
        readable=len(places),
        classes=class_rows(listing.classes, listing.labels, seen),
        splits=tuple(rows),
        findings=tuple(findings),
        groups=_groups(listing.files, found, seen, numbers),
        compared=near,
        not_compared=found.not_compared,
        study=None if study is None else str(study),
        predicted=int(predictions.held_out.sum()) if predictions else 0,
        notes=listing.notes,
    )


def _listed(kept: Listing, content: np.ndarray, groups: np.ndarray | None) -> ListedImages:
    return ListedImages(
        content,
        labels=kept.labels,
        classes=kept.classes,
        name=str(kept.folder),
        n_train=kept.n_train,
        n_validation=kept.n_validation,
        fingerprint="",
        files=kept.files,
        groups=None if groups is None else numbered(groups.tolist()),
    )


def _faults(listing: Listing, seen: Survey) -> list[str]:
    """Why files stop a training, in one line."""
    if not seen.faults:
        return []
    first = min(seen.faults)
    count = counted(len(seen.faults), "files")
    line = f"{count} cannot be read, the first is {listing.files[first]} ({seen.faults[first].reason})"
    return [f"{line}; replace or remove them, or train with --bad-data skip"]


def _splits(
    rule: SplitRule, data: ListedImages, repeats: int, seed: int, found: Copies, places: np.ndarray
) -> tuple[list[SplitRow], list[tuple[str, Leaks]], list[str]]:
    """The splits that would be used, what they part, and why one cannot be drawn. ``places`` are those of the data."""
    rows: list[SplitRow] = []
    parted: list[tuple[str, Leaks]] = []

    def look(name: str, train: np.ndarray, held_out: np.ndarray) -> None:
        found_here = leaks(places[train], places[held_out], found.exact, found.near)
        rows.append(SplitRow(name, len(train), len(held_out), len(found_here.exact), len(found_here.near)))
        parted.append((name, found_here))

    faults: list[str] = []
    try:
        for repeat in range(1 if rule.kind == "own" else repeats):
            split = rule.split(data, seed, repeat)
            look(split.name if rule.kind != "own" else "the data's own parts", split.train, split.validation)
    except DataError as error:
        faults.append(str(error))
    everything, trained = np.arange(len(data)), data.n_train - data.n_validation
    if data.n_validation and rule.kind != "own":
        look("the data's own validation part", everything[:trained], everything[trained : data.n_train])
    if data.n_train < len(data) and (rule.kind != "own" or data.n_validation):
        look("the data's own test part", everything[: data.n_train], everything[data.n_train :])
    return rows, parted, faults


def _file_findings(listing: Listing, seen: Survey) -> Iterator[Finding]:
    for place, fault in seen.faults.items():
        yield Finding(listing.files[place], fault.kind, fault.reason)
    for kind, places in seen.traits.items():
        for place in places:
            detail = f"it is {seen.formats[seen.format[place]]}" if kind == "wrong-name" else ""
            yield Finding(listing.files[place], kind, detail)
    for name in listing.classes:
        if meant := readable_name(name):
            yield Finding(name, "garbled-name", f"it may mean {meant}")
    for file in listing.files:
        if not is_unicode(file):
            yield Finding(file, "name-not-utf8", "it cannot stand in a table of groups")
        elif not file.isascii() and (meant := readable_name(name := file.rpartition("/")[2])):
            yield Finding(file, "garbled-name", f"{name} may mean {meant}")


def _copy_findings(listing: Listing, found: Copies, seen: Survey) -> Iterator[Finding]:
    """Copies but the first of each group, and labels that contradict each other."""
    files, labels = listing.files, listing.labels
    yield from _conflicts("label-conflict", found.exact, listing, seen.readable)
    for place in np.flatnonzero((found.exact != np.arange(len(files))) & seen.readable).tolist():
        yield Finding(files[place], "duplicate", other=files[found.exact[place]])
    for place, other in sorted(found.partner.items()):
        turned = place in found.mirrored
        bits = int(np.bitwise_count((seen.mirrored if turned else seen.look)[other] ^ seen.look[place]))
        detail = f"hashes differ in {counted(bits, 'bits')}"
        yield Finding(files[place], "mirrored" if turned else "near-duplicate", detail, files[other])
        if labels[place] != labels[other]:
            classes = f"{listing.classes[labels[place]]} and {listing.classes[labels[other]]}"
            yield Finding(files[place], "near-label-conflict", classes, files[other])


def _conflicts(kind: str, groups: np.ndarray, listing: Listing, readable: np.ndarray) -> Iterator[Finding]:
    """Images whose group has another class than the first of it."""
    labels = listing.labels
    for place in np.flatnonzero(readable & (labels != labels[groups])).tolist():
        first = int(groups[place])
        classes = f"{listing.classes[labels[place]]} and {listing.classes[labels[first]]}"
        yield Finding(listing.files[place], kind, classes, listing.files[first])


def _leak_findings(files: Sequence[str], parted: Sequence[tuple[str, Leaks]]) -> Iterator[Finding]:
    """A finding for each image that leaks in any of the splits, with the first split where it does, and in how many."""
    for kind, near in (("leak", False), ("near-leak", True)):
        first: dict[int, tuple[str, int]] = {}
        times: dict[int, int] = {}
        for name, found in parted:
            held_out, of = (found.near, found.near_of) if near else (found.exact, found.exact_of)
            for place, other in zip(held_out.tolist(), of.tolist(), strict=True):
                first.setdefault(place, (name, other))
                times[place] = times.get(place, 0) + 1
        for place, (name, other) in sorted(first.items()):
            detail = f"held out in {counted(times[place], 'splits')}, first in {name}"
            yield Finding(files[place], kind, detail, files[other])


def _label_findings(listing: Listing, predictions: StudyPredictions) -> Iterator[Finding]:
    places = np.flatnonzero(predictions.held_out)
    for found in suspects(predictions.probabilities[places], listing.labels[places]):
        label, instead = listing.classes[listing.labels[places[found.place]]], listing.classes[found.instead]
        detail = f"{instead} {100 * found.probability:.0f} %, {label} {100 * found.of_label:.0f} %"
        yield Finding(listing.files[places[found.place]], "suspect-label", detail)


def _groups(files: Sequence[str], found: Copies, seen: Survey, known: np.ndarray | None) -> dict[str, int]:
    """The files of groups of copies, with the number of their group; groups that were known already are joined."""
    near = found.near if known is None else joined(found.near, known)
    groups = np.where(seen.readable, near, -1)
    values, counts = np.unique(groups[groups >= 0], return_counts=True)
    several = np.isin(groups, values[counts > 1]) & (groups >= 0)
    places = [place for place in np.flatnonzero(several).tolist() if is_unicode(files[place])]
    return dict(zip([files[place] for place in places], numbered(groups[places].tolist()).tolist(), strict=True))
