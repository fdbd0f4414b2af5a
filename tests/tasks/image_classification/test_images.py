from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.image_set import from_arrays
from ecrnn.tasks.image_classification import images


@pytest.mark.parametrize("size", [0, -1, 5000, (3,), (3, 0), (3, 4, 5), 2.5, (2.0, 3)])
def test_wrong_sizes(size):
    with pytest.raises(DataError, match="image size is"):
        images.load("digits", image_size=size)


def test_wrong_channels():
    with pytest.raises(DataError, match=r"channels is 2, but images have 1 \(grey\) or 3 \(RGB\)"):
        images.load("digits", channels=2)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, ecrnn.tasks.image_classification.images, ecrnn.data.folder, ecrnn.data.splits\n"
        "import ecrnn.data.preprocessing, ecrnn.data.batches, ecrnn.data.augmentation, ecrnn.data.sources\n"
        "print([m for m in ('torch', 'sklearn', 'pooch', 'PIL', 'requests', 'scipy') if m in sys.modules])"
    )
    source = Path(images.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(source)}
    )
    assert result.stdout.strip() == "[]", result.stderr


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 9, 8, 3), np.uint8)
LABELS = np.array(["b", "a", "b", "c", "a"])


def test_a_file_of_arrays(tmp_path):
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    found = images.load(tmp_path / "mine.npz")
    assert found.images.tolist() == IMAGES.tolist()
    assert (found.labels.tolist(), found.classes, found.n_train) == ([1, 0, 1, 2, 0], ("a", "b", "c"), 5)
    assert found.fingerprint == from_arrays(IMAGES, LABELS).fingerprint
    assert images.load(str(tmp_path / "mine.npz"), image_size=8, channels=1).images.shape == (5, 8, 8, 1)
    with pytest.raises(DataError, match="--val and --test go with a folder of your own, not with"):
        images.load(tmp_path / "mine.npz", val=tmp_path)
    (tmp_path / "mine.npz").write_bytes(b"not an archive")
    with pytest.raises(
        DataError, match=r"mine.npz is damaged or of another kind; give an .npz file with arrays images"
    ):
        images.load(tmp_path / "mine.npz")


def test_arrays_are_brought_to_a_size_as_a_file_is(tmp_path):
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    found = images.of_arrays(IMAGES / 255, LABELS, "mine", 16, 1)
    assert found.fingerprint == images.load(tmp_path / "mine.npz", image_size=16, channels=1).fingerprint
    assert (found.name, found.image) == ("mine", (1, 16, 16))
    assert images.of_arrays(IMAGES, LABELS, "mine").image == (3, 9, 8)
    with pytest.raises(DataError, match="y holds an empty text as a label"):
        images.of_arrays(IMAGES, np.array(["a", "", "a", "b", "b"]), "mine")
    with pytest.raises(DataError, match="channels is 2"):
        images.of_arrays(IMAGES, LABELS, "mine", channels=2)
