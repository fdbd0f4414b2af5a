"""What is odd about whole classes: too few images, imbalance, and properties by which a class could be told.

A network that finds a class by the size, the camera or the file format of its images has learnt a shortcut: it is right
on these images and on no others (Geirhos and others, Shortcut Learning in Deep Neural Networks, 2020).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from ecrnn.core.text import counted
from ecrnn.data.check.findings import ClassRow, Finding
from ecrnn.data.check.survey import Survey

_FEW = 10  # images of a class
_UNBALANCED = 10  # times the smallest class
_ALL, _OTHERS = 0.95, 0.5  # a property is a class's own: share of its images that have it, and of the other classes
_TURNED, _UPRIGHT = 0.5, 0.1  # the same for images that EXIF turns


def class_rows(names: Sequence[str], labels: np.ndarray, seen: Survey) -> tuple[ClassRow, ...]:
    """A row a class."""
    rows = []
    for label, name in enumerate(names):
        of_class = labels == label
        readable = of_class & seen.readable
        sides = (_three(seen.width[readable]), _three(seen.height[readable]))
        rows.append(ClassRow(name, int(readable.sum()), int(of_class.sum() - readable.sum()), *sides))
    return tuple(rows)


def _three(sides: np.ndarray) -> tuple[int, int, int]:
    return (int(sides.min()), int(np.median(sides)), int(sides.max())) if len(sides) else (0, 0, 0)


def class_findings(names: Sequence[str], labels: np.ndarray, seen: Survey) -> Iterator[Finding]:
    """What is odd about the classes, by their numbers of images and by properties that are theirs alone."""
    counts = np.bincount(labels[seen.readable], minlength=len(names))
    for name, count in zip(names, counts.tolist(), strict=True):
        if count < _FEW:
            yield Finding(name, "few-images", f"{counted(count, 'images')}, of which some are held out")
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[high] >= _UNBALANCED * counts[low]:
        detail = f"{counts[high]:,} images, and {counts[low]:,} of {names[low]}; --stratify keeps some in every part"
        yield Finding(names[high], "imbalance", detail)
    sizes = seen.width.astype(np.int64) << 32 | seen.height.astype(np.int64)
    for kind, values in (("one-size", sizes), ("one-format", seen.format), ("one-camera", seen.camera)):
        yield from _own_property(kind, values, names, labels, seen)
    turned = np.zeros(len(labels), bool)
    turned[seen.traits.get("exif-rotated", [])] = True
    for label, name in enumerate(names):
        here, there = _shares(turned, labels == label, seen.readable)
        if here >= _TURNED and there < _UPRIGHT:
            detail = f"{100 * here:.0f} % of its images are turned by EXIF, {100 * there:.0f} % of the others"
            yield Finding(name, "rotated-class", detail)


def _own_property(
    kind: str, values: np.ndarray, names: Sequence[str], labels: np.ndarray, seen: Survey
) -> Iterator[Finding]:
    """Classes nearly all of whose images have one value, which half of the others have not."""
    for label, name in enumerate(names):
        of_class = (labels == label) & seen.readable
        if of_class.sum() < _FEW:
            continue
        found, counts = np.unique(values[of_class], return_counts=True)
        value = found[counts.argmax()]
        here, there = _shares(values == value, labels == label, seen.readable)
        word = _word(kind, int(value), seen)
        if here >= _ALL and there < _OTHERS and word:
            yield Finding(name, kind, f"{100 * here:.0f} % of its images: {word}; of the others {100 * there:.0f} %")


def _shares(has: np.ndarray, of_class: np.ndarray, readable: np.ndarray) -> tuple[float, float]:
    """The shares of a class's readable images and of all others that have something; 1 where there are no others."""
    others = ~of_class & readable
    here = has[of_class & readable]
    return float(here.mean()) if len(here) else 0.0, float(has[others].mean()) if others.any() else 1.0


def _word(kind: str, value: int, seen: Survey) -> str:
    if kind == "one-size":
        return f"{value >> 32}x{value & 0xFFFFFFFF} pixels"
    return (seen.formats if kind == "one-format" else seen.cameras)[value]


def readable_name(name: str) -> str:
    """What a name that was decoded wrongly should be, or "".

    Zip files from Korean Windows hold names in CP949 that other systems read as CP437; UTF-8 is read as Latin-1.

    >>> readable_name("장미".encode("cp949").decode("cp437")), readable_name("café".encode().decode("latin-1"))
    ('장미', 'café')
    """
    if all(letter.isascii() or _is_letter(letter) for letter in name):  # of what is read wrongly some is no letter
        return ""
    for wrong, encoding in (("cp437", "cp949"), ("latin-1", "utf-8"), ("cp1252", "utf-8"), ("cp437", "utf-8")):
        try:
            meant = name.encode(wrong).decode(encoding)
        except UnicodeError:
            continue
        letters = [letter for letter in meant if not letter.isascii()]
        fit = _is_hangul if encoding == "cp949" else _is_letter
        if letters and all(map(fit, letters)):
            return meant
    return ""


def _is_hangul(letter: str) -> bool:
    return "\uac00" <= letter <= "\ud7a3"


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM"
