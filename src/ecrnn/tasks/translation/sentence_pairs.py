"""Pairs of a sentence and its translation, and `load`, which makes them from a registered name, a file or a folder.

A folder holds one file a language and part, a sentence a line, plain or packed as .gz:

    train.en  train.fr     always
    val.en    val.fr       where they are there, added to the training part
    test.en   test.fr      where they are there, the test part

The suffix is the language. The source is the first by the alphabet, here English; name the file of the other,
`folder/train.fr`, for the other direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.text import counted
from ecrnn.data import catalogue, left_out
from ecrnn.data.downloads import RemoteFile
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.file_lists import entries_of
from ecrnn.data.keys import Keys, of_texts
from ecrnn.data.textfiles import fingerprint, lines_of, official_texts, read_text, rows_of
from ecrnn.tasks.translation.facts import TASK

_MULTI30K_ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
MULTI30K = tuple(  # in pairs, English first; addresses and MD5s as torchtext has them, and our copies have these MD5s
    RemoteFile(name, md5, size, (_MULTI30K_ADDRESS + name,), unpacked)
    for name, md5, size, unpacked in (
        ("train.en.gz", "0065d13af80720a55ca8153d126e6627", 568929, "053a34ece7c904dbc8c7361799afbe4c"),
        ("train.fr.gz", "6cb767741dcad3931f966fefbc05203f", 604242, "849ec62eac03bcc3335f8bac00a4045a"),
        ("val.en.gz", "2b69aa9253948ac9f67e94917272dd40", 21650, "2234730e7925354b766681b029b347ec"),
        ("val.fr.gz", "93fc564584b7e5ba410c761ea5a1c682", 23001, "5c6267b6b147feb0fd6a826d01b7a53a"),
        ("test_2016_flickr.en.gz", "ff2c0fcb4893a13bd73414306bc250ae", 21077, "2022a6c31e2418047a0511333d55ed42"),
        ("test_2016_flickr.fr.gz", "08dc7cd4a662f31718412de95ca9bfe3", 22310, "091159ae517b43efa0faaa650c49923b"),
    )
)
_MULTI30K_FOLDERS = ("multi30k", "multi30k/data/task1/raw", "data/task1/raw")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class PairSet(ExampleSet):
    """Sentences and their translations. Attributes are those of `ExampleSet`, and:

    Attributes:
        sources: the sentences to translate, without white space at their ends, none empty.
        targets: a translation of each.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def keys(self) -> Keys:
        """By which each sentence to translate is known again."""
        return of_texts(self.sources)


def make_pair_set(name: str, train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]] = ()) -> PairSet:
    """A `PairSet` of pairs (source, target) for training and, if there are any, for testing.

    Args:
        name: as the set has it.
        train: the training part.
        test: the test part.

    Raises:
        DataError: fewer than two pairs to train on.
    """
    if len(train) < 2:
        raise DataError(f"{name} holds {counted(len(train), 'pairs')} of sentences to train on; give at least two")
    pairs = [*train, *test]
    sources, targets = tuple(source for source, _ in pairs), tuple(target for _, target in pairs)
    digest = fingerprint(len(train), sources, targets)
    return PairSet(sources, targets, name=name, n_train=len(train), fingerprint=digest)


def load(
    data: str | Path,
    *,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> PairSet:
    """A registered set of pairs by name, or a .tsv file, or a folder as this module's docstring says; all in UTF-8.

    `multi30k-en-fr`: its parts train and val are the training part, test_2016_flickr is the test part. A .tsv file: a
    line a pair, source, TAB, target; a first line `source TAB target` is passed over, and so are empty lines. Pairs
    of a folder with an empty side are left out.

    Args:
        data: "multi30k-en-fr", a .tsv file, a folder, or its training file in the source language.
        data_dir: local copies of registered data sets; where it is given, nothing is downloaded.
        cache: for downloads; default: `downloads.default_cache`.
        progress: called with `Downloading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged, or has files of different length.
    """
    place = catalogue.place(
        data,
        TASK.name,
        "a .tsv file of sources and targets, or a folder with train.<language> for two languages",
    )
    if place is None:
        files = official_texts(str(data), MULTI30K, _MULTI30K_FOLDERS, data_dir, cache, progress)
        train, val, test = (_aligned(*files[i], *files[i + 1]) for i in (0, 2, 4))
        return make_pair_set(str(data), train + val, test)
    if place.is_dir():
        return _folder(place, str(data), None)
    if place.name.startswith("train.") and _language(place.name) not in ("", "tsv"):
        return _folder(place.parent, str(data), _language(place.name))
    return make_pair_set(str(data), [(source, target) for source, target in rows_of(place, ("source", "target"))])


def _folder(folder: Path, name: str, source: str | None) -> PairSet:
    """The pairs of a folder, from the language ``source``; None: from the first by the alphabet."""
    files: dict[str, dict[str, Path]] = {"train": {}, "val": {}, "test": {}}  # by part, then by language
    for entry in entries_of(folder):
        part = entry.name.split(".")[0]
        language = _language(entry.name)
        if part in files and language and entry.is_file():
            if language in files[part]:
                raise DataError(f"{folder} holds both {files[part][language].name} and {entry.name}; remove one")
            files[part][language] = folder / entry.name
    languages = sorted(files["train"])
    if len(languages) != 2:
        found = f"train. in {len(languages)} languages ({', '.join(languages)})" if languages else "no train.<language>"
        raise DataError(f"{folder} holds {found}; a folder of sentence pairs has two, as in train.en and train.fr")
    first, second = languages if source in (None, languages[0]) else reversed(languages)
    pairs: dict[str, Pairs] = {part: [] for part in files}
    for part, paths in files.items():
        if paths and paths.keys() != set(languages):
            raise DataError(f"{folder} holds {part}. in {', '.join(paths)} but train. in {', '.join(languages)}")
        if paths:
            pairs[part] = _aligned(read_text(paths[first]), paths[first], read_text(paths[second]), paths[second])
    if pairs["val"]:
        left_out.say_joined(folder, "val.")
    return make_pair_set(name, pairs["train"] + pairs["val"], pairs["test"])


def _language(name: str) -> str:
    """The language that a file is named by: "fr" of train.fr and train.fr.gz, "" of all other names."""
    parts = name.removesuffix(".gz").split(".")
    return parts[1] if len(parts) == 2 else ""


def _aligned(source: str, source_path: Path, target: str, target_path: Path) -> Pairs:
    """The pairs of two texts line by line; those with an empty side are left out."""
    sources, targets = lines_of(source, source_path), lines_of(target, target_path)
    if len(sources) != len(targets):
        raise DataError(
            f"{source_path} has {len(sources)} lines and {target_path.name} has {len(targets)}; "
            "line by line, one should be the translation of the other"
        )
    return [pair for pair in zip(sources, targets, strict=True) if all(pair)]
