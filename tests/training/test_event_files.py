"""Metrics in TensorBoard's event files, read back by TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Epoch, Event, Step
from ecrnn.training.event_files import to_tensorboard


def test_every_epoch_is_read_back(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events: list[Event] = [Step("cnn", 1, 4, 1, 2)]
    lines = [{"epoch": n, "train_loss": 1.5 / n, "validation_accuracy": 0.25 * n, "lr": 0.125} for n in (1, 2)]
    events += [Epoch("cnn", 2 * n, 4, n, 2, line) for n, line in enumerate(lines, 1)]
    for some in (events[:2], events[2:]):  # stopped after the first epoch, and gone on with
        passed: list[Event] = []
        with to_tensorboard(tmp_path / "logs", passed.append) as progress:
            for event in some:
                progress(event)
        assert passed == some
    found = accumulator.EventAccumulator(str(tmp_path / "logs" / "cnn"))
    found.Reload()
    assert set(found.Tags()["scalars"]) == {"loss/train", "accuracy/validation", "lr"}
    assert [(scalar.step, scalar.value) for scalar in found.Scalars("loss/train")] == [(1, 1.5), (2, 0.75)]
    assert [scalar.value for scalar in found.Scalars("accuracy/validation")] == [0.25, 0.5]


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    missing = one_line(EcrnnError, "--tensorboard needs the package", "ecrnn[tensorboard]")
    with missing, to_tensorboard(tmp_path / "logs", print):
        pass
    assert not (tmp_path / "logs").exists()
