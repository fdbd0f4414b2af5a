"""The paper's study as settings: every figure of its protocol, and what the quick profile changes."""

from __future__ import annotations

import pytest

from ecrnn.core.config import differences
from ecrnn.data.splits import parse_split
from ecrnn.paper import printed
from ecrnn.paper.profiles import PROFILES
from ecrnn.studies.planned import planned_trials


def test_the_papers_protocol_and_recipe() -> None:
    settings = PROFILES["paper"]
    assert settings.model_dump(exclude={"training"}) == {
        "data": "cifar10", "data_dir": None, "image_size": None, "channels": None, "fit": None, "fingerprint": None,
        "frames": None, "height": None, "tokens": None, "vocabulary": None, "length": None,
        "models": printed.MODELS, "repeats": 3, "first_repeat": 0, "split": "0.7", "seed": 0, "score_epochs": 1,
    }  # fmt: skip
    assert settings.training.model_dump() == {
        "epochs": 15, "batch_size": 128, "lr": 1e-3, "optimizer": "adam", "weight_decay": 0.0, "momentum": 0.9,
        "schedule": "constant", "augment": "none", "standardise": "global", "non_finite": "stop", "device": "auto",
        "precision": "bfloat16", "cutoff": 1e-8, "clip_norm": 0.0, "truncate_steps": 0, "threads": None,
        "checkpoint_seconds": 60.0, "batch_statistics": "even", "warmup": None, "label_smoothing": 0.0,
        "class_weights": "none", "weight_averaging": 0.0, "patience": 0,
    }  # fmt: skip
    assert (settings.data, settings.split) == (printed.DATA, printed.SPLIT)
    assert len(planned_trials(settings)) == 51


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_can_be_run(name: str) -> None:
    settings = PROFILES[name]
    assert type(settings).read(settings.model_dump()) == settings
    assert str(parse_split(settings.split)) == settings.split


def test_quick_differs_in_data_and_length_alone() -> None:
    found = differences(PROFILES["quick"], PROFILES["paper"])
    assert [line.split()[0] for line in found] == ["data", "training.epochs", "training.precision"]
