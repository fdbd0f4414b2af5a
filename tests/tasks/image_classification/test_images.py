from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecrnn.core.errors import DataError
from ecrnn.tasks.image_classification import images


@pytest.mark.parametrize("size", [0, -1, 5000, (3,), (3, 0), (3, 4, 5), 2.5, (2.0, 3)])
def test_wrong_sizes(size):
    with pytest.raises(DataError, match="image size is"):
        images.load("digits", image_size=size)


def test_wrong_channels():
    with pytest.raises(DataError, match=r"channels is 2, but pictures have 1 \(grey\) or 3 \(RGB\)"):
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
