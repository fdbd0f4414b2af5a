"""What the sub-folders of a data folder are: classes, parts (train, val, test), or what other programs left there.

Parts become the own split of a data set. What is neither is refused rather than trained on: a part among classes, a
part without classes, a folder beside the parts.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ecrnn.core.errors import DataError
from ecrnn.core.names import nfc, order
from ecrnn.core.text import printable
from ecrnn.data.downloads import reading

logger = logging.getLogger(__name__)

TRAIN, VAL, TEST = "train", "val", "test"

_PART = re.compile(
    r"(?:(?:data|dataset|images?|imgs?|photos?|pictures?|seg)_)?"
    r"(?:(?P<train>train|training|훈련|학습)"
    r"|(?P<val>val|valid|validation|validate|eval|evaluation|dev|development|검증)"
    r"|(?P<test>test|tests|testing|holdout|hold_out|테스트))"
    r"(?:_?(?:set|data|dataset|images?|imgs?|photos?|pictures?|parts?|split|files|folder|dir|samples|examples))?"
    r"(?:_?[0-9]{1,4})?"
)
_ALSO_CLASSES = {"train", "training", "valid"}  # a vehicle, an activity, what is not invalid

_JUNK_FOLDERS = {  # of systems, NAS and other programs, in small letters; what begins with a dot is hidden anyway
    *("__macosx", "_macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
    *("found.000", "network trash folder", "temporary items", "thevolumesettingsfolder", "$winreagent"),
    *("@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@recently_snapshot", "#recycle", "#snapshot"),
    *("~snapshot", "__pycache__", "node_modules"),
}
_JUNK_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "picasa.ini", "zbthumbnail.info", "folder.htt"}
_OURS = ("bundle.json", "study.yaml", "train.yaml", "report.json", "evaluation.json")  # in folders that ecrnn writes
_MOST_LOOKED_AT = 100  # entries of a folder that may be one with folders of ecrnn in it, such as runs/


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or left by a system, a NAS or the like: it is passed over in silence."""
    small = name.lower()
    return name.startswith(".") or small in _JUNK_FOLDERS or small.partition(":")[0] in _JUNK_FILES


def is_ours(folder: Path) -> bool:
    """Whether ecrnn wrote ``folder``: a bundle, a study, a report, or a folder of those such as runs/."""
    if any((folder / name).is_file() for name in _OURS):
        return True
    with reading(folder), os.scandir(folder) as entries:
        inner = [entry.name for _, entry in zip(range(_MOST_LOOKED_AT), entries, strict=False) if entry.is_dir()]
    return any((folder / name / mark).is_file() for name in inner for mark in _OURS)


