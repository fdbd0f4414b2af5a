"""One name for each set of augmentations, however it is spelt."""

from __future__ import annotations

import pytest
from core.lines import one_line

from ecrnn.core.augmentations import KINDS, kinds_of
from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import SettingsError


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("none", "none"),
        ("flip", "flip"),
        ("flip-crop", "flip-crop"),
        ("crop,flip", "flip-crop"),
        ("mixup, cutout,colour,rotate,crop,flip", "flip-crop-rotate-colour-cutout-mixup"),
        (["cutout", "flip"], "flip-cutout"),
    ],
)
def test_one_name(given: object, name: str) -> None:
    assert TrainingSettings.read({"augment": given}).augment == name
    assert set(kinds_of(name)) <= set(KINDS)
    assert "-".join(kinds_of(name)) == (name if name != "none" else "")


@pytest.mark.parametrize("given", ["", "flip,flip", "flip,none", "flip-corp", [], [1], 5, None, {"flip": 1}])
def test_no_name(given: object) -> None:
    with one_line(SettingsError, "augment: expected none, or some of flip, crop, rotate"):
        TrainingSettings.read({"augment": given})
