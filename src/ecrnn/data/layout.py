"""What the sub-folders of a data folder are: classes, parts (train, val, test), or what other programs left there.

Parts become the own split of a data set. What is neither is refused rather than trained on: a part among classes, a
part without classes, a folder beside the parts.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ecrnn.core.errors import DataError
from ecrnn.core.spelling import copies, nearly_alike, nfc, on_disk, order
from ecrnn.data.downloads import reading

TRAIN, VAL, TEST = "train", "val", "test"

_WORDS = {  # of parts, in small letters and as patterns
    TRAIN: "train|training|trn|훈련|학습|训练|訓練|学习|学習|entrenamiento|entra[iî]nement|treino|addestramento",
    VAL: "val|vali|valid|validation|validate|eval|evaluation|dev|development|검증|验证|驗證|検証|평가|validaci[oó]n|"
    "validierung|valida[cç][aã]o|validazione",
    TEST: "test|tests|testing|tst|holdout|hold_out|테스트|시험|测试|測試|テスト|prueba|teste",
}
_PART = re.compile(
    r"(?:(?:data|dataset|images?|imgs?|photos?|images?|seg)_)?"
    rf"(?:{'|'.join(f'(?P<{part}>{words})' for part, words in _WORDS.items())})"
    r"(?:_?(?:set|data|dataset|images?|imgs?|photos?|images?|parts?|split|files|folder|dir|samples|examples"
    r"|용|용_?데이터|데이터|데이터셋|이미지|集|数据|データ|用))?"
    r"(?:_?[0-9]{1,4})?"
)
_DOMAIN = re.compile(r"(?P<part>(?i:train|val|test))_?[A-D]")  # trainA and testA, of networks between two domains
_GLUED = re.compile(r"(.*?)(train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)(.*)", re.IGNORECASE)
_FOLD = re.compile(r"(?:k_?)?(?:folds?|cv|splits?|partitions?)_?[0-9]{1,4}|[0-9]{1,4}_?folds?")
_ALSO_OTHERS = {  # names of folders that may hold no class: copies of the examples, or those that have no class
    *("thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews", "cache", "backup", "backups", "old", "tmp"),
    *("temp", "trash", "mask", "masks", "label", "labels", "annotation", "annotations", "unlabeled", "unlabelled"),
    *("unsup", "unsorted", "query", "gallery", "duplicates", "output", "outputs", "results", "augmented", "resized"),
    *("new folder", "untitled folder", "새 폴더", "新建文件夹", "新しいフォルダー"),
}
_ALSO_CLASSES = {"train", "training", "valid"}  # a vehicle, an activity, what is not invalid

_JUNK_FOLDERS = {  # of systems, NAS and other programs, in small letters; what begins with a dot is hidden anyway
    *("__macosx", "_macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
    *("found.000", "network trash folder", "temporary items", "thevolumesettingsfolder", "$winreagent"),
    *("@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@recently_snapshot", "#recycle", "#snapshot"),
    *("~snapshot", "__pycache__", "node_modules", "venv", "site-packages"),
}
_JUNK_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "picasa.ini", "zbthumbnail.info", "folder.htt"}
_OURS = (
    "bundle.json",
    "study.yaml",
    "train.yaml",
    "report.json",
    "evaluation.json",
    "check.json",
)  # in folders that ecrnn writes
_MOST_LOOKED_AT = 100  # entries of a folder that may be one with folders of ecrnn in it, such as runs/


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or left by a system, a NAS or the like: it is passed over in silence."""
    small = name.lower()
    of_nas = "@syno" in small  # photo.jpg@SynoEAStream
    return name.startswith(".") or small in _JUNK_FOLDERS or small.partition(":")[0] in _JUNK_FILES or of_nas


def is_ours(folder: Path) -> bool:
    """Whether ecrnn wrote ``folder``: a bundle, a study, a report, or a folder of those such as runs/."""
    if any((folder / name).is_file() for name in _OURS):
        return True
    with reading(folder), os.scandir(folder) as entries:
        inner = [
            entry.name for _, entry in zip(range(_MOST_LOOKED_AT), entries, strict=False) if leads_to_folder(entry)
        ]
    return any((folder / name / mark).is_file() for name in inner for mark in _OURS)


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, also through links; False for a link that leads in a circle."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def leads_to_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file, also through links; False for a link that leads in a circle."""
    try:
        return entry.is_file()
    except OSError:
        return False


