"""Make the data sets of the field study from public files.

    python benchmarks/field/prepare.py DOWNLOADS OUT

DOWNLOADS has the folders that `data_sets.py` names. OUT gets one .npz file a data set. Which images are used is a
function of the files alone: an order is drawn from a fixed seed, and of each class its first images are taken. What
comes out must have the SHA-256 that results/field/data.json has for it; `--write` writes that file anew instead.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from data_sets import ALL, MOST, DataSet

from ecrnn.core.errors import DataError
from ecrnn.core.files import write_atomically
from ecrnn.core.reading import read_json
from ecrnn.core.text import json_text
from ecrnn.data import counter_rng
from ecrnn.data.array_files import write_arrays
from ecrnn.data.image_file import read_image
from ecrnn.tasks.clip_classification.synthetic_clips import CLASSES, make_moving
from ecrnn.tasks.image_classification.images import load

DATA = Path(__file__).parents[2] / "results" / "field" / "data.json"
_STREAM = 2027  # of `counter_rng`; its own are small numbers
_LINE = (200, 50)  # pixels of an image of five characters, width and height
_TOP, _CENTRES = 12, (41, 63, 85, 107, 129)  # of the squares that are cut from it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--write", action="store_true", help="Write results/field/data.json.")
    chosen = parser.parse_args()
    found = {}
    for data_set in ALL:
        found[data_set.name] = prepare(data_set, chosen.downloads, chosen.out)
        print(data_set.name, found[data_set.name], flush=True)
    if chosen.write:
        write_atomically(
            DATA, json_text({"format": 1, "kind": "data of the field study", "sets": found}, indent=1) + "\n"
        )
    elif others := [name for name, known in read_json(DATA)["sets"].items() if found.get(name) != known]:
        raise SystemExit(f"other images than those of the study: {', '.join(others)}")


def prepare(data_set: DataSet, downloads: Path, out: Path) -> dict[str, Any]:
    """Write one data set, and give what it holds.

    Args:
        data_set: which.
        downloads: folder of the public files.
        out: folder that gets <name>.npz; made if it does not exist.
    """
    images, labels, classes, groups = _read(data_set, downloads)
    kept = chosen_images(images, labels, len(classes), groups, data_set)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{data_set.name}.npz"
    write_arrays(path, "images", images[kept], labels[kept], classes, None if groups is None else groups[kept])
    again = load(path)
    counts = np.bincount(again.labels, minlength=len(classes))
    return {
        "images": len(again),
        "side": again.height,
        "channels": again.channels,
        "classes": len(again.classes),
        "fewest": int(counts.min()),
        "most": int(counts.max()),
        "sha256": again.fingerprint,
    }


def _read(data_set: DataSet, downloads: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray | None]:
    """All images (N, H, W, C), labels, classes and groups, before any are chosen."""
    if data_set.kind == "moving":
        return moving(data_set)
    if data_set.kind == "captcha":
        return characters(downloads / data_set.place, data_set.side)
    with tempfile.TemporaryDirectory() as cache:
        registered = data_set.kind == "registered"
        found = load(
            data_set.place if registered else downloads / data_set.place,
            data_dir=downloads if registered else None,
            image_size=data_set.side,
            channels=data_set.channels,
            cache=Path(cache),
        )
        images, labels, classes = np.array(found.images), found.labels, found.classes
    if data_set.classes:
        of = [classes.index(name) for name in data_set.classes]
        places = np.flatnonzero(np.isin(labels, of))
        number = {old: new for new, old in enumerate(of)}
        images, labels = images[places], np.array([number[int(label)] for label in labels[places]])
        classes = data_set.classes
    return images, labels, classes, None


def moving(data_set: DataSet) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], None]:
    """Four frames of each clip as one image, read as a text is: the first on the left above."""
    assert data_set.count is not None
    clips, labels = make_moving(data_set.count, 4, data_set.seed)  # (N, 4, S, S, 1)
    above, below = (np.concatenate([clips[:, i], clips[:, i + 1]], axis=2) for i in (0, 2))
    return np.concatenate([above, below], axis=1), labels, CLASSES, None


def characters(folder: Path, side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    """Squares around five places of each line; the lines are the groups, of which no split parts one."""
    images, texts, groups = [], [], []
    for number, path in enumerate(sorted(folder.glob("?????.png"))):
        line = read_image(path, (1, _LINE[1], _LINE[0]))
        for text, centre in zip(path.stem, _CENTRES, strict=True):
            images.append(line[_TOP : _TOP + side, centre - side // 2 : centre + side // 2])
            texts.append(text)
            groups.append(number)
    if not images:
        raise DataError(f"{folder} holds no images named by five characters, such as 226md.png")
    classes = tuple(sorted(set(texts)))
    return np.stack(images), np.array([classes.index(text) for text in texts]), classes, np.array(groups)


def chosen_images(
    images: np.ndarray, labels: np.ndarray, classes: int, groups: np.ndarray | None, data_set: DataSet
) -> np.ndarray:
    """Indices of the images that are used, ascending. An image whose pixels come twice is not, wherever it comes."""
    kept = single(images)
    if groups is not None:  # whole ones, in the drawn order, until there are enough
        order = counter_rng.permutation(int(groups.max()) + 1, (_STREAM, 0))
        sizes = np.bincount(groups, minlength=len(order))[order]
        return np.flatnonzero(np.isin(groups, order[np.cumsum(sizes) <= MOST]) & kept)
    if data_set.kind == "moving":
        return np.flatnonzero(kept)
    order = counter_rng.permutation(len(images), (_STREAM, 0))
    order = order[kept[order]]
    count = MOST // classes if data_set.count is None else data_set.count
    parts = [order[labels[order] == c][data_set.first : data_set.first + count] for c in range(classes)]
    return np.sort(np.concatenate(parts))


def single(images: np.ndarray) -> np.ndarray:
    """Whether no other image has the same pixels: bool (N,)."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    _, place, count = np.unique(
        rows.view(np.dtype((np.void, rows.shape[1])))[:, 0], return_inverse=True, return_counts=True
    )
    return count[place] == 1


if __name__ == "__main__":
    main()
