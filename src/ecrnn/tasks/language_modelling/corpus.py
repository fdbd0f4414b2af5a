"""One long text cut into blocks, for models that predict the next character.

    text        T o   b e ,   o r   n o t ...
    block 0     T o   b e                      reads "To b", predicts "o be"
    block 1             e ,   o r              reads "e, o", predicts ", or"

With `length` 4 as here, a block is five characters: neighbours share one, which the first predicts and the second only
reads. So every character but the very first is predicted exactly once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from ecrnn.core.errors import DataError, SettingsError
from ecrnn.core.events import Progress, silent
from ecrnn.data import catalogue, layout, left_out
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.downloads import RemoteFile
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.file_lists import entries_of, files_below
from ecrnn.data.keys import Keys, of_blocks
from ecrnn.data.layout import TEST, TRAIN, VAL
from ecrnn.data.textfiles import LARGEST_FILE, fingerprint, official_texts, read_text
from ecrnn.tasks.language_modelling.facts import LONGEST_BLOCK, TASK

TINY_SHAKESPEARE = RemoteFile(  # the address and the MD5 stand in many public programs; our copy has the MD5
    "input.txt",
    "6fb458f1232090904fb40fe944165e91",
    1115394,
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
)
_FOLDERS = ("tinyshakespeare", "tiny-shakespeare")


@dataclass(frozen=True)
class Corpus(ExampleSet):
    """A text in blocks. Attributes are those of `ExampleSet`, and:

    Attributes:
        text: the blocks' characters, those of the training part first; the rest that fills no block is left out.
        length: characters that a block predicts.
    """

    text: str
    length: int

    def __len__(self) -> int:
        return (len(self.text) - 1) // self.length

    def keys(self) -> Keys:
        """By which each block is known again, also where it begins at another character."""
        ends = [0, (self.n_train - self.n_validation) * self.length, self.n_train * self.length]
        parts = [self.text[ends[0] : ends[1]], self.text[ends[1] : ends[2]], self.text[ends[2] + 1 :]]
        return of_blocks(parts, self.length)

    def block(self, i: int) -> str:
        """Block ``i``: ``length`` + 1 characters, each but the first to be predicted from those before it."""
        if not 0 <= i < len(self):
            raise IndexError(f"block {i} of {len(self)}")
        start = i * self.length + (i >= self.n_train)  # the test part's first character is not the training part's last
        return self.text[start : start + self.length + 1]


def make_corpus(name: str, train: str, test: str, length: int, val: str = "") -> Corpus:
    """A `Corpus` of texts for training and, unless that is empty, for testing.

    Args:
        name: as the corpus has it.
        train: the text of the training part.
        test: the text of the test part, or "".
        length: characters that a block predicts, 2 to 65,536.
        val: the text of the part to validate on, or "". Its first character is predicted from the last of ``train``.

    Raises:
        SettingsError: ``length`` is out of its bounds.
        DataError: fewer than two blocks, or a part of less than one.
    """
    if not 2 <= length <= LONGEST_BLOCK:
        raise SettingsError("length", f"is {length}, but a block has 2 to {LONGEST_BLOCK} characters")
    n_train, n_test = max(0, (len(train) - 1) // length), max(0, (len(test) - 1) // length)
    if n_train < 1 or n_train + n_test < 2 or (test and not n_test):
        amount = f"{len(train)} + {len(test)}" if test else f"{len(train)}"
        raise DataError(
            f"{name} has {amount} characters, too few for blocks of {length}; give more text, or a smaller length"
        )
    n_validation = len(val) // length
    if val and not n_validation:
        raise DataError(f"{name} has {len(val)} characters to validate on, too few for a block of {length}")
    text = (
        train[: n_train * length + 1] + val[: n_validation * length] + (test[: n_test * length + 1] if n_test else "")
    )
    n_train += n_validation
    parts = (n_train, n_validation) if n_validation else (n_train,)
    digest = fingerprint((length, *parts), [text])
    return Corpus(text, length, name=name, n_train=n_train, n_validation=n_validation, fingerprint=digest)


def load(
    data: str | Path,
    *,
    length: int,
    val: str | Path | None = None,
    test: str | Path | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Corpus:
    """A registered corpus by name, or a .txt file, or a folder of them.

    `tiny-shakespeare` has its own test part, the last tenth. The files of a folder, those deeper too, are sorted by
    path and joined by a blank line. A folder of parts holds a folder or a file of each: train, with val or test or
    both.

    Args:
        data: "tiny-shakespeare", a file or a folder.
        val, test: other files or folders, to validate and to test on.
        length: characters that a block predicts, 2 to 65,536.
        data_dir: local copies of registered data sets; where it is given, nothing is downloaded.
        cache: for downloads; default: `downloads.default_cache`.
        progress: called with `Downloading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged, or too short for two blocks.
        SettingsError: ``length`` is out of its bounds.
    """
    place = catalogue.place(data, TASK.name, "a .txt file or a folder of them")
    if place is not None:
        places = layout.beside(place, _parts(place), val, test)
        counted: Counter[str] = Counter()
        texts = {part: _read(path, counted) for part, path in places.items()}
        corpus = make_corpus(str(data), texts[TRAIN], texts.get(TEST, ""), length, texts.get(VAL, ""))
        notes = left_out.notes(place, counted, what="texts")
        return replace(corpus, left_out=dict(counted), notes=notes)
    refuse_parts(data, val, test)
    ((text, _),) = official_texts(str(data), (TINY_SHAKESPEARE,), _FOLDERS, data_dir, cache, progress)
    start = len(text) * 9 // 10  # of the test part
    return make_corpus(str(data), text[:start], text[start:], length)


def _parts(place: Path) -> dict[str, Path]:
    """The folder or file of each part; of a file or a folder without parts itself as `TRAIN`."""
    if not place.is_dir():
        return {TRAIN: place}
    entries = [entry for entry in entries_of(place) if entry.is_dir() or _is_text(entry.name)]
    named = {entry.name: layout.part_of(entry.name if entry.is_dir() else Path(entry.name).stem) for entry in entries}
    kinds = [kind for kind in named.values() if kind]
    if TRAIN not in kinds or len(kinds) < 2:
        return {TRAIN: place}
    for kind in kinds:
        if kinds.count(kind) > 1:
            several = ", ".join(name for name, other in named.items() if other == kind)
            raise DataError(f"{place} holds several texts for the part {kind} ({several}); leave one")
    if others := [name for name, kind in named.items() if not kind]:
        parts = ", ".join(name for name, kind in named.items() if kind)
        raise DataError(f"{place} holds parts ({parts}) and beside them {others[0]}; move that out of {place}")
    return {kind: place / name for name, kind in named.items() if kind}


def has_validation(place: Path) -> bool:
    """Whether ``place`` is a folder of parts with one to validate on; False too where it is none at all."""
    return layout.validates(place, _parts)


def _is_text(name: str) -> bool:
    return name.lower().endswith(".txt")


def _read(place: Path, counted: Counter[str]) -> str:
    """The text of a file or of all files of a folder; other files there are counted by suffix."""
    if place.is_file():
        return read_text(place)
    files, others = files_below(place, _is_text)
    counted.update(others)
    if not files:
        raise DataError(f"{place} holds no .txt files; give a folder of them, or a file")
    texts: list[str] = []
    total = 0
    for name in files:
        texts.append(read_text(place / name).strip("\n"))
        total += len(texts[-1])
        if total > LARGEST_FILE:
            raise DataError(f"{place} holds more than {LARGEST_FILE} characters, too many to keep in memory")
    return "\n\n".join(text for text in texts if text)