def part_of(name: str) -> str | None:
    """`TRAIN`, `VAL` or `TEST` for the name of a part, such as "Train", "training_set" or "val2017"; else None."""
    match = _PART.fullmatch(re.sub(r"[\s_.-]+", "_", nfc(name).lower()).strip("_"))
    return None if match is None else match.lastgroup


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in ``folder``, sorted, without junk."""
    with reading(folder), os.scandir(folder) as entries:
        return sorted((e.name for e in entries if e.is_dir() and not is_junk(e.name)), key=order)


def parts(
    folder: Path, names: Sequence[str], wanted: Callable[[str], bool], what: str, *, levels: int = 0, flat: bool = False
) -> dict[str, str]:
    """Which of the sub-folders of ``folder`` are its parts.

    Args:
        folder: with the data.
        names: of its sub-folders, without junk.
        wanted: whether a file of this name is an example.
        what: the examples in the plural, such as "images".
        levels: of folders between a class and the files, 1 for the frames of clips.
        flat: a part may hold files rather than folders of classes.

    Returns:
        The folders of the parts, relative to ``folder``, `TRAIN` and at least one other; nothing where the sub-folders
        are classes.

    Raises:
        DataError: the sub-folders are neither, or a part holds no classes; one line with what to do.
    """
    part = {name: kind for name in names if (kind := part_of(name))} or _prefixed(names)
    others = [name for name in names if name not in part and _holds(folder / name, wanted)]
    if not part:
        _check_inside(folder, names, what, levels)
        return {}
    if len(part) == 1 and others and _is_class(folder, next(iter(part)), others, wanted, levels):
        logger.warning(
            "%s: %s is taken for a class; parts are called so, too", printable(folder), *map(printable, part)
        )
        return {}
    kinds = {kind: [name for name in part if part[name] == kind] for kind in (TRAIN, VAL, TEST)}
    kinds = {kind: own for kind, own in kinds.items() if own}
    _check_parts(folder, kinds, others)
    inside = {kind: _inside(folder, kind, name, wanted) for kind, (name,) in kinds.items()}
    for kind, name in inside.items():
        if not (flat and _loose(folder / name, wanted)):
            _check_part(folder, kind, name, inside[TRAIN], wanted, what)
    return inside


def _prefixed(names: Sequence[str]) -> dict[str, str]:
    """The parts where every name holds the word of one, as pets_train and pets_test do; else none."""
    part = {name: kind for name in names for word in re.split(r"[\s_.-]+", name) if (kind := part_of(word))}
    return part if len(part) == len(names) and {TRAIN} < set(part.values()) else {}


def _inside(folder: Path, kind: str, name: str, wanted: Callable[[str], bool]) -> str:
    """Where the classes of a part are: some archives hold seg_train/seg_train/<class>."""
    inner = folders_in(folder / name)
    while len(inner) == 1 and part_of(inner[0]) == kind and not _loose(folder / name, wanted):
        name = f"{name}/{inner[0]}"
        inner = folders_in(folder / name)
    return name


def _give(folder: Path) -> str:
    """The advice to give ``folder`` instead, where there are at least two classes in it."""
    inner = folders_in(folder)
    if len(inner) == 1:
        return _give(folder / inner[0])
    return f", or give {folder}" if len(inner) > 1 and not any(map(part_of, inner)) else ""


def _check_inside(folder: Path, names: Sequence[str], what: str, levels: int) -> None:
    """Parts one level down, as in images/train and images/val beside masks/."""
    for name in names:
        inner = [own for own in folders_in(folder / name) if part_of(own)]
        if len({part_of(own) for own in inner}) < 2:
            continue
        line = f"{folder / name} holds parts ({', '.join(inner)}), not {what} of a class"
        classes = [folders_in(folder / name / own) for own in inner]
        if TRAIN in map(part_of, inner) and len(classes[0]) > 1 and all(own == classes[0] for own in classes):
            raise DataError(f"{line}; give {folder / name}")
        if levels and not any(classes):  # they are clips
            continue
        raise DataError(f"{line}; sort by part first and then by class, as in train/<class> and test/<class>")


def _is_class(folder: Path, name: str, others: Sequence[str], wanted: Callable[[str], bool], levels: int) -> bool:
    """Whether the only folder with a part's name is a class all the same: trains beside cars, valid beside invalid."""
    if name.lower() not in _ALSO_CLASSES:
        return False
    inner = set(folders_in(folder / name))
    if levels:
        return any(_loose(folder / name / own, wanted) for own in inner)
    return _loose(folder / name, wanted) > 0 or inner.isdisjoint(
        {*others, *(n for o in others for n in folders_in(folder / o))}
    )


def _check_parts(folder: Path, kinds: Mapping[str, list[str]], others: Sequence[str]) -> None:
    named = [name for names in kinds.values() for name in names]
    listed = ", ".join(named)
    train = kinds.get(TRAIN, [])
    if others and not train:
        among = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise DataError(
            f"{folder / named[0]} has the name of a part, not of a class, but lies among classes ({among}); move it "
            f"out of {folder}, or rename it if it is a class"
        )
    for kind, names in kinds.items():
        if len(names) > 1:
            raise DataError(f"{folder} holds {len(names)} folders for the part {kind} ({', '.join(names)}); leave one")
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        line = f"{folder} holds parts ({listed}) and beside them {others[0]}{more}; move that out of {folder}"
        raise DataError(f"{line}{_give(folder / train[0])}")
    if not train:
        line = f"{folder} holds parts ({listed}) but none to train on; add a folder train"
        raise DataError(f"{line}{_give(folder / named[0])}")
    if len(named) == 1:
        line = f"{folder} holds one part ({named[0]}) and no classes; add a folder val or test beside it"
        raise DataError(f"{line}{_give(folder / named[0])}")


def _check_part(folder: Path, kind: str, name: str, train: str, wanted: Callable[[str], bool], what: str) -> None:
    inner, loose = folders_in(folder / name), _loose(folder / name, wanted)
    if inner and all(part_of(own) for own in inner):
        raise DataError(
            f"{folder / name} holds parts in turn ({', '.join(inner)}), not classes; move them up to {folder}"
        )
    if inner:
        return
    amount = f"{loose} {what if loose > 1 else what.removesuffix('s')} but " if loose else ""
    holds = f"{folder / name} holds {amount}no sub-folders of classes"
    if kind == TRAIN:
        raise DataError(f"{holds}; put the {what} of each class into a sub-folder of that name")
    raise DataError(f"{holds}, so nothing can be judged on it; move it out of {folder}{_give(folder / train)}")


def _loose(folder: Path, wanted: Callable[[str], bool]) -> int:
    """How many files in ``folder`` itself, none deeper, are wanted."""
    with reading(folder), os.scandir(folder) as entries:
        return sum(entry.is_file() and not is_junk(entry.name) and wanted(entry.name) for entry in entries)


def _holds(folder: Path, wanted: Callable[[str], bool]) -> bool:
    """Whether a wanted file lies in ``folder`` or deeper."""
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_junk(name)]
        if any(wanted(name) and not is_junk(name) for name in names):
            return True
    return False
