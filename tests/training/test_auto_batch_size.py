"""The batch size that "auto" chooses: by the steps of an epoch and by the memory of a step."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn
from training.trainings import image_set, make_settings, make_task

from ecrnn.core.errors import SettingsError
from ecrnn.models.build import build
from ecrnn.training import auto_batch_size
from ecrnn.training.auto_batch_size import choose, kept_bytes


def test_what_is_kept_for_the_way_back() -> None:
    task = make_task(make_settings())
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(512, 4))
    values = 3 * 64 + 2 * 8 * 64 + 4  # the image, what Sigmoid gives, that in the order of Flatten, log-softmax
    assert 0 <= kept_bytes(network, task) - (4 * values + 8) <= 4  # 8: the label; and a few bytes for all of them
    assert not any(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("examples", "usual", "expected"), [(48, 128, 8), (48, 10, 10), (800, 128, 32), (2540, 128, 128)]
)
def test_halved_until_an_epoch_has_enough_steps(examples: int, usual: int, expected: int) -> None:
    task = make_task(make_settings(), image_set())
    task.split = type(task.split)(np.arange(examples) % 48, task.split.validation, "fraction", "x")
    found = choose(build("mlp-6", (3, 8, 8), 4), task, usual)
    assert found.batch_size == expected
    assert not found.for_memory
    assert -(-examples // expected) >= auto_batch_size.STEPS or expected // 2 < auto_batch_size.SMALLEST
    line = found.line("images")
    assert line.startswith(f"batch size {expected}, by auto: {-(-examples // expected)} steps for {examples:,} images")
    assert ("is usual" in line) == (expected < usual)


def test_halved_until_a_step_fits_into_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(make_settings())
    network = build("cnn", (3, 8, 8), 4)
    each = 2 * kept_bytes(network, task)
    monkeypatch.setattr(auto_batch_size, "STEPS", 1)
    monkeypatch.setattr(auto_batch_size, "device_memory", lambda device: 2 * 16 * each)
    assert choose(network, task, 64).batch_size == 16
    monkeypatch.setattr(auto_batch_size, "device_memory", lambda device: 2 * 16 * each - 2)
    found = choose(network, task, 64)
    assert (found.batch_size, found.for_memory) == (8, True)
    assert "64 is usual, but more would not fit into half of the memory" in found.line("images")


def test_only_a_training_to_keep_decides_it() -> None:
    with pytest.raises(SettingsError, match=r"training\.batch_size: auto is for 'ecrnn train'; give a number"):
        make_settings(batch_size="auto")