def part_of(name: str) -> str | None:
    """`TRAIN`, `VAL` or `TEST` for the name of a part, such as "Train", "training_set" or "val2017"; else None."""
    if domain := _DOMAIN.fullmatch(name):
        return domain["part"].lower()
    match = _PART.fullmatch(_plain(name))
    return None if match is None else match.lastgroup


def _plain(name: str) -> str:
    """A name in small letters, composed, with "_" for whatever keeps its words apart."""
    return re.sub(r"[\s_.()-]+", "_", nfc(name).lower()).strip("_")


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in ``folder``, sorted, without junk."""
    with reading(folder), os.scandir(folder) as entries:
        return sorted((e.name for e in entries if leads_to_folder(e) and not is_junk(e.name)), key=order)


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
    _check_folds(folder, names, what)
    _check_links(folder, names)
    part = {name: kind for name in names if (kind := part_of(name))} or _prefixed(names)
    others = [name for name in names if name not in part and _holds(folder / name, wanted)]
    if not part:
        _check_inside(folder, names, what, levels)
        return {}
    if len(part) == 1 and others and _is_class(folder, next(iter(part)), others, wanted, levels):
        return {}
    kinds = {kind: [name for name in part if part[name] == kind] for kind in (TRAIN, VAL, TEST)}
    kinds = {kind: names_of_kind for kind, names_of_kind in kinds.items() if names_of_kind}
    _check_parts(folder, kinds, others)
    inside = {kind: _inside(folder, kind, name, wanted) for kind, (name,) in kinds.items()}
    for kind, name in inside.items():
        if not (flat and _loose(folder / name, wanted)):
            _check_part(folder, kind, name, inside[TRAIN], wanted, what)
    return inside


def _prefixed(names: Sequence[str]) -> dict[str, str]:
    """The parts where every name holds the word of one, as pets_train and pets_test do; else none."""
    part = {name: kind for name in names for word in re.split(r"[\s_.-]+", name) if (kind := part_of(word))}
    if len(part) < len(names):  # as in mytrain and mytest
        found = [match for name in names if (match := _GLUED.fullmatch(name))]
        alike = len({(match[1], match[3]) for match in found}) == 1
        part = {match[0]: str(part_of(match[2])) for match in found} if alike else {}
    return part if len(part) == len(names) and {TRAIN} < set(part.values()) else {}


def _check_folds(folder: Path, names: Sequence[str], what: str) -> None:
    if folds := [name for name in names if _FOLD.fullmatch(_plain(name))]:
        raise DataError(
            f"{folder} holds folds ({', '.join(folds[:5])}{', ...' if len(folds) > 5 else ''}), not classes; sort all "
            f"{what} by class alone and give --split {max(2, len(folds))}-fold, or rename them if they are classes"
        )


def _check_links(folder: Path, names: Sequence[str]) -> None:
    """Links that bring the same examples into two classes."""
    places = {os.path.realpath(folder): "."}
    for name in names:
        place = os.path.realpath(folder / name)
        if place in places or os.path.realpath(folder).startswith(place + os.sep):
            other = places.get(place, ".")
            what = f"is the same folder as {folder / other}" if other != "." else f"holds {folder} itself"
            raise DataError(f"{folder / name} {what}, by a link; remove the link")
        places[place] = name


def _inside(folder: Path, kind: str, name: str, wanted: Callable[[str], bool]) -> str:
    """Where the classes of a part are: some archives hold seg_train/seg_train/<class>."""
    inner = folders_in(folder / name)
    while len(inner) == 1 and part_of(inner[0]) == kind and not _loose(folder / name, wanted):
        name = f"{name}/{inner[0]}"
        inner = folders_in(folder / name)
    return name


def _give(folder: Path) -> str:
    """The advice to give ``folder`` instead, where there are at least two classes in it."""
    place = deeper(folder)
    return f", or give {place}" if place and not any(map(part_of, folders_in(place))) else ""


def deeper(folder: Path) -> Path | None:
    """``folder``, or where it holds but one folder that one, and so on: the first with several in it, if any."""
    inner = folders_in(folder)
    while len(inner) == 1:
        folder = folder / inner[0]
        inner = folders_in(folder)
    return folder if inner else None


def doubts(folder: Path, names: Sequence[str], files: Iterable[str], what: str, *, levels: int = 0) -> list[str]:
    """Sentences on classes that may be none.

    Args:
        folder: of the classes.
        names: of the classes' folders.
        files: the examples, relative to ``folder``, each "<class>/.../<file>".
        what, levels: as for `parts`.
    """
    lines = []
    if parts_too := [name for name in names if part_of(name)]:
        lines.append(f"{_listed(parts_too)} taken for {_classes(parts_too)}; parts are called so, too")
    if others := [name for name in names if nfc(name).lower() in _ALSO_OTHERS]:
        lines.append(f"{_listed(others)} taken for {_classes(others)}; folders of other things are called so, too")
    lines += doubts_of_names(names)
    places = {file.rpartition("/")[0] for file in files}
    below = {tuple(place.split("/")) for place in places}
    inner = sorted(
        "/".join(path[: depth + 1])
        for path in below
        for depth, name in enumerate(path)
        if depth > levels and (part_of(name) or _FOLD.fullmatch(_plain(name)))
    )
    if inner := list(dict.fromkeys(inner)):
        more = f" (and {len(inner) - 1} more)" if len(inner) > 1 else ""
        lines.append(f"{inner[0]}{more} is called like a part, but its {what} are taken for some of the class")
    shared = Counter(name for _, name in {path[:2] for path in below if len(path) > 1})
    common = sorted(name for name, count in shared.items() if count > 1 and 2 * count >= len(names))
    if not levels and len(common) > 1 and not any(name in places for name in names):
        lines.append(
            f"{_listed(names)} taken for classes, though they hold folders of the same names ({', '.join(common[:5])}"
            f"{', ...' if len(common) > 5 else ''}); if those are the classes, sort by them alone"
        )
    return lines


def doubts_of_names(names: Sequence[str]) -> list[str]:
    """Sentences on names of classes that are hardly told apart."""
    lines = []
    if pairs := nearly_alike(names):
        more = f" (and {len(pairs) - 1} more pairs like them)" if len(pairs) > 1 else ""
        first, second = pairs[0]
        lines.append(
            f"'{first}' and '{second}'{more} are two classes, though their names differ in capitals, blanks, dots or "
            "the width of letters only"
        )
    if pairs := copies(names):
        lines.append(f"'{pairs[0][1]}' is a class beside '{pairs[0][0]}', though it is called like a copy of it")
    return lines


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''} {'is' if len(names) == 1 else 'are'}"


def _classes(names: Sequence[str]) -> str:
    return "a class" if len(names) == 1 else "classes"


def _check_inside(folder: Path, names: Sequence[str], what: str, levels: int) -> None:
    """Parts one level down, as in images/train and images/val beside masks/."""
    for name in names:
        inner = [sub for sub in folders_in(folder / name) if part_of(sub)]
        if len({part_of(sub) for sub in inner}) < 2:
            continue
        line = f"{folder / name} holds parts ({', '.join(inner)}), not {what} of a class"
        classes = [folders_in(folder / name / sub) for sub in inner]
        if TRAIN in map(part_of, inner) and len(classes[0]) > 1 and all(names == classes[0] for names in classes):
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
        return any(_loose(folder / name / sub, wanted) for sub in inner)
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
            line = f"{folder} holds {len(names)} folders for the part {kind} ({', '.join(names)})"
            if not any(map(part_of, names)):  # cat_train, dog_train
                raise DataError(f"{line}; sort by part first and then by class, as in train/<class>")
            raise DataError(f"{line}; leave one, or rename them if they are classes")
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
    if inner and all(part_of(sub) for sub in inner):
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
        return sum(leads_to_file(entry) and not is_junk(entry.name) and wanted(entry.name) for entry in entries)


def _holds(folder: Path, wanted: Callable[[str], bool]) -> bool:
    """Whether a wanted file lies in ``folder`` or deeper."""
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_junk(name)]
        if any(wanted(name) and not is_junk(name) for name in names):
            return True
    return False


def beside(place: Path, places: dict[str, Path], val: str | Path | None, test: str | Path | None) -> dict[str, Path]:
    """The parts of a data set, with folders or files named beside it.

    Args:
        place: of the data set, for the error.
        places: of the parts in it.
        val, test: other folders or files, to validate and to test on.

    Raises:
        DataError: it has such a part of its own.
    """
    others = {part: on_disk(Path(other)) for part, other in ((VAL, val), (TEST, test)) if other is not None}
    for part in others.keys() & places.keys():
        raise DataError(f"{place} has a part {places[part].name} of its own; omit --{part}")
    return places | others


def validates(place: Path, parts: Callable[[Path], dict[str, Path]]) -> bool:
    """Whether ``place`` is a folder with a part to validate on; False also where there is no such folder."""
    try:
        return place.is_dir() and VAL in parts(place)
    except DataError:  # who loads the folder hears of it
        return False
