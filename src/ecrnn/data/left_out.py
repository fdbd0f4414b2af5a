"""Counts the files of a folder that are no examples, by suffix, and describes them in sentences."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecrnn.core.text import counted, printable

logger = logging.getLogger(__name__)

_LONGEST_SUFFIX = 12  # characters

_IMAGES = {  # suffixes of images that ecrnn does not read
    *(".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".raw", ".cr2", ".cr3", ".crw", ".nef"),
    *(".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq"),
    *(".svg", ".svgz", ".psd", ".psb", ".ai", ".eps", ".pdf", ".ico", ".tga", ".dds", ".exr", ".hdr", ".xcf"),
    *(".pcx", ".dcm", ".emf", ".wmf"),
}
_VIDEOS = {
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".flv", ".mts", ".m2ts"),
}


def suffix(name: str) -> str:
    """The suffix of a file's name in small letters, or "without suffix" where it has none that can be shown."""
    found = os.path.splitext(name)[1].lower()
    return found if 1 < len(found) <= _LONGEST_SUFFIX and found.isprintable() else "without suffix"


def sentence(counts: Mapping[str, int], what: str = "images") -> str:
    """One sentence about files that were left out, by suffix and the most frequent first; "" where there are none.

    >>> sentence({".txt": 1, ".heic": 20})
    'left out 21 files that cannot be read as images: 20 .heic, 1 .txt; convert .heic to JPEG or PNG'
    """
    if not counts:
        return ""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count} {end}" for end, count in ranked[:8])
    if len(ranked) > 8:
        shown += f", {sum(count for _, count in ranked[8:])} others"
    total = sum(counts.values())
    line = f"left out {total} file{'s' if total > 1 else ''} that cannot be read as {what}: {shown}"
    images, videos = ([end for end, _ in ranked if end in group] for group in (_IMAGES, _VIDEOS))
    if images and what == "images":
        line += f"; convert {', '.join(images[:8])} to JPEG or PNG"
    if "without suffix" in counts and what == "images":
        line += "; give images without a suffix theirs, such as .jpg"
    if videos and what == "images":
        line += f"; save frames of {', '.join(videos[:8])} as JPEG or PNG"
    return line


def notes(
    folder: Path,
    counts: Mapping[str, int],
    *,
    what: str = "images",
    loose: int = 0,
    where: str = "beside the classes, of none of them",
    ours: Sequence[str] = (),
    doubts: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences on what was left out of a folder, which are also logged.

    Args:
        folder: of the data.
        counts: files left out, by suffix.
        what: examples, in the plural.
        loose: examples left out, as they lie in no class or clip.
        where: the place of those examples, in words.
        ours: folders left out, as ecrnn wrote them.
        doubts: sentences on classes that may be none, see `layout.doubts`.
    """
    lines = [f"{folder}: {doubt}" for doubt in doubts]
    if loose:
        some = f"{loose} {what if loose > 1 else what.removesuffix('s')}"
        lines.append(f"{folder}: left out {some} {where}")
    if counts:
        lines.append(f"{folder}: {sentence(counts, what)}")
    if ours:
        lines.append(f"{folder}: passed over {', '.join(ours[:5])}, written by ecrnn")
    lines = [printable(line) for line in lines]
    for line in lines:
        logger.warning("%s", line)
    return tuple(lines)


def bad_notes(folder: Path, bad: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence on files that were left out as they cannot be read, also logged; nothing where there are none."""
    if not bad:
        return ()
    shown = "; ".join(f"{file}: {reason}" for file, reason in sorted(bad.items())[:3])
    files = counted(len(bad), "images that cannot be read")
    line = printable(f"{folder}: left out {files} ({shown}{'; ...' if len(bad) > 3 else ''})")
    logger.warning("%s", line)
    return (line,)


def say_joined(place: Path, part: str) -> None:
    """Log that a validation part is joined to the training part."""
    logger.warning("%s: %s is joined to the training part, which is split anew", printable(place), printable(part))


def of_images(counts: Mapping[str, int]) -> Counter[str]:
    """Those of ``counts`` that are suffixes of images and videos."""
    return Counter({end: count for end, count in counts.items() if end in _IMAGES | _VIDEOS})
