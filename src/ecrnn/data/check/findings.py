"""What a check finds, as plain data: a finding has a kind, the kind says how grave it is and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """How grave findings of a kind are, and what they mean, in a phrase."""

    severity: Severity
    meaning: str


KINDS: Mapping[str, Kind] = {  # in the order in which they are shown
    "unreadable": Kind("error", "not an image of a known kind, or damaged"),
    "truncated": Kind("error", "the file ends before the image does"),
    "empty": Kind("error", "the file has no bytes"),
    "too-large": Kind("error", "more pixels than any image that is read"),
    "not-a-file": Kind("error", "a pipe, a device, a socket, or a link to nothing"),
    "label-conflict": Kind("warning", "the same image lies in two classes"),
    "leak": Kind("warning", "the same image trains and validates or tests"),
    "near-leak": Kind("warning", "images that look alike train and validate or test"),
    "suspect-label": Kind("warning", "the study's models, which had not seen it, say another class"),
    "near-label-conflict": Kind("warning", "images that look alike lie in two classes"),
    "duplicate": Kind("warning", "the same image comes again"),
    "near-duplicate": Kind("warning", "the image looks like another one"),
    "mirrored": Kind("warning", "the image looks like another one mirrored"),
    "one-size": Kind("warning", "a class of one size that others have not: a shortcut"),
    "one-format": Kind("warning", "a class of one file format that others have not: a shortcut"),
    "one-camera": Kind("warning", "a class from one camera that others are not from: a shortcut"),
    "rotated-class": Kind("warning", "a class whose images are turned by EXIF, unlike others: a shortcut"),
    "few-images": Kind("warning", "a class of fewer than ten images"),
    "imbalance": Kind("warning", "the largest class has ten times the images of the smallest, or more"),
    "wrong-name": Kind("warning", "the suffix is that of another file format"),
    "garbled-name": Kind("warning", "a name in the wrong encoding, as from a zip file of another system"),
    "name-not-utf8": Kind("warning", "a file name that is not UTF-8"),
    "animated": Kind("note", "several frames, of which the first is taken"),
    "exif-rotated": Kind("note", "turned upright as EXIF says"),
    "sixteen-bit": Kind("note", "16 bits a channel, read as 8"),
    "cmyk": Kind("note", "colours for printing, converted to RGB"),
    "palette": Kind("note", "a palette of colours, converted to RGB"),
    "alpha": Kind("note", "transparent parts, laid onto white"),
    "flat": Kind("note", "hardly any contrast; not compared with others"),
}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        file: relative to the folder, with "/"; for a class its name.
        kind: a key of `KINDS`.
        detail: what exactly, in a phrase.
        other: another file that it is about, or "".
    """

    file: str
    kind: str
    detail: str = ""
    other: str = ""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity


@dataclass(frozen=True)
class ClassRow:
    """A class: its name, how many of its files can be read, and the sides of its images (smallest, median, largest)."""

    name: str
    images: int
    unreadable: int
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]


@dataclass(frozen=True)
class SplitRow:
    """A split: which, how many images it holds out, and how many of them are, or look like, ones that train.

    Attributes:
        name: as "0.7, repeat 2", or of the data's own parts.
        train, held_out: numbers of images.
        exact: held-out images that are the same as one that trains.
        near: further ones that look like one.
    """

    name: str
    train: int
    held_out: int
    exact: int
    near: int


@dataclass(frozen=True)
class Check:
    """What a check of a folder found.

    Attributes:
        data: the folder as it was named.
        refusals: why a training would not begin; () where it would.
        files: number of image files.
        readable: how many of them can be read.
        classes: in the order of labels.
        splits: those that would be used.
        findings: by kind, then by file.
        groups: files that should stay together, with the number of their group, from 0.
        compared: near duplicates differ in at most so many of 64 bits; None: they were not looked for.
        not_compared: pairs that were left out as an image had too many that resemble it.
        study: the study whose predictions were used, or None.
        predicted: how many images it had predictions for.
        notes: sentences of the reader of the folder.
    """

    data: str
    refusals: tuple[str, ...] = ()
    files: int = 0
    readable: int = 0
    classes: tuple[ClassRow, ...] = ()
    splits: tuple[SplitRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    groups: Mapping[str, int] | None = None
    compared: int | None = None
    not_compared: int = 0
    study: str | None = None
    predicted: int = 0
    notes: tuple[str, ...] = ()

    @property
    def would_train(self) -> bool:
        """Whether a training with these settings would begin."""
        return not self.refusals

    def counts(self) -> dict[str, int]:
        """The number of findings of each kind that was found, in the order of `KINDS`."""
        found = dict.fromkeys(KINDS, 0)
        for finding in self.findings:
            found[finding.kind] += 1
        return {kind: count for kind, count in found.items() if count}
